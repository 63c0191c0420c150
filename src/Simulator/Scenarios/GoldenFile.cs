using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Tracing;
using XenSim.Simulator.Tracing.Traces;

namespace XenSim.Simulator.Scenarios;

/// <summary>The events of a scenario as they were when somebody last looked at them: <c>golden: pv64.golden.jsonl</c>.</summary>
/// <param name="File">Relative to the scenario.</param>
/// <param name="Events">Types of events that it holds.</param>
/// <param name="Mark">Where the scenario names it.</param>
public sealed record GoldenFile(string File, IReadOnlyList<string> Events, Mark Mark)
{
    /// <summary>Without log lines and requests of the store, which say the same in other words.</summary>
    public static readonly IReadOnlyList<string> Usual =
    [
        "StageEntered", "StageReturned", "StageFailed", "HypercallEntered", "HypercallReturned", "PageWritten", "PageTypeRefused", "ConsoleOutput", "GuestStarted", "GuestException", "DomainCreated",
        "DomainShutdown", "DomainDestroyed", "MachineEnded",
    ];

    private static readonly GoldenFile s_blank = new("", Usual, default);

    internal static readonly IShape<GoldenFile> Shape = new ShortOrLongShape<string, GoldenFile>(
        new TextShape("a file's name", 255), f => s_blank with { File = f },
        new ObjectShape<GoldenFile>("a golden file", s_blank,
        [
            Field<GoldenFile>.Of("file", "Its name, relative to the scenario; xensim test --update writes it.", new TextShape("a file's name", 255), (g, v) => g with { File = v }, required: true),
            Field<GoldenFile>.Of(
                "events", "Types of events to keep; without it those that no log line repeats.",
                new ListShape<string>(new ChoiceShape<string>("an event", EventNames.All.ToDictionary(n => n)), "events"), (g, v) => g with { Events = [.. v.Select(e => e.Value)] }),
        ]));

    /// <summary>The run against the file, or the file after the run.</summary>
    /// <param name="scenario">Path of the scenario.</param>
    /// <param name="update">Write what has happened instead of comparing.</param>
    /// <returns>Null: they are the same.</returns>
    internal string? Check(string scenario, EventLog log, bool update)
    {
        string path = Path.Combine(Path.GetDirectoryName(scenario) ?? "", File);
        List<TraceLine> lines = [.. log.Events.Where(e => Events.Contains(e.Event.GetType().Name)).Select(e => Bare(TraceLine.From(e)))];
        if (update)
            return Write(path, lines);
        if (!System.IO.File.Exists(path))
            return $"there is no {path}: xensim test --update writes it";
        try
        {
            TraceDifference? difference = TraceDiff.Find(TraceFile.Read(path), lines);
            return difference is null ? null : string.Join("\n        ", [$"the events are not those of {path}", .. difference.Lines(File, "this run")]);
        }
        catch (InputException e)
        {
            return e.Diagnostics[0].ToString();
        }
    }

    /// <summary>Numbers and times would differ with any event before.</summary>
    private static TraceLine Bare(TraceLine line) => new($"{{{line.What}", line.What);

    private static string? Write(string path, List<TraceLine> lines)
    {
        byte[] content = Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l.Json + "\n")));
        try
        {
            if (!System.IO.File.Exists(path) || !System.IO.File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
                System.IO.File.WriteAllBytes(path, content);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{path} cannot be written: {e.Message}";
        }
    }
}
