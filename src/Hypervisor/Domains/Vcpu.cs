using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domains;

/// <summary>Why a vCPU may not run beside its coarse state (struct vcpu's pause_flags). Counts, where Xen counts, are next to it.</summary>
[Flags]
public enum PauseFlags
{
    None = 0,

    /// <summary>VPF_down: not brought up, or taken down.</summary>
    Down = 1,

    /// <summary>VPF_blocked: waits for any event.</summary>
    Blocked = 2,
}

/// <summary>A trap-table entry of a PV guest. DPL in bits 1:0 of <see cref="Flags"/>, bit 2 masks events on entry.</summary>
public readonly record struct GuestTrap(ushort Cs, ulong Address, byte Flags)
{
    public int Dpl => Flags & 3;

    public bool MasksEvents => (Flags & 4) != 0;
}

/// <summary>An exception that could not be given to the guest.</summary>
/// <param name="FaultAddress">Of a page fault.</param>
public readonly record struct UnhandledTrap(byte Vector, uint ErrorCode, ulong? FaultAddress);

/// <summary>A callback that a PV guest registered.</summary>
public readonly record struct GuestCallback(ushort Cs, ulong Address, bool MasksEvents);

/// <summary>A virtual CPU: the architectural one, and what Xen keeps beside it.</summary>
public sealed class Vcpu : ICpuPolicy, IDisposable
{
    /// <summary>Port number that no event channel has: the vCPU is not polling.</summary>
    private const long NotPolling = -1;
    private long _polledPort = NotPolling;

    private readonly Xen _xen;

    internal Vcpu(Domain domain, int id)
    {
        Domain = domain;
        _xen = domain.Xen;
        Id = id;
        Memory = new GuestMemory(this);
        Call = new HypercallCall(domain.Xen, domain) { Vcpu = this, Memory = Memory };
        MulticallCall = new HypercallCall(domain.Xen, domain) { Vcpu = this, Memory = Memory, Issuer = Issuer.Multicall };
        Intercepts forced = domain.Xen.Options.HvmForcedEmulation ? Intercepts.Exceptions : Intercepts.None;
        Cpu = new VirtualCpu(domain.Xen.Memory, this, domain.IsHvm ? Intercepts.HardwareGuest | forced : Intercepts.ParavirtualGuest, domain.Physmap) { PhysicalAddressBits = AddressBits(domain.Xen.Options.Host) };
        if (domain.IsHvm)
        {
            Apic = new Hvm.LocalApic(this);
            Mtrr = Hvm.GuestMtrrs.Initial();
            TscOffset = -(long)domain.TscAt(domain.Xen.VirtualNanoseconds);
        }

        VcpuInfo = id < SharedInfoLayout.LegacyVcpus
            ? new VcpuInfo(domain.Xen.Memory, domain.SharedInfo.Frame, id * SharedInfoLayout.VcpuInfoSize)
            : default;
    }

    public Domain Domain { get; }

    public int Id { get; }

    /// <summary>The architectural processor.</summary>
    public VirtualCpu Cpu { get; }

    /// <summary>Coarse life: a value of the table derived from <see cref="VcpuLife"/>.</summary>
    public VcpuState State { get; private set; } = VcpuState.Offline;

    /// <summary>arch_set_info_guest succeeded once.</summary>
    public bool IsInitialised { get; internal set; }

    /// <summary>vcpu_pause count; the domain has its own.</summary>
    public int PauseCount { get; internal set; }

    public PauseFlags PauseFlags { get; internal set; } = PauseFlags.Down;

    /// <summary>TF_kernel_mode: a 64-bit PV guest's kernel (not its user code) is running.</summary>
    public bool KernelMode { get; internal set; } = true;

    /// <summary>Base table while the guest kernel runs; a 64-bit guest has a second one for user mode.</summary>
    public Mfn GuestTable { get; internal set; } = Mfn.Invalid;

    public Mfn GuestTableUser { get; internal set; } = Mfn.Invalid;

    /// <summary>Xen's own L4 above a 32-bit guest's L3 on the 64-bit hypervisor.</summary>
    internal Mfn CompatL4 { get; set; } = Mfn.Invalid;

