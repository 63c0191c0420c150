using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>snapshots: [{snapshot: before, is: equal}]</c></summary>
internal static class SnapshotsExpectation
{
    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Each(
        "snapshots", "What has become at the end of memory that a step of the script has kept.", ScriptLanguage.Comparison, "comparisons", _ => Moment.End,
        (wanted, evidence) => evidence.CompareSnapshot(wanted));
}
