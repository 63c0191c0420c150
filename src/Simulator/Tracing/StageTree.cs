using Spectre.Console;
using Spectre.Console.Rendering;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>The stages of a boot as a live tree on a terminal: what ran, what runs, what failed.</summary>
public sealed class StageTree : IEventConsumer
{
    private enum Mark
    {
        Running,
        Returned,
        Failed,
    }

    private sealed class Row(string stage, int depth)
    {
        public string Stage => stage;

        public int Depth => depth;

        public Mark Mark { get; set; }

        public string Note { get; set; } = "";

        public int Calls { get; set; }
    }

    private readonly string _title;
    private readonly List<Row> _rows = [];
    private readonly List<Row> _open = [];

    public StageTree(string title) => _title = title;

    /// <summary>Called after each change that is worth drawing.</summary>
    public Action? Changed { get; set; }

    public bool Wants(Type eventType)
        => eventType == typeof(StageEntered) || eventType == typeof(StageReturned) || eventType == typeof(StageFailed) || eventType == typeof(HypercallEntered);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case StageEntered entered:
                Row row = new(entered.Stage, entered.Depth);
                _rows.Add(row);
                _open.Add(row);
                Changed?.Invoke();
                break;
            case StageReturned returned:
                Close(returned.Stage, Mark.Returned, "");
                break;
            case StageFailed failed:
                Close(failed.Stage, Mark.Failed, StageLines.Describe(failed));
                break;
            case HypercallEntered when _open.Count > 0:
                _open[^1].Calls++;
                break;
            default:
                break;
        }
    }

    /// <summary>The tree as it is now; the last rows only, if <paramref name="height"/> is too small for all.</summary>
    public IRenderable Render(int height)
    {
        int skipped = Math.Max(0, _rows.Count - Math.Max(4, height));
        List<IRenderable> lines = [new Markup($"[bold]{Markup.Escape(_title)}[/]{(skipped > 0 ? $" [grey]({skipped} stages above)[/]" : "")}")];
        foreach (Row row in _rows.Skip(skipped))
            lines.Add(new Markup(Line(row)));
        return new Rows(lines);
    }

    private static string Line(Row row)
    {
        string indent = new(' ', 2 * row.Depth + 2);
        string calls = row.Calls > 0 ? $" [grey]{row.Calls} hypercall{(row.Calls == 1 ? "" : "s")}[/]" : "";
        return row.Mark switch
        {
            Mark.Failed => $"{indent}[red]✗ {Markup.Escape(row.Stage)}[/] [red]{Markup.Escape(row.Note)}[/]",
            Mark.Returned => $"{indent}[green]✓[/] {Markup.Escape(row.Stage)}{calls}",
            _ => $"{indent}[yellow]▸ {Markup.Escape(row.Stage)}[/]{calls}",
        };
    }

    private void Close(string stage, Mark mark, string note)
    {
        int at = _open.FindLastIndex(r => r.Stage == stage);
        if (at < 0)
            return;
        (_open[at].Mark, _open[at].Note) = (mark, note);
        _open.RemoveAt(at);
        Changed?.Invoke();
    }
}