    public GuestTrap[] TrapTable { get; } = new GuestTrap[256];

    public ulong KernelSs { get; internal set; }

    public ulong KernelSp { get; internal set; }

    /// <summary>The guest's view of CR0-CR7.</summary>
    public ulong[] ControlRegisters { get; } = new ulong[8];

    public GuestCallback EventCallback { get; internal set; }

    public GuestCallback FailsafeCallback { get; internal set; }

    public GuestCallback SyscallCallback { get; internal set; }

    public GuestCallback Syscall32Callback { get; internal set; }

    public GuestCallback SysenterCallback { get; internal set; }

    public IReadOnlyList<Mfn> GdtFrames { get; internal set; } = [];

    public uint GdtEntries { get; internal set; }

    public ulong LdtBase { get; internal set; }

    public uint LdtEntries { get; internal set; }

    /// <summary>LDT pages that are mapped, by index; faults fill them in.</summary>
    internal Mfn[] LdtFrames { get; } = CreateLdtFrames();

    /// <summary>The last exception for which the guest had no handler.</summary>
    public UnhandledTrap? Unhandled { get; internal set; }

    /// <summary>Number of the last hypercall, and where it was made.</summary>
    public (uint Number, ulong InstructionPointer) LastHypercall => (Call.Number, Call.InstructionPointer);

    /// <summary>GS bases of the two modes of a 64-bit guest; the running mode's is in the CPU.</summary>
    public ulong GsBaseKernel { get; internal set; }

    public ulong GsBaseUser { get; internal set; }

    /// <summary>MSR_TSC_AUX.</summary>
    internal uint TscAux { get; set; }

    /// <summary>MSR_AMD64_DR0..3_ADDRESS_MASK.</summary>
    internal uint[] DebugAddressMasks { get; } = new uint[4];

    /// <summary>DR6 as a PV guest reads it; the processor's collects here at each #DB.</summary>
    internal ulong DebugStatus { get; set; } = 0xFFFF_0FF0;

    /// <summary>dr7_emul: enable bits of I/O breakpoints, which are not given to the processor.</summary>
    internal ulong EmulatedDebugControl { get; set; }

    /// <summary>VMASST_TYPE_architectural_iopl: the guest's IOPL is in its flags, and 0 is what its kernel needs.</summary>
    internal bool HasArchitecturalIopl => (Domain.VmAssist & (1UL << (int)Public.Numbers.VmAssistType.architectural_iopl)) != 0;

    /// <summary>Virtualised IOPL.</summary>
    public int Iopl { get; internal set; }

    /// <summary>PHYSDEVOP_set_iobitmap: guest address of the bitmap (a clear bit permits), and the number of ports it is for.</summary>
    public ulong IoBitmap { get; internal set; }

    public uint IoBitmapLimit { get; internal set; }

    /// <summary>HVM: MTRRs and PAT as the save record has them (struct hvm_hw_mtrr).</summary>
    internal byte[] Mtrr { get; set; } = new byte[Domctl.HvmContext.MtrrSize];

    /// <summary>HVM: the local APIC.</summary>
    internal Hvm.LocalApic? Apic { get; }

    /// <summary>HVMOP_set_evtchn_upcall_vector: events come as this vector through the local APIC; 0: as HVM_PARAM_CALLBACK_IRQ says.</summary>
    internal byte EvtchnUpcallVector { get; set; }

    /// <summary>An event waits that cannot be injected yet: the vCPU goes on by single instructions, so that it is injected as soon as it can be.</summary>
    internal bool InterruptWindow { get; set; }

    /// <summary>MSR_MISC_FEATURES_ENABLES.CPUID_FAULTING: CPUID outside ring 0 is #GP.</summary>
    internal bool CpuidFaulting { get; set; }

    /// <summary>What a hardware guest's TSC is ahead of the host's. Unit: ticks.</summary>
    internal long TscOffset { get; set; }

    /// <summary>IA32_TSC_ADJUST.</summary>
    internal ulong TscAdjust { get; set; }

    /// <summary>IA32_DEBUGCTL.</summary>
    internal ulong DebugControl { get; set; }

