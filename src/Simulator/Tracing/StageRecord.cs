using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>How far a stage has come.</summary>
public enum StageMark
{
    Running,
    Returned,
    Failed,
}

/// <summary>A moment of a session.</summary>
/// <param name="Sequence">Number of the event.</param>
/// <param name="Instructions">Guest instructions retired before it.</param>
public readonly record struct StreamPosition(long Sequence, long Instructions);

/// <summary>A stage that was entered.</summary>
/// <param name="depth">Nesting over all machines: a domctl's stages stand below the tool's stage that sent it.</param>
public sealed class StageRow(StageEntered stage, int depth, StreamPosition entered)
{
    public string Stage => stage.Stage;

    public Side Side => stage.Side;

    /// <summary>The machine's name: its outermost stage.</summary>
    public string Machine => stage.Machine;

    public int Depth => depth;

    public StreamPosition Entered => entered;

    /// <summary>When it returned or failed; null while it runs.</summary>
    public StreamPosition? Left { get; internal set; }

    public StageMark Mark { get; internal set; }

    /// <summary>Why it failed.</summary>
    public string Note { get; internal set; } = "";

    /// <summary>Hypercalls made by the stage itself.</summary>
    public int Calls { get; internal set; }

    /// <summary>Stages below it that are not shown.</summary>
    public int Folded { get; internal set; }

    /// <summary>Depth of the outermost stage of its machine.</summary>
    public int MachineDepth { get; init; }
}

/// <summary>The stages of a session as they came, nested as the calls nest.</summary>
public sealed class StageRecord : IEventConsumer
{
    private readonly List<StageRow> _rows = [];
    private readonly List<StageRow> _open = [];

    /// <summary>All that were entered, in order.</summary>
    public IReadOnlyList<StageRow> Rows => _rows;

    /// <summary>Called after each change that is worth drawing.</summary>
    public Action? Changed { get; set; }

    public bool Wants(Type eventType)
        => eventType == typeof(StageEntered) || eventType == typeof(StageReturned) || eventType == typeof(StageFailed) || eventType == typeof(HypercallEntered);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case StageEntered entered:
                Open(entered, new StreamPosition(e.Sequence, e.Instructions));
                Changed?.Invoke();
                break;
            case StageReturned returned:
                Close(returned.Stage, StageMark.Returned, "", new StreamPosition(e.Sequence, e.Instructions));
                break;
            case StageFailed failed:
                Close(failed.Stage, StageMark.Failed, Describe(failed), new StreamPosition(e.Sequence, e.Instructions));
                break;
            case HypercallEntered when _open.Count > 0:
                _open[^1].Calls++;
                break;
            default:
                break;
        }
    }

    /// <summary>The rows to show: a machine that came to a good end before another began (Xen's own boot, on the way to a domU) is one row.</summary>
    public IReadOnlyList<StageRow> Shown()
    {
        List<StageRow> shown = [];
        for (int i = 0, next; i < _rows.Count; i = next)
        {
            for (next = i + 1; next < _rows.Count && _rows[next].Depth > 0;)
                next++;
            bool fold = next < _rows.Count && _rows[i].Mark == StageMark.Returned;
            _rows[i].Folded = fold ? next - i - 1 : 0;
            shown.AddRange(fold ? [_rows[i]] : _rows[i..next]);
        }

        return shown;
    }

    /// <summary>Code, errno, message and whether it was injected.</summary>
    public static string Describe(StageFailed failed)
    {
        string errno = failed.Errno == Hypervisor.Public.XenErrno.None ? "" : $", {failed.Errno}";
        string message = failed.Message.Length == 0 ? "" : $": {failed.Message}";
        return $"{failed.Code}{errno}{message}{(failed.Injected ? " (injected)" : "")}";
    }

    private void Open(StageEntered entered, StreamPosition now)
    {
        // A machine begins at depth 0; what is open then is its caller.
        int start = _open.Count == 0 ? 0 : entered.Depth == 0 ? _open[^1].Depth + 1 : _open[^1].MachineDepth;
        StageRow row = new(entered, start + entered.Depth, now) { MachineDepth = start };
        _rows.Add(row);
        _open.Add(row);
    }

    private void Close(string stage, StageMark mark, string note, StreamPosition now)
    {
        int at = _open.FindLastIndex(r => r.Stage == stage);
        if (at < 0)
            return;
        (_open[at].Mark, _open[at].Note, _open[at].Left) = (mark, note, now);
        _open.RemoveAt(at);
        Changed?.Invoke();
    }
}
