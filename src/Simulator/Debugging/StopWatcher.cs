using System.Text;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging;

/// <summary>Decides at each moment of a run which breakpoints and watchpoints have been reached.</summary>
/// <param name="counts">Whether it counts hits and uses up ignore counts: forwards only.</param>
internal sealed class StopWatcher(Inspector inspector, IReadOnlyList<Breakpoint> breakpoints, bool counts)
{
    /// <summary>Who a watched access by guest code is said to be by.</summary>
    public const string TheGuest = "the guest";

    private readonly Breakpoint[] _active = [.. breakpoints.Where(b => b.Enabled)];
    private readonly Dictionary<Breakpoint, Watched> _watched = [];
    private readonly Dictionary<Breakpoint, StringBuilder> _console = [];
    private readonly List<Breakpoint> _hit = [];
    private readonly List<Breakpoint> _ranges = [];
    private bool _begun;
    private (long Tick, string By)? _lastEvent;

    /// <summary>The breakpoints of the last moment that stopped.</summary>
    public IReadOnlyList<Breakpoint> Hit => _hit;

    public WatchReport? Watch { get; private set; }

    public bool SawWatch => _hit.Any(b => b.IsWatch);

    public bool EveryInstruction { get; } = breakpoints.Any(b => b.Enabled && b.NeedsInstructions);

    /// <summary>Addresses at which the vCPU has to be shown.</summary>
    public IEnumerable<ulong> Addresses => _active.Select(b => b.Point).OfType<AddressPoint>().Select(p => p.Address);

    /// <summary>Ranges whose accesses by guest code have to be told, in terms of the machine as it is now.</summary>
    public IReadOnlyList<WatchedRange> Ranges()
    {
        List<WatchedRange> ranges = [];
        _ranges.Clear();
        foreach (Breakpoint b in _active)
        {
            if (b.Point is not MemoryWatch w || inspector.RangeOf(w) is not { } range)
                continue;
            ranges.Add(range);
            _ranges.Add(b);
        }

        return ranges;
    }

    /// <summary>Looks at what is watched as the run begins.</summary>
    public void Begin(Vcpu? vcpu)
    {
        _begun = true;
        foreach (Breakpoint b in _active.Where(b => b.IsWatch))
            _watched[b] = new Watched(inspector.ValueOf(b.Point, vcpu));
    }

    public bool AtEvent(JournalEntry entry)
    {
        Clear();
        _lastEvent = (entry.Position.Tick, ByOf(entry));
        if (!_begun)
            Begin(inspector.Running);
        foreach (Breakpoint b in _active)
        {
            if (b.IsWatch)
                Compare(b, inspector.Running, ByOf(entry));
            else if (IsReached(b, entry.Event))
                Reach(b, entry.Event);
        }

        return _hit.Count > 0;
    }

    public bool AtBoundary(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses)
    {
        Clear();
        if (!_begun)
            Begin(vcpu);
        foreach (Breakpoint b in _active)
        {
            switch (b.Point)
            {
                case AddressPoint a when a.Address == vcpu.Cpu.LinearRip && (a.Domain is null || a.Domain == vcpu.Domain.Id):
                    Reach(b, null);
                    break;
                case MemoryWatch { Kind: not WatchKind.Change } w when accesses.Any(x => _ranges.ElementAtOrDefault(x.Range) == b && IsKind(w.Kind, x.Write)):
                    Touched(b, vcpu);
                    break;
                case MemoryWatch or RegisterWatch:
                    Compare(b, vcpu, accesses.Any(x => _ranges.ElementAtOrDefault(x.Range) == b) ? TheGuest : Between(b, position));
                    break;
                default:
                    break;
            }
        }

        return _hit.Count > 0;
    }

    /// <summary>Who changed what shows only now: what Xen told of last, if the guest has not run since; registers are the guest's otherwise.</summary>
    private string Between(Breakpoint b, Position position)
        => _lastEvent is { } last && last.Tick == position.Tick ? last.By : b.Point is RegisterWatch ? TheGuest : $"what came before {position}";

    private void Clear()
    {
        _hit.Clear();
        Watch = null;
    }

    private static bool IsKind(WatchKind kind, bool write) => kind switch { WatchKind.Write => write, WatchKind.Read => !write, _ => true };

