using Stateless;
using XenSim.Hypervisor.CpuPolicies;
using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domains;

/// <summary>What a domain is from its creation on.</summary>
public sealed record DomainKind
{
    public bool IsHvm { get; init; }

    public bool IsHap { get; init; }

    public bool IsPrivileged { get; init; }

    /// <summary>xs_domain: the domain that runs xenstored.</summary>
    public bool IsXenStore { get; init; }

    public uint Ssidref { get; init; }

    public uint MaxVcpus { get; init; }

    public uint MaxEvtchnPort { get; init; } = uint.MaxValue;

    /// <summary>Null: what Xen's options say.</summary>
    public uint? MaxGrantFrames { get; init; }

    public uint? MaxMaptrackFrames { get; init; }

    public uint? MaxGrantVersion { get; init; }

    public uint EmulationFlags { get; init; }

    public uint MiscFlags { get; init; }

    public byte[] Handle { get; init; } = new byte[16];
}

/// <summary>A domain: struct domain.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/domain.c, xen/arch/x86/domain.c.</remarks>
public sealed class Domain : IDisposable
{
    private readonly StateMachine<DomainState, DomainTrigger> _life;
    private readonly List<Vcpu> _vcpus = [];
    private DomainState _state = DomainState.Constructed;
    private bool _ended;

    internal Domain(Xen xen, DomainId id, DomainKind kind)
    {
        Xen = xen;
        Id = id;
        Kind = kind;
        Handle = [.. kind.Handle];
        Host64 = xen.Options.Host64;
        Is32BitPv = !kind.IsHvm && !Host64;
        MaxVcpus = kind.MaxVcpus;
        _life = DomainLife.Declare(() => _state, s => _state = s);
        _life.OnTransitioned(t =>
        {
            if (!xen.Events.Wants<StateChanged>())
                xen.Events.Pass();
            else
                xen.Events.Emit(new StateChanged($"{Id}", t.Source.ToString(), t.Trigger.ToString(), t.Destination.ToString()));
        });
        Physmap = kind.IsHvm ? new GuestPhysmap() : null;
        Mfn shared = xen.Mappings.AllocateXenFrame(32);
        xen.Frames.ShareWithGuest(shared, id, writable: true);
        xen.M2p.Set(shared, Pfn.Invalid);
        SharedInfo = new SharedInfo(xen.Memory, shared, Host64 ? SharedInfoLayout.X64 : SharedInfoLayout.X32);
        PerDomain = xen.Mappings.CreatePerDomainArea();
        EventChannels = new EventChannels(this) { MaxPort = kind.MaxEvtchnPort };
        GrantTable = new GrantTable(this, xen.GrantOptions.LimitsFor(kind));
        CpuPolicy = new CpuPolicy(this);
        Watchdogs = new Watchdogs(this);
        HvmParams = kind.IsHvm ? new ulong[xen.Profile.HvmParamCount] : [];
        if (HvmParams.Length > (int)HvmParam.TRIPLE_FAULT_REASON)
            HvmParams[(int)HvmParam.TRIPLE_FAULT_REASON] = (ulong)Public.Numbers.ShutdownReason.reboot;
        if (kind.IsHvm && (xen.Profile.Release == XenRelease.V4_0 || (kind.EmulationFlags & (uint)EmulationFlags.PIC) != 0))
            Platform = new Hvm.HvmPlatform(this);
        DebugPort = kind.IsHvm ? new Hvm.DebugPort(this) : null;
        Viridian = new Hvm.Viridian(this);
        Pirqs = new Pirqs(this);
        if (id == DomainId.Dom0)
            Io.PermitAll();
    }

    public Xen Xen { get; }

    internal Watchdogs Watchdogs { get; }

    public DomainId Id { get; }

    public DomainKind Kind { get; }

    public bool IsHvm => Kind.IsHvm;

    /// <summary>IS_PRIV: may do everything to everybody.</summary>
    public bool IsPrivileged => Kind.IsPrivileged;

    /// <summary>Domain 0.</summary>
    public bool IsHardwareDomain => Id == DomainId.Dom0;

    /// <summary>May map I/O memory and choose cache attributes.</summary>
    public bool HasDeviceAccess => IsHardwareDomain;

    public bool Host64 { get; }

    /// <summary>A PV guest in PAE mode: every PV guest of the 32-bit hypervisor, a compat guest of the 64-bit one.</summary>
    public bool Is32BitPv { get; internal set; }

