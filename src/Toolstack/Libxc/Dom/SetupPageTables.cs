using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>setup_pgtables_*: fills the initial page tables in the guest's memory.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_x86.c; stable-4.17 tools/libs/guest/xg_dom_x86.c.</remarks>
internal static class SetupPageTables
{
    // _PAGE_*: present 1, writable 2, user 4, accessed 0x20, dirty 0x40. No USER at L1: a 64-bit Xen adds it.
    private const ulong Leaf = 0x23;
    private const ulong Table = 0x67;
    private const ulong PaeL3Of40 = 0x1;
    private const ulong Writable = 0x2;

    private static readonly PanicSite CannotMove = new("x86.c", 242, 474);
    private static readonly PanicSite NotMapped = new("x86.c", 0, 375);

    public static StageOutcome X86_64Of40(DomainBuild build) => Fill40(build.Current.Image!);

    public static StageOutcome X86_32Of40(DomainBuild build) => Fill40(build.Current.Image!);

    public static StageOutcome PaeOf40(DomainBuild build)
    {
        StageOutcome moved = BringL3Below4G(build);
        return moved.Failed ? moved : Fill40(build.Current.Image!);
    }

    public static StageOutcome X86_64Of417(DomainBuild build)
    {
        P2mList.Write(build.Current.Image!);
        return Fill417(build.Current.Image!);
    }

    public static StageOutcome PaeOf417(DomainBuild build)
    {
        P2mList.Write(build.Current.Image!);
        StageOutcome moved = BringL3Below4G(build);
        return moved.Failed ? moved : Fill417(build.Current.Image!);
    }

    private static StageOutcome BringL3Below4G(DomainBuild build)
    {
        const ulong above4G = 0x100000;
        DomImage dom = build.Current.Image!;
        ulong pfn = dom.Layout.Find("page tables")!.Pfn;
        ulong mfn = dom.P2m(pfn).Value;
        if (dom.Parms.Pae != PaeMode.Yes || mfn < above4G)
            return StageOutcome.Ok;

        mfn = MoveL3.Below4G(build, pfn, mfn);
        if (mfn < above4G)
            return StageOutcome.Ok;
        string text = $"setup_pgtables_x86_32_pae: cannot move L3 below 4G. extended-cr3 not supported by guest. (L3 PFN 0x{pfn:x} MFN 0x{mfn:x})";
        dom.Log.Panic(XcError.XC_INTERNAL_ERROR, CannotMove, text);
        return StageOutcome.Fail(-(long)XenErrno.EINVAL, XenErrno.EINVAL, text);
    }

    /// <summary>
    /// 4.0.4: walks every page from virt_base to virt_pgtab_end and takes a new table whenever it crosses into one. Nothing checks that
    /// the pages exist: a frame beyond the p2m list is all ones here (the real code reads past the list).
    /// </summary>
    private static StageOutcome Fill40(DomImage dom)
    {
        PageTablePlan plan = dom.Layout.PageTables!;
        TableMapping map = plan.Kernel;
        Segment tables = dom.Layout.Find("page tables")!;
        if (dom.Windows.Map(tables.Pfn, tables.Pages) is not { } pages)
            return StageOutcome.Fail(-1);

        int top = plan.Arch.Levels - 1;
        ulong[] next = [.. map.Levels.Select(l => l.Pfn)];
        ulong[] current = new ulong[plan.Arch.Levels];
        current[top] = next[top];
        for (ulong address = dom.Parms.VirtBase; address != dom.Layout.VirtPgtabEnd; address += 4096)
        {
            for (int l = top - 1; l >= 0; l--)
            {
                if (address != dom.Parms.VirtBase && (address & (Span(plan.Arch, l) - 1)) != 0)
                    continue;
                current[l] = next[l]++;
                ulong prot = plan.Arch.Levels == 3 && l + 1 == 2 ? PaeL3Of40 : Table;
                Set(plan.Arch, pages, current[l + 1] - tables.Pfn, Index(plan.Arch, address, l + 1), Entry(dom, current[l], prot));
            }

            bool isTable = address >= tables.VStart && address < tables.VEnd;
            ulong pfn = (address - dom.Parms.VirtBase) >> 12;
            Set(plan.Arch, pages, current[0] - tables.Pfn, Index(plan.Arch, address, 0), Entry(dom, pfn, isTable ? Leaf & ~Writable : Leaf));
        }

        if (plan.Arch.Levels == 3 && dom.Layout.VirtPgtabEnd <= 0xc0000000)
        {
            dom.Log.Print("setup_pgtables_x86_32_pae: PAE: extra l2 page table for l3#3");
            Set(plan.Arch, pages, 0, 3, Entry(dom, next[1], PaeL3Of40));
        }

        return StageOutcome.Ok;
    }

