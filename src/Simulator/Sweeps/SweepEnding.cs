using System.Text.Json.Serialization;

namespace XenSim.Simulator.Sweeps;

/// <summary>What came of a boot with faults. The worse, the later.</summary>
internal enum SweepEnding
{
    /// <summary>The faults were never reached: the boot had another course by then.</summary>
    NotReached,

    /// <summary>The build failed and nothing of the domain is left.</summary>
    Refused,

    /// <summary>The same end as without faults: what failed is not checked, by real Xen and its tools neither.</summary>
    Unnoticed,

    /// <summary>The build failed and the domain is still there.</summary>
    LeftBehind,

    /// <summary>The guest ran and came to another end.</summary>
    OtherEnd,

    /// <summary>Page counts and types disagree with a recount.</summary>
    Miscounted,

    /// <summary>A limit was reached.</summary>
    Hung,

    /// <summary>Stopped at something that is not implemented.</summary>
    Unimplemented,

    /// <summary>An exception: a bug in the simulator.</summary>
    Bug,
}

/// <summary>What is looked at after a boot of a sweep.</summary>
/// <param name="Stage">The function that gave up first, the injected failure aside; empty: none.</param>
/// <param name="Cause">In words, without numbers that differ from case to case.</param>
internal sealed record SweepResult(string Label, SweepEnding Ending, string Stage, string Cause)
{
    /// <summary>Cases with the same signature are one finding.</summary>
    [JsonIgnore]
    public (SweepEnding Ending, string Stage, string Cause) Signature => (Ending, Stage, Cause);

    /// <summary>Ours to mend, whatever Xen does.</summary>
    [JsonIgnore]
    public bool IsOurs => Ending >= SweepEnding.Miscounted;
}