    /// <summary>compat: a 32-bit PV guest on the 64-bit hypervisor (is_pv_32on64_domain).</summary>
    public bool IsCompat => Is32BitPv && Host64;

    /// <summary>physaddr_bitsize: what a compat guest's machine-to-physical table covers; 0: all of this machine.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/x86_64/mm.c: domain_set_alloc_bitsize.</remarks>
    public int PhysicalAddressBits
        => IsCompat && XenMappings.M2pEntries32 < Xen.Frames.FrameCount ? System.Numerics.BitOperations.Log2(XenMappings.M2pEntries32) + 12 : 0;

    /// <summary>domain_clamp_alloc_bitsize; 0 = no restriction, in and out.</summary>
    internal int ClampAllocationBits(int bits)
    {
        int own = PhysicalAddressBits;
        return own == 0 || (bits != 0 && bits < own) ? bits : own;
    }

    /// <summary>Page-table levels the guest manages itself.</summary>
    public int PagingLevels => Is32BitPv ? 3 : 4;

    /// <summary>GUEST_KERNEL_RPL.</summary>
    public int KernelRing => Xen.Options.SupervisorModeKernel ? 0 : Is32BitPv ? 1 : 3;

    /// <summary>VMASST_TYPE_m2p_strict: the machine-to-physical table is for the kernel's tables only.</summary>
    internal bool HasStrictM2p => (VmAssist & (1UL << (int)Public.Numbers.VmAssistType.m2p_strict)) != 0;

    /// <summary>Without it, 4.17 shows the table under an L4 when that becomes a kernel's base table; user tables never get it.</summary>
    internal bool ShowsM2pOnLoad => !Is32BitPv && !IsHvm && !HasStrictM2p && Xen.Profile.Release != XenRelease.V4_0;

    /// <summary>What its builder and its guest mean by a long.</summary>
    public Abi Abi => Is32BitPv || (IsHvm && SharedInfo.Layout == SharedInfoLayout.X32) ? Abi.X32 : Abi.X64;

    /// <summary>Word size as XEN_DOMCTL_get_address_size and xl show it. Unit: bits.</summary>
    public int AddressSize => Is32BitPv ? 32 : 64;

    public byte[] Handle { get; internal set; }

    public IReadOnlyList<Vcpu> Vcpus => _vcpus;

    public uint MaxVcpus { get; internal set; }

    /// <summary>Pages the domain owns, without Xen's heap pages lent to it. Unit: frames.</summary>
    public ulong TotPages { get; internal set; }

    /// <summary>Unit: frames.</summary>
    public ulong MaxPages { get; internal set; }

    /// <summary>Claimed by XENMEM_claim_pages and not yet allocated. Unit: frames.</summary>
    public ulong OutstandingPages { get; internal set; }

    public SharedInfo SharedInfo { get; }

    public EventChannels EventChannels { get; }

    public GrantTable GrantTable { get; }

    /// <summary>The guest-physical map of a translated domain; null for PV, whose guest frames are machine frames.</summary>
    public GuestPhysmap? Physmap { get; }

    public CpuPolicy CpuPolicy { get; }

    /// <summary>HVM_PARAM_*, by number.</summary>
    public ulong[] HvmParams { get; }

    /// <summary>vm_assist bits of the guest.</summary>
    public ulong VmAssist { get; internal set; }

    /// <summary>What XENMEM_set_memory_map gave; empty = none set.</summary>
    public IReadOnlyList<E820Entry> MemoryMap { get; internal set; } = [];

    /// <summary>struct domain's pause_count. The tools' own pause counts once in it.</summary>
    public int PauseCount { get; private set; }

    /// <summary>is_paused_by_controller (4.0) or controller_pause_count (4.17).</summary>
    public int ControllerPauseCount { get; private set; }

    public DomainState State => _state;

    public StateMachine<DomainState, DomainTrigger> Life => _life;

    public bool IsDying => _state is DomainState.Dying or DomainState.Dead;

    public bool IsShuttingDown => _state is DomainState.ShuttingDown or DomainState.ShutDown;

    public bool IsShutDown => _state is DomainState.ShutDown;

    /// <summary>SHUTDOWN_*: 0 poweroff, 1 reboot, 2 suspend, 3 crash; null while it runs.</summary>
    public uint? ShutdownReason { get; private set; }

    /// <summary>shutdown_code: the reason that a shutdown will have, once somebody has given one (SCHEDOP_shutdown_code does so beforehand); null: none yet.</summary>
    public uint? ShutdownCode { get; internal set; }

