using System.Globalization;
using System.Text;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>Breakpoints, running, and what it says when it stops.</summary>
internal sealed partial class GdbStub
{
    /// <summary>Of all kinds together.</summary>
    private const int MostBreakpoints = 1000;

    /// <summary>SIGINT and SIGTRAP as gdb numbers them.</summary>
    private const string Interrupted = "T02", Trapped = "T05";

    private readonly Dictionary<(char Kind, ulong Address, ulong Length), Breakpoint> _inserted = [];

    /// <summary>To the guest's first instruction, which is where gdb's history begins: before it there is no vCPU.</summary>
    public static StopReport GoToEntry(DebugSession debug) => debug.GoToInstruction(0);

    private void GoToEntry()
    {
        GoToEntry(debug);
        debug.ShowConsoleAgain();
    }

    /// <summary><c>Z kind,address,length</c>: 0 and 1 execution, 2 write, 3 read, 4 both.</summary>
    private string Insert(string rest)
    {
        if (!TryPoint(rest, out (char Kind, ulong Address, ulong Length) key))
            return rest.Length > 0 && rest[0] is >= '0' and <= '4' ? Invalid : "";
        if (_inserted.ContainsKey(key))
            return "OK";
        if (_inserted.Count == MostBreakpoints)
            return NoSpace;
        _inserted[key] = debug.Breakpoints.Add(key.Kind switch
        {
            '0' or '1' => new AddressPoint(key.Address),
            '2' => new MemoryWatch(AddressSpace.Virtual, key.Address, (int)key.Length, WatchKind.Write),
            '3' => new MemoryWatch(AddressSpace.Virtual, key.Address, (int)key.Length, WatchKind.Read),
            _ => new MemoryWatch(AddressSpace.Virtual, key.Address, (int)key.Length, WatchKind.Access),
        });
        return "OK";
    }

    private string Remove(string rest)
    {
        if (!TryPoint(rest, out (char Kind, ulong Address, ulong Length) key))
            return Invalid;
        if (_inserted.Remove(key, out Breakpoint? b))
            debug.Breakpoints.Remove(b.Id);
        return "OK";
    }

    private static bool TryPoint(string rest, out (char Kind, ulong Address, ulong Length) key)
    {
        key = default;
        // Conditions and commands for the target follow a semicolon; they were not offered.
        string point = rest.Split(';')[0];
        if (point.Length < 3 || point[0] is < '0' or > '4' || point[1] != ',' || !GdbText.TryRange(point.AsSpan(2), out ulong address, out ulong length))
            return false;
        if (point[0] > '1' && (length is 0 or > 4096 || address + (length - 1) < address))
            return false;
        key = (point[0], address, length);
        return true;
    }

    private void RemoveBreakpoints()
    {
        foreach (Breakpoint b in _inserted.Values)
            debug.Breakpoints.Remove(b.Id);
        _inserted.Clear();
    }

    /// <summary>
    /// <c>vCont;action[:thread]…</c>. vCPUs that are not named run along, whatever the packet says: who runs when is Xen's business, and holding one back
    /// would be another history.
    /// </summary>
    private string Resume(string actions)
    {
        foreach (string action in actions.Split(';'))
        {
            string[] parts = action.Split(':', 2);
            VcpuId? id = null;
            if (action.Length == 0 || (parts.Length == 2 && (!TryThread(parts[1], out id) || !IsThere(id))))
                return NoSuchProcess;
            switch (action[0])
            {
                case 's' or 'S':
                    return Run(token => debug.Step(Granularity.Instruction, StepKind.Into, Direction.Forward, id, token));
                case 'c' or 'C':
                    break;
                default:
                    return Invalid;
            }
        }

        return Run(token => debug.Continue(Direction.Forward, token));
    }

