using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>The tables of one level of one mapping: what they cover and which pages they are.</summary>
/// <param name="From">First address covered; From = To = 0 when another mapping's tables serve.</param>
/// <param name="Pfn">First page of this level's tables.</param>
public readonly record struct TableLevel(ulong From, ulong To, ulong Pfn, ulong Tables);

/// <summary>One mapped area (xc_dom_x86_mapping): addresses From..To inclusive, backed from <paramref name="Pfn"/> on.</summary>
/// <param name="Levels">Index 0 is L1.</param>
public sealed record TableMapping(ulong From, ulong To, ulong Pfn, IReadOnlyList<TableLevel> Levels)
{
    /// <summary>area.pgtables: all tables of this mapping.</summary>
    public ulong Total => Levels.Aggregate(0UL, (sum, level) => sum + level.Tables);
}

/// <summary>All initial page tables. The first mapping is the kernel's, a second one the p2m list at INIT_P2M.</summary>
public sealed record PageTablePlan(GuestArch Arch, IReadOnlyList<TableMapping> Mappings)
{
    public TableMapping Kernel => Mappings[0];
}

/// <summary>How many page tables a layout needs.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_x86.c: count_pgtables, nr_page_tables; stable-4.17 tools/libs/guest/xg_dom_x86.c: count_pgtables, alloc_pgtables_pv.</remarks>
public static class PageTableCount
{
    private const ulong PageSize = 4096;

    // The boot stack and 512 KiB of padding.
    private const ulong ExtraPages = 1 + (512 * 1024 / PageSize);

    private static readonly PanicSite NotEnoughMemory = new("x86.c", 0, 159);
    private static readonly PanicSite Overlapping = new("x86.c", 0, 169);

    /// <summary>4.0.4. Null: the address space wraps (only a hostile image gets there; the real loop would not end).</summary>
    public static (TableMapping Mapping, ulong VirtPgtabEnd)? Count40(GuestArch arch, ulong virtBase, ulong virtAllocEnd, int toolWordBits, ulong pgtablesPfn)
    {
        int[] bits = arch.Levels switch
        {
            2 => [22, 32],
            3 => [21, 30, 32],
            _ => [21, 30, 39, 48],
        };
        ulong pages = ExtraPages;
        while (true)
        {
            ulong tryEnd = unchecked(virtAllocEnd + (pages * PageSize)) | Mask(22);
            ulong[] tables = new ulong[bits.Length];
            for (int l = 0; l < bits.Length; l++)
                tables[l] = Tables40(virtBase, tryEnd, bits[l], l == bits.Length - 1, toolWordBits);
            if (arch.Levels == 3 && tryEnd < 0xc0000000)
                tables[1]++;
            ulong total = tables.Aggregate(0UL, (a, b) => a + b);
            pages = total + ExtraPages;
            if (pages > GuestMemory.MaximumPages)
                return null;
            if (unchecked(virtAllocEnd + (pages * PageSize)) <= unchecked(tryEnd + 1) || tryEnd == ulong.MaxValue)
                return (Mapping40(virtBase, tryEnd, tables, bits, pgtablesPfn), unchecked(tryEnd + 1));
        }
    }

    /// <summary>4.17: one mapping's tables, given those that exist. Null: a message has been printed.</summary>
    public static TableMapping? Count417(GuestArch arch, IReadOnlyList<TableMapping> existing, ulong from, ulong to, ulong pfn, ulong p2mSize, ulong pfnAllocEnd, BuilderLog log)
    {
        ulong vaddrMask = arch.Is64Bit ? Mask(48) : Mask(32);
        ulong pfnEnd = unchecked(pfn + ((to - from) >> 12));
        if (pfnEnd >= p2mSize)
        {
            log.Panic(XcError.XC_OUT_OF_MEMORY, NotEnoughMemory, $"count_pgtables: not enough memory for initial mapping (0x{pfnEnd:x} > 0x{p2mSize:x})");
            return null;
        }

        if (existing.Any(m => from < m.To && to > m.From))
        {
            log.Panic(XcError.XC_INTERNAL_ERROR, Overlapping, "count_pgtables: overlapping mappings\n");
            return null;
        }

        TableLevel[] levels = new TableLevel[arch.Levels];
        ulong areaFrom = from & vaddrMask, areaTo = to & vaddrMask, total = 0;
        for (int l = arch.Levels - 1; l >= 0; l--)
        {
            levels[l] = new TableLevel(0, 0, pfnAllocEnd + total, 0);
            if (l == arch.Levels - 1)
            {
                if (existing.Count == 0)
                    levels[l] = levels[l] with { From = 0, To = vaddrMask, Tables = 1 };
            }
            else
            {
                bool spareL2 = arch.Levels == 3 && existing.Count == 0 && to < 0xc0000000 && l == 1;
                if (spareL2)
                    log.Print("count_pgtables: PAE: extra l2 page table for l3#3");
                levels[l] = CountLevel(existing, levels[l], l, areaFrom, spareL2 ? vaddrMask : areaTo, log);
            }

            total += levels[l].Tables;
        }

        return new TableMapping(areaFrom, areaTo, pfn, levels);
    }

