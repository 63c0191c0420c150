using System.Globalization;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Reports;

/// <summary>Results of a run as reports.</summary>
internal static class ScenarioReports
{
    /// <param name="places">For each scenario its place in the whole suite.</param>
    /// <param name="of">Scenarios in the whole suite.</param>
    public static IReadOnlyList<ScenarioReport> From(IReadOnlyList<Scenario> scenarios, IReadOnlyList<ScenarioResult?> results, IReadOnlyList<int> places, int of)
        => [.. scenarios.Select((s, i) => From(s, results[i], places[i], of))];

    /// <summary>Shards put together: in the suite's order, with an error for whatever is in none of them.</summary>
    /// <returns>Null with <paramref name="wrong"/>: they are not parts of one suite.</returns>
    public static IReadOnlyList<ScenarioReport>? Merge(IEnumerable<ScenarioReport> parts, out string? wrong)
    {
        SortedDictionary<int, ScenarioReport> byPlace = [];
        wrong = null;
        int of = 0;
        foreach (ScenarioReport report in parts)
        {
            of = of == 0 ? report.Of : of;
            if (report.Of != of)
                wrong ??= $"\"{report.Name}\" is of a suite of {report.Of} scenarios, those before it are of one of {of}";
            else if (!byPlace.TryAdd(report.Index, report) && Better(report, byPlace[report.Index], ref wrong))
                byPlace[report.Index] = report;
        }

        if (wrong is not null)
            return null;
        return [.. Enumerable.Range(0, of).Select(i => byPlace.GetValueOrDefault(i) ?? Missing(i, of))];
    }

    /// <summary>The same place twice: a scenario that was not run in one part gives way to its result in another.</summary>
    private static bool Better(ScenarioReport second, ScenarioReport first, ref string? wrong)
    {
        if (second.Name != first.Name || second.File != first.File)
            wrong ??= $"\"{first.Name}\" and \"{second.Name}\" have the same place: these are parts of different suites";
        else if (second.Seed != first.Seed)
            wrong ??= $"\"{first.Name}\" was run with seed {first.Seed ?? 0} in one part and {second.Seed ?? 0} in another";
        else if (second.Verdict != first.Verdict && second.Verdict != Verdicts.NotRun && first.Verdict != Verdicts.NotRun)
            wrong ??= $"\"{first.Name}\" {first.Verdict} in one part and {second.Verdict} in another";
        return first.Verdict == Verdicts.NotRun;
    }

    private static ScenarioReport Missing(int index, int of)
        => new() { Index = index, Of = of, Name = string.Create(CultureInfo.InvariantCulture, $"scenario {index + 1} of {of}"), File = "?", Verdict = Verdicts.NotRun, Detail = "it is in none of the parts: no verdict" };

    private static ScenarioReport From(Scenario scenario, ScenarioResult? result, int index, int of) => new()
    {
        Index = index,
        Of = of,
        Name = scenario.Name,
        File = scenario.File,
        Description = scenario.Description,
        Tags = scenario.Tags,
        Xen = scenario.Session.Release == XenRelease.V4_0 ? "4.0" : "4.17",
        Path = scenario.Session.Path.ToString().ToLowerInvariant(),
        Verdict = Verdicts.Of(result),
        Detail = result?.Outcome.Detail ?? "it was not started: no verdict",
        Instructions = result?.Instructions ?? 0,
        Events = result?.Events ?? 0,
        Nanoseconds = result?.Nanoseconds ?? 0,
        Digest = result?.Digest,
        Seed = scenario.Session.Seed == 0 ? null : scenario.Session.Seed,
        Mismatches = [.. (result?.Mismatches ?? []).Select(m => Mismatch(scenario, m))],
        Failure = result?.Failure,
        Run = result?.Report,
    };

    public static MismatchReport Mismatch(Scenario scenario, Mismatch mismatch)
        => new(mismatch.Mark is { } m ? string.Create(CultureInfo.InvariantCulture, $"{scenario.File}:{m.Line}:{m.Column}") : scenario.File, mismatch.Keyword, mismatch.Text);
}
