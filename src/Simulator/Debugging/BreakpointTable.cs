using System.Collections;

namespace XenSim.Simulator.Debugging;

/// <summary>The breakpoints and watchpoints of a debugger, in order of their numbers.</summary>
public sealed class BreakpointTable : IReadOnlyList<Breakpoint>
{
    private readonly List<Breakpoint> _all = [];
    private int _last;

    public int Count => _all.Count;

    public Breakpoint this[int index] => _all[index];

    public Breakpoint Add(StopPoint point, Expression? condition = null, bool temporary = false)
    {
        Breakpoint b = new(++_last, point) { Condition = condition, Temporary = temporary };
        _all.Add(b);
        return b;
    }

    public Breakpoint? Find(int id) => _all.Find(b => b.Id == id);

    /// <summary>False: there is none of this number.</summary>
    public bool Remove(int id) => _all.RemoveAll(b => b.Id == id) > 0;

    public void Clear() => _all.Clear();

    public IEnumerator<Breakpoint> GetEnumerator() => _all.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
