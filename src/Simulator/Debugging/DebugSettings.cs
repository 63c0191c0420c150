namespace XenSim.Simulator.Debugging;

/// <summary>How a debugger keeps history.</summary>
public sealed record DebugSettings
{
    /// <summary>Whether states are captured on the way; without, going back runs everything again.</summary>
    public bool KeepHistory { get; init; } = true;

    /// <summary>Distance of captured states. Unit: ticks (instructions, and exits of vCPUs, each of which weighs as <see cref="History.ExitWeight"/> instructions).</summary>
    public long Interval { get; init; } = 20_000_000;

    /// <summary>What captured states and the journal of events may take; states are thinned out beyond it, down to the first. Unit: bytes.</summary>
    public long MemoryBound { get; init; } = 1L << 30;
}

/// <summary>What history takes now.</summary>
/// <param name="States">Captured states.</param>
/// <param name="Bytes">What they take. Unit: bytes.</param>
public readonly record struct HistoryFigures(int States, long Bytes, long Interval, long Bound);
