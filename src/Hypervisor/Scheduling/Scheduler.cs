using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Traps;

namespace XenSim.Hypervisor.Scheduling;

/// <summary>
/// The one loop that runs vCPUs: round robin in order of domain and vCPU, slices counted in instructions. Virtual time is
/// that count at a fixed rate, plus the idle time that is skipped. Nothing else decides, so every run is the same.
/// </summary>
public sealed class Scheduler
{
    /// <summary>Virtual time of one guest instruction. Unit: ns.</summary>
    public const ulong NanosecondsPerInstruction = 1;

    /// <summary>Longest time on the processor while others wait: the credit scheduler's 30 ms.</summary>
    private const long SliceInstructions = 30_000_000;

    /// <summary>
    /// The same for one of several vCPUs of a hardware guest. Such a kernel waits for its other processors in PAUSE loops, out of which SVM's pause filter and
    /// VMX's pause-loop exiting take it so that the others can run.
    /// </summary>
    private const long PauseLoopInstructions = 100_000;

    private readonly Xen _xen;
    private readonly TrapDispatcher _traps;
    private int _next;
    private ulong _idle;
    // The slice that is running: all of it here, so that a run can be captured in its midst and gone on with.
    private Vcpu? _current;
    // curr_vcpu: whose state the processor holds. The idle vCPU leaves it there.
    private (Public.DomainId Domain, int Vcpu)? _loaded;
    private long _currentStart;
    private long _budget;
    // Instruction at which the slice would end by itself, whatever limits the run has.
    private long _due;

    // The turn that goes on after a timer was set, and what of it is used up. A guest that sets its timer in every handler would else never come past it.
    private Vcpu? _again;
    private long _turn;

    internal Scheduler(Xen xen)
    {
        _xen = xen;
        _traps = new TrapDispatcher(xen);
    }

    /// <summary>Guest instructions retired by all vCPUs so far, without the slice that is running.</summary>
    public long Instructions { get; private set; }

    /// <summary>Time that was skipped because nobody ran. Unit: ns.</summary>
    public ulong IdleNanoseconds => _idle;

    /// <summary>Virtual time now. Unit: ns.</summary>
    public ulong Now => ((ulong)(Instructions + RunningInstructions) * NanosecondsPerInstruction) + _idle;

    private long RunningInstructions => _current is null ? 0 : _current.Cpu.RetiredInstructions - _currentStart;

    /// <summary>Instructions retired by all vCPUs up to now.</summary>
    public long Retired => Instructions + RunningInstructions;

    /// <summary>The vCPU whose slice it is; null between slices and before the first.</summary>
    public Vcpu? Running => _current;

    /// <summary>Exits of vCPUs to Xen so far. With <see cref="Retired"/> it numbers the moments at which a vCPU is about to run.</summary>
    public long Exits { get; private set; }

    /// <summary>softirq_pending while a vCPU is in Xen: a timer is due, its slice is over, or something is to be scheduled.</summary>
    internal bool SoftirqPending(Vcpu v) => v == _current && (_xen.SchedulePending || _xen.TimerSet || v.State != VcpuState.Running || RunningInstructions >= _due);

    internal RunStop Run(RunLimits limits)
    {
        long last = limits.Instructions is { } n ? Instructions + n : long.MaxValue;
        if (_current is { } unfinished && RunSlice(unfinished, limits) is { } stoppedAgain)
            return stoppedAgain;
        while (true)
        {
            if (StopBetweenSlices(limits, last) is { } stop)
                return stop;
            if (PickNext() is { } vcpu)
            {
                BeginSlice(vcpu, limits, last);
                if (RunSlice(vcpu, limits) is { } stopped)
                    return stopped;
            }
            else if (!SkipIdleTime(limits))
            {
                return new RunStop(RunStopReason.Idle);
            }
        }
    }

    private static long Slice(Vcpu vcpu) => vcpu.Domain is { IsHvm: true, Vcpus.Count: > 1 } ? PauseLoopInstructions : SliceInstructions;

