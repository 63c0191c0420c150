using XenSim.Guest.Memory;
using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.CpuPolicies;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Profiles;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor;

/// <summary>A machine with Xen on it: memory, domains, and the ways in for dom0's tools and for guests.</summary>
public sealed partial class Xen : IDisposable
{
    /// <summary>The smallest machine: Xen's own tables just fit. Unit: MiB.</summary>
    public const ulong LeastMemoryMiB = 16;

    /// <summary>The same for the 32-bit hypervisor, which keeps the memory below 12 MiB for itself. Unit: MiB.</summary>
    public const ulong LeastMemoryMiB32 = 20;

    /// <summary>DIRECTMAP_MBYTES: below lie the 32-bit hypervisor and its Xen heap, which no domain gets. Unit: frames (12 MiB).</summary>
    private const ulong DirectMapFrames = 0xC00;

    /// <summary>The first megabyte belongs to DOMID_IO (RELEASE-4.0.4 mm.c: arch_init_memory).</summary>
    private const ulong LowMegabyteFrames = 0x100;

    private readonly List<Domain> _domains = [];
    private readonly List<Domain> _systemDomains = [];
    private readonly Queue<Domain> _shutDown = [];
    private readonly Queue<byte> _typed = [];
    private readonly HashSet<string> _reported = [];
    private readonly ulong _khz;
    private SystemPolicies? _cpuPolicies;
    private string? _stopRequest;
    private string? _unimplemented;
    private ushort _rover;

    /// <exception cref="ArgumentException">The options contradict each other or the machine is too small.</exception>
    public Xen(XenOptions options)
    {
        if (options.MemoryMiB is < LeastMemoryMiB or > 1 << 20)
            throw new ArgumentException($"memory must be between {LeastMemoryMiB} MiB and 1 TiB", nameof(options));
        if (options.Release != XenRelease.V4_0 && (!options.Host64 || options.SupervisorModeKernel))
            throw new ArgumentException("only 4.0 has a 32-bit hypervisor", nameof(options));
        if (!options.Host64 && options.MemoryMiB < LeastMemoryMiB32)
            throw new ArgumentException($"the 32-bit hypervisor needs {LeastMemoryMiB32} MiB", nameof(options));
        if (options.SupervisorModeKernel && options.Host64)
            throw new ArgumentException("supervisor_mode_kernel is an option of the 32-bit hypervisor", nameof(options));
        Options = options;
        _khz = options.Host.CpuKhz;
        Events = options.Events;
        Profile = XenProfile.For(options.Release);
        Memory = new PhysicalMemory(BootMemory.End(options) >> 12);
        Frames = new FrameTable(Memory, options.Host64 ? LowMegabyteFrames : DirectMapFrames);
        for (ulong f = 0; f < LowMegabyteFrames; f++)
            Frames[new Mfn(f)].Owner = DomainId.Io.Value;
        M2p = new MachineToPhys(Frames, options.Host64, (byte)(options.Release == XenRelease.V4_0 ? 0x55 : 0xFF));
        Frames.Freed = PageFreed;
        Frames.LetGo = owner => FindDomain(owner)?.EndIfUnused();
        CommandLine = new XenCommandLine(options.CommandLine);
        GrantOptions = GrantOptions.Parse(options.Release, CommandLine);
        Mappings = new XenMappings(this);
        PageTypes = new PageTypes(this);
        Scheduler = new Scheduler(this);
        Hypercalls = new HypercallDispatcher(this);
        Ports = new Devices.MachinePorts(this);
        IoApic = new Devices.HostIoApic(options.Host.Firmware);
        HostMemoryMap = [new E820Entry { Addr = 0, Size = options.MemoryMiB << 20, Type = (uint)E820Type.RAM }];
    }

    public XenOptions Options { get; }

