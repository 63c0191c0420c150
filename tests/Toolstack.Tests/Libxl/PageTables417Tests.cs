using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using XenSim.Toolstack.Libxc.Dom;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>The initial page tables in guest memory, against a walk of those that real xl built for Linux 5.10.</summary>
public sealed partial class PageTables417Tests
{
    /// <summary>L1 flags: Xen adds USER and its guest-kernel bit (0x10000000000004) to what the builder writes, so they are taken off.</summary>
    [Fact]
    public void Every_entry_points_to_the_pfn_and_has_the_flags_of_the_real_one()
    {
        const ulong addedByXen = 0x0010000000000004;
        (DomainCreation creation, ScriptedXen xen, _) = Golden.Run(Golden.Configuration("linux-5.10-pv"));
        DomImage dom = creation.Build.Guest.Image!;
        ulong[] Table(ulong pfn) => MemoryMarshal.Cast<byte, ulong>(xen.Page(dom.Memory.P2m[pfn])).ToArray();
        int compared = 0;
        ulong table = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "Hypercalls", "linux-5.10-pv-pagetables.txt")))
        {
            if (TableLine().Match(line) is { Success: true } t)
                table = Hex(t.Groups[1].Value);
            else if (EntryLine().Match(line) is { Success: true } e && e.Groups[2].Value != "ffffffffffffffff")
            {
                // Slots 256 to 271 of the L4 are Xen's.
                int index = int.Parse(e.Groups[1].Value, CultureInfo.InvariantCulture);
                if (index is >= 256 and < 272)
                    continue;
                Assert.Equal((dom.Memory.P2m[Hex(e.Groups[2].Value)] << 12) | Hex(e.Groups[3].Value), Table(table)[index]);
                compared++;
            }
            else if (RunLine().Match(line) is { Success: true } r)
            {
                ulong from = Hex(r.Groups[1].Value), to = Hex(r.Groups[2].Value), pfn = Hex(r.Groups[3].Value), flags = Hex(r.Groups[4].Value) & ~addedByXen;
                for (ulong va = from; va < to; va += 4096, pfn++, compared++)
                    Assert.Equal((dom.Memory.P2m[pfn] << 12) | flags, Table(table)[va >> 12 & 511]);
            }
        }

        // 0x4800 pages and the 128 pages of the p2m list, and 41 entries above them.
        Assert.Equal(0x4800 + 128 + 41, compared);
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^L\d table mfn \S+ pfn (\w+)")]
    private static partial Regex TableLine();

    [GeneratedRegex(@"^  L\d\[(\d+)\] = .* pfn (\w+) flags (\w+)")]
    private static partial Regex EntryLine();

    [GeneratedRegex(@"^  L1 va (\w+)\.\.(\w+) mfn \S+ pfn (\w+)\.\. flags (\w+)")]
    private static partial Regex RunLine();
}
