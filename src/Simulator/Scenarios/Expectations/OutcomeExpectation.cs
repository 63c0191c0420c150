using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>outcome: powered-off</c></summary>
internal static class OutcomeExpectation
{
    public const string Word = "outcome";

    private static readonly Dictionary<string, SessionEnd> s_words = new()
    {
        ["powered-off"] = SessionEnd.PoweredOff,
        ["rebooted"] = SessionEnd.Rebooted,
        ["suspended"] = SessionEnd.Suspended,
        ["crashed"] = SessionEnd.Crashed,
        ["destroyed"] = SessionEnd.Destroyed,
        ["halted"] = SessionEnd.Halted,
        ["until-reached"] = SessionEnd.UntilReached,
        ["build-failed"] = SessionEnd.BuildFailed,
        ["limit-reached"] = SessionEnd.LimitReached,
    };

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        Word, "How the session ends.", new ChoiceShape<SessionEnd>("an outcome", s_words), Moment.End,
        (expected, evidence) => evidence.Outcome is { } o && o.End == expected ? null : $"expected {WordOf(expected)}, got {Describe(evidence.Outcome)}");

    private static string Describe(SessionOutcome? outcome) => outcome is null ? "no end" : $"{WordOf(outcome.End)} ({outcome.Detail})";

    private static string WordOf(SessionEnd end) => s_words.FirstOrDefault(w => w.Value == end).Key ?? end.ToString();
}
