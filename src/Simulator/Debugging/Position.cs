using System.Globalization;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// A moment of a session, the same in every run of it: how many guest instructions had retired, how often a vCPU had left to Xen, and how many
/// events had been emitted. A run can be held at two kinds of moments: right after an event was emitted (<paramref name="InEvent"/>, also in the
/// midst of a hypercall or of a stage), and when a vCPU is about to run.
/// </summary>
/// <param name="Instruction">Guest instructions retired, of all vCPUs together.</param>
/// <param name="Exit">Exits of vCPUs to Xen.</param>
/// <param name="Event">Events emitted.</param>
/// <param name="InEvent">The event before this one is being told; nothing has happened since.</param>
public readonly record struct Position(long Instruction, long Exit, long Event, bool InEvent) : IComparable<Position>
{
    public static readonly Position Start = new(0, 0, 0, false);

    /// <summary>Moments at which a vCPU is about to run are numbered by this.</summary>
    public long Tick => Instruction + Exit;

    public int CompareTo(Position other)
    {
        int order = Tick.CompareTo(other.Tick);
        if (order == 0)
            order = Event.CompareTo(other.Event);
        return order == 0 ? other.InEvent.CompareTo(InEvent) : order;
    }

    public static bool operator <(Position a, Position b) => a.CompareTo(b) < 0;

    public static bool operator >(Position a, Position b) => a.CompareTo(b) > 0;

    public static bool operator <=(Position a, Position b) => a.CompareTo(b) <= 0;

    public static bool operator >=(Position a, Position b) => a.CompareTo(b) >= 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"event {Event}, instruction {Instruction}");
}

/// <summary>What one step is.</summary>
public enum Granularity
{
    /// <summary>A stage of a boot machine on either side of the domctl; also a guest's first instruction and a domain's end.</summary>
    Stage,
    Hypercall,
    Instruction,
}

public enum StepKind
{
    /// <summary>To the next one, wherever it is.</summary>
    Into,

    /// <summary>To the next one that is not below the present one; of instructions: over calls and repeated strings.</summary>
    Over,

    /// <summary>To where the present stage, hypercall or guest function returns.</summary>
    Out,
}

public enum Direction
{
    Forward,
    Backward,
}
