using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>How far a stage has come.</summary>
public enum StageMark
{
    Running,
    Returned,
    Failed,
}

/// <summary>A stage that was entered.</summary>
/// <param name="depth">Nesting over all machines: a domctl's stages stand below the tool's stage that sent it.</param>
public sealed class StageRow(string stage, int depth)
{
    public string Stage => stage;

    public int Depth => depth;

    public StageMark Mark { get; internal set; }

    /// <summary>Why it failed.</summary>
    public string Note { get; internal set; } = "";

    /// <summary>Hypercalls made by the stage itself.</summary>
    public int Calls { get; internal set; }

    /// <summary>Stages below it that are not shown.</summary>
    public int Folded { get; internal set; }

    internal int MachineDepth { get; init; }
}

/// <summary>The stages of a session as they came, nested as the calls nest.</summary>
public sealed class StageRecord : IEventConsumer
{
    private readonly List<StageRow> _rows = [];
    private readonly List<StageRow> _open = [];

    /// <summary>Called after each change that is worth drawing.</summary>
    public Action? Changed { get; set; }

    public bool Wants(Type eventType)
        => eventType == typeof(StageEntered) || eventType == typeof(StageReturned) || eventType == typeof(StageFailed) || eventType == typeof(HypercallEntered);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case StageEntered entered:
                Open(entered);
                Changed?.Invoke();
                break;
            case StageReturned returned:
                Close(returned.Stage, StageMark.Returned, "");
                break;
            case StageFailed failed:
                Close(failed.Stage, StageMark.Failed, Describe(failed));
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

    private void Open(StageEntered entered)
    {
        // A machine begins at depth 0; what is open then is its caller.
        int start = _open.Count == 0 ? 0 : entered.Depth == 0 ? _open[^1].Depth + 1 : _open[^1].MachineDepth;
        StageRow row = new(entered.Stage, start + entered.Depth) { MachineDepth = start };
        _rows.Add(row);
        _open.Add(row);
    }

    private void Close(string stage, StageMark mark, string note)
    {
        int at = _open.FindLastIndex(r => r.Stage == stage);
        if (at < 0)
            return;
        (_open[at].Mark, _open[at].Note) = (mark, note);
        _open.RemoveAt(at);
        Changed?.Invoke();
    }
}