    /// <summary>RFLAGS as the last set context gave them, until the vCPU runs: 4.17 does not set the bit that always reads one, the processor does. Null: it has run.</summary>
    internal ulong? UnloadedRflags { get; set; }

    /// <summary>mc_state.call.args: what the last continuations of calls in a multicall left.</summary>
    internal ulong[] MulticallArguments { get; } = new ulong[6];

    /// <summary>The data segments were loaded since the last set context.</summary>
    internal bool SegmentsLoaded { get; set; }

    /// <summary>VGCF_I387_VALID was given, or the guest used the FPU.</summary>
    public bool FpuInitialised { get; internal set; }

    /// <summary>Deadline of the one-shot timer (set_timer_op, VCPUOP_set_singleshot_timer). Unit: ns of virtual time; null = off.</summary>
    public ulong? SingleshotTimer { get; internal set; }

    /// <summary>Period of the periodic timer and its next deadline. Unit: ns; 0 = off.</summary>
    public ulong PeriodicPeriod { get; internal set; }

    public ulong PeriodicNext { get; internal set; }

    /// <summary>Guest address of the runstate copy and of the time copy; 0 = none.</summary>
    public ulong RunstateArea { get; internal set; }

    public ulong TimeArea { get; internal set; }

    /// <summary>The copies there are behind, because the guest ran on its user tables when they were due.</summary>
    internal bool RunstateStale { get; set; }

    internal bool TimeStale { get; set; }

    /// <summary>When a poll with a timeout ends. Unit: ns of virtual time.</summary>
    internal ulong? PollTimeout { get; set; }

    /// <summary>Time spent running. Unit: ns of virtual time.</summary>
    public ulong CpuTime { get; internal set; }

    internal RunstateClock Runstate { get; } = new();

    internal VcpuInfo VcpuInfo { get; set; }

    /// <summary>True once VCPUOP_register_vcpu_info moved it.</summary>
    internal bool VcpuInfoRegistered { get; set; }

    internal uint[] VirqToPort { get; } = new uint[EventChannels.VirqCount];

    internal GuestMemory Memory { get; }

    internal HypercallCall Call { get; }

    internal HypercallCall MulticallCall { get; }

    internal bool InMulticall { get; set; }

    internal bool NmiPending { get; set; }

    /// <summary>An NMI was delivered and no iret has ended it yet (async_exception_mask).</summary>
    internal bool NmiMasked { get; set; }

    /// <summary>True when nothing keeps the vCPU from running now.</summary>
    public bool IsRunnable => State is VcpuState.Runnable && PauseCount == 0 && Domain.PauseCount == 0 && !Domain.IsShuttingDown && !Domain.IsDying;

    /// <summary>Guest virtual time as its TSC counts.</summary>
    public ulong ReadTsc(long retiredInstructions) => _xen.TscAt(_xen.Scheduler.Now) + (ulong)TscOffset;

    public CpuidResult Cpuid(uint leaf, uint subleaf) => Domain.CpuPolicy.Answer(this, leaf, subleaf, forced: false);

    /// <summary>What Xen tells a PV kernel that asks it, and every HVM guest.</summary>
    public CpuidResult PolicyCpuid(uint leaf, uint subleaf) => Domain.CpuPolicy.Answer(this, leaf, subleaf, forced: true);

    /// <summary>Instructions are the machine's: what a policy hides still executes.</summary>
    public CpuidResult Hardware(uint leaf, uint subleaf) => Domain.Xen.Options.Host.Cpuid(leaf, subleaf);

    /// <summary>Whether the domain's policy shows a feature.</summary>
    internal bool Has(CpuFeature feature) => Domain.CpuPolicy.Has(feature);

    public void Dispose() => Cpu.Dispose();

    /// <summary>MAXPHYADDR as Xen learns it: paddr_bits is 36 unless the leaf says otherwise. RELEASE-4.17.0 xen/arch/x86/cpu/common.c: early_cpu_init.</summary>
    private static int AddressBits(Boot.Hosts.HostModel host)
        => host.Cpuid(0x8000_0000, 0).Eax >= 0x8000_0008 ? (int)(host.Cpuid(0x8000_0008, 0).Eax & 0xFF) : 36;