    /// <summary>4.17: level by level, each mapping's tables with what lies below them in any mapping.</summary>
    private static StageOutcome Fill417(DomImage dom)
    {
        PageTablePlan plan = dom.Layout.PageTables!;
        for (int l = plan.Arch.Levels - 1; l >= 0; l--)
        {
            foreach (TableMapping map in plan.Mappings)
            {
                if (dom.Windows.Mapped(map.Levels[l].Pfn) is not { } tables)
                {
                    dom.Log.Panic(XcError.XC_INTERNAL_ERROR, NotMapped, "get_pg_table: xc_dom_pfn_to_ptr failed");
                    return StageOutcome.Fail(-1);
                }

                foreach (TableMapping below in plan.Mappings)
                    FillLevel417(dom, plan, tables, map.Levels[l], below, l);
            }
        }

        return StageOutcome.Ok;
    }

    private static void FillLevel417(DomImage dom, PageTablePlan plan, GuestPages tables, TableLevel level, TableMapping below, int l)
    {
        TableLevel target = l > 0 ? below.Levels[l - 1] : new TableLevel(below.From, below.To, below.Pfn, 1);
        if ((l > 0 && target.Tables == 0) || target.From >= level.To || target.To <= level.From)
            return;

        int shift = 12 + (l * 9);
        ulong from = Math.Max(level.From, target.From);
        ulong first = (from - level.From) >> shift;
        ulong last = (Math.Min(level.To, target.To) - level.From) >> shift;
        ulong pfn = ((from - target.From) >> shift) + target.Pfn;
        for (ulong p = first; p <= last; p++, pfn++)
            Set(plan.Arch, tables, p / 512, (int)(p % 512), Entry(dom, pfn, Protection417(plan, l, pfn)));
    }

    private static ulong Protection417(PageTablePlan plan, int l, ulong pfn)
    {
        if (l > 0)
            return Table;
        bool isTable = plan.Mappings.Any(m => pfn >= m.Levels[^1].Pfn && pfn < m.Levels[^1].Pfn + m.Total);
        return isTable ? Leaf & ~Writable : Leaf;
    }

    private static ulong Entry(DomImage dom, ulong pfn, ulong prot) => (dom.P2m(pfn).Value << 12) | prot;

    /// <summary>Bytes that one table of level <paramref name="l"/> covers.</summary>
    private static ulong Span(GuestArch arch, int l) => 4096UL << ((l + 1) * (arch.EntrySize == 4 ? 10 : 9));

    private static int Index(GuestArch arch, ulong address, int l)
    {
        int width = arch.EntrySize == 4 ? 10 : 9;
        return (int)((address >> (12 + (l * width))) & ((1UL << width) - 1));
    }

    private static void Set(GuestArch arch, GuestPages tables, ulong page, int index, ulong entry)
    {
        if (arch.EntrySize == 8)
            MemoryMarshal.Cast<byte, ulong>(tables.Page(page))[index] = entry;
        else
            MemoryMarshal.Cast<byte, uint>(tables.Page(page))[index] = (uint)entry;
    }
}
