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

    private readonly Xen _xen;
    private readonly TrapDispatcher _traps;
    private int _next;
    private ulong _idle;
    private Vcpu? _current;
    private long _currentStart;

    internal Scheduler(Xen xen)
    {
        _xen = xen;
        _traps = new TrapDispatcher(xen);
    }

    /// <summary>Guest instructions retired by all vCPUs so far, without the slice that is running.</summary>
    public long Instructions { get; private set; }

    /// <summary>Virtual time now. Unit: ns.</summary>
    public ulong Now => ((ulong)(Instructions + RunningInstructions) * NanosecondsPerInstruction) + _idle;

    private long RunningInstructions => _current is null ? 0 : _current.Cpu.RetiredInstructions - _currentStart;

    internal RunStop Run(RunLimits limits)
    {
        long last = limits.Instructions is { } n ? Instructions + n : long.MaxValue;
        while (true)
        {
            if (StopBetweenSlices(limits, last) is { } stop)
                return stop;
            if (PickNext() is { } vcpu)
            {
                if (RunSlice(vcpu, limits, last) is { } stopped)
                    return stopped;
            }
            else if (!SkipIdleTime(limits))
            {
                return new RunStop(RunStopReason.Idle);
            }
        }
    }

    private RunStop? StopBetweenSlices(RunLimits limits, long last)
    {
        if (_xen.ToolPortPending)
        {
            _xen.ToolPortPending = false;
            limits.ToolPortPending?.Invoke();
        }

        if (_xen.TakeStopRequest() is { } text)
            return new RunStop(RunStopReason.Requested, Text: text);
        if (_xen.TakeUnimplemented() is { } missing)
            return new RunStop(RunStopReason.Unimplemented, Text: missing);
        if (_xen.TakeShutdown() is { } domain)
            return new RunStop(RunStopReason.DomainShutdown, domain.Id);
        if (limits.Until?.Invoke() == true)
            return new RunStop(RunStopReason.Requested);
        if (Instructions >= last)
            return new RunStop(RunStopReason.InstructionLimit);
        return Now >= limits.UntilNanoseconds ? new RunStop(RunStopReason.TimeLimit) : null;
    }

    /// <summary>Runs a vCPU until its slice ends or it stops running.</summary>
    private RunStop? RunSlice(Vcpu vcpu, RunLimits limits, long last)
    {
        long budget = Math.Min(SliceInstructions, last - Instructions);
        budget = Math.Min(budget, UntilNextDeadline(limits.UntilNanoseconds));
        vcpu.Fire(VcpuTrigger.Schedule);
        _current = vcpu;
        _currentStart = vcpu.Cpu.RetiredInstructions;
        RunStop? stop = null;
        TrapDispatcher.TestAllEvents(vcpu);
        GuestTime.Update(vcpu);
        while (vcpu.State == VcpuState.Running && stop is null)
        {
            long left = budget - RunningInstructions;
            if (left <= 0)
                break;
            vcpu.UnloadedRflags = null;
            CpuExit exit = vcpu.Cpu.Run(left);
            if (exit.Reason == ExitReason.BudgetSpent)
                break;
            stop = _traps.Handle(vcpu, in exit);
            if (_xen.WantsToStop || _xen.ToolPortPending || limits.Until is not null || _xen.SchedulePending)
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
        _xen.SchedulePending = false;
        if (vcpu.State == VcpuState.Running)
            vcpu.Fire(VcpuTrigger.Preempt);
        FireTimers();
    }

    private Vcpu? PickNext()
    {
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
        ulong deadline = NextDeadline();
        if (deadline == ulong.MaxValue)
            return false;
        ulong target = Math.Min(deadline, limits.UntilNanoseconds ?? ulong.MaxValue);
        if (target > Now)
            _idle += target - Now;
        FireTimers();
        return true;
    }

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
            foreach (Vcpu v in d.Vcpus)
            {
                if (v.State is VcpuState.Offline or VcpuState.Crashed)
                    continue;
                deadline = Math.Min(deadline, v.SingleshotTimer ?? ulong.MaxValue);
                deadline = Math.Min(deadline, v.PollTimeout ?? ulong.MaxValue);

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
            foreach (Vcpu v in d.Vcpus)
            {
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
