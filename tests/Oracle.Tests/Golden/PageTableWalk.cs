using System.Globalization;
using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>What the page tables map at one place: an entry that points to a lower table, or a page at level 1.</summary>
/// <param name="Pfn">Pseudo-physical frame the entry points to.</param>
/// <param name="Flags">The entry without its frame.</param>
internal readonly record struct Mapped(int Level, ulong Address, ulong Pfn, ulong Flags)
{
    public override string ToString() => $"L{Level} va 0x{Address:x} pfn 0x{Pfn:x} flags 0x{Flags:x}";
}

/// <summary>
/// Reads a recorded walk from cr3. Entries are named by pfn, so two domains with different machine frames compare equal. L4 slots 256–271
/// belong to Xen and are left out.
/// </summary>
internal static partial class PageTableWalk
{
    private const ulong PageSize = 0x1000;

    public static HashSet<Mapped> Parse(IEnumerable<string> lines)
    {
        var walk = new HashSet<Mapped>();
        foreach (string line in lines)
        {
            var table = TableEntry().Match(line);
            if (table.Success)
            {
                int level = int.Parse(table.Groups[1].Value, CultureInfo.InvariantCulture);
                int slot = int.Parse(table.Groups[2].Value, CultureInfo.InvariantCulture);
                if (!(level == 4 && IsXens(slot)))
                {
                    walk.Add(new(level, Hex(table.Groups[5].Value), Hex(table.Groups[3].Value), Hex(table.Groups[4].Value)));
                }

                continue;
            }

            var range = PageRange().Match(line);
            if (range.Success)
            {
                ulong first = Hex(range.Groups[1].Value), last = Hex(range.Groups[2].Value), pfn = Hex(range.Groups[3].Value), flags = Hex(range.Groups[4].Value);
                // "last" is the last byte, so that a range up to the top of the address space does not wrap.
                for (ulong page = 0; page <= (last - first) / PageSize; page++)
                {
                    walk.Add(new(1, first + page * PageSize, pfn + page, flags));
                }
            }
        }

        return walk;
    }

    public static bool IsXens(int l4Slot) => l4Slot is >= 256 and <= 271;

    private static ulong Hex(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s+L([234])\[(\d+)\] = [0-9a-f]+\s+-> mfn [0-9a-f]+ pfn ([0-9a-f]+) flags ([0-9a-f]+) va ([0-9a-f]+)$")]
    private static partial Regex TableEntry();

    [GeneratedRegex(@"^\s+L1 va ([0-9a-f]+)\.\.([0-9a-f]+) mfn [0-9a-f]+\.\. pfn ([0-9a-f]+)\.\. flags ([0-9a-f]+)$")]
    private static partial Regex PageRange();
}