    private RunStop? StopBetweenSlices(RunLimits limits, long last)
    {
        if (_xen.ToolPortPending)
        {
            _xen.ToolPortPending = false;
            limits.ToolPortPending?.Invoke();
        }

        if (_xen.TakeStopRequest() is { } text)
            return new RunStop(RunStopReason.Requested, Text: text);
        if (_xen.Ended is not null)
            return new RunStop(RunStopReason.MachineEnded);
        if (_xen.TakeUnimplemented() is { } missing)
            return new RunStop(RunStopReason.Unimplemented, Text: missing);
        if (_xen.TakeShutdown() is { } domain)
            return new RunStop(RunStopReason.DomainShutdown, domain.Id);
        if (limits.Interrupted?.Invoke() == true)
            return new RunStop(RunStopReason.Interrupted);
        if (limits.Until?.Invoke() == true)
            return new RunStop(RunStopReason.Requested);
        if (Instructions >= last)
            return new RunStop(RunStopReason.InstructionLimit);
        if (Now >= limits.WakeNanoseconds)
            return new RunStop(RunStopReason.Woken);
        return Now >= limits.UntilNanoseconds ? new RunStop(RunStopReason.TimeLimit) : null;
    }

    private void BeginSlice(Vcpu vcpu, RunLimits limits, long last)
    {
        long slice = Slice(vcpu) - _turn;
        _due = Math.Min(slice, UntilNextDeadline(null));
        _budget = Math.Min(slice, last - Instructions);
        _budget = Math.Min(_budget, UntilNextDeadline(Earliest(limits)));
        vcpu.Fire(VcpuTrigger.Schedule);
        _current = vcpu;
        _currentStart = vcpu.Cpu.RetiredInstructions;
        if ((_loaded != (vcpu.Domain.Id, vcpu.Id) || !vcpu.SegmentsLoaded) && !vcpu.Domain.IsHvm)
            SegmentLoads.Load(vcpu);
        _loaded = (vcpu.Domain.Id, vcpu.Id);
        if (vcpu.State != VcpuState.Running)
            return;
        TrapDispatcher.TestAllEvents(vcpu);
        GuestTime.Update(vcpu);
    }

    /// <summary>Runs a vCPU until its slice ends or it stops running.</summary>
    private RunStop? RunSlice(Vcpu vcpu, RunLimits limits)
    {
        RunStop? stop = null;
        while (vcpu.State == VcpuState.Running && stop is null)
        {
            long left = _budget - RunningInstructions;
            if (vcpu.InterruptWindow)
                left = Math.Min(left, 1);
            if (left > 0 && _xen.Probe is { } probe)
                left = probe.Before(vcpu, left);
            if (left <= 0)
                break;
            vcpu.UnloadedRflags = null;
            CpuExit exit = vcpu.Cpu.Run(left);
            if (exit.Reason is ExitReason.BudgetSpent or ExitReason.Breakpoint or ExitReason.Watchpoint)
            {
                _xen.Probe?.After(vcpu, exit);
                if (vcpu.InterruptWindow)
                    TrapDispatcher.TestAllEvents(vcpu);
                continue;
            }

            Exits++;
            stop = _traps.Handle(vcpu, in exit);
            if (_xen.WantsToStop || _xen.ToolPortPending || limits.Until is not null || _xen.SchedulePending || _xen.TimerSet)
                break;
        }

        Account(vcpu);
        return stop;
    }

    private void Account(Vcpu vcpu)
    {
        long ran = RunningInstructions;
        _current = null;
        Instructions += ran;
        vcpu.CpuTime += (ulong)ran * NanosecondsPerInstruction;
        _turn += ran;
        _again = _xen.TimerSet && !_xen.SchedulePending && _turn < Slice(vcpu) ? vcpu : null;
        _xen.SchedulePending = _xen.TimerSet = false;
        if (vcpu.State == VcpuState.Running)
            vcpu.Fire(VcpuTrigger.Preempt);
        FireTimers();
    }

