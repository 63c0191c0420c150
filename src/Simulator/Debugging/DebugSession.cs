using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;
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
        Inspect = new Inspector(() => _history.Current.Session) { Symbols = GuestSymbols.Of(options), Unwinding = () => OrcTable.Of(options) };
        Report = new StopReport(StopReason.Start, Position.Start);
        _history.Journal.Passed = Follow;
    }

    /// <summary>What was changed from outside in the session that is to be followed, before it begins: a recording's.</summary>
    internal void Expect(IEnumerable<(Position Position, Intervention Change)> changes) => _history.Expect(changes);

    /// <summary>The words by which the session was asked for, for a recording.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

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

    /// <summary>The hypercall page of the guest that the session is about, as it was last written; null: none has been.</summary>
    public PageWritten? HypercallPage => _history.Journal.HypercallPageAt(Position, Inspect.Session.Subject);

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

    /// <summary>Whether something can be changed here: a vCPU is about to run.</summary>
    public bool CanChange => !Position.InEvent && Inspect.Running is not null && !IsOver;

    /// <summary>
    /// Changes something, as somebody from outside would: types at the console, pokes memory, sets a register. It belongs to history from now on, and what was known
    /// to come after is forgotten.
    /// </summary>
    /// <returns>Null: done. Else why not, in one line.</returns>
    public string? Change(Intervention change)
    {
        if (!CanChange)
            return "the state can be changed only where a vCPU is about to run: step to an instruction first";
        _shown = Math.Min(_shown, Position.Event);
        return _history.Change(change);
    }

    /// <summary>What came in from outside so far, in order.</summary>
    public IReadOnlyList<(Position Position, Intervention Change)> Changes => _history.Changes;

    /// <summary>A number for the whole state: equal states have equal ones. It reads everything.</summary>
    public string StateDigest() => _history.Digest();

    /// <summary>Goes to the very beginning, before anything has happened.</summary>
    public StopReport GoToStart() => GoTo(Position.Start);

    public void Dispose()
    {
        _history.Dispose();
        _interrupt.Dispose();
    }

    private StopReport Advance(StepEnd end, Direction direction, CancellationToken stop) => direction == Direction.Forward ? Forward(end, stop) : Backward(end, Breakpoints, stop);

    private StopReport Forward(StepEnd end, CancellationToken stop)
    {
        if (IsOver)
            return Arrived(StopReason.EndOfHistory);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stop, FreshInterrupt());
        StopWatcher watcher = Watcher(Breakpoints, counts: true);
        watcher.Begin(Inspect.Running);
        StepGoal goal = new(end, watcher, Position, both.Token);
        _history.Run(goal, () => ([.. watcher.Addresses, .. end.Addresses], watcher.Ranges()));
        StopReport report = Arrived(IsOver ? StopReason.EndOfHistory : goal.Reason, IsOver ? [] : [.. watcher.Hit], watcher.Watch);
        ForgetTemporary(report);
        return report;
    }

    /// <summary>
    /// Searches the last stop before now. Steps by events are known from the journal; what else may stop is found interval by interval, each run forwards to see
    /// where it would have stopped.
    /// </summary>
    /// <param name="includesNow">Whether what shows at the present moment counts.</param>
    private StopReport Backward(StepEnd end, IReadOnlyList<Breakpoint> breakpoints, CancellationToken stop, bool includesNow = false)
    {
        Position origin = Position;
        JournalEntry? known = end.Event is null ? null : LastEvent(end.Event, origin);
        Position earliest = known?.Position ?? Position.Start;
        if (!breakpoints.Any(b => b.Enabled) && end.Boundary is null)
            return known is null ? ToBegin() : GoTo(earliest, StopReason.Step);

        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stop, FreshInterrupt());
        Position before = origin;
        bool inclusive = includesNow;
        for (long window = 1; before > earliest; window *= WindowGrowth)
        {
            // Where every instruction counts, the last few are looked at first.
            Position from = end.EveryInstruction && window < LongestWindow ? _history.GoBackBy(before, window) : _history.GoBackBefore(before);
            if (from >= before)
                continue;
            if (window == 1 && IsStepBefore(end, breakpoints, from, before))
                return Arrived(StopReason.Step);
            StopWatcher watcher = Watcher(breakpoints, counts: false);
            watcher.Begin(Inspect.Running);
            LastStopGoal goal = new(end, watcher, from, before, inclusive, both.Token);
            _history.Run(goal, () => ([.. watcher.Addresses, .. end.Addresses], watcher.Ranges()));
            if (both.IsCancellationRequested)
                return GoTo(origin, StopReason.Interrupted);
            if (goal.Found is { } found && found >= earliest)
            {
                _history.Seek(found);
                StopReport report = Arrived(goal.Reason, goal.Hit, goal.Watch);
                ForgetTemporary(report);
                return report;
            }

            before = from;
            inclusive = true;
        }

        if (known is not null)
            return GoTo(earliest, StopReason.Step);
        return end.EveryInstruction && _history.FirstInstruction is { } first && first <= origin ? GoTo(first, StopReason.BeginOfHistory) : ToBegin();
    }

    /// <summary>One instruction back, most often: it is held there already, nothing lies between, and nothing else is looked for.</summary>
    private bool IsStepBefore(StepEnd end, IReadOnlyList<Breakpoint> breakpoints, Position from, Position before)
        => from == before with { Instruction = before.Instruction - 1 } && !from.InEvent && end is { Event: null, EveryInstruction: true, Boundary: { } counts }
            && !breakpoints.Any(b => b.Enabled) && Inspect.Running is { } vcpu && counts(vcpu, from);

    private JournalEntry? LastEvent(Func<JournalEntry, bool> wanted, Position before)
    {
        for (long i = Math.Min(before.Event, KnownEvents) - 1; i >= 0; i--)
        {
            JournalEntry e = _history.Journal[i];
            if (e.Position < before && wanted(e))
                return e;
        }

        return null;
    }

    private StopReport ToBegin() => GoTo(Position.Start, StopReason.BeginOfHistory);

    private StopReport GoTo(Position position, StopReason reason)
    {
        _history.Seek(position);
        return Arrived(reason);
    }

    private void ForgetTemporary(StopReport report)
    {
        foreach (Breakpoint b in report.Hit.Where(b => b.Temporary))
            Breakpoints.Remove(b.Id);
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
