namespace XenSim.Hypervisor.Domains;

/// <summary>An inclusive range of ports, frames or interrupts.</summary>
public readonly record struct IoRange(ulong First, ulong Last);

/// <summary>struct rangeset: numbers kept as disjoint inclusive ranges in order.</summary>
/// <remarks>Source: xen/common/rangeset.c.</remarks>
public sealed class RangeSet
{
    private readonly List<IoRange> _ranges = [];

    public IReadOnlyList<IoRange> Ranges => _ranges;

    /// <summary>rangeset_contains_range.</summary>
    public bool Contains(ulong first, ulong last)
    {
        foreach (IoRange r in _ranges)
        {
            if (r.First <= first && r.Last >= last)
                return true;
        }

        return false;
    }

    /// <summary>rangeset_add_range: what touches or overlaps becomes one.</summary>
    public void Add(ulong first, ulong last)
    {
        int at = _ranges.FindIndex(r => r.Last >= (first == 0 ? 0 : first - 1));
        at = at < 0 ? _ranges.Count : at;
        while (at < _ranges.Count && (last == ulong.MaxValue || _ranges[at].First <= last + 1))
        {
            (first, last) = (Math.Min(first, _ranges[at].First), Math.Max(last, _ranges[at].Last));
            _ranges.RemoveAt(at);
        }

        _ranges.Insert(at, new IoRange(first, last));
    }

    /// <summary>rangeset_remove_range.</summary>
    public void Remove(ulong first, ulong last)
    {
        for (int i = _ranges.Count - 1; i >= 0; i--)
        {
            IoRange r = _ranges[i];
            if (r.Last < first || r.First > last)
                continue;
            _ranges.RemoveAt(i);
            if (r.Last > last)
                _ranges.Insert(i, new IoRange(last + 1, r.Last));
            if (r.First < first)
                _ranges.Insert(i, new IoRange(r.First, first - 1));
        }
    }
}

/// <summary>What I/O a domain may do itself: d->arch.ioport_caps, d->iomem_caps, d->irq_caps.</summary>
public sealed class IoCapabilities
{
    /// <summary>nr_irqs_gsi of a machine with one I/O APIC of 24 inputs.</summary>
    internal const uint GsiCount = 24;

    /// <summary>Unit: ports.</summary>
    public RangeSet Ports { get; } = new();

    /// <summary>Unit: frames.</summary>
    public RangeSet Frames { get; } = new();

    public RangeSet Irqs { get; } = new();

    /// <summary>Everything, as dom0 has before its builder denies what Xen keeps. Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0.</summary>
    internal void PermitAll()
    {
        Ports.Add(0, 0xFFFF);
        Frames.Add(0, ulong.MaxValue);
        Irqs.Add(0, GsiCount - 1);
    }
}
