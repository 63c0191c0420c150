using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim test</c></summary>
internal static class TestCommand
{
    private sealed record Given(
        Argument<string[]> Paths, DefaultedOption<ulong> Jobs, DefaultedOption<(int Part, int Of)> Shard, Option<string?> Costs, Option<string[]> Filters, Option<string[]> Tags, Option<string[]> Set,
        Option<bool> FailFast, DefaultedOption<ulong> Repeat, DefaultedOption<ulong> Seed, Option<bool> List, Option<string?> JUnit, Option<string?> Json, Option<string?> Html, Option<string?> Trace, Option<bool> Update);

    public static Command Build(Terminal terminal)
    {
        Given given = new(
            new Argument<string[]>("PATH") { Arity = ArgumentArity.OneOrMore, Description = "Scenario files, and folders that are searched for *.yaml." },
            Options.Number("--jobs", $"How many scenarios at once (default {Environment.ProcessorCount}, one for each processor).", "N", (ulong)Environment.ProcessorCount, 1, 256),
            Shard(),
            new Option<string?>("--costs") { Description = "Split by what an earlier run measured: the file that --json wrote then.", HelpName = "FILE.jsonl" },
            Options.Repeated("--filter", "Only scenarios whose name or file contains this; one of several is enough.", "TEXT"),
            Options.Repeated("--tag", "Only scenarios with this tag, with ! before it only those without; may be repeated.", "TAG"),
            Options.Repeated("--set", "Replaces a value of every scenario, as in guest.memory=64; may be repeated.", "PATH=VALUE"),
            new Option<bool>("--fail-fast") { Description = "Start no more scenarios after one has failed." },
            Options.Number("--repeat", "Run each so often; that all runs have the same events and leave the same memory is checked.", "N", 1, 1, 1000),
            Options.Number("--seed", "Decides what is random in faults that have no seed of their own; reports say it.", "N", 0, 0, ulong.MaxValue),
            new Option<bool>("--list") { Description = "Print the names of the chosen scenarios and run none." },
            ReportCommand.JUnit(), ReportCommand.Json(), ReportCommand.Html(),
            new Option<string?>("--trace") { Description = "Keep every scenario's trace in this folder; one that fails is compared with its last run that passed.", HelpName = "FOLDER" },
            new Option<bool>("--update") { Description = "Write the golden files of the chosen scenarios anew, from what happens now." });
        Command command = new("test",
            """
            Runs a suite of scenarios beside each other and sums them up.

            The results are the same for any --jobs, and shards 1/n to n/n together are the suite: "xensim report merge"
            puts their results together.
            Exit codes: 0 all passed or skipped, 1 an expectation failed (or a known issue passes), 2 bad input
            or no scenario chosen, 3 stopped at something unimplemented, 4 a limit was reached; the worst wins.

            Examples:
              xensim test scenarios/
              xensim test scenarios/ --html report.html --trace traces
              xensim test scenarios/ --filter hypercall-page --jobs 1 --fail-fast
              xensim test scenarios/ --shard 2/3 --json part-2.jsonl
              xensim test scenarios/golden --update
              xensim test scenarios/faults --seed 42
              xensim test scenarios/domu --set guest.memory=64
            """)
        {
            given.Paths, given.Jobs, given.Shard, given.Costs, given.Filters, given.Tags, given.Set, given.FailFast, given.Repeat, given.Seed, given.List, given.JUnit, given.Json, given.Html, given.Trace, given.Update,
        };
        command.SetAction(parsed => (int)Run(parsed, given, terminal));
        return command;
    }

    private static ExitCode Run(ParseResult parsed, Given given, Terminal terminal)
    {
        SuiteSelection selection = new(parsed.GetValue(given.Filters) ?? [], parsed.GetValue(given.Tags) ?? [], given.Shard.ValueIn(parsed));
        SuiteCosts costs = SuiteCosts.From(parsed.GetValue(given.Costs));
        ulong? seed = given.Seed.WasGiven(parsed) ? given.Seed.ValueIn(parsed) : null;
        ChosenScenarios chosen = selection.Choose(SuiteFiles.Load(parsed.GetRequiredValue(given.Paths), parsed.GetValue(given.Set) ?? [], seed), costs);
        if (parsed.GetValue(given.List))
        {
            foreach (Scenario scenario in chosen.Scenarios)
                terminal.Out.WriteLine($"{scenario.Name} ({scenario.File}){string.Concat(scenario.Tags.Select(t => $" #{t}"))}");
            return ExitCode.Success;
        }

        ReportFiles files = new(parsed.GetValue(given.JUnit), parsed.GetValue(given.Json), parsed.GetValue(given.Html));
        string? traces = Folder(parsed.GetValue(given.Trace));
        int repeat = (int)given.Repeat.ValueIn(parsed);
        SuiteOptions options = new((int)given.Jobs.ValueIn(parsed), parsed.GetValue(given.FailFast), repeat);
        SuiteRunner runner = new(options, s => new RunWishes(files.Any || repeat > 1, traces is null ? null : Path.Combine(traces, TraceName(s)), parsed.GetValue(given.Update), Memory: repeat > 1));
        SuiteView view = new(terminal, chosen.Scenarios.Count);
        IReadOnlyList<ScenarioResult?> results = view.Watch(() => runner.Run(chosen.Scenarios, [.. costs.DearestFirst(chosen.Scenarios)], view, terminal.Stop));
        view.Summarise([.. results.OfType<ScenarioResult>()]);
        if (seed is { } told)
            terminal.Out.WriteLine($"the same again: --seed {told}");
        files.Write(ScenarioReports.From(chosen.Scenarios, results, chosen.Places, chosen.Of));
        return terminal.Stop.IsCancellationRequested ? ExitCode.Interrupted : Verdicts.Worst([.. results.Select(Verdicts.Of)]);
    }

    /// <summary>A file's name of a scenario's, which may hold anything.</summary>
    private static string TraceName(Scenario scenario)
    {
        string readable = string.Concat(scenario.Name.Take(80).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '=' ? c : '_'));
        return $"{readable}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(scenario.Name)).AsSpan(0, 4))}.jsonl";
    }

    private static string? Folder(string? path)
    {
        try
        {
            if (path is not null)
                Directory.CreateDirectory(path);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(path!, $"no such folder, and it cannot be made: {e.Message}");
        }
    }

    private static DefaultedOption<(int Part, int Of)> Shard() => new("--shard", (1, 1))
    {
        Description = "Only the i-th of n parts of the suite, as in 2/3; each costs about the same.",
        HelpName = "I/N",
        CustomParser = result =>
        {
            if (!SuiteSelection.TryParseShard(result.Tokens[0].Value, out (int, int) shard))
                result.AddError($"--shard takes I/N with I from 1 to N, not \"{result.Tokens[0].Value}\".");
            return shard;
        },
    };
}
