using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim test</c></summary>
internal static class TestCommand
{
    private sealed record Given(
        Argument<string[]> Paths, DefaultedOption<ulong> Jobs, DefaultedOption<(int Part, int Of)> Shard, Option<string[]> Filters, Option<string[]> Tags, Option<string[]> Set,
        Option<bool> FailFast, Option<bool> List, Option<string?> JUnit, Option<string?> Json);

    public static Command Build(Terminal terminal)
    {
        Given given = new(
            new Argument<string[]>("PATH") { Arity = ArgumentArity.OneOrMore, Description = "Scenario files, and folders that are searched for *.yaml." },
            Options.Number("--jobs", $"How many scenarios at once (default {Environment.ProcessorCount}, one for each processor).", "N", (ulong)Environment.ProcessorCount, 1, 256),
            Shard(),
            Repeated("--filter", "Only scenarios whose name or file contains this; one of several is enough.", "TEXT"),
            Repeated("--tag", "Only scenarios with this tag, with ! before it only those without; may be repeated.", "TAG"),
            Repeated("--set", "Replaces a value of every scenario, as in guest.memory=64; may be repeated.", "PATH=VALUE"),
            new Option<bool>("--fail-fast") { Description = "Start no more scenarios after one has failed." },
            new Option<bool>("--list") { Description = "Print the names of the chosen scenarios and run none." },
            new Option<string?>("--junit") { Description = "Write the results to this file as JUnit XML.", HelpName = "FILE.xml" },
            new Option<string?>("--json") { Description = "Write the results to this file as JSON Lines, one object a scenario.", HelpName = "FILE.jsonl" });
        Command command = new("test",
            """
            Runs a suite of scenarios beside each other and sums them up.

            The results are the same for any --jobs, and shards 1/n to n/n together are the suite.
            Exit codes: 0 all passed or skipped, 1 an expectation failed (or a known issue passes), 2 bad input
            or no scenario chosen, 3 stopped at something unimplemented, 4 a limit was reached; the worst wins.

            Examples:
              xensim test scenarios/
              xensim test scenarios/ --filter hypercall-page --jobs 1 --fail-fast
              xensim test scenarios/ --shard 2/3 --junit results.xml
              xensim test scenarios/domu --set guest.memory=64
            """)
        {
            given.Paths, given.Jobs, given.Shard, given.Filters, given.Tags, given.Set, given.FailFast, given.List, given.JUnit, given.Json,
        };
        command.SetAction(parsed => (int)Run(parsed, given, terminal));
        return command;
    }

    private static ExitCode Run(ParseResult parsed, Given given, Terminal terminal)
    {
        SuiteSelection selection = new(parsed.GetValue(given.Filters) ?? [], parsed.GetValue(given.Tags) ?? [], given.Shard.ValueIn(parsed));
        List<Scenario> scenarios = selection.Choose(SuiteFiles.Load(parsed.GetRequiredValue(given.Paths), parsed.GetValue(given.Set) ?? []));
        if (parsed.GetValue(given.List))
        {
            foreach (Scenario scenario in scenarios)
                terminal.Out.WriteLine($"{scenario.Name} ({scenario.File}){string.Concat(scenario.Tags.Select(t => $" #{t}"))}");
            return ExitCode.Success;
        }

        using Stream? junit = Create(parsed.GetValue(given.JUnit));
        using Stream? json = Create(parsed.GetValue(given.Json));
        RunView view = new(terminal, scenarios.Count, stages: false);
        IReadOnlyList<ScenarioResult?> results = new SuiteRunner((int)given.Jobs.ValueIn(parsed), parsed.GetValue(given.FailFast)).Run(scenarios, view.Show, terminal.Stop);
        ScenarioResult[] run = [.. results.OfType<ScenarioResult>()];
        view.Summarise(run);
        if (junit is not null)
            JUnitReport.Write(junit, results, scenarios);
        if (json is not null)
            ResultLines.Write(json, results, scenarios);
        return terminal.Stop.IsCancellationRequested ? ExitCode.Interrupted : SuiteFiles.Worst(run);
    }

    private static Option<string[]> Repeated(string name, string description, string what) => new(name)
    {
        Description = description,
        HelpName = what,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private static DefaultedOption<(int Part, int Of)> Shard() => new("--shard", (1, 1))
    {
        Description = "Only the i-th of n parts of the suite, as in 2/3.",
        HelpName = "I/N",
        CustomParser = result =>
        {
            if (!SuiteSelection.TryParseShard(result.Tokens[0].Value, out (int, int) shard))
                result.AddError($"--shard takes I/N with I from 1 to N, not \"{result.Tokens[0].Value}\".");
            return shard;
        },
    };

    /// <summary>Before anything runs, so that a name that cannot be written is found at once.</summary>
    private static FileStream? Create(string? file)
    {
        try
        {
            return file is null ? null : new FileStream(file, FileMode.Create, FileAccess.Write);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(file!, $"cannot be written: {e.Message}");
        }
    }
}
