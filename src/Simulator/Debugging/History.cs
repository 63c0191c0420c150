using XenSim.Guest.Cpu;
using XenSim.Simulator.Debugging.State;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// Where a session has been, and the way back: the last captured state before, and running again from there. States are captured where a guest is about to run;
/// before the first of them, while everything is built, going back runs the build again in a session of its own.
/// </summary>
internal sealed class History : IBoundaryWork, IOutsideHistory, IDisposable
{
    /// <summary>What an exit to Xen costs, in instructions.</summary>
    public const int ExitWeight = 64;

    /// <summary>What an event that was noted takes, about. Unit: bytes.</summary>
    private const long EventBytes = 256;

    private readonly SessionOptions _options;
    private readonly DebugSettings _settings;
    private readonly List<Capture> _captures = [];
    private readonly List<(Position Position, Intervention Change)> _changes = [];

    // Everywhere that a state was ever captured, in order: translations are dropped there in every run, so that all runs walk the same page tables.
    private readonly List<Position> _drops = [];
    private Execution _trunk;
    private StateGraph? _graph;
    private int _done;
    private bool _joins;
    private string? _refusal;

    public History(SessionOptions options, DebugSettings settings)
    {
        (_options, _settings) = (options, settings);
        Current = _trunk = Start();
    }

    public Journal Journal { get; } = new();

    /// <summary>The run that is held now.</summary>
    public Execution Current { get; private set; }

    public IReadOnlyList<(Position Position, Intervention Change)> Changes => _changes;

    public HistoryFigures Figures => new(_captures.Count, Bytes, _settings.Interval, _settings.MemoryBound);

    public long NextTick { get; private set; } = long.MaxValue;

    /// <summary>Where a guest first runs, once that was reached.</summary>
    public Position? FirstInstruction => _captures.Count > 0 ? _captures[0].Position : null;

    /// <summary>Copies of pages, of objects, and the journal.</summary>
    private long Bytes => (_graph?.Bytes ?? 0) + (_captures.Count == 0 ? 0 : BytesOf(_trunk.Session.Xen.Memory)) + (Journal.Count * EventBytes);

    /// <summary>Runs on from where the session is held.</summary>
    public void Run(IRunGoal goal, Func<(IReadOnlyList<ulong> Addresses, IReadOnlyList<WatchedRange> Ranges)>? traps)
    {
        bool replay = Current != _trunk && _captures.Count > 0;
        Current.Traps = traps;
        _joins = false;
        Current.Run(replay ? new JoinGoal(goal, () => _joins = true) : goal);
        if (!_joins)
            return;

        // The build has been run again up to where the first state was captured: on from there as before.
        PutBack(_captures[0]);
        Current.Traps = traps;
        Current.Run(goal);
    }

    /// <summary>Goes to a position. False: the session ends before it.</summary>
    public bool Seek(Position target)
    {
        if (target == Current.Position)
            return true;
        bool nearer = _captures.Any(c => c.Position > Current.Position && c.Position <= target);
        if (target < Current.Position || nearer)
            GoBackTo(target);
        if (Current.Position < target && Current.Outcome is null)
            Run(new SeekGoal(target), null);
        return Current.Position >= target;
    }

    /// <summary>Goes to somewhere before a position, or to the beginning, from where running forwards is short.</summary>
    /// <returns>Where it is held then.</returns>
    public Position GoBackBefore(Position position)
    {
        if (_captures.FindLast(c => c.Position < position) is { } capture)
            PutBack(capture);
        else
            StartAgain();
        return Current.Position;
    }

    /// <summary>Goes to about so many ticks before a position, or to the beginning.</summary>
    public Position GoBackBy(Position position, long ticks)
    {
        Seek(new Position(Math.Max(0, position.Tick - ticks), 0, 0, false));
        return Current.Position;
    }

    /// <summary>
    /// Does something from outside here and now: on the session's own thread, as it is done again whenever the session comes by. What comes after is forgotten.
    /// The session is held before the next instruction then.
    /// </summary>
    public string? Change(Intervention change)
    {
        Position now = Current.Position;
        Journal.Cut(now.Event);
        foreach (Capture c in _captures.Where(c => c.Position > now).ToList())
            Drop(c);
        _drops.RemoveAll(p => p > now);
        _changes.RemoveAll(c => c.Position > now);
        _done = _changes.Count;
        _changes.Add((now, change));
        _refusal = null;
        Run(new NextBoundaryGoal(), null);
        if (_refusal is null)
            return null;
        _changes.RemoveAt(_changes.Count - 1);
        _done = _changes.Count;
        return _refusal;
    }

