using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Simulator.Session;

/// <summary>A declared stage as people read it.</summary>
/// <param name="Condition">When its caller calls it, in words; null: always.</param>
/// <param name="Rollback">Runs when its caller fails.</param>
public sealed record StageInfo(string Name, int Depth, string Source, string? Condition, bool Rollback)
{
    /// <param name="without">Leaves out what is called only if this condition holds.</param>
    public static IEnumerable<StageInfo> Flatten<T>(Stage<T> stage, string? without = null, int depth = 0, bool rollback = false)
    {
        if (without is not null && stage.WhenText == without)
            yield break;
        yield return new StageInfo(stage.Name, depth, stage.Source, stage.WhenText, rollback);
        foreach (StageInfo inner in stage.Calls.SelectMany(c => Flatten(c, without, depth + 1, rollback)))
            yield return inner;
        if (stage.Rollback is not null)
        {
            foreach (StageInfo undo in Flatten(stage.Rollback, without, depth + 1, rollback: true))
                yield return undo;
        }
    }
}
