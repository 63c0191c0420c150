
namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>move_l3_below_4G: a PAE guest without extended-cr3 needs its L3 table below 4 GiB. The table is still empty.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_x86.c and xc_domain.c: xc_make_page_below_4G; the same in stable-4.17.</remarks>
internal static class MoveL3
{
    private const uint AddressBits = 32;

    /// <returns>The new frame, or the old one when it could not be replaced.</returns>
    public static ulong Below4G(DomainBuild build, ulong pfn, ulong mfn)
    {
        DomImage dom = build.Current.Image!;
        dom.Windows.Unmap(pfn);
        if (MakePageBelow4G(build, dom.Domid, mfn) is not { } replacement)
            return mfn;

        dom.Memory.P2m[pfn] = replacement;
        P2mList.Write(dom);
        if (build.Xc.MachphysUpdate(dom.Domid, replacement, pfn).Failed)
            return mfn;

        // One mapping for all tables: arch_setup_bootlate unmaps by the segment's first page.
        Segment tables = dom.Layout.Find("page tables")!;
        if (dom.Windows.Map(tables.Pfn, tables.Pages) is null || dom.Windows.Map(pfn, 1) is not { } l3)
            return mfn;
        l3.Clear(0, 4096);
        dom.Log.Print($"move_l3_below_4G: successfully relocated L3 below 4G. (L3 PFN 0x{pfn:x} MFN 0x{mfn:x}=>0x{replacement:x})");
        return replacement;
    }

    private static ulong? MakePageBelow4G(DomainBuild build, uint domid, ulong mfn)
    {
        if (build.Xc.DecreaseReservation(domid, mfn) is { Value: not 1 })
        {
            build.Log.Detail($"xc_make_page_below_4G decrease failed. mfn={mfn:x}");
            return null;
        }

        if (build.Xc.IncreaseReservation(domid, AddressBits, out ulong replacement) is { Value: not 1 })
        {
            build.Log.Detail($"xc_make_page_below_4G increase failed. mfn={mfn:x}");
            return null;
        }

        return replacement;
    }
}
