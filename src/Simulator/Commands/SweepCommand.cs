using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Spectre.Console;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Sweeps;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim sweep</c></summary>
internal static class SweepCommand
{
    private const SweepKinds DefaultKinds = SweepKinds.All & ~SweepKinds.Pairs;

    private static readonly string[] s_kinds = [.. Enum.GetValues<SweepKinds>().Where(k => k != SweepKinds.None).Select(WordOf)];

    private sealed record Given(
        Argument<string> Scenario, Option<SweepKinds[]> Kinds, Option<XenErrno[]> Errnos, DefaultedOption<ulong> Seed, DefaultedOption<ulong> Seeds, DefaultedOption<ulong> MostCases,
        DefaultedOption<ulong> Jobs, Option<string?> Journal, Option<string?> Save, Option<string[]> Set);

    public static Command Build(Terminal terminal)
    {
        Given given = new(
            new Argument<string>("SCENARIO") { Description = "A scenario file that passes; of a matrix the first combination." },
            new Option<SweepKinds[]>("--kind")
            {
                Description = $"What is broken. One of: {string.Join(", ", s_kinds)} (default all but pairs). May be repeated.",
                HelpName = "KIND",
                Arity = ArgumentArity.OneOrMore,
                CustomParser = result => [.. result.Tokens.Select(t => Kind(result, t.Value))],
            },
            new Option<XenErrno[]>("--errno")
            {
                Description = "What stages, hypercalls and xenstored fail with (default ENOMEM). May be repeated.",
                HelpName = "ERRNO",
                Arity = ArgumentArity.OneOrMore,
                CustomParser = result => [.. result.Tokens.Select(t => Errno(result, t.Value))],
            },
            Options.Number("--seed", "Decides what is random (default 1).", "N", 1, 0, ulong.MaxValue),
            Options.Number("--seeds", "In how many ways the bytes of each hypercall are changed (default 2).", "N", 2, 1, 1000),
            Options.Number("--cases", "At most so many boots; the seed chooses (default 10000).", "N", 10_000, 1, 1_000_000),
            Options.Number("--jobs", $"How many boots at once (default {Environment.ProcessorCount}, one for each processor).", "N", (ulong)Environment.ProcessorCount, 1, 256),
            new Option<string?>("--journal") { Description = "Keep what was found in this file, and go on from there if it exists.", HelpName = "FILE.jsonl" },
            new Option<string?>("--save") { Description = "Write each finding, made as small as can be, to this folder as a scenario that fails until it is mended.", HelpName = "FOLDER" },
            Options.Repeated("--set", "Replaces a value of the scenario, as in guest.memory=64; may be repeated.", "PATH=VALUE"));
        Command command = new("sweep",
            """
            Boots a scenario once for each thing that can go wrong, and sums up what comes of it.

            Everything that happens in the boot is made to fail in its turn: each stage, each hypercall, allocations, the
            requests to xenstored; and the bytes of each hypercall of the tools are changed. What comes to the same, by
            stage and cause, is one finding. Refused: the build fails and nothing is left. Unnoticed: nobody checks.
            LeftBehind: the half-built domain stays. Miscounted, Hung, Unimplemented and Bug are faults of XenSim.
            Exit codes: 0 no fault of XenSim, 1 some, 2 bad input.

            Examples:
              xensim sweep scenarios/domu/pv64-xen-4.17.yaml
              xensim sweep scenarios/domu/pv64-xen-4.0.yaml --kind stages --errno EPERM --errno ENOMEM
              xensim sweep mine.yaml --kind garbled --seeds 50 --journal mine.jsonl --save findings
            """)
        {
            given.Scenario, given.Kinds, given.Errnos, given.Seed, given.Seeds, given.MostCases, given.Jobs, given.Journal, given.Save, given.Set,
        };
        command.SetAction(parsed => (int)Run(parsed, given, terminal));
        return command;
    }