    /// <summary>Changes that are to come: only before anything has run.</summary>
    public void Expect(IEnumerable<(Position Position, Intervention Change)> changes) => _changes.AddRange(changes);

    public string Digest() => StateDigest.Of(RootsOf(Current));

    public void Dispose()
    {
        Current.Dispose();
        _trunk.Dispose();
    }

    bool IBoundaryWork.At(Execution execution)
    {
        Position now = execution.Position;
        NextTick = long.MaxValue;
        if (execution == _trunk && _settings.KeepHistory)
        {
            CaptureIfDue(execution, now);
            while (_captures.Count > 1 && Bytes > _settings.MemoryBound)
                Drop(Thinnest(now));
        }

        bool changed = false;
        for (; _done < _changes.Count && _changes[_done].Position <= now; _done++)
        {
            _refusal = _changes[_done].Change.Apply(execution.Session);
            changed = true;
        }

        if (_done < _changes.Count)
            NextTick = Math.Min(NextTick, _changes[_done].Position.Tick);
        return changed;
    }

    private static long Weight(Position p) => p.Instruction + (ExitWeight * p.Exit);

    /// <summary>The pages that only captured states hold, and the tables of those.</summary>
    private static long BytesOf(Guest.Memory.PhysicalMemory memory) => ((memory.StoredPages - memory.AllocatedFrames) * 4096L) + memory.SnapshotBytes;

    private static object[] RootsOf(Execution e) => [e.Session];

    private void CaptureIfDue(Execution execution, Position now)
    {
        if (_drops.Count > 0 && now <= _drops[^1])
        {
            int at = _drops.BinarySearch(now);
            if (at >= 0)
                execution.Session.Xen.Memory.ForgetTranslations();
            int next = at >= 0 ? at + 1 : ~at;
            NextTick = next < _drops.Count ? _drops[next].Tick : now.Tick + _settings.Interval;
            return;
        }

        long due = _drops.Count == 0 ? 0 : _settings.Interval - (Weight(now) - Weight(_drops[^1]));
        if (due <= 0)
        {
            Keep(execution, now);
            due = _settings.Interval;
        }

        NextTick = now.Tick + Math.Max(1, due);
    }

    private void Keep(Execution execution, Position now)
    {
        _graph ??= new StateGraph(RootsOf(execution), [_options, execution.Session.Xen.Options.Host, execution.Session.Xen.Profile, execution.Session.Xen.Hypercalls.Table]);
        StateCapture state = _graph.Capture();
        _captures.Add(new Capture(now, state, _done));
        _drops.Add(now);
    }

    /// <summary>The one that is missed least: its neighbours are near each other, seen from now. The first stays, and the last as long as there are others.</summary>
    private Capture Thinnest(Position now)
    {
        int best = 1;
        double least = double.MaxValue;
        for (int i = 1; i < _captures.Count - 1; i++)
        {
            double gap = Weight(_captures[i + 1].Position) - Weight(_captures[i - 1].Position);
            double merit = gap / (Weight(now) - Weight(_captures[i].Position) + 1);
            if (merit < least)
                (best, least) = (i, merit);
        }

        return _captures[best];
    }

    private void Drop(Capture capture)
    {
        _captures.Remove(capture);
        capture.State.Dispose();
    }

    /// <summary>To the last captured state at or before a position, or to the beginning.</summary>
    private void GoBackTo(Position target)
    {
        if (_captures.FindLast(c => c.Position <= target) is { } capture)
            PutBack(capture);
        else
            StartAgain();
    }

    private void PutBack(Capture capture)
    {
        if (Current != _trunk)
        {
            Current.Dispose();
            Current = _trunk;
        }

        _trunk.Abandon();
        capture.State.Restore();
        _trunk.PutBack(capture.Position);
        _done = capture.Changes;
        NextTick = capture.Position.Tick + 1;
    }

    private void StartAgain()
    {
        if (Current != _trunk || _captures.Count == 0)
            Current.Dispose();
        else
            _trunk.Abandon();
        bool first = _captures.Count == 0;
        Current = Start();
        if (first)
            _trunk = Current;
        _done = 0;
    }

    private Execution Start()
    {
        NextTick = long.MaxValue;
        return new Execution(_options, Journal) { Boundary = this };
    }

    /// <param name="Changes">Changes from outside that have been done.</param>
    private sealed record Capture(Position Position, StateCapture State, int Changes);
}