    /// <summary>alloc_pgtables_pv: the kernel's mapping, with room for the tables themselves, the boot stack and the padding.</summary>
    public static (TableMapping Mapping, ulong VirtPgtabEnd)? CountKernel417(GuestArch arch, ulong virtBase, Layout layout, ulong p2mSize, BuilderLog log)
    {
        ulong pages = ExtraPages;
        while (true)
        {
            ulong tryEnd = unchecked(layout.VirtAllocEnd + (pages * PageSize)) | Mask(22);
            if (Count417(arch, [], virtBase, tryEnd, 0, p2mSize, layout.PfnAllocEnd, log) is not { } mapping)
                return null;
            pages = mapping.Total + ExtraPages;
            if (unchecked(layout.VirtAllocEnd + (pages * PageSize)) <= unchecked(tryEnd + 1) || tryEnd == ulong.MaxValue)
                return (mapping, unchecked(tryEnd + 1));
        }
    }

    private static TableLevel CountLevel(IReadOnlyList<TableMapping> existing, TableLevel level, int l, ulong areaFrom, ulong areaTo, BuilderLog log)
    {
        int bits = 12 + ((l + 1) * 9);
        ulong mask = Mask(bits), from = areaFrom & ~mask, to = areaTo | mask;
        foreach (TableLevel other in existing.Select(m => m.Levels[l]).Where(o => o.From != o.To))
        {
            if (from >= other.From && to <= other.To)
            {
                from = to = 0;
                break;
            }

            if (from >= other.From && from <= other.To)
                from = other.To + 1;
            if (to >= other.From && to <= other.To)
                to = other.From - 1;
        }

        ulong tables = from < to ? ((to - from) >> bits) + 1 : 0;
        log.Print($"count_pgtables: 0x{mask:x16}/{bits}: 0x{from:x16} -> 0x{to:x16}, {tables} table(s)");
        return level with { From = from, To = to, Tables = tables };
    }

    private static ulong Tables40(ulong start, ulong end, int bits, bool top, int toolWordBits)
    {
        // bits == the builder's own word size: a page directory, exactly one. So a 32-bit builder gives a PAE guest one L3 by this rule, a
        // 64-bit one by the arithmetic, with the same result.
        if (top && bits == toolWordBits)
            return 1;
        ulong mask = Mask(bits);
        return (((end | mask) - (start & ~mask)) >> bits) + 1;
    }

    /// <summary>The same shape as 4.17's, so that one filler serves both: each level's tables cover the area in order.</summary>
    private static TableMapping Mapping40(ulong virtBase, ulong tryEnd, ulong[] tables, int[] bits, ulong pgtablesPfn)
    {
        TableLevel[] levels = new TableLevel[tables.Length];
        ulong pfn = pgtablesPfn;
        for (int l = tables.Length - 1; l >= 0; l--)
        {
            ulong mask = Mask(bits[l]);
            levels[l] = new TableLevel(virtBase & ~mask, tryEnd | mask, pfn, tables[l]);
            pfn += tables[l];
        }

        return new TableMapping(virtBase, tryEnd, 0, levels);
    }

    private static ulong Mask(int bits) => (1UL << bits) - 1;
}