    /// <summary>Takes a step of the coarse life. A trigger that means nothing here is ignored, as Xen's flag operations are.</summary>
    internal void Fire(VcpuTrigger trigger)
    {
        if (VcpuLife.Next(State, trigger) is not { } next)
            return;
        VcpuState from = State;
        State = next;
        Runstate.Enter(next, Domain.Xen.VirtualNanoseconds);
        if (!Domain.Xen.TraceVcpuStates)
            return;
        if (!Domain.Xen.Events.Wants<StateChanged>())
            Domain.Xen.Events.Pass();
        else
            Domain.Xen.Events.Emit(new StateChanged($"{Domain.Id}v{Id}", from.ToString(), trigger.ToString(), next.ToString()));
    }

    /// <summary>vcpu_mark_events_pending: the guest's flag, and a wake-up.</summary>
    internal void MarkEventsPending()
    {
        if (!VcpuInfo.MarkPending())
            return;
        if (Domain.IsHvm)
            Hvm.HvmInterrupts.AssertEventChannel(this);
        else
            Kick();
    }

    /// <summary>vcpu_unblock.</summary>
    internal void Kick()
    {
        if ((PauseFlags & PauseFlags.Blocked) == 0)
            return;
        PauseFlags &= ~PauseFlags.Blocked;
        _polledPort = NotPolling;
        PollTimeout = null;
        Fire(VcpuTrigger.Wake);
    }

    /// <summary>hvm_set_guest_tsc_msr: the adjustment follows.</summary>
    internal void SetTsc(ulong value)
    {
        ulong delta = value - ReadTsc(0);
        TscOffset += (long)delta;
        TscAdjust += delta;
    }

    /// <summary>Blocks until an event is delivered; at once awake if one is deliverable.</summary>
    internal void Block()
    {
        PauseFlags |= PauseFlags.Blocked;
        if (State == VcpuState.Runnable)
            Fire(VcpuTrigger.Schedule);
        Fire(VcpuTrigger.Block);
    }

    /// <summary>do_poll: blocks for a port. <paramref name="port"/> 0 = any of several.</summary>
    internal void Poll(uint port, ulong? timeout)
    {
        _polledPort = port;
        PollTimeout = timeout;
        Block();
    }

    internal void WakeIfPolling(uint port)
    {
        if (_polledPort == 0 || _polledPort == port)
            Kick();
    }

    internal void BringUp()
    {
        PauseFlags &= ~PauseFlags.Down;
        Fire(VcpuTrigger.Up);
    }

    internal void TakeDown()
    {
        PauseFlags |= PauseFlags.Down;
        Fire(VcpuTrigger.Down);
    }

    private static Mfn[] CreateLdtFrames()
    {
        Mfn[] frames = new Mfn[16];
        Array.Fill(frames, Mfn.Invalid);
        return frames;
    }
}

/// <summary>Time spent in each runstate, as VCPUOP_get_runstate_info tells it. Unit: ns of virtual time.</summary>
internal sealed class RunstateClock
{
    public const int Running = 0;
    public const int Runnable = 1;
    public const int Blocked = 2;
    public const int Offline = 3;

    public int State { get; private set; } = Offline;

    public ulong EntryTime { get; private set; }

    public ulong[] Time { get; } = new ulong[4];

    /// <summary>vcpu_runstate_get: the time in the present state counts up to now.</summary>
    public VcpuRunstateInfo At(ulong now)
    {
        VcpuRunstateInfo info = new() { State = (uint)State, StateEntryTime = EntryTime };
        for (int i = 0; i < Time.Length; i++)
            info.Time[i] = Time[i] + (i == State ? now - EntryTime : 0);
        return info;
    }

    public void Enter(VcpuState state, ulong now)
    {
        Time[State] += now - EntryTime;
        EntryTime = now;
        State = state switch
        {
            VcpuState.Running => Running,
            VcpuState.Runnable => Runnable,
            VcpuState.Blocked => Blocked,
            _ => Offline,
        };
    }
}
