using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary>A suite as it runs: on a terminal what is running and how far it is, elsewhere a line for each scenario in the suite's order.</summary>
internal sealed class SuiteView(Terminal terminal, int total) : ISuiteWatcher
{
    private const int BarWidth = 30, MostRunning = 16;

    private readonly RunView _lines = new(terminal, total, stages: false);
    private readonly SortedDictionary<int, (string Name, Stopwatch Since)> _running = [];
    private readonly List<(ScenarioResult Result, StageRecord Stages)> _held = [];
    private readonly Stopwatch _elapsed = Stopwatch.StartNew();
    private readonly Dictionary<string, int> _counts = [];
    private LiveDisplayContext? _live;
    private int _over;

    /// <summary>Shows progress while the suite runs, if there is a terminal to show it on.</summary>
    public T Watch<T>(Func<T> run)
    {
        if (!terminal.Interactive)
            return run();
        T? result = default;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        console.Live(Picture()).AutoClear(true).Overflow(VerticalOverflow.Crop).Start(live =>
        {
            _live = live;
            result = run();
        });
        _live = null;
        foreach ((ScenarioResult held, StageRecord stages) in _held)
            _lines.Show(held, stages);
        return result!;
    }

    public void Started(int index, Scenario scenario) => _running[index] = (scenario.Name, Stopwatch.StartNew());

    public void Ended(int index, ScenarioResult result)
    {
        _running.Remove(index);
        _over++;
        string verdict = Verdicts.Of(result);
        _counts[verdict] = _counts.GetValueOrDefault(verdict) + 1;
    }

    /// <summary>On a terminal only what a person has to look at, once the picture is gone.</summary>
    public void Tell(ScenarioResult result, StageRecord stages)
    {
        if (!terminal.Interactive)
            _lines.Show(result, stages);
        else if (result.Verdict != ExitCode.Success)
            _held.Add((result, stages));
    }

    public void Tick() => _live?.UpdateTarget(Picture());

    public void Summarise(IReadOnlyList<ScenarioResult> results) => _lines.Summarise(results);

    private Rows Picture()
    {
        int done = total == 0 ? BarWidth : BarWidth * _over / total;
        string words = string.Concat(_counts.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"  [{ColourOf(c.Key)}]{c.Value} {c.Key}[/]"));
        List<IRenderable> rows =
        [
            new Markup(string.Create(CultureInfo.InvariantCulture, $"[green]{new string('━', done)}[/][grey]{new string('━', BarWidth - done)}[/] {_over}/{total}{words}  [grey]{_elapsed.Elapsed:m\\:ss}{Left()}[/]")),
        ];
        rows.AddRange(_running.Values.Take(MostRunning).Select(r => new Markup(string.Create(CultureInfo.InvariantCulture, $"  [yellow]▸[/] {StageTree.Cut(r.Name, 90)} [grey]{r.Since.Elapsed.TotalSeconds:F1} s[/]"))));
        return new Rows(rows);
    }

    private string Left() => _over < 10 || _over == total ? "" : string.Create(CultureInfo.InvariantCulture, $", about {_elapsed.Elapsed * ((double)(total - _over) / _over):m\\:ss} left");

    private static string ColourOf(string verdict) => verdict switch
    {
        Verdicts.Passed => "green",
        Verdicts.Skipped => "yellow",
        _ => "red",
    };
}