    /// <summary>The vCPU on which Xen gave the domain up; null: it has not, or the domain asked for its own end.</summary>
    public Vcpu? CrashedVcpu { get; private set; }

    /// <summary>The stub domain's target (XEN_DOMCTL_set_target).</summary>
    public Domain? Target { get; internal set; }

    public TscInfo Tsc { get; internal set; } = new();

    /// <summary>Unit: seconds, added to the wall clock.</summary>
    public long TimeOffsetSeconds { get; internal set; }

    public SchedulerParameters Scheduler { get; internal set; } = new(256, 0);

    /// <summary>Guest frames of the paging pool of a HAP domain. Unit: bytes.</summary>
    public ulong PagingMempoolSize { get; internal set; }

    /// <summary>Port 0xE9 of a hardware virtual machine.</summary>
    internal Hvm.DebugPort? DebugPort { get; }

    internal Hvm.Viridian Viridian { get; }

    /// <summary>The emulated chipset of an HVM domain; null: PV or PVH.</summary>
    internal Hvm.HvmPlatform? Platform { get; }

    /// <summary>round_robin_prev_vcpu: who got the last interrupt that went to the lowest priority.</summary>
    internal int LastLowestPriority { get; set; }

    /// <summary>Interrupts of the machine that the domain handles.</summary>
    internal Pirqs Pirqs { get; }

    /// <summary>I/O that the domain was given.</summary>
    public IoCapabilities Io { get; } = new();

    /// <summary>cmos_idx: the clock chip's index as this domain wrote it, 4.17.</summary>
    internal byte ClockIndex { get; set; }

    /// <summary>pci_cf8: the address of PCI configuration space that this domain wrote.</summary>
    internal uint PciAddress { get; set; }

    /// <summary>suspend_evtchn: port that is notified when the domain suspends itself; 0: none.</summary>
    internal uint SuspendPort { get; set; }

    /// <summary>XEN_DOMCTL_setdebugging: a breakpoint in the kernel pauses the domain and raises VIRQ_DEBUGGER.</summary>
    public bool DebuggerAttached { get; internal set; }

    internal PerDomainArea PerDomain { get; }

    public Vcpu? FindVcpu(uint id) => id < _vcpus.Count ? _vcpus[(int)id] : null;

    /// <summary>IS_PRIV_FOR.</summary>
    public bool IsPrivilegedFor(Domain other) => IsPrivileged || Target == other;

    /// <summary>gmfn_to_mfn: identity for PV; the physmap's answer, or invalid, for a translated domain.</summary>
    public Mfn GfnToMfn(Gfn gfn) => Physmap is null ? new Mfn(gfn.Value) : Physmap.Get(gfn);

    /// <summary>alloc_vcpu.</summary>
    public Vcpu AddVcpu()
    {
        Vcpu v = new(this, _vcpus.Count);
        _vcpus.Add(v);
        if (!IsHvm)
            Xen.Mappings.MapXenGdt(PerDomain, v.Id, IsCompat);
        else if (Xen.Profile.Release == XenRelease.V4_0)
            InitialiseHvm40(v);
        return v;
    }

    /// <summary>hvm_vcpu_initialise of 4.0: vCPU 0 needs no context from the tools and is up as soon as its domain is unpaused.</summary>
    private static void InitialiseHvm40(Vcpu v)
    {
        Hvm.HvmVcpuState.Construct(v.Cpu);
        if (v.Id != 0)
            return;
        v.IsInitialised = true;
        v.BringUp();
    }

    /// <summary>domain_pause.</summary>
    public void Pause() => PauseCount++;

    /// <summary>domain_unpause.</summary>
    public void Unpause()
    {
        if (PauseCount > 0)
            PauseCount--;
    }

    /// <summary>domain_pause_by_systemcontroller: 4.0 knows one such pause, 4.17 counts them.</summary>
    public XenErrno PauseByController()
    {
        if (Xen.Profile.Release == XenRelease.V4_0 && ControllerPauseCount > 0)
            return XenErrno.None;
        if (ControllerPauseCount == int.MaxValue)
            return XenErrno.EOVERFLOW;
        ControllerPauseCount++;
        Pause();
        return XenErrno.None;
    }

