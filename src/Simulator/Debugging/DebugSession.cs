using XenSim.Hypervisor.Domains;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// A session under a debugger: run control forwards and backwards, breakpoints, and a look at the state. What every front (prompt, gdb, DAP) is built on.
/// To be used by one thread at a time; only <see cref="Interrupt"/> may come from another. Every call that runs returns when the session is held again.
/// </summary>
/// <remarks>docs/decisions/0010-debugger.md says how going back works and why it is exact.</remarks>
public sealed partial class DebugSession : IDisposable
{
    private readonly History _history;
    private CancellationTokenSource _interrupt = new();

    /// <param name="settings">Null: the defaults.</param>
    public DebugSession(SessionOptions options, DebugSettings? settings = null)
    {
        Options = options;
        Settings = settings ?? new DebugSettings();
        _history = new History(options, Settings);
        Inspect = new Inspector(() => _history.Current.Session) { Symbols = GuestSymbols.Of(options) };
        Report = new StopReport(StopReason.Start, Position.Start);
    }

    /// <summary>What is being debugged.</summary>
    public SessionOptions Options { get; }

    public DebugSettings Settings { get; }

    public BreakpointTable Breakpoints { get; } = [];

    /// <summary>The state now.</summary>
    public Inspector Inspect { get; }

    /// <summary>Where the session is held.</summary>
    public Position Position => _history.Current.Position;

    /// <summary>The last stop, which says why it is held there.</summary>
    public StopReport Report { get; private set; }

    /// <summary>The stages and hypercalls that are open now, innermost first; null: none.</summary>
    public CallFrame? Stack => _history.Journal.StackAt(Position);

    /// <summary>Events up to now. Unit: events.</summary>
    public long EventCount => Position.Event;

    /// <summary>The session is over here (one can still go back).</summary>
    public bool IsOver => _history.Current.Outcome is not null;

    /// <summary>An event that has been reached, by ordinal from 0; also one after the present position, if the session was there once.</summary>
    public JournalEntry EventAt(long ordinal) => _history.Journal[ordinal];

    /// <summary>Events that are known: those of the furthest position ever reached.</summary>
    public long KnownEvents => _history.Journal.Count;

    public HistoryFigures History => _history.Figures;

    /// <summary>Stops a run soon, from any thread.</summary>
    public void Interrupt() => Volatile.Read(ref _interrupt).Cancel();

    /// <summary>Runs until a breakpoint, an interrupt or an end of history.</summary>
    public StopReport Continue(Direction direction, CancellationToken stop = default) => Advance(StepEnd.Never, direction, stop);

    /// <summary>Makes one step, unless a breakpoint, an interrupt or an end of history comes first.</summary>
    /// <param name="vcpu">For instructions: only those of this vCPU count; null: of whichever runs.</param>
    public StopReport Step(Granularity granularity, StepKind kind, Direction direction, VcpuId? vcpu = null, CancellationToken stop = default) => granularity switch
    {
        Granularity.Stage => StepByEvents(StageSteps.Instance, kind, direction, stop),
        Granularity.Hypercall => StepByEvents(HypercallSteps.Instance, kind, direction, stop),
        _ => StepInstruction(kind, direction, vcpu, stop),
    };

    /// <summary>Goes to a position, in either direction, past every breakpoint.</summary>
    public StopReport GoTo(Position position) => Arrived(_history.Seek(position) ? StopReason.Reached : StopReason.EndOfHistory);

    /// <summary>Goes to where so many guest instructions have retired, or as soon after as a vCPU runs.</summary>
    public StopReport GoToInstruction(long instruction)
    {
        if (Position.Instruction >= instruction)
            _history.GoBackBefore(new Position(instruction, 0, 0, false));
        return Run(new InstructionGoal(instruction), StopReason.Reached);
    }