    /// <summary>The CPU policies of 4.17, made when first asked for: after the HVM functions are known.</summary>
    internal SystemPolicies CpuPolicies => _cpuPolicies ??= new SystemPolicies(Options.Host, Hvm?.HapSupported == true);

    public XenProfile Profile { get; }

    public IEventSink Events { get; }

    /// <summary>Xen's own options, and dom0's further ones.</summary>
    public XenCommandLine CommandLine { get; }

    public GrantOptions GrantOptions { get; }

    public PhysicalMemory Memory { get; }

    public FrameTable Frames { get; }

    public MachineToPhys M2p { get; }

    public PageTypes PageTypes { get; }

    public XenMappings Mappings { get; }

    public Scheduler Scheduler { get; }

    public HypercallDispatcher Hypercalls { get; }

    /// <summary>hvm_funcs, set by start_vmx or start_svm while the host boots; null: no HVM.</summary>
    public HvmFunctionTable? Hvm { get; set; }

    /// <summary>cpu_online_map: processors that the boot brought up. Guests' vCPUs run one at a time all the same.</summary>
    public int OnlineCpus { get; internal set; } = 1;

    /// <summary>do_domctl, declared when first called. One call at a time: domctl_lock.</summary>
    internal Public.Stages.StageMachine<Domctl.DomctlContext>? Domctls { get; set; }

    /// <summary>Living domains in order of their numbers.</summary>
    public IReadOnlyList<Domain> Domains => _domains;

    /// <summary>The host's memory map, which only a privileged domain sees. Boot sets the firmware's.</summary>
    public IReadOnlyList<E820Entry> HostMemoryMap { get; set; }

    /// <summary>mmio_ro_ranges: device memory that Xen works on itself and that dom0 may only read. Unit: frames.</summary>
    internal RangeSet ReadOnlyMmio { get; } = new();

    /// <summary>Guest instructions retired so far.</summary>
    public long Instructions => Scheduler.Instructions;

    /// <summary>Virtual time. Unit: ns.</summary>
    public ulong VirtualNanoseconds => Scheduler.Now;

    /// <summary>The debugger's; null: nobody looks on.</summary>
    public IRunProbe? Probe { get; set; }

    /// <summary>
    /// wc_sec and wc_nsec: the time of day when system time was 0; dom0 sets it.
    /// </summary>
    public (ulong Seconds, uint Nanoseconds) WallClock { get; private set; } = (GuestTime.BootSeconds, 0);

    /// <summary>PCI devices that dom0 has told of (segment, bus, devfn in one number).</summary>
    internal HashSet<uint> PciDevices { get; } = [];

    /// <summary>The machine's I/O ports.</summary>
    internal Devices.MachinePorts Ports { get; }

    internal Devices.HostIoApic IoApic { get; }

    /// <summary>acpi_sinfo.pm1b_cnt_val: what dom0 gave with the last sleep that passed the checks.</summary>
    internal ushort Pm1bControl { get; set; }

    /// <summary>Null: the machine is on.</summary>
    public MachineEnd? Ended { get; private set; }

    /// <summary>Whether every schedule and block of a vCPU is an event; off, because a boot has hundreds of thousands.</summary>
    public bool TraceVcpuStates { get; set; }

    /// <summary>dom0's privcmd: every call has dom0 as its caller.</summary>
    /// <exception cref="InvalidOperationException">There is no dom0 yet.</exception>
    public IHypercallChannel ToolChannel => _tools ??= new ToolBoundary(this, Dom0);

    public IForeignMemory Foreign => (IForeignMemory)ToolChannel;

    /// <summary>The frames of other domains that the tools have mapped now.</summary>
    internal IEnumerable<(Mfn Frame, bool Writable)> MappedByTools => _tools is ToolBoundary tools ? tools.Mapped : [];

    public IToolEvents ToolEvents => (IToolEvents)ToolChannel;

    private ToolBoundary? _tools;

    internal bool ToolPortPending { get; set; }

