using XenSim.Guest.Cpu;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

/// <summary>Where a session has been, and the way back: a captured state or the beginning, and running again from there.</summary>
internal sealed class History : IDisposable
{
    /// <summary>What an exit to Xen costs, in instructions.</summary>
    public const int ExitWeight = 64;

    private readonly SessionOptions _options;
    private readonly DebugSettings _settings;

    public History(SessionOptions options, DebugSettings settings)
    {
        (_options, _settings) = (options, settings);
        Current = Start();
    }

    public Journal Journal { get; } = new();

    /// <summary>The run that is held now.</summary>
    public Execution Current { get; private set; }

    public HistoryFigures Figures => new(0, 0, _settings.Interval, _settings.MemoryBound);

    /// <summary>Runs on from where the session is held.</summary>
    public void Run(IRunGoal goal, Func<(IReadOnlyList<ulong> Addresses, IReadOnlyList<WatchedRange> Ranges)>? traps)
    {
        Current.Traps = traps;
        Current.Run(goal);
    }

    /// <summary>Goes to a position. False: the session ends before it.</summary>
    public bool Seek(Position target)
    {
        if (target < Current.Position)
            GoBackBefore(target);
        if (Current.Position < target && Current.Outcome is null)
            Run(new SeekGoal(target), null);
        return Current.Position >= target;
    }

    /// <summary>Goes to somewhere before a position, or to the beginning, from where running forwards is short.</summary>
    /// <returns>Where it is held then.</returns>
    public Position GoBackBefore(Position position)
    {
        Current.Dispose();
        Current = Start();
        return Current.Position;
    }

    /// <summary>Goes to about so many ticks before a position, or to the beginning.</summary>
    public Position GoBackBy(Position position, long ticks)
    {
        Seek(new Position(Math.Max(0, position.Tick - ticks), 0, 0, false));
        return Current.Position;
    }

    public void Dispose() => Current.Dispose();

    private Execution Start() => new(_options, Journal);
}