    /// <summary>Goes to the moment in which an event is told.</summary>
    /// <param name="ordinal">From 0.</param>
    public StopReport GoToEvent(long ordinal)
    {
        if (ordinal < KnownEvents)
            return GoTo(_history.Journal[ordinal].Position);
        return Run(new StepGoal(new StepEnd(e => e.Position.Event > ordinal, null), Watcher([], false), Position, CancellationToken.None), StopReason.Reached);
    }

    /// <summary>Goes to the very beginning, before anything has happened.</summary>
    public StopReport GoToStart() => GoTo(Position.Start);

    public void Dispose()
    {
        _history.Dispose();
        _interrupt.Dispose();
    }

    private StopReport Advance(StepEnd end, Direction direction, CancellationToken stop) => direction == Direction.Forward ? Forward(end, stop) : Backward(end, stop);

    private StopReport Forward(StepEnd end, CancellationToken stop)
    {
        if (IsOver)
            return Arrived(StopReason.EndOfHistory);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stop, FreshInterrupt());
        StopWatcher watcher = Watcher(Breakpoints, counts: true);
        StepGoal goal = new(end, watcher, Position, both.Token);
        _history.Run(goal, () => ([.. watcher.Addresses, .. end.Addresses], watcher.Ranges()));
        StopReport report = Arrived(IsOver ? StopReason.EndOfHistory : goal.Reason, IsOver ? [] : [.. watcher.Hit], watcher.Watch);
        foreach (Breakpoint b in report.Hit.Where(b => b.Temporary))
            Breakpoints.Remove(b.Id);
        return report;
    }

    /// <summary>Searches the last stop before now: interval by interval, each run forwards to see where it would have stopped.</summary>
    private StopReport Backward(StepEnd end, CancellationToken stop)
    {
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stop, FreshInterrupt());
        Position before = Position;
        Position origin = before;
        while (before > Position.Start)
        {
            Position from = _history.GoBackBefore(before);
            StopWatcher watcher = Watcher(Breakpoints, counts: false);
            LastStopGoal goal = new(end, watcher, from, before, both.Token);
            _history.Run(goal, () => ([.. watcher.Addresses, .. end.Addresses], watcher.Ranges()));
            if (both.IsCancellationRequested)
            {
                _history.Seek(origin);
                return Arrived(StopReason.Interrupted);
            }

            if (goal.Found is { } found)
            {
                _history.Seek(found);
                StopReport report = Arrived(goal.Reason, goal.Hit, goal.Watch);
                foreach (Breakpoint b in report.Hit.Where(b => b.Temporary))
                    Breakpoints.Remove(b.Id);
                return report;
            }

            before = from;
        }

        _history.Seek(Position.Start);
        return Arrived(StopReason.BeginOfHistory);
    }

    private StopReport Run(IRunGoal goal, StopReason reason)
    {
        if (!IsOver)
            _history.Run(goal, null);
        return Arrived(IsOver ? StopReason.EndOfHistory : reason);
    }

    private StopWatcher Watcher(IReadOnlyList<Breakpoint> breakpoints, bool counts) => new(Inspect, breakpoints, counts);

    private CancellationToken FreshInterrupt()
    {
        CancellationTokenSource old = Interlocked.Exchange(ref _interrupt, new CancellationTokenSource());
        old.Dispose();
        return _interrupt.Token;
    }

    private StopReport Arrived(StopReason reason, IReadOnlyList<Breakpoint>? hit = null, WatchReport? watch = null)
    {
        Inspect.Select(null);
        Vcpu? vcpu = Inspect.Running;
        Position now = Position;
        return Report = new StopReport(reason, now)
        {
            Event = now.InEvent ? _history.Journal.At(now)?.Event : null,
            Stack = Stack,
            Vcpu = vcpu is null ? null : new VcpuId(vcpu.Domain.Id, vcpu.Id),
            InstructionPointer = vcpu?.Cpu.Rip,
            Hit = hit ?? [],
            Watch = watch,
            Outcome = _history.Current.Outcome,
        };
    }
}
