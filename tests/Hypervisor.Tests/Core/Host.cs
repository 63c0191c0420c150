using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using WireDomctl = XenSim.Hypervisor.Public.Wire.Domctl;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Every event, in order.</summary>
internal sealed class Recorder : IEventSink
{
    public List<XenEvent> Events { get; } = [];

    public bool Wants<TEvent>()
        where TEvent : XenEvent => true;

    public void Emit(XenEvent e) => Events.Add(e);
}

/// <summary>The tools' hypercall buffers: one flat piece of memory at a fake user address.</summary>
internal sealed class ToolMemory : ICallerMemory
{
    public const ulong Base = 0x7F00_0000_0000;

    public byte[] Bytes { get; } = new byte[1 << 20];

    public bool TryRead(VirtualAddress source, Span<byte> destination)
    {
        if (source.Value < Base || source.Value - Base + (ulong)destination.Length > (ulong)Bytes.Length)
            return false;
        Bytes.AsSpan((int)(source.Value - Base), destination.Length).CopyTo(destination);
        return true;
    }

    public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source)
    {
        if (destination.Value < Base || destination.Value - Base + (ulong)source.Length > (ulong)Bytes.Length)
            return false;
        source.CopyTo(Bytes.AsSpan((int)(destination.Value - Base)));
        return true;
    }
}

/// <summary>A host with a control domain, and the tools' calls on it.</summary>
internal sealed class Host : IDisposable
{
    public const ulong Scratch = ToolMemory.Base + 0x1000;

    public Host(XenRelease release, bool pv32 = true, string xenCommandLine = "")
    {
        Xen = new Xen(new XenOptions
        {
            Release = release,
            Host = HostModels.Default(CpuVendor.AMD, host64: true),
            MemoryMiB = 128,
            Pv32 = pv32,
            CommandLine = xenCommandLine,
            Events = Recorder,
        });
        Xen.CreateControlDomain();
    }

    public Recorder Recorder { get; } = new();

    public Xen Xen { get; }

    public ToolMemory Memory { get; } = new();

    public XenErrno Domctl<T>(DomctlCommand command, DomainId domain, T payload, uint? version = null)
        where T : unmanaged
        => Domctl(command, domain, payload, out _, version);

    public XenErrno Domctl<T>(DomctlCommand command, DomainId domain, T payload, out WireDomctl answer, uint? version = null)
        where T : unmanaged
    {
        WireDomctl d = new() { Cmd = (uint)command, Domain = domain.Value, InterfaceVersion = version ?? InterfaceVersions.Domctl(Xen.Profile.Release) };
        ((Span<byte>)d.Payload).WriteStruct(payload);
        Memory.TryWriteStruct(new VirtualAddress(ToolMemory.Base), d);
        long result = Xen.ToolChannel.Hypercall(HypercallNumber.domctl, Memory, ToolMemory.Base);
        Memory.TryReadStruct(new VirtualAddress(ToolMemory.Base), out answer);
        return result.ToErrno();
    }

    /// <summary>A PV domain with one vCPU and a memory limit, through the domctls the tools use.</summary>
    public Domain CreateDomain(ulong maxPages = 4096)
    {
        XenErrno errno = Xen.Profile.Release == XenRelease.V4_0
            ? Domctl(DomctlCommand.createdomain, new DomainId(0), new DomctlCreateDomainV40(), out WireDomctl created)
            : Domctl(DomctlCommand.createdomain, new DomainId(0), new DomctlCreateDomainV417 { MaxVcpus = 1, MaxEvtchnPort = 1023, MaxGrantFrames = -1, MaxMaptrackFrames = -1, GrantOpts = 2 }, out created);
        Assert.Equal(XenErrno.None, errno);
        Domain d = Xen.FindDomain(new DomainId(created.Domain))!;
        Assert.Equal(XenErrno.None, Domctl(DomctlCommand.max_vcpus, d.Id, new DomctlMaxVcpus { Max = 1 }));
        Assert.Equal(XenErrno.None, Domctl(DomctlCommand.max_mem, d.Id, new DomctlMaxMem { MaxMemkb = maxPages * 4 }));
        return d;
    }

    /// <summary>populate_physmap of single frames from a first pfn; their machine frames.</summary>
    public Mfn[] Populate(Domain d, ulong firstPfn, int count)
    {
        for (int i = 0; i < count; i++)
            Memory.TryWriteStruct(new VirtualAddress(Scratch + 0x100 + ((ulong)i * 8)), firstPfn + (ulong)i);
        MemoryReservation r = new() { ExtentStart = Scratch + 0x100, NrExtents = (ulong)count, Domid = d.Id.Value };
        WireRecord.ToBytes(r, Abi.X64).CopyTo(Memory.Bytes.AsSpan((int)(Scratch - ToolMemory.Base)));
        Assert.Equal(count, Xen.ToolChannel.Hypercall(HypercallNumber.memory_op, Memory, (ulong)MemoryOpCommand.populate_physmap, Scratch));
        Mfn[] frames = new Mfn[count];
        for (int i = 0; i < count; i++)
        {
            Memory.TryReadStruct(new VirtualAddress(Scratch + 0x100 + ((ulong)i * 8)), out ulong mfn);
            frames[i] = new Mfn(mfn);
        }

        return frames;
    }

    public void Dispose() => Xen.Dispose();
}
