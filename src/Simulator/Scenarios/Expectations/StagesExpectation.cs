using System.Collections.Immutable;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>stages: [build_pre, setup_hypercall_page]</c> and <c>no-stages</c></summary>
internal static class StagesExpectation
{
    private static readonly ListShape<string> s_names = new(new TextShape("a stage's name"), "stage names");

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "stages", "Stages entered, in this order, others between them allowed. Names are those of \"xensim stages\".", s_names, Moment.End,
        (names, evidence) => InOrder.Check(names, Entered(evidence), (n, stage) => n.Value == stage, n => $"stage {n.Value}", "entered"));

    public static readonly Field<ImmutableList<IExpectation>> NegativeKeyword = ExpectationCatalogue.Single(
        "no-stages", "Stages that must not be entered.", s_names, Moment.End,
        (names, evidence) => names.Select(n => n.Value).FirstOrDefault(Entered(evidence).Contains) is { } entered ? $"stage {entered} was entered" : null);

    private static IEnumerable<string> Entered(IEvidence evidence)
        => evidence.Events.Select(e => e.Event).OfType<StageEntered>().Select(e => e.Stage);
}
