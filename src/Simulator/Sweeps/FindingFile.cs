using System.Globalization;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Scenarios.Yaml;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Sweeps;

/// <summary>A finding as a scenario file of its own, which fails until the finding is mended.</summary>
internal static class FindingFile
{
    private static readonly string[] s_dropped = ["matrix", "golden", "tags", "skip", "known-issue", "expect", "faults", "name", "description"];
    private static readonly Mark s_nowhere = new(1, 1);

    /// <param name="document">The scenario that was swept, as one document.</param>
    /// <param name="folder">Where the file will be: files that the scenario names are named from there.</param>
    public static string Render(Scenario scenario, YamlMapping document, SweepFinding finding, string folder)
    {
        YamlEntry[] kept = [.. document.Entries.Where(e => !s_dropped.Contains(e.Key.Text)).Select(e => e.Key.Text == "guest" ? Moved(e, scenario, folder) : e.Key.Text == "domains" ? MovedEach(e, scenario, folder) : e)];
        return YamlWriter.Write(new YamlMapping(s_nowhere,
        [
            Entry("name", Quoted($"{Cut(scenario.Name, 60)}: {finding.Example.Ending} in {Cut(Shown(finding.Example.Stage), 30)}")),
            Entry("description", Quoted($"Found by a sweep, {finding.Smallest.Label}: {finding.Example.Ending}. {finding.Example.Cause}".TrimEnd())),
            .. kept,
            Entry("faults", new YamlSequence(s_nowhere, [.. finding.Smallest.Faults.Select(Fault)])),
            Entry("expect", Expectation(finding.Example)),
        ]));
    }

    public static string NameOf(SweepFinding finding, int number)
        => string.Create(CultureInfo.InvariantCulture, $"{number:d3}-{finding.Example.Ending.ToString().ToLowerInvariant()}-{string.Concat(Shown(finding.Example.Stage).Where(c => char.IsAsciiLetterOrDigit(c) || c is '_'))}.yaml");

    /// <summary>What should be so, which is not.</summary>
    private static YamlMapping Expectation(SweepResult result) => new(s_nowhere, result.Ending switch
    {
        SweepEnding.LeftBehind => [Entry("domain", new YamlMapping(s_nowhere, [Entry("exists", Plain("false"))]))],
        SweepEnding.Miscounted => [Entry("frames", new YamlMapping(s_nowhere, [Entry("recount", Plain("true"))]))],
        _ => [Entry("outcome", Plain("build-failed"))],
    });

    private static YamlMapping Fault(Fault fault)
    {
        List<YamlEntry> entries = [Entry(fault.Point.ToString().ToLowerInvariant(), Quoted(fault.Name))];
        if (fault.Errno != XenErrno.None)
            entries.Add(Entry("errno", Plain(fault.Errno.ToString())));
        if (fault.Occurrence is { } only)
            entries.Add(Entry("occurrence", Number(only)));
        if (fault.Every is { } every)
            entries.Add(Entry("every", Number(every)));
        if (fault.OneIn is { } many)
            entries.Add(Entry("one-in", Number(many)));
        if (fault.Seed is { } seed)
            entries.Add(Entry("seed", Number(seed)));
        return new YamlMapping(s_nowhere, entries);
    }

    private static YamlEntry MovedEach(YamlEntry domains, Scenario scenario, string folder)
        => domains.Value is YamlMapping each ? domains with { Value = each with { Entries = [.. each.Entries.Select(e => Moved(e, scenario, folder))] } } : domains;

    private static YamlEntry Moved(YamlEntry guest, Scenario scenario, string folder)
        => guest.Value is not YamlMapping keys ? guest : guest with
        {
            Value = keys with { Entries = [.. keys.Entries.Select(e => e.Key.Text is "kernel" or "ramdisk" && e.Value is YamlScalar file ? e with { Value = MovedFile(file, scenario, folder) } : e)] },
        };

    private static YamlScalar MovedFile(YamlScalar file, Scenario scenario, string folder)
        => BuiltInGuest.Find(file.Text) is not null || file.Text.StartsWith(FetchedGuests.Prefix, StringComparison.Ordinal)
            ? file
            : Quoted(Path.GetRelativePath(folder, Path.Combine(Path.GetDirectoryName(scenario.File) ?? "", file.Text)));

    private static string Shown(string stage) => stage.Length == 0 ? "the guest" : stage;

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];

    private static YamlEntry Entry(string key, YamlNode value) => new(Plain(key), value);

    private static YamlScalar Plain(string text) => new(s_nowhere, text, true);

    private static YamlScalar Quoted(string text) => new(s_nowhere, text, false);

    private static YamlScalar Number(ulong value) => Plain(value.ToString(CultureInfo.InvariantCulture));
}
