using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Debugging;

/// <summary>A stage or hypercall that is open.</summary>
/// <param name="Caller">The one around it; null: the outermost.</param>
/// <param name="Name">Function's, or hypercall's with its sub-operation.</param>
/// <param name="Machine">Machine of a stage; empty for a hypercall.</param>
/// <param name="Event">Ordinal of the event that opened it, from 0.</param>
public sealed record CallFrame(CallFrame? Caller, bool IsHypercall, string Name, string Machine, Side Side, long Event)
{
    /// <summary>Frames around it.</summary>
    public int Depth { get; } = Caller is null ? 0 : Caller.Depth + 1;

    public IEnumerable<CallFrame> Outwards()
    {
        for (CallFrame? f = this; f is not null; f = f.Caller)
            yield return f;
    }
}

/// <summary>An event with its moment and what was open then.</summary>
/// <param name="Position">Of the moment in which it is told: the ordinal of the event there is one more than its own.</param>
/// <param name="Stack">Of an event that closes a frame, the frame itself is still the innermost.</param>
public readonly record struct JournalEntry(XenEvent Event, ulong VirtualNanoseconds, Position Position, CallFrame? Stack, VcpuId? Vcpu)
{
    internal CallFrame? StackAfter => Event is StageReturned or StageFailed or HypercallReturned ? Stack?.Caller : Stack;
}

/// <summary>
/// Every event of the session that was ever reached, by ordinal. A session is deterministic, so an entry stays true when the debugger goes back; what is run again
/// is compared with it.
/// </summary>
internal sealed class Journal
{
    private readonly List<JournalEntry> _entries = [];

    // Ordinals of events that tell of a hypercall page.
    private readonly List<long> _pages = [];

    /// <summary>Told of every event that the session comes by, on the session's thread.</summary>
    public Action<JournalEntry>? Passed { get; set; }

    /// <summary>Events known.</summary>
    public int Count => _entries.Count;

    public JournalEntry this[long ordinal] => _entries[(int)ordinal];

    /// <summary>The event told at a position; null before the first.</summary>
    public JournalEntry? At(Position position) => position.Event > 0 && position.Event <= Count ? _entries[(int)position.Event - 1] : null;

    /// <summary>What is open at a position: when it is not in an event, what that event closed is closed.</summary>
    public CallFrame? StackAt(Position position) => At(position) is not { } e ? null : position.InEvent ? e.Stack : e.StackAfter;

    /// <summary>Notes an event, or checks it against what was noted when it was first reached.</summary>
    /// <exception cref="InvalidOperationException">It is not the event that came here before: the session is not deterministic.</exception>
    public JournalEntry Note(in TimedEvent e, Position position, VcpuId? vcpu)
    {
        if (e.Sequence < Count)
        {
            JournalEntry known = _entries[(int)e.Sequence];
            if (known.Position != position || known.Event.GetType() != e.Event.GetType() || known.VirtualNanoseconds != e.VirtualNanoseconds)
                throw new InvalidOperationException($"event {e.Sequence} was {known.Event} at {known.Position} and is {e.Event} at {position} when run again");
            Passed?.Invoke(known);
            return known;
        }

        CallFrame? open = Count > 0 ? _entries[^1].StackAfter : null;
        JournalEntry entry = new(e.Event, e.VirtualNanoseconds, position, Next(open, e.Event, e.Sequence), vcpu);
        _entries.Add(entry);
        if (e.Event is PageWritten { What: "hypercall page" })
            _pages.Add(e.Sequence);
        Passed?.Invoke(entry);
        return entry;
    }

    /// <summary>Forgets what comes after: the user has changed something.</summary>
    public void Cut(long events)
    {
        _entries.RemoveRange((int)Math.Min(events, Count), Count - (int)Math.Min(events, Count));
        _pages.RemoveAll(p => p >= events);
    }

    /// <summary>The last hypercall page that was written up to a position, of this domain or of any; null: none.</summary>
    public PageWritten? HypercallPageAt(Position position, DomainId? domain)
    {
        for (int i = _pages.Count - 1; i >= 0; i--)
        {
            if (_pages[i] < position.Event && _entries[(int)_pages[i]].Event is PageWritten written && (domain is null || written.Domain == domain))
                return written;
        }

        return null;
    }

    private static CallFrame? Next(CallFrame? open, XenEvent e, long ordinal) => e switch
    {
        StageEntered s => new CallFrame(open, false, s.Stage, s.Machine, s.Side, ordinal),
        HypercallEntered h => new CallFrame(open, true, h.SubOperation ?? h.Name, "", h.Issuer == Issuer.Toolstack ? Side.Toolstack : Side.Guest, ordinal),
        StageReturned s => Innermost(open, s.Stage, s.Machine),
        StageFailed s => Innermost(open, s.Stage, s.Machine),
        HypercallReturned h => Innermost(open, h.SubOperation ?? h.Name, ""),
        _ => open,
    };

    /// <summary>The frame that an event closes; with it go frames that were left without an event of their own.</summary>
    private static CallFrame? Innermost(CallFrame? open, string name, string machine)
        => open?.Outwards().FirstOrDefault(f => f.Name == name && f.Machine == machine) ?? open;
}
