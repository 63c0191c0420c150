using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging;

/// <summary>Runs to a position, past everything.</summary>
internal sealed class SeekGoal(Position target) : IRunGoal
{
    public long NextTick => target.InEvent ? long.MaxValue : target.Tick;

    public bool WantsTraps => false;

    public bool HoldsInEvent(JournalEntry entry) => target.InEvent && entry.Position.Event >= target.Event;

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses) => !target.InEvent && position >= target;
}

/// <summary>Runs until a vCPU is about to run.</summary>
internal sealed class NextBoundaryGoal : IRunGoal
{
    public long NextTick => long.MaxValue;

    public bool WantsTraps => false;

    public bool HoldsInEvent(JournalEntry entry) => false;

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses) => true;
}

/// <summary>Runs until so many guest instructions have retired.</summary>
internal sealed class InstructionGoal(long instruction) : IRunGoal
{
    private long _next;

    public long NextTick => _next;

    public bool WantsTraps => false;

    public bool HoldsInEvent(JournalEntry entry) => false;

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses)
    {
        _next = position.Tick + (instruction - position.Instruction);
        return position.Instruction >= instruction;
    }
}

/// <summary>One step, as a condition on what comes.</summary>
/// <param name="Event">Whether an event is the end of the step; null: none is.</param>
/// <param name="Boundary">Whether a vCPU about to run is; null: none is.</param>
/// <param name="EveryInstruction">The vCPU has to be shown before each instruction.</param>
internal sealed record StepEnd(Func<JournalEntry, bool>? Event, Func<Vcpu, Position, bool>? Boundary, bool EveryInstruction = false)
{
    public static readonly StepEnd Never = new(null, null);

    /// <summary>Addresses at which the vCPU has to be shown besides.</summary>
    public IReadOnlyList<ulong> Addresses { get; set; } = [];
}

/// <summary>Runs until a step is done, a breakpoint stops it, or the user interrupts.</summary>
/// <param name="from">Where it begins: nothing is reported of this moment.</param>
internal sealed class StepGoal(StepEnd end, StopWatcher watcher, Position from, CancellationToken stop) : IRunGoal
{
    private long _tick = from.Tick;

    public long NextTick => end.EveryInstruction || watcher.EveryInstruction ? _tick + 1 : long.MaxValue;

    public bool WantsTraps => true;

    /// <summary>Why it held.</summary>
    public StopReason Reason { get; private set; }

    public bool HoldsInEvent(JournalEntry entry)
    {
        bool breaks = watcher.AtEvent(entry);
        bool done = end.Event?.Invoke(entry) == true;
        return Holds(breaks, done);
    }

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses)
    {
        _tick = position.Tick;
        if (position == from)
        {
            watcher.Begin(vcpu);
            return false;
        }

        bool breaks = watcher.AtBoundary(vcpu, position, accesses);
        bool done = end.Boundary?.Invoke(vcpu, position) == true;
        return Holds(breaks, done);
    }

    private bool Holds(bool breaks, bool done)
    {
        Reason = breaks ? watcher.SawWatch ? StopReason.Watchpoint : StopReason.Breakpoint : done ? StopReason.Step : StopReason.Interrupted;
        return breaks || done || stop.IsCancellationRequested;
    }
}

/// <summary>Runs up to a position and notes the last moment before it that a step or a breakpoint would have stopped at: for going backwards.</summary>
/// <param name="inclusive">What shows at the last moment itself counts: another search began there, and saw only what came after.</param>
internal sealed class LastStopGoal(StepEnd end, StopWatcher watcher, Position from, Position before, bool inclusive, CancellationToken stop) : IRunGoal
{
    private long _tick = from.Tick;

    public long NextTick => end.EveryInstruction || watcher.EveryInstruction ? Math.Min(_tick + 1, Limit) : Limit;

    public bool WantsTraps => true;

    public Position? Found { get; private set; }

    public StopReason Reason { get; private set; }

    public IReadOnlyList<Breakpoint> Hit { get; private set; } = [];

    public WatchReport? Watch { get; private set; }

    private long Limit => before.InEvent ? long.MaxValue : before.Tick;

    public bool HoldsInEvent(JournalEntry entry)
    {
        bool last = entry.Position >= before;
        if (!stop.IsCancellationRequested && (!last || (inclusive && entry.Position == before)))
            Note(entry.Position, watcher.AtEvent(entry), end.Event?.Invoke(entry) == true);
        return last || stop.IsCancellationRequested;
    }

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses)
    {
        _tick = position.Tick;
        bool last = position >= before;
        if (!stop.IsCancellationRequested && (!last || (inclusive && position == before)))
            Note(position, watcher.AtBoundary(vcpu, position, accesses), end.Boundary?.Invoke(vcpu, position) == true);
        return last || stop.IsCancellationRequested;
    }

    private void Note(Position position, bool breaks, bool done)
    {
        if (!breaks && !done)
            return;
        Found = position;
        Reason = breaks ? watcher.SawWatch ? StopReason.Watchpoint : StopReason.Breakpoint : StopReason.Step;
        Hit = breaks ? [.. watcher.Hit] : [];
        Watch = breaks ? watcher.Watch : null;
    }
}

/// <summary>Runs towards a goal, but not past where a vCPU first runs: from there another run goes on.</summary>
internal sealed class JoinGoal(IRunGoal goal, Action join) : IRunGoal
{
    public long NextTick => long.MaxValue;

    public bool WantsTraps => false;

    public bool HoldsInEvent(JournalEntry entry) => goal.HoldsInEvent(entry);

    public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses)
    {
        join();
        return true;
    }
}
