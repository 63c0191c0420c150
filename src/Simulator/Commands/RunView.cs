using System.Globalization;
using Spectre.Console;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary>Progress and results of <c>run</c>: a live stage tree on a terminal, plain lines elsewhere.</summary>
/// <param name="total">How many scenarios there are.</param>
/// <param name="stages">Show the stages of passing scenarios too.</param>
internal sealed class RunView(Terminal terminal, int total, bool stages)
{
    /// <summary>Unit: milliseconds.</summary>
    private const long DrawingInterval = 40, FirstDrawing = 60;

    private int _shown;

    /// <param name="consumers">Further readers of its events.</param>
    public ScenarioResult Show(Scenario scenario, params IReadOnlyList<IEventConsumer> consumers)
    {
        StageRecord record = new();
        ScenarioResult result = Run(scenario, record, consumers);
        Show(result, record);
        return result;
    }

    /// <summary>A scenario that has run.</summary>
    public void Show(ScenarioResult result, StageRecord record)
    {
        Scenario scenario = result.Scenario;
        _shown++;
        ShowHeadline(result);
        if (stages || (result.Verdict != ExitCode.Success && result.Verdict != ExitCode.InternalError))
            ShowStages(scenario, record);
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
        if (result is { Failure: { } failure, Verdict: ExitCode.Failure or ExitCode.LimitReached })
            Explain(failure);
    }

    public void Summarise(IReadOnlyList<ScenarioResult> results)
    {
        int skipped = results.Count(r => r.Skipped);
        int passed = results.Count(r => r.Verdict == ExitCode.Success) - skipped;
        string others = string.Concat(
            results.Where(r => r.Verdict != ExitCode.Success).GroupBy(r => r.Verdict).OrderBy(g => g.Key).Select(g => $", {g.Count()} {WordFor(g.Key)}"));
        others += skipped > 0 ? $", {skipped} skipped" : "";
        string left = results.Count < total ? $", {total - results.Count} not run" : "";
        terminal.Out.WriteLine($"{passed} of {total} scenario{(total == 1 ? "" : "s")} passed{others}{left}");
    }

    private void Explain(FailureReport failure)
    {
        foreach (string line in failure.Explanation)
            terminal.Out.WriteLine($"    {line}");
        terminal.Out.WriteLine("    the last events before:");
        foreach (string line in failure.LastEvents)
            terminal.Out.WriteLine($"      {line}");
        foreach (string line in failure.Divergence)
            terminal.Out.WriteLine($"    {line}");
        terminal.Out.WriteLine($"    to look at it: {failure.Debug}");
    }

    private ScenarioResult Run(Scenario scenario, StageRecord record, IReadOnlyList<IEventConsumer> consumers)
    {
        if (!terminal.Interactive)
            return ScenarioRunner.Run(scenario, terminal.Stop, [record, .. consumers]);
        ScenarioResult? result = null;
        IAnsiConsole console = ConsoleOn(terminal.Error);
        string title = $"{_shown + 1}/{total} {scenario.Name}";
        console.Live(new Text("")).AutoClear(true).Overflow(VerticalOverflow.Crop).Start(live =>
        {
            // Drawing costs more than simulating: no more often than an eye can follow, and nothing for what is over at once.
            long lastDrawn = Environment.TickCount64 + FirstDrawing;
            record.Changed = () =>
            {
                long now = Environment.TickCount64;
                if (now - lastDrawn < DrawingInterval)
                    return;
                lastDrawn = now;
                live.UpdateTarget(StageTree.Render(record, title, console.Profile.Width, console.Profile.Height - 3));
            };
            result = ScenarioRunner.Run(scenario, terminal.Stop, [record, .. consumers]);
        });
        return result!;
    }

    private void ShowStages(Scenario scenario, StageRecord record)
    {
        if (terminal.Coloured)
        {
            IAnsiConsole console = ConsoleOn(terminal.Out);
            console.Write(StageTree.Render(record, scenario.Name, console.Profile.Width, int.MaxValue));
            return;
        }

        foreach (string line in StageTree.PlainLines(record))
            terminal.Out.WriteLine($"    {line}");
    }

    /// <summary>One line: on a terminal not longer than it is wide, what is cut is the file.</summary>
    private void ShowHeadline(ScenarioResult result)
    {
        string word = result.Skipped ? "skipped" : WordFor(result.Verdict);
        string name = result.Scenario.Name;
        string where = string.Create(CultureInfo.InvariantCulture, $"({result.Scenario.File}, {result.Instructions} instructions)");
        if (!terminal.Coloured)
        {
            terminal.Out.WriteLine($"{word,-13} {name} {where}");
            return;
        }

        IAnsiConsole console = ConsoleOn(terminal.Out);
        string colour = result.Skipped ? "yellow" : result.Verdict == ExitCode.Success ? "green" : "red";
        int room = console.Profile.Width - 15 - name.Length;
        console.MarkupLine($"[{colour}]{word,-13}[/] {StageTree.Cut(name, console.Profile.Width - 14)} [grey]{StageTree.Cut(room < 12 ? "" : where, room)}[/]");
    }

    private static IAnsiConsole ConsoleOn(TextWriter writer) => AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });

    private static string WordFor(ExitCode verdict) => verdict switch
    {
        ExitCode.Success => "ok",
        ExitCode.Failure => "FAILED",
        ExitCode.Unimplemented => "UNIMPLEMENTED",
        ExitCode.LimitReached => "LIMIT",
        ExitCode.Interrupted => "INTERRUPTED",
        ExitCode.InternalError => "ERROR",
        _ => verdict.ToString(),
    };
}