    /// <summary><c>c s</c> and with a signal <c>C S</c>, whose signal has no meaning for a machine; <c>bc bs</c> backwards.</summary>
    private string ResumeOldStyle(string text) => text[0] switch
    {
        _ when text == "bs" => Run(token => debug.Step(Granularity.Instruction, StepKind.Into, Direction.Backward, _stepped, token)),
        _ when text == "bc" => Run(ContinueBack),
        'b' => "",
        // Going on elsewhere is a write to the program counter, for which there is P.
        'c' or 's' when text.Length > 1 => Invalid,
        'c' or 'C' => Run(token => debug.Continue(Direction.Forward, token)),
        _ => Run(token => debug.Step(Granularity.Instruction, StepKind.Into, Direction.Forward, _stepped, token)),
    };

    private string Run(Func<CancellationToken, StopReport> run)
    {
        _selected = null;
        Position origin = debug.Position;
        StopReport report = connection.Interruptibly(run, stop);
        bool backward = report.Position < origin;
        if (report.Reason == StopReason.BeginOfHistory || (backward && report.Hit.Count == 0 && debug.Inspect.Running is null && debug.Position.Instruction == 0))
            report = GoToEntry(debug) with { Reason = StopReason.BeginOfHistory };
        return StopReply(report);
    }

    /// <summary>
    /// gdb compares what it knew with what is there, so backwards it has to be shown the memory as it was before a write; the core stops after it.
    /// A write that leads to where the session is held now counts too.
    /// </summary>
    private StopReport ContinueBack(CancellationToken token)
    {
        Breakpoint[] writes = [.. _inserted.Where(i => i.Key.Kind is '2' or '4').Select(i => i.Value)];
        if (writes.Length == 0)
            return debug.Continue(Direction.Backward, token);
        StopReport undone = Undo(writes, token);
        while (undone.Reason == StopReason.Step)
        {
            StopReport report = debug.Continue(Direction.Backward, token);
            if (report is not { Reason: StopReason.Watchpoint, Watch.Write: true })
                return report;
            undone = Undo(writes, token);
            // The same value was written once more: awatch tells of it, watch does not.
            if (undone.Reason == StopReason.Step && _inserted.Any(i => i.Key.Kind == '4' && report.Hit.Contains(i.Value)))
                return undone with { Reason = StopReason.Watchpoint, Hit = report.Hit };
        }

        return undone;
    }

    /// <summary>One instruction back; if that changes what is watched, it is a stop of the watchpoint.</summary>
    private StopReport Undo(Breakpoint[] writes, CancellationToken token)
    {
        byte[][] before = [.. writes.Select(Watched)];
        StopReport report = debug.Step(Granularity.Instruction, StepKind.Into, Direction.Backward, null, token);
        Breakpoint[] undone = [.. writes.Where((b, i) => !Watched(b).AsSpan().SequenceEqual(before[i]))];
        return undone.Length == 0 ? report : report with { Reason = StopReason.Watchpoint, Hit = undone };
    }

    private byte[] Watched(Breakpoint b)
    {
        MemoryWatch w = (MemoryWatch)b.Point;
        byte[] bytes = new byte[w.Length];
        return debug.Inspect.TryRead(w.Space, w.Address, bytes, Current) ? bytes : [];
    }

    private string StopReply(StopReport report)
    {
        string thread = $"thread:{CurrentName};";
        switch (report.Reason)
        {
            case StopReason.BeginOfHistory:
                return $"{Trapped}replaylog:begin;{thread}";
            case StopReason.EndOfHistory:
                Print(Encoding.UTF8.GetBytes($"xensim: {report.Outcome?.Detail}\n"));
                return $"{Trapped}replaylog:end;{thread}";
            case StopReason.Interrupted:
                return $"{Interrupted}{thread}";
            default:
                return $"{Trapped}{Hit(report)}{thread}";
        }
    }

    private string Hit(StopReport report)
    {
        foreach (((char kind, ulong address, _), Breakpoint b) in _inserted)
        {
            if (!report.Hit.Contains(b))
                continue;
            string at = address.ToString("x", CultureInfo.InvariantCulture);
            return kind switch { '0' => "swbreak:;", '1' => "hwbreak:;", '2' => $"watch:{at};", '3' => $"rwatch:{at};", _ => $"awatch:{at};" };
        }

        return "";
    }
}
