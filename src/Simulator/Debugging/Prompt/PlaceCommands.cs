using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Where the session is held, and how it came there.</summary>
internal static class PlaceCommands
{
    public static readonly PromptCommand[] All =
    [
        new(["where"], "", "Says where the session is held.", "", ["where"], (s, _) => s.Line($"[{s.Debug.Position}] {StopView.Place(s, s.Debug.Report)}")),
        new(["stages"], "[all]", "The stages so far as a tree, with the cursor.", "Without all: those that are open, with what they called.", ["stages", "stages all"], Stages),
        new(["bt", "backtrace"], "", "One stack: guest functions, the hypercall, the stages of Xen and the tools.",
            "Guest functions are found by Linux' own unwinding table (ORC), else by frame pointers. Where there is neither, what may be return addresses are shown with a ? as Linux does.", ["bt"], (s, _) => Backtrace(s)),
        new(["info", "i"], "breakpoints | registers [NAME…] | symbol ADDRESS | threads | history", "Shows things by gdb's names.", "Threads are vCPUs.", ["info breakpoints", "info registers rip", "info symbol $rip"], Info),
    ];

    private static void Stages(PromptState s, PromptArguments a)
    {
        bool all = a.Word(0) is { } word && (word == "all" ? true : throw new PromptException($"stages: only all may stand there, not \"{word}\""));
        long last = s.Debug.Position.Event;
        HashSet<long> open = [.. s.Debug.Stack?.Outwards().Select(f => f.Event) ?? []];
        CallFrame? cursor = s.Debug.Stack;
        Dictionary<long, string> ended = [];
        List<(CallFrame Frame, long Event)> rows = [];
        for (long i = 0; i < last; i++)
        {
            JournalEntry e = s.Debug.EventAt(i);
            switch (e.Event)
            {
                case StageEntered when e.Stack is { } f && (all || f.Outwards().Skip(1).FirstOrDefault(c => !c.IsHypercall) is not { } around || open.Contains(around.Event)):
                    rows.Add((f, i));
                    break;
                case StageReturned when e.Stack is { } f:
                    ended[f.Event] = "";
                    break;
                case StageFailed failed when e.Stack is { } f:
                    ended[f.Event] = $" failed: {Tracing.StageRecord.Describe(failed)}";
                    break;
                default:
                    break;
            }
        }

        foreach ((CallFrame f, _) in rows)
        {
            int depth = f.Outwards().Count(c => !c.IsHypercall) - 1;
            string mark = f == cursor || f.Event == cursor?.Event ? "=>" : open.Contains(f.Event) ? " >" : ended.TryGetValue(f.Event, out string? how) ? how.Length > 0 ? " ✗" : " ✓" : "  ";
            s.Line($"{mark} {new string(' ', 2 * depth)}{f.Name}{ended.GetValueOrDefault(f.Event)}");
        }

        if (s.Debug.Inspect.Running is { } vcpu && cursor is null)
            s.Line($"=> {StopView.Instruction(s, vcpu)}");
    }

    private static void Backtrace(PromptState s)
    {
        int n = 0;
        foreach (CallFrame f in s.Debug.Stack?.Outwards() ?? [])
            s.Line($"#{n++,-2} {(f.IsHypercall ? "hypercall " : f.Side == Side.Hypervisor ? "Xen       " : "tools     ")}{f.Name}");
        if (s.Debug.Inspect.Selected is { } vcpu && (s.Debug.Inspect.Running is not null || s.Debug.Stack is null))
        {
            foreach (GuestFrame f in s.Debug.Inspect.StackOf(vcpu))
                s.Line($"#{n++,-2} d{vcpu.Domain.Id.Value}v{vcpu.Id}      {(f.IsGuess ? "? " : "")}{s.Address(f.Address)}");
        }

        if (n == 0)
            s.Line("nothing is open");
    }

    private static void Info(PromptState s, PromptArguments a)
    {
        switch (a.Require(0, "what to show"))
        {
            case "breakpoints" or "break" or "b" or "watchpoints":
                BreakCommands.List(s);
                break;
            case "registers" or "r":
                DataCommands.Registers(s, [.. a.Words.Skip(1)]);
                break;
            case "symbol":
                ulong address = s.Evaluate(a.Require(1, "an address") is not null ? a.Rest(1) : "");
                s.Line(CodeView.NameOf(s.Debug, address) is not null ? s.Address(address) : throw new PromptException($"no symbol matches 0x{address:x}"));
                break;
            case "threads":
                XenCommands.Vcpus(s);
                break;
            case "history":
                HistoryCommands.Figures(s);
                break;
            default:
                throw new PromptException($"info: \"{a.Word(0)}\" is none of breakpoints, registers, symbol, threads, history");
        }
    }
}
