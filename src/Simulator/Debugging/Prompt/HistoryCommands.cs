using System.Globalization;
using XenSim.Simulator.Graphs;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>What happened, who did it, and how it is kept.</summary>
internal static class HistoryCommands
{
    private const int Lines = 20;

    public static readonly PromptCommand[] All =
    [
        new(["trace"], "[COUNT] [TYPE]", "The last events up to now: number, instructions retired (after @), what happened.",
            $"TYPE is an event's name, or part of it: {string.Join(", ", Tracing.EventNames.All)}.", ["trace", "trace 50 Hypercall"], Trace),
        new(["why"], "[phys|machine] ADDRESS | $REGISTER", "Who put there what is there: a guest's instruction, or stage by stage who called whom; and the moment to go to.", "",
            ["why hypercall_page", "why phys 0x103000", "why $rsp"], WhyIsIt),
        new(["explain"], "", "Explains the exception, refusal or failure that is stopped at, or how the guest ended.", "", ["break exception 14", "continue", "explain"],
            (s, _) => Write(s, Explanation.Of(s.Debug))),
        new(["graph"], "[mermaid|dot]", "The path's state machine as a picture to be drawn.", "", ["graph dot"], Graph),
        new(["snapshot", "history"], "", "What is kept of history, and a number for the whole state now.", "Two states with the same number are equal.", ["snapshot"], (s, _) =>
        {
            Figures(s);
            s.Line($"state {s.Debug.StateDigest()}");
        }),
        new(["record"], "FILE", "Saves the session up to now as a recording that xensim debug opens.", "", ["record boot.xensim"], Record),
    ];

    public static void Figures(PromptState s)
    {
        HistoryFigures h = s.Debug.History;
        s.Line(string.Create(CultureInfo.InvariantCulture, $"{h.States} state{(h.States == 1 ? "" : "s")}, one every {h.Interval:N0} instructions, {h.Bytes / 1048576.0:N1} MiB of {h.Bound / 1048576.0:N0}; {s.Debug.KnownEvents:N0} events known, {s.Debug.Changes.Count} changes from outside"));
    }

    private static void Trace(PromptState s, PromptArguments a)
    {
        bool counted = a.Word(0) is { } first && (char.IsAsciiDigit(first[0]) || first[0] == '-');
        int count = counted ? a.Count() : Lines;
        string type = a.Rest(counted ? 1 : 0);
        List<string> lines = [];
        for (long i = s.Debug.Position.Event - 1; i >= 0 && lines.Count < count; i--)
        {
            JournalEntry e = s.Debug.EventAt(i);
            if (type.Length == 0 || e.Event.GetType().Name.Contains(type, StringComparison.OrdinalIgnoreCase))
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"{i,8} @{e.Position.Instruction,-12} {StopView.Describe(e.Event)}"));
        }

        lines.Reverse();
        if (lines.Count == 0)
            s.Line(type.Length == 0 ? "nothing has happened yet" : $"no event up to here is a \"{type}\"; help trace says how they are called");
        Write(s, lines);
    }

    private static void WhyIsIt(PromptState s, PromptArguments a)
    {
        string what = a.Require(0, "an address or register");
        if (what.StartsWith('$') && a.Words.Count == 1)
        {
            Hypervisor.Domains.Vcpu v = s.RequireVcpu();
            if (!RegisterFile.TryRead(v.Cpu, what[1..], out _))
                throw PromptException.Unknown($"no register \"{what[1..]}\"", what[1..], [.. RegisterFile.Names]);
            Write(s, Why.Lines(s.Debug, s.Debug.Why(new RegisterWatch(what[1..], new VcpuId(v.Domain.Id, v.Id)), s.Stop)));
            return;
        }

        AddressSpace space = DataCommands.SpaceOf(what, out bool named);
        ulong address = s.Evaluate(named ? a.Rest(1) : a.Text);
        if (s.Debug.Inspect.MachineAddressOf(space, address) is null)
            throw MemoryCommands.Unmapped(space, address);
        Write(s, Why.Lines(s.Debug, s.Debug.Why(new MemoryWatch(space, address, 1, WatchKind.Write), s.Stop)));
    }

    private static void Graph(PromptState s, PromptArguments a)
    {
        string name = s.Debug.Options.Path.ToString().ToLowerInvariant();
        MachineGraph graph = MachineGraph.From(name, BootPaths.Declaration(s.Debug.Options.Path, s.Debug.Options.Release));
        s.Out.Write((a.Word(0) ?? "mermaid") switch
        {
            "mermaid" => MermaidWriter.Write(graph),
            "dot" => DotWriter.Write(graph),
            string other => throw new PromptException($"graph: \"{other}\" is neither mermaid nor dot"),
        });
    }

    private static void Record(PromptState s, PromptArguments a)
    {
        string file = a.Require(0, "a file's name");
        try
        {
            Recording.Save(s.Debug, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new PromptException($"{file} cannot be written: {e.Message}");
        }

        s.Line($"{file}: the session up to event {s.Debug.Position.Event}");
    }

    private static void Write(PromptState s, IEnumerable<string> lines)
    {
        foreach (string line in lines)
            s.Line(line);
    }
}