    /// <summary>domain_unpause_by_systemcontroller. 4.17: EINVAL if the tools had not paused it.</summary>
    public XenErrno UnpauseByController()
    {
        if (ControllerPauseCount == 0)
            return Xen.Profile.Release == XenRelease.V4_0 ? XenErrno.None : XenErrno.EINVAL;
        ControllerPauseCount--;
        Unpause();
        if (ControllerPauseCount == 0 && _state == DomainState.Constructed)
        {
            _life.Fire(DomainTrigger.domain_unpause_by_systemcontroller);
            foreach (Vcpu v in _vcpus.Where(v => v.State == VcpuState.Runnable))
                Xen.ReportStart(v);
        }

        return XenErrno.None;
    }

    /// <summary>domain_shutdown: all vCPUs stop; the tools hear of it by VIRQ_DOM_EXC.</summary>
    public void Shutdown(uint reason)
    {
        if (!_life.CanFire(DomainTrigger.domain_shutdown))
            return;
        reason = (ShutdownCode ??= reason);
        ShutdownReason = reason;
        if (IsHardwareDomain)
            Xen.Log(LogLevel.Error, HardwareDomainEnd.Line(this, reason));
        _life.Fire(DomainTrigger.domain_shutdown);
        foreach (Vcpu v in _vcpus.Where(v => v.State == VcpuState.Running))
            v.Fire(VcpuTrigger.Preempt);
        _life.Fire(DomainTrigger.vcpus_paused_for_shutdown);
        Xen.Events.Emit(new DomainShutdown(Id, reason));
        Xen.NoteShutdown(this);
        if (reason == (uint)Public.Numbers.ShutdownReason.suspend && SuspendPort != 0)
            EventChannels.Send(SuspendPort);
        else
            Xen.RaiseGlobalVirq(Virq.DOM_EXC);
    }

    /// <summary>domain_crash: shutdown with SHUTDOWN_crash, and the vCPU's end.</summary>
    public void Crash(Vcpu? vcpu, string reason)
    {
        if (IsShuttingDown || IsDying)
            return;
        Xen.Log(LogLevel.Error, reason);
        if (vcpu is not null)
        {
            CrashedVcpu = vcpu;
            Xen.Log(LogLevel.Error, $"Domain {Id.Value} (vcpu#{vcpu.Id}) crashed on cpu#0:");
            foreach (string line in Traps.ExecutionState.Lines(vcpu))
                Xen.Log(LogLevel.Error, line);
        }

        vcpu?.Fire(VcpuTrigger.Crash);
        Shutdown(3);
    }

    /// <summary>domain_resume.</summary>
    public void Resume()
    {
        if (!_life.CanFire(DomainTrigger.domain_resume))
            return;
        ShutdownReason = null;
        ShutdownCode = null;
        _life.Fire(DomainTrigger.domain_resume);
    }

    /// <summary>domain_kill: gives everything back. The domain is dead when this returns, and gone if nobody maps its pages.</summary>
    public void Kill()
    {
        if (IsDying)
            return;
        if (ControllerPauseCount == 0)
            Pause();
        _life.Fire(DomainTrigger.domain_kill);
        DomainTeardown.RelinquishResources(this);
        _life.Fire(DomainTrigger.domain_relinquish_resources);
        Xen.RaiseGlobalVirq(Virq.DOM_EXC);
        EndIfUnused();
    }

    /// <summary>
    /// domain_destroy, complete_domain_destroy: a dead domain is there until nobody maps a page of it any more; the tools list it as dying
    /// and cannot have its number again.
    /// </summary>
    internal void EndIfUnused()
    {
        if (_state != DomainState.Dead || _ended || TotPages > 0 || DomainTeardown.IsMapped(this))
            return;
        _ended = true;
        DomainTeardown.Complete(this);
        Xen.Remove(this);
        Dispose();
        Xen.Events.Emit(new DomainDestroyed(Id));
        Xen.RaiseGlobalVirq(Virq.DOM_EXC);
    }

    /// <summary>Drops the translations that vCPUs hold.</summary>
    internal void FlushTlbs()
    {
        foreach (Vcpu v in _vcpus)
            v.Cpu.FlushTlb();
    }

    /// <summary>The guest's TSC at a virtual time. Unit: ticks.</summary>
    internal ulong TscAt(ulong nanoseconds) => Xen.TscAt(nanoseconds);

    public void Dispose()
    {
        foreach (Vcpu v in _vcpus)
            v.Dispose();
    }
}

/// <summary>What settscinfo stores. Units: kHz, ns.</summary>
public sealed record TscInfo(uint Mode = 0, uint Khz = 0, uint Incarnation = 0, ulong ElapsedNanoseconds = 0);

/// <summary>Credit scheduler's weight and cap.</summary>
public sealed record SchedulerParameters(ushort Weight, ushort Cap);
