using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim report</c></summary>
internal static class ReportCommand
{
    public static Option<string?> JUnit() => new("--junit") { Description = "Write the results to this file as JUnit XML.", HelpName = "FILE.xml" };

    public static Option<string?> Json() => new("--json") { Description = "Write the results to this file as JSON Lines, one object a scenario.", HelpName = "FILE.jsonl" };

    public static Option<string?> Html() => new("--html") { Description = "Write the results to this file as a page that a browser opens from disk.", HelpName = "FILE.html" };

    public static Command Build(Terminal terminal)
    {
        Argument<string[]> parts = new("RESULTS") { Arity = ArgumentArity.OneOrMore, Description = "Files that xensim test --json wrote." };
        Option<string?> junit = JUnit(), json = Json(), html = Html();
        Command merge = new("merge",
            """
            Puts the results of a suite's shards together, as if it had been run at once.

            What is in none of the parts is an error. Exit codes: those of "xensim test" for the whole suite,
            2 when the files are no parts of one suite.

            Examples:
              xensim report merge part-1.jsonl part-2.jsonl part-3.jsonl --html report.html
              xensim report merge results.jsonl --junit results.xml
            """)
        {
            parts, junit, json, html,
        };
        merge.SetAction(parsed =>
        {
            ReportFiles files = new(parsed.GetValue(junit), parsed.GetValue(json), parsed.GetValue(html));
            string[] given = parsed.GetRequiredValue(parts);
            IReadOnlyList<ScenarioReport> whole = ScenarioReports.Merge(given.SelectMany(ResultLines.Read), out string? wrong) ?? throw new InputException(string.Join(" ", given), wrong!);
            foreach (ScenarioReport report in whole.Where(r => r.Verdict is not (Verdicts.Passed or Verdicts.Skipped)))
                terminal.Out.WriteLine($"{report.Verdict,-13} {report.Name}: {report.Headline}");
            terminal.Out.WriteLine(Verdicts.Summary([.. whole.Select(r => r.Verdict)]));
            files.Write(whole);
            return (int)Verdicts.Worst([.. whole.Select(r => r.Verdict)]);
        });
        return new Command("report", "Works on the results of suites.\n\nExample:\n  xensim report merge part-*.jsonl --html report.html") { merge };
    }
}
