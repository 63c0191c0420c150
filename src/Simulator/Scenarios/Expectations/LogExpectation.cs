using System.Collections.Immutable;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>log: ["xc_dom_parse_image: called"]</c> and <c>no-log</c></summary>
internal static class LogExpectation
{
    private static readonly ListShape<string> s_lines = new(new TextShape("part of a log line"), "parts of log lines");

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "log", "Lines that the tools or Xen print, in this order; part of a line is enough.", s_lines, Moment.End,
        (lines, evidence) => InOrder.Check(lines, Lines(evidence), (l, line) => line.Contains(l.Value, StringComparison.Ordinal), l => $"\"{l.Value}\"", "printed"));

    public static readonly Field<ImmutableList<IExpectation>> NegativeKeyword = ExpectationCatalogue.Single(
        "no-log", "Lines that must not be printed.", s_lines, Moment.End,
        (lines, evidence) => lines.Select(l => l.Value).FirstOrDefault(l => Lines(evidence).Any(a => a.Contains(l, StringComparison.Ordinal))) is { } printed
            ? $"\"{printed}\" was printed" : null);

    private static IEnumerable<string> Lines(IEvidence evidence) => evidence.Events.Select(e => e.Event).OfType<LogLine>().Select(l => l.Rendered);
}
