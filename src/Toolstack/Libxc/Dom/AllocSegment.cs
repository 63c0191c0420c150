using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>xc_dom_alloc_segment, xc_dom_alloc_page and xc_dom_alloc_pad: where the next thing goes.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c; stable-4.17 tools/libs/guest/xg_dom_core.c.</remarks>
internal static class AllocSegment
{
    private const ulong PageSize = 4096;

    private static readonly PanicSite NotAligned = new("core.c", 398, 560);
    private static readonly PanicSite TooLow = new("core.c", 405, 567);
    private static readonly PanicSite TooLarge = new("core.c", 417, 536);

    /// <summary>4.0.4: a start of 0 means virt_alloc_end, which begins at 0; the end is rounded to pages.</summary>
    public static StageOutcome Segment40(DomImage dom, string name, ulong start, ulong size)
    {
        ulong pages = Pages(size);
        if (start == 0)
            start = dom.Layout.VirtAllocEnd;
        if ((start & (PageSize - 1)) != 0)
            return Panic(dom, NotAligned, $"xc_dom_alloc_segment: segment start isn't page aligned (0x{start:x})");
        if (start < dom.Layout.VirtAllocEnd)
            return Panic(dom, TooLow, $"xc_dom_alloc_segment: segment start too low (0x{start:x} < 0x{dom.Layout.VirtAllocEnd:x})");

        ulong pfn = unchecked(start - dom.Parms.VirtBase) / PageSize, total = dom.Memory.TotalPages;
        if (pages > total || pages > unchecked(total - pfn))
        {
            string text = $"xc_dom_alloc_segment: segment {name} too large (0x{pages:x} > 0x{total:x} - 0x{pfn:x} pages)";
            return XcDomCore.Panic(dom, XcError.XC_OUT_OF_MEMORY, TooLarge, text);
        }

        Segment segment = new(name, pfn, pages, start, start + (pages * PageSize));
        dom.Layout = dom.Layout.With(segment) with { VirtAllocEnd = segment.VEnd };
        return MapAndClear(dom, segment);
    }

    /// <summary>4.0.4: no range check, no mapping, no zeroing.</summary>
    public static ulong Page40(DomImage dom)
    {
        ulong start = dom.Layout.VirtAllocEnd;
        dom.Layout = dom.Layout with { VirtAllocEnd = start + PageSize };
        return unchecked(start - dom.Parms.VirtBase) / PageSize;
    }

    /// <summary>4.17: the next PFN; a start other than 0 pads up to it first. The end is not rounded.</summary>
    public static StageOutcome Segment417(DomImage dom, string name, ulong start, ulong size)
    {
        if (start != 0 && Pad417(dom, start) is { Failed: true } padding)
            return padding;
        ulong pages = Pages(size), vstart = dom.Layout.VirtAllocEnd, pfn = dom.Layout.PfnAllocEnd;
        if (CheckAndTake417(dom, name, pages) is { Failed: true } refused)
            return refused;
        Segment segment = new(name, pfn, pages, vstart, vstart + size);
        StageOutcome mapped = MapAndClear(dom, segment);
        if (mapped.Failed)
            return mapped;
        dom.Layout = dom.Layout.With(segment);
        dom.Log.Print($"{"xc_dom_alloc_segment",-20}:   {name,-12} : 0x{segment.VStart:x} -> 0x{segment.VEnd:x}  (pfn 0x{pfn:x} + 0x{pages:x} pages)");
        return StageOutcome.Ok;
    }

    /// <summary>4.17; null when the page does not exist.</summary>
    public static ulong? Page417(DomImage dom, string name)
    {
        ulong start = dom.Layout.VirtAllocEnd, pfn = dom.Layout.PfnAllocEnd;
        if (CheckAndTake417(dom, name, 1).Failed)
            return null;
        dom.Log.Print($"{"xc_dom_alloc_page",-20}:   {name,-12} : 0x{start:x} (pfn 0x{pfn:x})");
        return pfn;
    }

    /// <summary>xc_dom_alloc_pad: pages up to a boundary, which must exist in the domain.</summary>
    public static StageOutcome Pad417(DomImage dom, ulong boundary)
    {
        if ((boundary & (PageSize - 1)) != 0)
            return Panic(dom, NotAligned, $"xc_dom_alloc_pad: segment boundary isn't page aligned (0x{boundary:x})");
        if (boundary < dom.Layout.VirtAllocEnd)
            return Panic(dom, TooLow, $"xc_dom_alloc_pad: segment boundary too low (0x{boundary:x} < 0x{dom.Layout.VirtAllocEnd:x})");
        return CheckAndTake417(dom, "padding", (boundary - dom.Layout.VirtAllocEnd) / PageSize);
    }

    /// <summary>xc_dom_chk_alloc_pages.</summary>
    private static StageOutcome CheckAndTake417(DomImage dom, string name, ulong pages)
    {
        ulong total = dom.Memory.TotalPages, used = dom.Layout.PfnAllocEnd;
        if (pages > total || used > total || pages > total - used)
        {
            string text = $"xc_dom_chk_alloc_pages: segment {name} too large (0x{pages:x} > 0x{total:x} - 0x{used:x} pages)";
            return XcDomCore.Panic(dom, XcError.XC_OUT_OF_MEMORY, TooLarge, text);
        }

        dom.Layout = dom.Layout with { PfnAllocEnd = used + pages, VirtAllocEnd = dom.Layout.VirtAllocEnd + (pages * PageSize) };
        return StageOutcome.Ok;
    }

    private static StageOutcome MapAndClear(DomImage dom, Segment segment)
    {
        if (segment.Pages == 0)
            return StageOutcome.Ok;
        if (dom.Windows.Map(segment.Pfn, segment.Pages) is not { } pages)
            return StageOutcome.Fail(-1, XenErrno.None, dom.Log.LastPanic?.Text ?? "");
        pages.Clear(0, segment.Pages * PageSize);
        return StageOutcome.Ok;
    }

    private static StageOutcome Panic(DomImage dom, PanicSite site, string text) => XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, site, text);

    private static ulong Pages(ulong size) => unchecked(size + PageSize - 1) / PageSize;
}
