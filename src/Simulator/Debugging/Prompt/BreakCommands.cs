using System.Globalization;
using XenSim.Hypervisor.Public.Numbers;
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
        registers, symbols, a call's arguments, and of what happens: caller, domain, result; vector, error, address; index,
        value; port; reason; code.
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
        new(["ignore"], "N COUNT", "Lets a breakpoint pass so many times.", "", ["ignore 1 10"], (s, a) => Of(s, a).Ignore = a.Require(1, "how many times") == "0" ? 0 : a.Count(1)),
        new(["condition"], "N [EXPRESSION]", "Gives a breakpoint a condition, or takes it away.", "", ["condition 1 rax == 17", "condition 1"],
            (s, a) => Of(s, a).Condition = a.Words.Count > 1 ? Expression.Parse(a.Rest(1)) : null),
    ];

    public static IEnumerable<string> StageNames(DebugSession debug) => BootPaths.Stages(debug.Options.Path, debug.Options.Release).Select(i => i.Name)
        .Concat(["do_domctl", "arch_do_domctl", "hypercall_page_initialise", "init_hypercall_page"]).Distinct();

    public static IEnumerable<string> HypercallNames(DebugSession debug) => debug.Inspect.Xen.Hypercalls.Table.Rows.Select(r => r.Name);

    public static void List(PromptState s)
    {
        s.Line(s.Debug.Breakpoints.Count == 0 ? "no breakpoints" : "Num  Type        Disp Enb  What");
        foreach (Breakpoint b in s.Debug.Breakpoints)
        {
            s.Line($"{b.Id,-4} {(b.IsWatch ? "watchpoint" : "breakpoint"),-11} {(b.Temporary ? "del" : "keep"),-4} {(b.Enabled ? "y" : "n"),-4} {b.Point}{(b.Condition is { } c ? $" if {c}" : "")}");
            if (b.Hits > 0)
                s.Line($"     already hit {b.Hits} time{(b.Hits == 1 ? "" : "s")}");
            if (b.Ignore > 0)
                s.Line($"     will ignore next {b.Ignore} hit{(b.Ignore == 1 ? "" : "s")}");
        }
    }

    private static PromptCommand Watching(string name, WatchKind kind, string summary) => new([name], $"[phys|machine] ADDRESS[,LENGTH]{(kind == WatchKind.Change ? " | $REGISTER" : "")} [if EXPRESSION]", summary,
        """
        ADDRESS is an expression; LENGTH is in bytes, 8 if it is left out, 1, 2 or 4 also by byte(…), word(…), dword(…). phys is
        the guest's own physical address, machine Xen's. Registers can be watched for changes, of the vCPU that is looked at, by
        running instruction by instruction.
        """,
        [$"{name} qword(hypercall_page)", $"{name} machine 0x3f903000,1", .. kind == WatchKind.Change ? new[] { $"{name} $cr3" } : []], (s, a) => Watch(s, a, kind));

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
        bool anyCall = Matches(name, HypercallNames(s.Debug)) || Matches(name, XenNames.SubOperations);
        bool anyStage = Matches(name, StageNames(s.Debug));
        if (anyCall && !anyStage && !failing)
            return new HypercallPoint(name, returning);
        if (!anyStage && s.Debug.Inspect.Symbols.TryFind(name, out Symbol symbol))
            return new AddressPoint(symbol.Address, name);
        if (anyStage)
            return new StagePoint(name, failing ? StageMoment.Failed : returning ? StageMoment.Returned : StageMoment.Entered);
        throw PromptException.Unknown($"{name} is no stage of this path, no hypercall and no symbol", name, [.. StageNames(s.Debug), .. HypercallNames(s.Debug), .. XenNames.SubOperations, .. s.Debug.Inspect.Symbols.Names]);
    }

    private static bool Matches(string pattern, IEnumerable<string> names) => names.Any(n => Breakpoint.Matches(pattern, n));

    private static EventPoint EventOf(PromptState s, EventKind kind, string rest)
    {
        if (rest.Length == 0)
            return new EventPoint(kind);
        if (kind is EventKind.Console or EventKind.XenStore or EventKind.PageWritten)
            return new EventPoint(kind, null, rest.Trim('"'));
        if (kind is EventKind.Refusal or EventKind.Shutdown)
            throw new PromptException($"\"{rest}\" after {EventPoint.Word(kind)}: only if and a condition may stand there");
        ulong number = s.Evaluate(rest), most = kind == EventKind.Exception ? 255 : uint.MaxValue;
        return number <= most ? new EventPoint(kind, number) : throw new PromptException($"{EventPoint.Word(kind)} {rest}: it is at most {most}");
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
            Hypervisor.Domains.Vcpu? v = s.Debug.Inspect.Selected;
            if (v is not null && !RegisterFile.TryRead(v.Cpu, register, out _))
                throw PromptException.Unknown($"no register \"{register}\"", register, [.. RegisterFile.Names]);
            if (kind != WatchKind.Change)
                throw new PromptException($"{a.Command}: a register can be watched for changes only: watch ${register}");
            Added(s, s.Debug.Breakpoints.Add(new RegisterWatch(register, v is null ? null : new VcpuId(v.Domain.Id, v.Id)), condition));
            return;
        }

        AddressSpace space = DataCommands.SpaceOf(words[0], out bool named);
        (ulong address, int length) = Range(s, named ? words.ElementAtOrDefault(1) ?? "" : what);
        if (space == AddressSpace.Machine && s.Debug.Inspect.MachineAddressOf(space, address) is null)
            throw MemoryCommands.Unmapped(space, address);
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
        if (at < 0 && a.Words.Count > 1 && a.Words[^1] == "if")
            throw new PromptException($"{a.Command}: an expression is missing after if");
        return at < 0 ? (a.Text.Trim(), null) : (a.Text[..at].Trim(), Expression.Parse(a.Text[(at == 0 ? 3 : at + 4)..]));
    }

    private static void Delete(PromptState s, PromptArguments a)
    {
        if (a.Words.Count == 0)
            s.Debug.Breakpoints.Clear();
        for (int i = 0; i < a.Words.Count; i++)
        {
            if (!s.Debug.Breakpoints.Remove(a.Count(i, "a breakpoint's number")))
                throw new PromptException($"there is no breakpoint {a.Word(i)}");
        }
    }

    private static Breakpoint Of(PromptState s, PromptArguments a)
    {
        a.Require(0, "the breakpoint's number");
        return s.Debug.Breakpoints.Find(a.Count(0, "a breakpoint's number")) ?? throw new PromptException($"there is no breakpoint {a.Word(0)}");
    }
}