    private bool IsReached(Breakpoint b, XenEvent e) => b.Point switch
    {
        StagePoint p => e switch
        {
            StageEntered s => p.Moment == StageMoment.Entered && Breakpoint.Matches(p.Name, s.Stage),
            StageReturned s => p.Moment == StageMoment.Returned && Breakpoint.Matches(p.Name, s.Stage),
            StageFailed s => p.Moment == StageMoment.Failed && Breakpoint.Matches(p.Name, s.Stage),
            _ => false,
        },
        HypercallPoint { Returning: false } p => e is HypercallEntered h && (Breakpoint.Matches(p.Name, h.Name) || Breakpoint.Matches(p.Name, h.SubOperation)),
        HypercallPoint p => e is HypercallReturned h && (Breakpoint.Matches(p.Name, h.Name) || Breakpoint.Matches(p.Name, h.SubOperation)),
        EventPoint p => IsReached(b, p, e),
        _ => false,
    };

    private bool IsReached(Breakpoint b, EventPoint p, XenEvent e) => (p.Kind, e) switch
    {
        (EventKind.Exception, GuestException x) => p.Number is null || p.Number == x.Vector,
        (EventKind.Refusal, PageTypeRefused) => true,
        (EventKind.EventChannel, EventChannelChanged c) => p.Number is null || p.Number == c.Port,
        (EventKind.Console, ConsoleOutput c) => ShowsText(b, p.Text, c),
        (EventKind.Cpuid, PrivilegedAccess a) => a.Kind.Contains("cpuid", StringComparison.OrdinalIgnoreCase) && (p.Number is null || p.Number == a.Index),
        (EventKind.Msr, PrivilegedAccess a) => a.Kind.Contains("msr", StringComparison.OrdinalIgnoreCase) && (p.Number is null || p.Number == a.Index),
        (EventKind.PageWritten, PageWritten w) => p.Text.Length == 0 || w.What == p.Text,
        (EventKind.Shutdown, DomainShutdown or MachineEnded) => true,
        (EventKind.XenStore, XenStoreRequest r) => p.Text.Length == 0 || Breakpoint.Matches(p.Text, r.Path),
        _ => false,
    };

    /// <summary>The text may come in pieces; only what may be its beginning is kept.</summary>
    private bool ShowsText(Breakpoint b, string text, ConsoleOutput output)
    {
        if (text.Length == 0)
            return true;
        if (!_console.TryGetValue(b, out StringBuilder? seen))
            _console[b] = seen = new StringBuilder();
        seen.Append(Encoding.Latin1.GetString(output.Bytes));
        int at = seen.ToString().IndexOf(text, StringComparison.Ordinal);
        seen.Remove(0, at >= 0 ? at + text.Length : Math.Max(0, seen.Length - text.Length + 1));
        return at >= 0;
    }

    private void Reach(Breakpoint b, XenEvent? e)
    {
        if (b.Condition is { } condition && !Holds(b, condition, e))
            return;
        if (counts)
        {
            b.Hits++;
            if (b.Ignore > 0)
            {
                b.Ignore--;
                return;
            }
        }

        _hit.Add(b);
    }

    private bool Holds(Breakpoint b, Expression condition, XenEvent? e)
    {
        try
        {
            b.ConditionError = null;
            return condition.Evaluate(inspector.Scope(e)) != 0;
        }
        catch (ExpressionException wrong)
        {
            // As gdb does: a condition that cannot be evaluated stops, and says why.
            b.ConditionError = wrong.Message;
            return true;
        }
    }

    private void Touched(Breakpoint b, Vcpu vcpu)
    {
        byte[] now = inspector.ValueOf(b.Point, vcpu);
        byte[] old = _watched.TryGetValue(b, out Watched? w) ? w.Value : now;
        _watched[b] = new Watched(now);
        int before = _hit.Count;
        Reach(b, null);
        if (_hit.Count > before)
            Watch = new WatchReport(((MemoryWatch)b.Point).Address, b.Point is not MemoryWatch { Kind: WatchKind.Read } && !now.AsSpan().SequenceEqual(old), old, now, TheGuest);
    }

    /// <summary>For what is watched by its value: who changes it need not be guest code.</summary>
    private void Compare(Breakpoint b, Vcpu? vcpu, string by)
    {
        if (b.Point is MemoryWatch { Kind: WatchKind.Read })
            return;
        byte[] now = inspector.ValueOf(b.Point, vcpu);
        Watched known = _watched.TryGetValue(b, out Watched? w) ? w : new Watched(now);
        if (now.AsSpan().SequenceEqual(known.Value))
            return;
        _watched[b] = new Watched(now);

        // Nothing was there before, or is now: no value has changed.
        if (now.Length == 0 || known.Value.Length == 0)
            return;
        int before = _hit.Count;
        Reach(b, null);
        if (_hit.Count > before)
            Watch = new WatchReport(b.Point is MemoryWatch m ? m.Address : 0, true, known.Value, now, by);
    }

    private static string ByOf(JournalEntry entry) => entry.Event is PageWritten w ? w.Writer : entry.Stack?.Name ?? "Xen";

    private sealed record Watched(byte[] Value);
}
