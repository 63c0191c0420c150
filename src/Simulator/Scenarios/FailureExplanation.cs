using System.Globalization;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios;

/// <summary>What a person wants to know first of a scenario that failed.</summary>
internal static class FailureExplanation
{
    private const int EventsShown = 12;

    public static FailureReport For(Scenario scenario, BootSession session, EventLog log, IReadOnlyList<Mismatch> mismatches, IReadOnlyList<string> divergence)
    {
        int at = PlaceOf(session, log.Events, mismatches);
        long sequence = at < 0 ? 0 : log.Events[at].Sequence;
        string debug = string.Create(CultureInfo.InvariantCulture, $"xensim debug {Quoted(scenario.File)}{(scenario.Variation.Length > 0 ? $" --scenario {Quoted(scenario.Name)}" : "")}{(scenario.Session.Seed != 0 ? $" --seed {scenario.Session.Seed}" : "")} --goto event:{sequence}");
        return new FailureReport(
            [.. Enumerable.Range(Math.Max(0, at - EventsShown + 1), Math.Min(EventsShown, at + 1)).Select(i => Line(log.Events[i]))], session.ExplainCrash(), debug, divergence);
    }

    /// <summary>
    /// A build that was not to fail: where it failed first. Nothing but expectations at the guest's entry: there. Otherwise the end.
    /// </summary>
    private static int PlaceOf(BootSession session, IReadOnlyList<TimedEvent> events, IReadOnlyList<Mismatch> mismatches)
    {
        int failed = session.Outcome is { End: SessionEnd.BuildFailed } ? FirstIndex(events, e => e is StageFailed) : -1;
        if (failed >= 0)
            return failed;
        int entry = mismatches.Count > 0 && mismatches.All(m => m.Moment == Expectations.Moment.Entry) ? FirstIndex(events, e => e is GuestStarted started && started.Domain == session.Subject) : -1;
        return entry >= 0 ? entry : events.Count - 1;
    }

    private static int FirstIndex(IReadOnlyList<TimedEvent> events, Func<XenEvent, bool> matches)
    {
        for (int i = 0; i < events.Count; i++)
        {
            if (matches(events[i].Event))
                return i;
        }

        return -1;
    }

    private static string Line(in TimedEvent e) => string.Create(CultureInfo.InvariantCulture, $"#{e.Sequence} at {e.Instructions}: {EventText.Of(e)}");

    /// <summary>For a shell.</summary>
    private static string Quoted(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || "/._-".Contains(c, StringComparison.Ordinal)) ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
