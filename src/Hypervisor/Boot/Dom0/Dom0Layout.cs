using System.Numerics;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>Which hypervisor builds which kernel.</summary>
internal enum Dom0Kind
{
    /// <summary>32-bit PAE kernel on the 32-bit hypervisor.</summary>
    X86_32,

    /// <summary>64-bit kernel on the 64-bit hypervisor.</summary>
    Native,

    /// <summary>32-bit PAE kernel on the 64-bit hypervisor.</summary>
    Compat,
}

/// <summary>Virtual memory of the initial domain. Addresses in bytes, ends exclusive.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 pv/dom0_build.c: dom0_construct_pv.</remarks>
internal sealed record Dom0Layout
{
    private const ulong PageSize = 4096;
    private const ulong Superpage = 4 << 20;
    private const ulong LeastPadding = 512 << 10;
    private const int L2Shift = 21;
    private const int L3Shift = 30;
    private const int L4Shift = 39;

    // sizeof(start_info) in the hypervisor's own word size, and sizeof(dom0_vga_console_info), from the public headers.
    private const ulong StartInfo32 = 1112;
    private const ulong StartInfo64 = 1168;
    private const ulong VgaInfo40 = 36;
    private const ulong VgaInfo417 = 40;

    public required Dom0Kind Kind { get; init; }

    public required ulong Start { get; init; }

    public required (ulong Start, ulong End) Kernel { get; init; }

    /// <summary>Both 0 if the ramdisk is left unmapped (4.17, note MOD_START_PFN).</summary>
    public required (ulong Start, ulong End) Initrd { get; init; }

    public required (ulong Start, ulong End) Physmap { get; init; }

    public required (ulong Start, ulong End) StartInfo { get; init; }

    public required (ulong Start, ulong End) PageTables { get; init; }

    public required (ulong Start, ulong End) Stack { get; init; }

    public required ulong End { get; init; }

    /// <summary>The p2m list lies outside the initial mapping, at the address of the INIT_P2M note.</summary>
    public required bool HasInitP2m { get; init; }

    /// <summary>Order of the contiguous allocation that holds everything mapped (4.17: but for the ramdisk).</summary>
    public required int ChunkOrder { get; init; }

    public ulong TablePages => (PageTables.End - PageTables.Start) / PageSize;

    public ulong MappedPages => (End - Start) / PageSize;

    /// <summary>Offset of the VGA information in the start-info page: the size of the hypervisor's own start_info, also for compat.</summary>
    public static ulong StartInfoSize(Dom0Kind kind) => kind == Dom0Kind.X86_32 ? StartInfo32 : StartInfo64;

    public static ulong VgaInfoSize(XenRelease release) => release == XenRelease.V4_0 ? VgaInfo40 : VgaInfo417;

    public static ulong PageUp(ulong address) => unchecked(address + PageSize - 1) & ~(PageSize - 1);

    /// <summary>Lays everything out, or null: the kernel is too large for <paramref name="pages"/>.</summary>
    /// <param name="pages">nr_pages of the whole domain.</param>
    /// <param name="initrdLength">Unit: bytes.</param>
    public static Dom0Layout? Compute(XenRelease release, Dom0Kind kind, XenElfParameters parms, ulong initrdLength, ulong pages)
    {
        bool unmappedInitrd = release != XenRelease.V4_0 && parms.UnmappedInitrd;
        ulong afterKernel = PageUp(parms.VirtKernelEnd);
        (ulong Start, ulong End) initrd = unmappedInitrd ? (0, 0) : (afterKernel, unchecked(afterKernel + initrdLength));
        ulong physmap = unmappedInitrd ? afterKernel : PageUp(initrd.End);
        ulong physmapSize = pages * (kind == Dom0Kind.Native ? 8ul : 4ul);
        ulong startInfo = PageUp(unchecked(physmap + (parms.HasInitP2m ? 0 : physmapSize)));
        ulong startInfoEnd = unchecked(startInfo + StartInfoSize(kind) + VgaInfoSize(release));
        ulong tables = PageUp(startInfoEnd);
        bool wraps = parms.VirtKernelEnd < parms.VirtBase || physmap < parms.VirtKernelEnd || startInfo < physmap || tables < startInfo;
        if (wraps || FitTables(release, kind, parms.VirtBase, tables, pages) is not { } fit || fit.End <= tables)
            return null;
        ulong span = unchecked(fit.End - parms.VirtBase);
        ulong fromHeap = release != XenRelease.V4_0 && initrd.Start != 0 ? span - PageUp(initrdLength) : span;
        int order = OrderFromBytes(fromHeap);
        ulong besides = release == XenRelease.V4_0 ? 0 : PageUp(initrdLength) / PageSize;
        if (order > 40 || (1ul << order) + besides > pages)
            return null;
        ulong physmapStart = parms.HasInitP2m ? parms.P2mBase : physmap;
        return new Dom0Layout
        {
            Kind = kind,
            Start = parms.VirtBase,
            Kernel = (parms.VirtKernelStart, parms.VirtKernelEnd),
            Initrd = initrd,
            Physmap = (physmapStart, unchecked(physmapStart + physmapSize)),
            StartInfo = (startInfo, startInfoEnd),
            PageTables = (tables, tables + (fit.Tables * PageSize)),
            Stack = (tables + (fit.Tables * PageSize), tables + ((fit.Tables + 1) * PageSize)),
            End = fit.End,
            HasInitP2m = parms.HasInitP2m,
            ChunkOrder = order,
        };
    }

    /// <summary>get_order_from_bytes.</summary>
    public static int OrderFromBytes(ulong bytes)
    {
        ulong pages = unchecked(bytes - 1) >> 12;
        return pages == 0 ? 0 : 64 - BitOperations.LeadingZeroCount(pages);
    }

    /// <summary>
    /// Tables must map themselves, so their number is searched upwards. Xen's search is endless for an absurd address range;
    /// here it ends where the allocation would be refused anyway.
    /// </summary>
    private static (ulong Tables, ulong End)? FitTables(XenRelease release, Dom0Kind kind, ulong start, ulong tables, ulong pages)
    {
        for (ulong n = 2; n <= pages; n++)
        {
            ulong stackEnd = unchecked(tables + ((n + 1) * PageSize));
            ulong end = unchecked(stackEnd + Superpage - 1) & ~(Superpage - 1);
            if (unchecked(end - stackEnd) < LeastPadding)
                end = unchecked(end + Superpage);
            if (Needed(release, kind, start, end) <= n)
                return (n, end);
        }

        return null;
    }

    private static ulong Needed(XenRelease release, Dom0Kind kind, ulong start, ulong end) => kind switch
    {
        // One L3 and four L2s, and an L1 for each 2 MiB.
        Dom0Kind.X86_32 => ((unchecked(end - start) + (1ul << L2Shift) - 1) >> L2Shift) + 5,

        // 4.0 counts the L4 of a compat kernel, which is not in this area: its last page stays unused.
        Dom0Kind.Compat => (release == XenRelease.V4_0 ? 1ul : 0) + Tables(start, end, L4Shift) + 4 + Tables(start, end, L2Shift),
        _ => 1 + Tables(start, end, L4Shift) + Tables(start, end, L3Shift) + Tables(start, end, L2Shift),
    };

    /// <summary>Tables of the level whose entries span 2^<paramref name="shift"/> bytes in all.</summary>
    private static ulong Tables(ulong start, ulong end, int shift)
    {
        ulong mask = (1ul << shift) - 1;
        return unchecked(((end + mask) & ~mask) - (start & ~mask)) >> shift;
    }
}
