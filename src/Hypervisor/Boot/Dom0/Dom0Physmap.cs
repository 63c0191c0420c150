using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The p2m list of a kernel with an INIT_P2M note: memory and page tables of its own, outside the initial mapping.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/pv/dom0_build.c: setup_pv_physmap; the same code stands in RELEASE-4.0.4 construct_dom0.</remarks>
internal static class Dom0Physmap
{
    private const ulong Leaf = Dom0PageTables.L1ProtNative | Pte.Dirty;
    private const int SuperpageOrder = 9;
    private const int HugepageOrder = 18;

    /// <summary>Null, or the text of Xen's panic.</summary>
    public static string? SetUp(Dom0Build build)
    {
        Dom0Layout layout = build.Layout;
        if (layout.Start <= layout.Physmap.End && layout.Physmap.Start <= layout.End)
            return "DOM0 P->M table overlaps initial mapping";
        for (ulong va = layout.Physmap.Start; va < layout.Physmap.End;)
        {
            ulong left = (Dom0Layout.PageUp(layout.Physmap.End) - va) >> 12;
            if (build.Domain.TotPages + left + 3 > build.Pages)
                return "Dom0 allocation too small for initial P->M table";
            if (MapNext(build, va) is not { } size)
                return "Not enough RAM for DOM0 P->M table";
            va += size;
        }

        return null;
    }

    /// <summary>Maps the largest page that fits at an address; its size in bytes, or null without memory.</summary>
    private static ulong? MapNext(Dom0Build build, ulong va)
    {
        Xen xen = build.Domain.Xen;
        if (TableBelow(build, build.BaseTable, va, 4) is not { } l3)
            return null;
        ulong left = build.Layout.Physmap.End - va;
        bool huge = xen.Options.Host.Has(CpuFeature.Page1Gb);
        if (huge && TryLeaf(build, l3, va, 3, HugepageOrder, left))
            return 1ul << 30;
        if (TableBelow(build, l3, va, 3) is not { } l2)
            return null;
        if (TryLeaf(build, l2, va, 2, SuperpageOrder, left))
            return 1ul << 21;
        if (TableBelow(build, l2, va, 2) is not { } l1 || !Dom0Heap.TryAllocate(build.Domain, 0, out Mfn page))
            return null;
        build.PhysmapFrames.Add(page);
        xen.PageTypes.WriteEntry(l1, Index(va, 1), Pte.Make(page.Value, Leaf));
        return 4096;
    }

    private static bool TryLeaf(Dom0Build build, Mfn table, ulong va, int level, int order, ulong left)
    {
        ulong size = 4096ul << order;
        Xen xen = build.Domain.Xen;
        bool fits = xen.PageTypes.ReadEntry(table, Index(va, level)) == 0 && (va & (size - 1)) == 0 && left >= size;
        if (!fits || !Dom0Heap.TryAllocate(build.Domain, order, out Mfn first))
            return false;
        for (ulong i = 0; i < 1ul << order; i++)
            build.PhysmapFrames.Add(new Mfn(first.Value + i));
        xen.PageTypes.WriteEntry(table, Index(va, level), Pte.Make(first.Value, Leaf | Pte.PageSize));
        return true;
    }

    private static Mfn? TableBelow(Dom0Build build, Mfn table, ulong va, int level)
    {
        Xen xen = build.Domain.Xen;
        ulong entry = xen.PageTypes.ReadEntry(table, Index(va, level));
        if (entry != 0)
            return new Mfn(Pte.FrameOf(entry));
        if (!Dom0Heap.TryAllocate(build.Domain, 0, out Mfn mfn))
            return null;
        xen.Memory.Writable(mfn.Value).Clear();

        // Nothing maps the page: the owner's reference and the parent table's.
        ref PageInfo page = ref xen.Frames[mfn];
        page.Type = (PageType)(level - 1);
        page.Flags |= PageFlags.Validated;
        page.Count = 2;
        page.TypeCount = 1;
        build.PhysmapFrames.Add(mfn);
        xen.PageTypes.WriteEntry(table, Index(va, level), Pte.Make(mfn.Value, Dom0PageTables.UpperProt));
        return mfn;
    }

    private static int Index(ulong va, int level) => (int)(va >> (12 + (9 * (level - 1)))) & (Pte.EntriesPerTable - 1);
}
