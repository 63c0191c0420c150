using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>A few instructions of guest code on tables that the hypervisor validated: the whole way in and out.</summary>
public class GuestRunTests
{
    private const ulong Code = 0x4000;
    private const ulong Data = 0x4080;

    // mov eax,17; xor edi,edi; xor esi,esi; syscall; mov rbx,rax; mov eax,29; mov edi,2; mov esi,Data; syscall; ud2
    private static readonly byte[] _code64 =
    [
        0xB8, 17, 0, 0, 0, 0x31, 0xFF, 0x31, 0xF6, 0x0F, 0x05, 0x48, 0x89, 0xC3,
        0xB8, 29, 0, 0, 0, 0xBF, 2, 0, 0, 0, 0xBE, 0x80, 0x40, 0, 0, 0x0F, 0x05, 0x0F, 0x0B,
    ];

    // mov eax,17; xor ebx,ebx; xor ecx,ecx; int 0x82; mov esi,eax; mov eax,29; mov ebx,2; mov ecx,Data; int 0x82; ud2
    private static readonly byte[] _code32 =
    [
        0xB8, 17, 0, 0, 0, 0x31, 0xDB, 0x31, 0xC9, 0xCD, 0x82, 0x89, 0xC6,
        0xB8, 29, 0, 0, 0, 0xBB, 2, 0, 0, 0, 0xB9, 0x80, 0x40, 0, 0, 0xCD, 0x82, 0x0F, 0x0B,
    ];

    [Theory]
    [InlineData(XenRelease.V4_0, 0x0004_0000u)]
    [InlineData(XenRelease.V4_17, 0x0004_0011u)]
    public void A_64_bit_kernel_asks_for_the_version_and_shuts_down(XenRelease release, uint version)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 8);
        Fill(host, f, tables: 4, _code64);
        Set(host, f[0], 0, Pte.Make(f[1].Value, 0x67));
        Set(host, f[1], 0, Pte.Make(f[2].Value, 0x67));
        Set(host, f[2], 0, Pte.Make(f[3].Value, 0x67));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l4_page_table));
        RunStop stop = Start(host, d, f[0].Value << 12, 0xE033, 0xE02B);
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal(0u, d.ShutdownReason);
        Assert.Equal(version, d.Vcpus[0].Cpu[Gpr.Rbx]);
        Assert.Equal(["xen_version", "sched_op"], host.Recorder.Events.OfType<HypercallEntered>().Where(e => e.Issuer == Issuer.Guest).Select(e => e.Name));
    }

    [Theory]
    [InlineData(XenRelease.V4_0, 0x0004_0000u)]
    [InlineData(XenRelease.V4_17, 0x0004_0011u)]
    public void A_32_bit_kernel_in_ring_1_does_so_through_int_82(XenRelease release, uint version)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.set_address_size, d.Id, new DomctlAddressSize { Size = 32 }));
        Mfn[] f = host.Populate(d, 0, 8);
        Fill(host, f, tables: 4, _code32);
        Set(host, f[0], 0, Pte.Make(f[1].Value, 1));
        Set(host, f[0], 3, Pte.Make(f[2].Value, 1));
        Set(host, f[1], 0, Pte.Make(f[3].Value, 0x67));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l3_page_table));
        RunStop stop = Start(host, d, (f[0].Value << 12) | (f[0].Value >> 20), 0xE019, 0xE021);
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal(0u, d.ShutdownReason);
        Assert.Equal(version, d.Vcpus[0].Cpu[Gpr.Rsi]);
    }

    /// <summary>Pages 0-3 are tables, mapped read-only in the L1; 4 is the code, 5-7 are the stack.</summary>
    internal static void Fill(Host host, Mfn[] f, int tables, byte[] code)
    {
        for (int i = 0; i < f.Length; i++)
            Set(host, f[3], i, Pte.Make(f[i].Value, i < tables ? 0x25u : 0x67u));
        code.CopyTo(host.Xen.Memory.Writable(f[4].Value));
    }

    internal static RunStop Start(Host host, Domain d, ulong cr3, ushort cs, ushort ss)
    {
        VcpuGuestContext c = new() { Flags = 0x24, KernelSs = ss, KernelSp = 0x8000 };
        c.UserRegs.Rip = Code;
        c.UserRegs.Rsp = 0x8000;
        c.UserRegs.Rflags = 0x200;
        c.UserRegs.Cs = cs;
        c.UserRegs.Ss = ss;
        c.Ctrlreg[3] = cr3;
        WireRecord.ToBytes(c, d.Abi).CopyTo(host.Memory.Bytes.AsSpan((int)(Host.Scratch - ToolMemory.Base)));
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.setvcpucontext, d.Id, new DomctlVcpuContext { Vcpu = 0, Ctxt = Host.Scratch }));
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.unpausedomain, d.Id, new DomctlMaxMem()));
        Assert.Equal(Data - Code, 0x80u);
        return host.Xen.Run(new RunLimits { Instructions = 1000 });
    }

    internal static void Set(Host host, Mfn table, int slot, ulong entry)
        => BitConverter.TryWriteBytes(host.Xen.Memory.Writable(table.Value)[(slot * 8)..], entry);
}
