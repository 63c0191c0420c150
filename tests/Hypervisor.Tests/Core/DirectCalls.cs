using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>
/// A PV domain of sixteen pages whose kernel makes hypercalls as the test says: frames 0 to 3 are its tables (L4, L3, L2, L1; of a PAE guest
/// L3, L2, L2, L1), read-only at their own numbers; 4 is code, the others are data. Virtual and pseudo-physical numbers are the same.
/// </summary>
internal sealed class DirectCalls : IDisposable
{
    public const ulong Code = 0x4000, Arguments = 0x5000, Page6 = 0x6000, Stack = 0x8000;

    private readonly bool _ownsHost;

    /// <param name="host">A host with other domains on it; null: one of its own.</param>
    public DirectCalls(XenRelease release = XenRelease.V4_17, int bits = 64, Host? host = null)
    {
        _ownsHost = host is null;
        Host = host ?? new Host(release);
        Domain = Host.CreateDomain();
        if (bits == 32)
            Assert.Equal(XenErrno.None, Host.Domctl(DomctlCommand.set_address_size, Domain.Id, new DomctlAddressSize { Size = 32 }));
        Frames = Host.Populate(Domain, 0, 16);
        GuestRunTests.Fill(Host, Frames, tables: 4, []);
        if (bits == 64)
        {
            GuestRunTests.Set(Host, Frames[0], 0, Pte.Make(Frames[1].Value, 0x67));
            GuestRunTests.Set(Host, Frames[1], 0, Pte.Make(Frames[2].Value, 0x67));
            GuestRunTests.Set(Host, Frames[2], 0, Pte.Make(Frames[3].Value, 0x67));
        }
        else
        {
            GuestRunTests.Set(Host, Frames[0], 0, Pte.Make(Frames[1].Value, 1));
            GuestRunTests.Set(Host, Frames[0], 3, Pte.Make(Frames[2].Value, 1));
            GuestRunTests.Set(Host, Frames[1], 0, Pte.Make(Frames[3].Value, 0x67));
        }

        PageType top = bits == 64 ? PageType.PGT_l4_page_table : PageType.PGT_l3_page_table;
        Assert.Equal(XenErrno.None, Host.Xen.PageTypes.Pin(Frames[0], Domain, top));
        VcpuGuestContext c = new() { Flags = 0x24, KernelSs = (ulong)(bits == 64 ? 0xE02B : 0xE021), KernelSp = Stack };
        c.UserRegs.Rip = Code;
        c.UserRegs.Rsp = Stack;
        c.UserRegs.Rflags = 0x200;
        c.UserRegs.Cs = (ushort)(bits == 64 ? 0xE033 : 0xE019);
        c.UserRegs.Ss = (ushort)c.KernelSs;
        c.Ctrlreg[3] = VcpuContext.EncodeCr3(Domain, Frames[0]);
        Assert.Equal(XenErrno.None, VcpuContext.Set(Vcpu, c));
    }

    public Host Host { get; }

    public Xen Xen => Host.Xen;

    public Domain Domain { get; }

    public Vcpu Vcpu => Domain.Vcpus[0];

    public Mfn[] Frames { get; }

    public Abi Abi => Domain.Abi;

    /// <summary>A hypercall of the guest's kernel, as its registers would give it.</summary>
    public long Call(HypercallNumber number, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
    {
        Vcpu.Call.Set((uint)number, Abi == Abi.X64 ? CallerKind.Pv64 : CallerKind.Pv32, a1, a2, a3, a4, a5, Code);
        return Xen.Hypercalls.Dispatch(Vcpu.Call);
    }

    public XenErrno Errno(HypercallNumber number, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0) => Call(number, a1, a2, a3, a4, a5).ToErrno();

    /// <summary>A sub-operation with its structure at <see cref="Arguments"/>, which then holds the answer.</summary>
    public XenErrno Op<T>(HypercallNumber number, ulong command, ref T argument)
        where T : unmanaged
    {
        Write(Arguments, argument);
        XenErrno errno = Errno(number, command, Arguments);
        argument = Read<T>(Arguments);
        return errno;
    }

    public void Write<T>(ulong address, in T value)
        where T : unmanaged
        => Assert.True(Vcpu.Memory.TryWriteStruct(new VirtualAddress(address), value));

    public T Read<T>(ulong address)
        where T : unmanaged
    {
        Assert.True(Vcpu.Memory.TryReadStruct(new VirtualAddress(address), out T value));
        return value;
    }

    public void WriteRecord<T>(ulong address, T value)
        where T : IWireRecord, new()
        => Assert.True(Vcpu.Memory.TryWriteRecord(new VirtualAddress(address), Abi, value));

    public T ReadRecord<T>(ulong address)
        where T : IWireRecord, new()
    {
        Assert.True(Vcpu.Memory.TryReadRecord(new VirtualAddress(address), Abi, out T value));
        return value;
    }

    /// <summary>Runs code at <see cref="Code"/> until the domain ends or the instructions are spent.</summary>
    public RunStop Run(params byte[] code)
    {
        code.CopyTo(Xen.Memory.Writable(Frames[4].Value));
        if (Domain.PauseCount > 0)
            Assert.Equal(XenErrno.None, Host.Domctl(DomctlCommand.unpausedomain, Domain.Id, new DomctlMaxMem()));
        return Xen.Run(new RunLimits { Instructions = 1000 });
    }

    public void Dispose()
    {
        if (_ownsHost)
            Host.Dispose();
    }
}