    private static ExitCode Run(ParseResult parsed, Given given, Terminal terminal)
    {
        string file = parsed.GetRequiredValue(given.Scenario);
        Scenario scenario = ScenarioFile.Load(file, parsed.GetValue(given.Set) ?? [])[0];
        SweepKinds kinds = parsed.GetValue(given.Kinds) is { Length: > 0 } chosen ? chosen.Aggregate((a, b) => a | b) : DefaultKinds;
        SweepSettings settings = new(
            kinds, parsed.GetValue(given.Errnos) is { Length: > 0 } errnos ? errnos : [XenErrno.ENOMEM], given.Seed.ValueIn(parsed), given.Seeds.ValueIn(parsed), (int)given.MostCases.ValueIn(parsed));
        string? folder = parsed.GetValue(given.Save);
        if (folder is not null)
            CreateFolder(folder);
        SweepRun run = SweepRun.Start(scenario, terminal.Stop);
        IReadOnlyList<SweepCase> cases = SweepPlan.Cases(run.CleanEvents, settings);
        using SweepJournal journal = SweepJournal.Open(
            parsed.GetValue(given.Journal), new SweepHeader(scenario.Name, kinds.ToString(), string.Join(" ", settings.Errnos), settings.Seed, settings.Seeds, cases.Count));
        Sweep sweep = new(run, cases, journal);
        Watch(terminal, cases.Count, done => sweep.Run((int)given.Jobs.ValueIn(parsed), done, terminal.Stop));
        IReadOnlyList<SweepFinding> findings = sweep.Findings(terminal.Stop);
        Show(terminal, cases, journal, findings);
        if (folder is not null)
            Save(folder, scenario, findings);
        return terminal.Stop.IsCancellationRequested ? ExitCode.Interrupted : findings.Any(f => f.Example.IsOurs) ? ExitCode.Failure : ExitCode.Success;
    }

    private static void Watch(Terminal terminal, int total, Action<Action<int>> run)
    {
        if (!terminal.Interactive)
        {
            run(_ => { });
            return;
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        console.Progress().AutoClear(true).Start(progress =>
        {
            ProgressTask task = progress.AddTask("sweep", maxValue: total);
            run(done => task.Value = done);
        });
    }

    private static void Show(Terminal terminal, IReadOnlyList<SweepCase> cases, SweepJournal journal, IReadOnlyList<SweepFinding> findings)
    {
        foreach (SweepFinding finding in findings)
        {
            string where = finding.Example.Stage.Length > 0 ? $" in {finding.Example.Stage}" : "";
            terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{finding.Example.Ending,-14}{finding.Count,5} ×{where}{(finding.Example.Cause.Length > 0 ? $": {finding.Example.Cause}" : "")}"));
            terminal.Out.WriteLine($"{"",22}{finding.Smallest.Label}");
        }

        SweepResult[] over = [.. cases.Where(c => journal.Known.ContainsKey(c.Label)).Select(c => journal.Known[c.Label])];
        string counts = string.Join(", ", over.CountBy(r => r.Ending).OrderBy(e => e.Key).Select(e => $"{e.Value} {e.Key}"));
        terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{over.Length} of {cases.Count} boots: {counts}; {findings.Count} findings, {findings.Count(f => f.Example.IsOurs)} of them faults of XenSim"));
    }

    /// <summary>What nobody checks is no mistake in the scenario's terms, and there is nothing to mend.</summary>
    private static void Save(string folder, Scenario scenario, IReadOnlyList<SweepFinding> findings)
    {
        int number = 0;
        foreach (SweepFinding finding in findings.Where(f => f.Example.Ending != SweepEnding.Unnoticed))
        {
            string path = Path.Combine(folder, FindingFile.NameOf(finding, ++number));
            File.WriteAllText(path, FindingFile.Render(scenario, scenario.Document!, finding, folder));
        }
    }

    private static void CreateFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(folder, $"cannot be made: {e.Message}");
        }
    }

    private static string WordOf(SweepKinds kind) => kind.ToString().ToLowerInvariant();

    private static SweepKinds Kind(ArgumentResult result, string given)
    {
        int at = Array.IndexOf(s_kinds, given);
        if (at >= 0)
            return Enum.Parse<SweepKinds>(given, ignoreCase: true);
        result.AddError($"--kind cannot be \"{given}\": {NearestName.Hint(given, s_kinds)}");
        return SweepKinds.None;
    }

    private static XenErrno Errno(ArgumentResult result, string given)
    {
        if (Enum.TryParse(given, out XenErrno errno) && Enum.IsDefined(errno) && errno != XenErrno.None)
            return errno;
        result.AddError($"--errno cannot be \"{given}\": {NearestName.Hint(given, Enum.GetNames<XenErrno>())}");
        return XenErrno.None;
    }
}
