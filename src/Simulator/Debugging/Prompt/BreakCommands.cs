using System.Globalization;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Breakpoints and watchpoints.</summary>
internal static class BreakCommands
{
    private const string Places =
        """
        WHERE is a stage (setup_hypercall_page, with "returning" or "failing" after it if that is meant), a hypercall or
        sub-operation (mmu_update, XEN_DOMCTL_hypercall_init; with "returning"), a symbol or *ADDRESS of the guest, or
        something that happens: exception [VECTOR], refused, evtchn [PORT], console ["TEXT"], cpuid [LEAF], msr [INDEX],
        written, shutdown, xenstore [PATH]. In names * stands for any text. After "if" an expression follows that may name
        registers, symbols and the call's arguments.
        """;

    public static readonly PromptCommand[] All =
    [
        new(["break", "b"], "WHERE [if EXPRESSION]", "Sets a breakpoint.", Places,
            ["break setup_hypercall_page", "break XEN_DOMCTL_*", "break memory_op returning if result != 0", "break *0xffffffff80100000", "break exception 14 if address < 0x1000", "break console \"login:\""], (s, a) => Break(s, a, false)),
        new(["tbreak", "tb"], "WHERE [if EXPRESSION]", "Sets a breakpoint that goes away when it has stopped.", Places, ["tbreak do_domctl"], (s, a) => Break(s, a, true)),
        Watching("watch", WatchKind.Change, "Stops when a value changes, whoever changes it."),
        Watching("wwatch", WatchKind.Write, "Stops at every write by the guest, and at changes by Xen or the tools."),
        Watching("rwatch", WatchKind.Read, "Stops when the guest reads."),
        Watching("awatch", WatchKind.Access, "Stops when the guest reads or writes."),
        new(["delete", "d"], "[N…]", "Takes breakpoints and watchpoints away; without a number all of them.", "", ["delete 2", "delete"], Delete),
        new(["enable"], "N", "Lets a breakpoint stop again.", "", ["enable 1"], (s, a) => Of(s, a).Enabled = true),
        new(["disable"], "N", "Keeps a breakpoint from stopping.", "", ["disable 1"], (s, a) => Of(s, a).Enabled = false),
        new(["ignore"], "N COUNT", "Lets a breakpoint pass so many times.", "", ["ignore 1 10"], (s, a) => Of(s, a).Ignore = a.Count(1)),
        new(["condition"], "N [EXPRESSION]", "Gives a breakpoint a condition, or takes it away.", "", ["condition 1 rax == 17", "condition 1"],
            (s, a) => Of(s, a).Condition = a.Words.Count > 1 ? Expression.Parse(a.Rest(1)) : null),
    ];

    public static IEnumerable<string> StageNames(DebugSession debug) => BootPaths.Stages(debug.Options.Path, debug.Options.Release).Select(i => i.Name)
        .Concat(["do_domctl", "arch_do_domctl", "hypercall_page_initialise", "init_hypercall_page"]).Distinct();

    public static IEnumerable<string> HypercallNames(DebugSession debug) => debug.Inspect.Xen.Hypercalls.Table.Rows.Select(r => r.Name);

    public static void List(PromptState s)
    {
        if (s.Debug.Breakpoints.Count == 0)
            s.Line("no breakpoints");
        foreach (Breakpoint b in s.Debug.Breakpoints)
        {
            string state = $"{(b.Enabled ? "" : " (disabled)")}{(b.Temporary ? " (temporary)" : "")}{(b.Ignore > 0 ? $" (lets {b.Ignore} pass)" : "")}";
            s.Line($"{b.Id,3}  {(b.IsWatch ? "watch" : "break")}  {b.Point}{(b.Condition is { } c ? $" if {c}" : "")}{state}  hit {b.Hits} time{(b.Hits == 1 ? "" : "s")}");
        }
    }

    private static PromptCommand Watching(string name, WatchKind kind, string summary) => new([name], "[phys|machine] ADDRESS[,LENGTH] | $REGISTER [if EXPRESSION]", summary,
        """
        ADDRESS is an expression; LENGTH is in bytes, 8 if it is left out, 1, 2 or 4 also by byte(…), word(…), dword(…). phys is
        the guest's own physical address, machine Xen's. A register is watched by running instruction by instruction.
        """,
        [$"{name} qword(hypercall_page)", $"{name} machine 0x3f903000,1", $"{name} $cr3"], (s, a) => Watch(s, a, kind));

    private static void Break(PromptState s, PromptArguments a, bool temporary)
    {
        (string where, Expression? condition) = SplitCondition(a);
        if (where.Length == 0)
            throw new PromptException($"{a.Command}: where is missing; help {a.Command} says what can stand there");
        Added(s, s.Debug.Breakpoints.Add(PointOf(s, where), condition, temporary));
    }

    private static void Added(PromptState s, Breakpoint b) => s.Line($"{(b.IsWatch ? "watchpoint" : "breakpoint")} {b.Id}: {b.Point}{(b.Condition is { } c ? $" if {c}" : "")}");

