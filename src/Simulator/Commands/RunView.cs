using System.Globalization;
using Spectre.Console;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary>Progress and results of <c>run</c>: a live stage tree on a terminal, plain lines elsewhere.</summary>
/// <param name="stages">Show the stages of passing scenarios too.</param>
internal sealed class RunView(Terminal terminal, bool stages)
{
    public ScenarioResult Show(Scenario scenario)
    {
        ScenarioResult result = terminal.Interactive ? Live(scenario) : Plain(scenario);
        // After a stop at something unimplemented every mismatch is a consequence of it.
        foreach (Mismatch mismatch in result.Verdict == ExitCode.Unimplemented ? [] : result.Mismatches)
        {
            string place = mismatch.Mark is { } m ? $"{scenario.File}:{m.Line}:{m.Column}" : scenario.File;
            terminal.Out.WriteLine($"    {place}: {mismatch.Keyword}: {mismatch.Text}");
        }

        if (result.Skipped)
            terminal.Out.WriteLine($"    {result.Outcome.Detail}");
        else if (result.Verdict != ExitCode.Success)
            terminal.Out.WriteLine($"    it ended with: {result.Outcome.Detail}");
        return result;
    }

    public void Summarise(IReadOnlyList<ScenarioResult> results, int total)
    {
        int skipped = results.Count(r => r.Skipped);
        int passed = results.Count(r => r.Verdict == ExitCode.Success) - skipped;
        string others = string.Concat(
            results.Where(r => r.Verdict != ExitCode.Success).GroupBy(r => r.Verdict).OrderBy(g => g.Key).Select(g => $", {g.Count()} {WordFor(g.Key)}"));
        others += skipped > 0 ? $", {skipped} skipped for want of a real guest" : "";
        string left = results.Count < total ? $", {total - results.Count} not run" : "";
        terminal.Out.WriteLine($"{passed} of {total} scenario{(total == 1 ? "" : "s")} passed{others}{left}");
    }

    private ScenarioResult Plain(Scenario scenario)
    {
        StringWriter lines = new(CultureInfo.InvariantCulture);
        ScenarioResult result = ScenarioRunner.Run(scenario, terminal.Stop, new StageLines(lines));
        terminal.Out.WriteLine(Headline(result));
        if (stages || result.Verdict != ExitCode.Success)
            terminal.Out.Write(Indented(lines.ToString()));
        return result;
    }

    private ScenarioResult Live(Scenario scenario)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        StageTree tree = new(scenario.Name);
        ScenarioResult? result = null;
        console.Live(new Text("")).AutoClear(true).Overflow(VerticalOverflow.Crop).Start(live =>
        {
            long lastDrawn = 0;
            tree.Changed = () =>
            {
                // Drawing costs more than simulating: no more often than an eye can follow.
                long now = Environment.TickCount64;
                if (now - lastDrawn < 40)
                    return;
                lastDrawn = now;
                live.UpdateTarget(tree.Render(console.Profile.Height - 3));
            };
            result = ScenarioRunner.Run(scenario, terminal.Stop, tree);
        });
        bool shown = stages || result!.Verdict != ExitCode.Success;
        if (shown)
            console.Write(tree.Render(int.MaxValue));
        string colour = result!.Verdict == ExitCode.Success ? "green" : "red";
        console.MarkupLine($"[{colour}]{Markup.Escape(Headline(result))}[/]");
        return result;
    }

    private static string Headline(ScenarioResult result)
        => string.Create(CultureInfo.InvariantCulture, $"{(result.Skipped ? "skipped" : WordFor(result.Verdict)),-13} {result.Scenario.Name} ({result.Scenario.File}, {result.Instructions} instructions)");

    private static string WordFor(ExitCode verdict) => verdict switch
    {
        ExitCode.Success => "ok",
        ExitCode.Failure => "FAILED",
        ExitCode.Unimplemented => "UNIMPLEMENTED",
        ExitCode.LimitReached => "LIMIT",
        ExitCode.Interrupted => "INTERRUPTED",
        _ => verdict.ToString(),
    };

    private static string Indented(string lines)
        => string.Concat(lines.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries).Select(l => $"    {l}{Environment.NewLine}"));
}