    /// <summary>sched_op yield, or a vCPU with a higher claim: the slice ends.</summary>
    internal bool SchedulePending { get; set; }

    /// <summary>A timer has another deadline: how long the vCPU may run is worked out anew, it goes on itself.</summary>
    internal bool TimerSet { get; set; }

    internal bool WantsToStop => _stopRequest is not null || _unimplemented is not null || _shutDown.Count > 0 || Ended is not null;

    private Domain Dom0 => FindDomain(DomainId.Dom0) ?? throw new InvalidOperationException("there is no dom0: boot one, or call CreateControlDomain");

    public Domain? FindDomain(DomainId id)
    {
        foreach (Domain d in _domains)
        {
            if (d.Id == id)
                return d;
        }

        return null;
    }

    /// <summary>dom_io and dom_xen: owners of frames that no domain has, for calls that name them. Not in <see cref="Domains"/>.</summary>
    internal Domain SystemDomain(DomainId id)
    {
        foreach (Domain d in _systemDomains)
        {
            if (d.Id == id)
                return d;
        }

        Domain fresh = new(this, id, new DomainKind { MaxVcpus = 0 });
        _systemDomains.Add(fresh);
        return fresh;
    }

    /// <summary>
    /// A domain 0 without code: it owns no page and runs nothing, but the tools' calls come from it. What stands in when the
    /// dom0 path is not what is being simulated.
    /// </summary>
    public Domain CreateControlDomain()
    {
        Domain d = CreateDomain(DomainId.Dom0, new DomainKind { IsPrivileged = true, MaxVcpus = 1, IsXenStore = true });
        d.AddVcpu();
        return d;
    }

    /// <summary>domain_create: the domain, paused by its creator.</summary>
    public Domain CreateDomain(DomainId id, DomainKind kind)
    {
        Domain d = new(this, id, kind);
        int place = _domains.FindIndex(x => x.Id.Value > id.Value);
        _domains.Insert(place < 0 ? _domains.Count : place, d);
        if (id != DomainId.Dom0)
            d.PauseByController();
        Events.Emit(new DomainCreated(id));
        return d;
    }

    /// <summary>Next free number after the last one handed out, or null if all are taken.</summary>
    internal DomainId? NextFreeId()
    {
        for (ushort i = 1; i < DomainId.FirstReserved.Value; i++)
        {
            ushort id = (ushort)((_rover + i) % DomainId.FirstReserved.Value);
            if (id != 0 && FindDomain(new DomainId(id)) is null)
            {
                _rover = id;
                return new DomainId(id);
            }
        }

        return null;
    }

    internal void Remove(Domain domain) => _domains.Remove(domain);

    /// <summary>free_domheap_pages: the owner has a page less; the last one of a dead domain is its end.</summary>
    private void PageFreed(Mfn mfn, PageInfo before)
    {
        M2p.Set(mfn, Pfn.Invalid);
        if (before.Owner >= DomainId.FirstReserved.Value || before.Has(PageFlags.XenHeap) || FindDomain(new DomainId(before.Owner)) is not { } owner)
            return;
        owner.TotPages--;
        owner.EndIfUnused();
    }

    /// <summary>Runs guests until something in <paramref name="limits"/> or a guest itself stops the run.</summary>
    public RunStop Run(RunLimits limits) => Scheduler.Run(limits);

    /// <summary>Makes <see cref="Run"/> come back after the current exit: for what the session sees in the events.</summary>
    public void RequestStop(string why) => _stopRequest ??= why;

    /// <summary>A line of Xen's own log.</summary>
    public void Log(LogLevel level, string text) => Events.Emit(new LogLine("XEN", level, text));