    private Vcpu? PickNext()
    {
        if (_again is { IsRunnable: true } same)
            return same;
        _again = null;
        _turn = 0;
        int count = 0;
        Vcpu? first = null;
        Vcpu? chosen = null;
        foreach (Domain d in _xen.Domains)
        {
            foreach (Vcpu v in d.Vcpus)
            {
                if (v.IsRunnable)
                {
                    first ??= v;
                    if (count >= _next && chosen is null)
                    {
                        chosen = v;
                        _next = count + 1;
                    }
                }

                count++;
            }
        }

        if (chosen is null && first is not null)
        {
            _next = 0;
            return PickNext();
        }

        return chosen;
    }

    private bool SkipIdleTime(RunLimits limits)
    {
        ulong deadline = Math.Min(NextDeadline(), limits.WakeNanoseconds ?? ulong.MaxValue);
        if (deadline == ulong.MaxValue)
            return false;
        ulong target = Math.Min(deadline, limits.UntilNanoseconds ?? ulong.MaxValue);
        if (target > Now)
            _idle += target - Now;
        FireTimers();
        return true;
    }

    private static ulong? Earliest(RunLimits limits)
        => limits.WakeNanoseconds is { } wake ? Math.Min(wake, limits.UntilNanoseconds ?? ulong.MaxValue) : limits.UntilNanoseconds;

    private long UntilNextDeadline(ulong? limit)
    {
        ulong deadline = Math.Min(NextDeadline(), limit ?? ulong.MaxValue);
        if (deadline == ulong.MaxValue)
            return long.MaxValue;
        ulong now = Now;
        return deadline <= now ? 1 : (long)Math.Min((deadline - now + NanosecondsPerInstruction - 1) / NanosecondsPerInstruction, long.MaxValue);
    }

    private ulong NextDeadline()
    {
        ulong deadline = ulong.MaxValue;
        foreach (Domain d in _xen.Domains)
        {
            if (d.IsShuttingDown || d.IsDying)
                continue;
            deadline = Math.Min(deadline, d.Platform?.Deadline ?? ulong.MaxValue);
            deadline = Math.Min(deadline, d.Watchdogs.Next ?? ulong.MaxValue);
            foreach (Vcpu v in d.Vcpus)
            {
                if (v.State is VcpuState.Offline or VcpuState.Crashed)
                    continue;
                deadline = Math.Min(deadline, v.SingleshotTimer ?? ulong.MaxValue);
                deadline = Math.Min(deadline, v.PollTimeout ?? ulong.MaxValue);
                deadline = Math.Min(deadline, v.Apic?.Deadline ?? ulong.MaxValue);

                // RELEASE-4.0.4 schedule.c: the periodic timer is stopped while its vCPU is blocked for good only by the guest.
                if (v.PeriodicPeriod != 0)
                    deadline = Math.Min(deadline, v.PeriodicNext);
            }
        }

        return deadline;
    }

    private void FireTimers()
    {
        ulong now = Now;
        foreach (Domain d in _xen.Domains)
        {
            d.Platform?.Fire(now);
            d.Watchdogs.Fire(now);
            foreach (Vcpu v in d.Vcpus)
            {
                v.Apic?.Fire(now);
                if (v.SingleshotTimer <= now)
                {
                    v.SingleshotTimer = null;
                    d.EventChannels.RaiseVirq(v, Virq.TIMER);
                }

                if (v.PeriodicPeriod != 0 && v.PeriodicNext <= now)
                {
                    v.PeriodicNext += ((now - v.PeriodicNext) / v.PeriodicPeriod + 1) * v.PeriodicPeriod;
                    d.EventChannels.RaiseVirq(v, Virq.TIMER);
                }

                if (v.PollTimeout <= now)
                    v.Kick();
            }
        }
    }
}
