using System.Globalization;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Session;

/// <summary>Memory of domains as it was when a script kept it, by name, and what has become of it since.</summary>
internal sealed class MemorySnapshots
{
    private const int PageSize = 4096;

    /// <summary>All snapshots of a session together. Unit: bytes that are not pages of zeros.</summary>
    private const ulong MostBytes = 512UL << 20;

    /// <summary>Differing bytes with fewer equal ones between them are shown as one range. Unit: bytes.</summary>
    private const ulong Gap = 8;
    private const int RangesShown = 8;

    private readonly Dictionary<string, Kept> _kept = [];
    private ulong _bytes;

    /// <param name="range">Null: all of the domain's memory.</param>
    /// <returns>What is wrong; null: it is kept.</returns>
    public string? Take(string name, Domain domain, MemoryRange? range)
    {
        if (_kept.ContainsKey(name))
            return $"there is a snapshot \"{name}\" already";
        if (!TryRead(domain, range, out Dictionary<ulong, byte[]?> pages, out string wrong))
            return wrong;
        _bytes += (ulong)pages.Values.Sum(p => p?.Length ?? 0);
        if (_bytes > MostBytes)
            return $"the snapshots of a session hold at most {MostBytes >> 20} MiB that are not zero: keep a range instead of the whole domain";
        _kept[name] = new Kept(domain.Id, range, pages);
        return null;
    }

    /// <returns>What is not as expected; null: it is.</returns>
    public string? Compare(SnapshotComparison wanted, Func<DomainId, Domain?> find)
    {
        if (!_kept.TryGetValue(wanted.Snapshot, out Kept? kept))
            return $"there is no snapshot \"{wanted.Snapshot}\" yet";
        if (find(kept.Domain) is not { } domain)
            return $"{kept.Domain} does not exist any more";
        if (!TryRead(domain, kept.Range, out Dictionary<ulong, byte[]?> now, out string wrong))
            return wrong;
        List<(ulong Start, ulong End)> ranges = Differences(kept, now);
        if (wanted.Equal)
            return ranges.Count == 0 ? null : $"expected nothing changed since snapshot \"{wanted.Snapshot}\", {Describe(kept, ranges)}";
        if (ranges.Count == 0)
            return $"expected a change since snapshot \"{wanted.Snapshot}\", nothing changed";
        List<(ulong Start, ulong End)> outside = [.. ranges.Where(r => !wanted.Within.Any(w => r.Start >= w.Address && r.End <= w.Address + w.Length))];
        return wanted.Within.Count == 0 || outside.Count == 0 ? null : $"since snapshot \"{wanted.Snapshot}\" more changed than was expected: {Describe(kept, outside)}";
    }

    /// <summary>Pages by number with their bytes; null for one of zeros. Of a range the first and last page are cut to it.</summary>
    private static bool TryRead(Domain domain, MemoryRange? range, out Dictionary<ulong, byte[]?> pages, out string wrong)
    {
        pages = [];
        wrong = "";
        if (range is null)
        {
            foreach ((ulong page, Mfn frame) in GuestView.Pages(domain))
                pages.TryAdd(page, Bytes(domain.Xen, frame));
            return true;
        }

        for (ulong at = range.Address, left = range.Length; left > 0;)
        {
            int n = (int)Math.Min(left, PageSize - (at & (PageSize - 1)));
            byte[] bytes = new byte[n];
            if (!(range.Virtual ? domain.Vcpus.Count > 0 && GuestView.TryReadVirtual(domain, at, bytes) : GuestView.TryReadPhysical(domain, at, bytes)))
            {
                wrong = $"{domain.Id} has nothing at {(range.Virtual ? "virtual" : "physical")} 0x{at:x}";
                return false;
            }

            pages.Add(at / PageSize, bytes);
            at += (ulong)n;
            left -= (ulong)n;
        }

        return true;
    }

    private static byte[]? Bytes(Xen xen, Mfn frame)
    {
        if (!xen.Memory.IsTouched(frame.Value))
            return null;
        ReadOnlySpan<byte> bytes = xen.Memory.Readable(frame.Value);
        return bytes.ContainsAnyExcept((byte)0) ? bytes.ToArray() : null;
    }

    /// <summary>In the order of addresses, neighbours put together. A page that is gone or new differs as a whole.</summary>
    private static List<(ulong Start, ulong End)> Differences(Kept kept, Dictionary<ulong, byte[]?> now)
    {
        List<(ulong Start, ulong End)> ranges = [];
        byte[] zeros = new byte[PageSize];
        foreach (ulong page in kept.Pages.Keys.Union(now.Keys).Order())
        {
            ulong address = page * PageSize > (kept.Range?.Address ?? 0) ? page * PageSize : kept.Range?.Address ?? 0;
            if (!kept.Pages.TryGetValue(page, out byte[]? before) || !now.TryGetValue(page, out byte[]? after))
            {
                Add(ranges, address, address + PageSize);
                continue;
            }

            if (before is null && after is null)
                continue;
            ReadOnlySpan<byte> a = before ?? zeros, b = after ?? zeros;
            for (int i = a.CommonPrefixLength(b); i < a.Length; i += 1 + a[(i + 1)..].CommonPrefixLength(b[(i + 1)..]))
                Add(ranges, address + (ulong)i, address + (ulong)i + 1);
        }

        return ranges;
    }

    private static void Add(List<(ulong Start, ulong End)> ranges, ulong start, ulong end)
    {
        if (ranges.Count > 0 && start == ranges[^1].End)
            ranges[^1] = (ranges[^1].Start, end);
        else
            ranges.Add((start, end));
    }

    private static string Describe(Kept kept, List<(ulong Start, ulong End)> exact)
    {
        List<(ulong Start, ulong End)> ranges = [];
        foreach ((ulong start, ulong end) in exact)
        {
            if (ranges.Count > 0 && start - ranges[^1].End <= Gap)
                ranges[^1] = (ranges[^1].Start, end);
            else
                ranges.Add((start, end));
        }

        string shown = string.Join(", ", ranges.Take(RangesShown).Select(r => string.Create(CultureInfo.InvariantCulture, $"0x{r.Start:x}-0x{r.End - 1:x}")));
        string more = ranges.Count > RangesShown ? string.Create(CultureInfo.InvariantCulture, $" and {ranges.Count - RangesShown} further ranges") : "";
        return $"{kept.Domain} differs at {(kept.Range is { Virtual: true } ? "virtual" : "physical")} {shown}{more}";
    }

    private sealed record Kept(DomainId Domain, MemoryRange? Range, Dictionary<ulong, byte[]?> Pages);
}