    private static StopPoint PointOf(PromptState s, string where)
    {
        string[] words = where.Split(' ', 2, StringSplitOptions.TrimEntries);
        string name = words[0], rest = words.Length > 1 ? words[1] : "";
        if (name.StartsWith('*'))
            return new AddressPoint(s.Evaluate(where[1..]));
        foreach (EventKind kind in Enum.GetValues<EventKind>())
        {
            if (name == EventPoint.Word(kind))
                return EventOf(s, kind, rest);
        }

        bool returning = rest == "returning", failing = rest == "failing";
        if (rest.Length > 0 && !returning && !failing)
            throw new PromptException($"\"{rest}\" after {name}: only returning or failing may stand there, or if and a condition");
        bool anyCall = Matches(name, HypercallNames(s.Debug)) || name.StartsWith("XEN", StringComparison.Ordinal) || IsSubOperation(name);
        bool anyStage = Matches(name, StageNames(s.Debug));
        if (anyCall && !anyStage && !failing)
            return new HypercallPoint(name, returning);
        if (!anyStage && s.Debug.Inspect.Symbols.TryFind(name, out Symbol symbol))
            return new AddressPoint(symbol.Address, name);
        if (anyStage)
            return new StagePoint(name, failing ? StageMoment.Failed : returning ? StageMoment.Returned : StageMoment.Entered);
        throw new PromptException($"{name} is no stage of this path, no hypercall and no symbol: {Input.NearestName.Hint(name, [.. StageNames(s.Debug), .. HypercallNames(s.Debug), .. s.Debug.Inspect.Symbols.Names])}");
    }

    private static bool Matches(string pattern, IEnumerable<string> names) => names.Any(n => Breakpoint.Matches(pattern, n));

    /// <summary>As in EVTCHNOP_send, MMUEXT_PIN_L4_TABLE, VCPUOP_initialise.</summary>
    private static bool IsSubOperation(string name) => name.Contains("OP_", StringComparison.Ordinal) || name.StartsWith("MMUEXT_", StringComparison.Ordinal);

    private static EventPoint EventOf(PromptState s, EventKind kind, string rest)
    {
        if (rest.Length == 0)
            return new EventPoint(kind);
        return kind is EventKind.Console or EventKind.XenStore or EventKind.PageWritten ? new EventPoint(kind, null, rest.Trim('"')) : new EventPoint(kind, s.Evaluate(rest));
    }

    private static void Watch(PromptState s, PromptArguments a, WatchKind kind)
    {
        (string what, Expression? condition) = SplitCondition(a);
        if (what.Length == 0)
            throw new PromptException($"{a.Command}: what to watch is missing; help {a.Command} says what can stand there");
        string[] words = what.Split(' ', 2, StringSplitOptions.TrimEntries);
        if (what.StartsWith('$') && what.IndexOfAny([' ', '+', '-', '*', '(']) < 0)
        {
            string register = what[1..];
            if (s.Debug.Inspect.Selected is { } v && !RegisterFile.TryRead(v.Cpu, register, out _))
                throw new PromptException($"no register \"{register}\": {Input.NearestName.Hint(register, [.. RegisterFile.Names])}");
            Added(s, s.Debug.Breakpoints.Add(new RegisterWatch(register), condition));
            return;
        }

        AddressSpace space = DataCommands.SpaceOf(words[0], out bool named);
        (ulong address, int length) = Range(s, named ? words.ElementAtOrDefault(1) ?? "" : what);
        Added(s, s.Debug.Breakpoints.Add(new MemoryWatch(space, address, length, kind), condition));
    }

    private static (ulong Address, int Length) Range(PromptState s, string text)
    {
        int comma = text.LastIndexOf(',');
        string address = comma < 0 ? text : text[..comma];
        int length = 8;
        foreach ((string word, int size) in ((string, int)[])[("byte(", 1), ("word(", 2), ("dword(", 4), ("qword(", 8)])
        {
            if (comma < 0 && address.StartsWith(word, StringComparison.Ordinal) && address.EndsWith(')'))
                return (s.Evaluate(address[word.Length..^1]), size);
        }

        if (comma >= 0 && (!int.TryParse(text[(comma + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length is < 1 or > 4096))
            throw new PromptException($"\"{text[(comma + 1)..]}\" is not a length from 1 to 4096");
        return (s.Evaluate(address), length);
    }

    private static (string Before, Expression? Condition) SplitCondition(PromptArguments a)
    {
        int at = a.Text.StartsWith("if ", StringComparison.Ordinal) ? 0 : a.Text.IndexOf(" if ", StringComparison.Ordinal);
        return at < 0 ? (a.Text.Trim(), null) : (a.Text[..at].Trim(), Expression.Parse(a.Text[(at == 0 ? 3 : at + 4)..]));
    }

    private static void Delete(PromptState s, PromptArguments a)
    {
        if (a.Words.Count == 0)
            s.Debug.Breakpoints.Clear();
        for (int i = 0; i < a.Words.Count; i++)
        {
            if (!s.Debug.Breakpoints.Remove(a.Count(i)))
                throw new PromptException($"there is no breakpoint {a.Word(i)}");
        }
    }

    private static Breakpoint Of(PromptState s, PromptArguments a)
    {
        a.Require(0, "the breakpoint's number");
        return s.Debug.Breakpoints.Find(a.Count()) ?? throw new PromptException($"there is no breakpoint {a.Word(0)}");
    }
}
