using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>
/// dom0's initial page tables, written by hand into the tables' area of the initial allocation, in the order in which Xen takes
/// the pages; types and counts are forced too, no validation runs.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 pv/dom0_build.c: dom0_construct_pv.</remarks>
internal sealed class Dom0PageTables
{
    /// <summary>COMPAT_L1_PROT, and L1_PROT of the 32-bit hypervisor: ring 1 is supervisor to the processor.</summary>
    public const ulong L1ProtPae = Pte.Present | Pte.Writable | Pte.Accessed;

    /// <summary>L1_PROT of the 64-bit hypervisor: the kernel runs in ring 3.</summary>
    public const ulong L1ProtNative = L1ProtPae | Pte.User | Pte.GuestKernel;

    /// <summary>L2_PROT, and L3_PROT and L4_PROT of the 64-bit hypervisor.</summary>
    public const ulong UpperProt = L1ProtPae | Pte.User | Pte.Dirty;
    private const ulong L3ProtPae = Pte.Present;
    private const int L2Shift = 21;
    private const int L3Shift = 30;
    private const int L4Shift = 39;
    private const int PaeL2Count = 4;
    private const uint TableReferences = 3; // the owner's, the read-only mapping's, the parent table's

    // LINEAR_PT_VIRT_START of the 32-bit hypervisor: slot of the last L2.
    private const int LinearSlot = 0x1EC;

    private readonly Dom0Build _build;
    private readonly Xen _xen;
    private readonly Dom0Layout _layout;
    private readonly HashSet<Mfn> _tables = [];
    private ulong _nextPage;
    private Mfn _l1;
    private Mfn _l2;
    private Mfn _l3;
    private Mfn _l4 = Mfn.Invalid;

    private Dom0PageTables(Dom0Build build)
    {
        _build = build;
        _xen = build.Domain.Xen;
        _layout = build.Layout;
        _nextPage = (_layout.PageTables.Start - _layout.Start) >> 12;
    }

    /// <summary>Builds the tables and sets <see cref="Dom0Build.BaseTable"/>.</summary>
    public static void Build(Dom0Build build)
    {
        Dom0PageTables tables = new(build);
        if (build.Kernel.Kind == Dom0Kind.X86_32)
            tables.BuildPae();
        else
            tables.BuildFourLevels();
        tables.TakeWritableReferences();
        tables.MakeTablesReadOnly();
    }

    private Domain Dom0 => _build.Domain;

    /// <summary>One L3, four L2s that start as copies of Xen's, L1s on demand.</summary>
    private void BuildPae()
    {
        _l3 = NextTable(PageType.PGT_l3_page_table);
        Mfn[] l2s = new Mfn[PaeL2Count];
        for (int i = 0; i < PaeL2Count; i++)
        {
            l2s[i] = NextTable(PageType.PGT_l2_page_table);
            Write(_l3, i, Pte.Make(l2s[i].Value, L3ProtPae));
        }

        _xen.Frames[l2s[^1]].Flags |= PageFlags.PaeXenL2;
        _xen.Mappings.InitPaeL2(l2s[^1], _l3, Dom0);

        // Xen copies its own last L2 over the linear slots of the first three that it has just written there.
        for (int i = 0; i < PaeL2Count - 1; i++)
            Write(l2s[^1], LinearSlot + i, 0);
        for (ulong page = 0; page < _layout.MappedPages; page++)
        {
            ulong address = _layout.Start + (page << 12);
            if (page == 0 || Index(address, 12) == 0)
            {
                _l1 = NextTable(PageType.PGT_l1_page_table);
                Write(l2s[(address >> L3Shift) & 3], Index(address, L2Shift), Pte.Make(_l1.Value, UpperProt));
            }

            MapPage(address, page, L1ProtPae);
        }

        _build.BaseTable = _l3;
    }

    /// <summary>Where a table is missing the innermost is taken first: L1, L2, L3.</summary>
    private void BuildFourLevels()
    {
        bool compat = _layout.Kind == Dom0Kind.Compat;
        bool l3First = compat && _xen.Options.Release != XenRelease.V4_0;
        if (!compat)
        {
            _l4 = NextTable(PageType.PGT_l4_page_table);
            _xen.Mappings.InitGuestL4(_l4, Dom0);
        }

        // Since 4.17 a PAE kernel finds its L3 at pt_base, as in domU.
        if (l3First)
            _l3 = NextTable(PageType.PGT_l3_page_table);
        for (ulong page = 0; page < _layout.MappedPages; page++)
        {
            ulong address = _layout.Start + (page << 12);
            if (page == 0 || Index(address, 12) == 0)
                AddTables(address, page == 0, l3First);
            MapPage(address, page, compat ? L1ProtPae : L1ProtNative);
        }

        if (compat)
            FillCompatL3();
        _build.BaseTable = compat ? _l3 : _l4;
    }

