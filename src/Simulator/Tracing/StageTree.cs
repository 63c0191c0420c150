using Spectre.Console;
using Spectre.Console.Rendering;

namespace XenSim.Simulator.Tracing;

/// <summary>The stages of a boot as a tree: what ran, what runs, what failed.</summary>
public static class StageTree
{
    /// <summary>As it is now, in colours; the last rows only, if <paramref name="height"/> is too small for all. A row is a line, cut at <paramref name="width"/>.</summary>
    public static IRenderable Render(StageRecord record, string title, int width, int height)
    {
        IReadOnlyList<StageRow> rows = record.Shown();
        int skipped = Math.Max(0, rows.Count - Math.Max(4, height));
        string above = skipped > 0 ? $" ({skipped} stages above)" : "";
        List<IRenderable> lines = [new Markup($"[bold]{Cut(title, width - above.Length)}[/][grey]{above}[/]")];
        foreach (StageRow row in rows.Skip(skipped))
            lines.Add(new Markup(Coloured(row, width)));
        return new Rows(lines);
    }

    /// <summary>For pipes and log files.</summary>
    public static IEnumerable<string> PlainLines(StageRecord record)
        => record.Shown().Select(r => $"{Indent(r)}{r.Stage}{r.Mark switch
        {
            StageMark.Failed => $" failed: {r.Note}",
            StageMark.Running => " (not returned)",
            _ => r.Folded > 0 ? $" ({r.Folded} stages)" : "",
        }}");

    private static string Coloured(StageRow row, int width)
    {
        string indent = Indent(row) + "  ";
        int room = width - indent.Length - 2;
        string stage = Cut(row.Stage, room);
        string rest = row.Mark == StageMark.Failed ? row.Note
            : row.Folded > 0 ? $"{row.Folded} stages"
            : row.Calls > 0 ? $"{row.Calls} hypercall{(row.Calls == 1 ? "" : "s")}" : "";
        string note = Cut(rest, room - row.Stage.Length - 1);
        return row.Mark switch
        {
            StageMark.Failed => $"{indent}[red]✗ {stage} {note}[/]",
            StageMark.Returned => $"{indent}[green]✓[/] {stage} [grey]{note}[/]",
            _ => $"{indent}[yellow]▸ {stage}[/] [grey]{note}[/]",
        };
    }

    private static string Indent(StageRow row) => new(' ', 2 * row.Depth);

    /// <summary>Cut to so many columns, and safe from being read as markup.</summary>
    internal static string Cut(string text, int columns)
    {
        string line = text.Replace('\n', ' ');
        return columns <= 0 ? "" : Markup.Escape(line.Length <= columns ? line : line[..(columns - 1)] + "…");
    }
}