    /// <summary>
    /// Names something that is missing, once. <paramref name="ours"/>: real Xen has it and going on would be a lie, so the run
    /// stops too. Otherwise Xen refuses it as well, and the caller gets Xen's errno.
    /// </summary>
    public void NotImplemented(string name, string detail, bool ours)
    {
        if (_reported.Add(name))
            Events.Emit(new NotImplementedHere(name, detail, ours));
        if (ours)
            _unimplemented ??= $"{name}: {detail}";
    }

    /// <summary>get_s_time as TSC ticks of the host. Unit: ticks.</summary>
    public ulong TscAt(ulong nanoseconds)
    {
        const ulong perMillisecond = 1_000_000;
        ulong milliseconds = nanoseconds / perMillisecond, rest = nanoseconds - (milliseconds * perMillisecond);
        return (milliseconds * _khz) + (rest * _khz / perMillisecond);
    }

    /// <summary>Types on Xen's serial line, which is dom0's (serial_rx): dom0 hears of it by VIRQ_CONSOLE and reads it by console_io.</summary>
    public void TypeOnConsole(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
            _typed.Enqueue(b);
        RaiseGlobalVirq(Virq.CONSOLE);
    }

    internal byte[] TakeTyped(int most)
    {
        byte[] bytes = new byte[Math.Min(most, _typed.Count)];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = _typed.Dequeue();
        return bytes;
    }

    /// <summary>do_settime: it is so late at a system time. Units: s since 1970, ns; ns.</summary>
    internal void SetWallClock(ulong seconds, uint nanoseconds, ulong systemTime)
    {
        const ulong second = 1_000_000_000;
        UInt128 now = ((UInt128)seconds * second) + nanoseconds - systemTime;
        WallClock = ((ulong)(now / second), (uint)(now % second));
        foreach (Domain d in _domains)
            GuestTime.UpdateWallClock(d);
    }

    /// <summary>send_global_virq: to dom0, if it bound it.</summary>
    internal void RaiseGlobalVirq(Virq virq)
    {
        if (FindDomain(DomainId.Dom0) is { Vcpus.Count: > 0 } dom0 && !dom0.IsDying)
            dom0.EventChannels.RaiseVirq(dom0.Vcpus[0], virq);
    }

    /// <summary>The power supply, or the reset line: nothing runs any more.</summary>
    internal void EndMachine(MachineEnd how)
    {
        if (Ended is not null)
            return;
        Ended = how;
        Events.Emit(new MachineEnded(how));
    }

    internal void NoteShutdown(Domain domain) => _shutDown.Enqueue(domain);

    internal Domain? TakeShutdown() => _shutDown.TryDequeue(out Domain? d) ? d : null;

    internal string? TakeStopRequest()
    {
        string? why = _stopRequest;
        _stopRequest = null;
        return why;
    }

    internal string? TakeUnimplemented()
    {
        string? what = _unimplemented;
        _unimplemented = null;
        return what;
    }

    internal void ReportStart(Vcpu v) => Events.Emit(new GuestStarted(v.Domain.Id, v.Id, v.Cpu.Rip));

    /// <summary>domain_set_outstanding_pages: promises frames, or gives a promise back with 0.</summary>
    internal XenErrno SetOutstandingPages(Domain d, ulong pages)
    {
        if (pages == 0)
        {
            Frames.Allocator.OutstandingClaims -= d.OutstandingPages;
            d.OutstandingPages = 0;
            return XenErrno.None;
        }

        if (d.OutstandingPages != 0 || pages <= d.TotPages || pages > d.MaxPages)
            return XenErrno.EINVAL;
        ulong claim = pages - d.TotPages;
        if (claim > Frames.Allocator.FreeCount - Frames.Allocator.OutstandingClaims)
            return XenErrno.ENOMEM;
        d.OutstandingPages = claim;
        Frames.Allocator.OutstandingClaims += claim;
        return XenErrno.None;
    }

    public void Dispose()
    {
        foreach (Domain d in _domains)
            d.Dispose();
        foreach (Domain d in _systemDomains)
            d.Dispose();
        Memory.Dispose();
    }
}