    private void AddTables(ulong address, bool first, bool haveL3)
    {
        _l1 = NextTable(PageType.PGT_l1_page_table);
        if (first || Index(address, L2Shift) == 0)
        {
            _l2 = NextTable(PageType.PGT_l2_page_table);
            if (first || Index(address, L3Shift) == 0)
            {
                if (!first || !haveL3)
                    _l3 = NextTable(PageType.PGT_l3_page_table);
                if (_l4 != Mfn.Invalid)
                    Write(_l4, Index(address, L4Shift), Pte.Make(_l3.Value, UpperProt));
            }

            Write(_l3, Index(address, L3Shift), Pte.Make(_l2.Value, UpperProt));
        }

        Write(_l2, Index(address, L2Shift), Pte.Make(_l1.Value, UpperProt));
    }

    /// <summary>A PAE kernel has all four L2s; the last one shows it the machine-to-physical table.</summary>
    private void FillCompatL3()
    {
        Mfn last = Mfn.Invalid;
        for (int slot = 0; slot < PaeL2Count; slot++)
        {
            ulong entry = _xen.PageTypes.ReadEntry(_l3, slot);
            if (entry == 0)
                Write(_l3, slot, entry = Pte.Make(NextTable(PageType.PGT_l2_page_table).Value, UpperProt));
            last = new Mfn(Pte.FrameOf(entry));
        }

        _xen.Frames[last].Flags |= PageFlags.PaeXenL2;
        _xen.Mappings.InitPaeL2(last, _l3, Dom0);
    }

    private void MapPage(ulong address, ulong page, ulong prot)
        => Write(_l1, Index(address, 12), Pte.Make(_build.Allocation.MappedFrame(page).Value, prot));

    /// <summary>The next page of the tables' area, zeroed, with its type forced.</summary>
    private Mfn NextTable(PageType type)
    {
        Mfn mfn = _build.Allocation.MappedFrame(_nextPage++);
        _xen.Memory.Writable(mfn.Value).Clear();
        _xen.Frames[mfn].Type = type;
        _tables.Add(mfn);
        return mfn;
    }

    private void TakeWritableReferences()
    {
        for (ulong page = 0; page < _layout.MappedPages; page++)
        {
            Mfn mfn = _build.Allocation.MappedFrame(page);
            if (!_tables.Contains(mfn))
                _xen.PageTypes.GetPageAndType(mfn, Dom0, PageType.PGT_writable_page);
        }
    }

    /// <summary>Every page of the area loses its writable mapping; the base table is pinned.</summary>
    private void MakeTablesReadOnly()
    {
        for (ulong i = 0; i < _layout.TablePages; i++)
        {
            ulong address = _layout.PageTables.Start + (i << 12);
            Mfn mfn = _build.Allocation.MappedFrame((address - _layout.Start) >> 12);
            RemoveWritable(address);
            ref PageInfo page = ref _xen.Frames[mfn];
            page.Count = TableReferences;
            page.TypeCount = 1;
            page.Flags |= PageFlags.Validated;
            if (mfn != _build.BaseTable)
                continue;
            page.Count++;
            page.TypeCount++;
            page.Flags |= PageFlags.Pinned;
        }
    }

    private void RemoveWritable(ulong address)
    {
        Mfn table = _build.BaseTable;
        for (int level = _layout.Kind == Dom0Kind.Native ? 4 : 3; level > 1; level--)
        {
            int slot = Index(address, 12 + (9 * (level - 1)));
            bool pae = level == 3 && _layout.Kind != Dom0Kind.Native;
            table = new Mfn(Pte.FrameOf(_xen.PageTypes.ReadEntry(table, pae ? slot & 3 : slot)));
        }

        int l1Slot = Index(address, 12);
        Write(table, l1Slot, _xen.PageTypes.ReadEntry(table, l1Slot) & ~Pte.Writable);
    }

    private void Write(Mfn table, int slot, ulong entry) => _xen.PageTypes.WriteEntry(table, slot, entry);

    private static int Index(ulong address, int shift) => (int)(address >> shift) & (Pte.EntriesPerTable - 1);
}
