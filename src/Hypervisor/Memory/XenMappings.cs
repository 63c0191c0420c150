using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// Xen's own part of a PV guest's address space, as far as the guest or its selector loads can see it: the read-only
/// machine-to-physical table, and the per-domain area with the GDT and LDT windows of each vCPU.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 xen/include/asm-x86/config.h (addresses and slots), x86_64/mm.c and x86_32/mm.c: paging_init.</remarks>
public sealed class XenMappings
{
    /// <summary>RO_MPT_VIRT_START of a 64-bit hypervisor, L4 slot 256.</summary>
    public const ulong M2pStart64 = 0xFFFF_8000_0000_0000;

    /// <summary>MACH2PHYS of 32-bit guests, on both hypervisors.</summary>
    public const ulong M2pStart32 = 0xF580_0000;

    /// <summary>MACH2PHYS_COMPAT_NR_ENTRIES: up to MACH2PHYS_COMPAT_VIRT_END. Unit: frames.</summary>
    public const ulong M2pEntries32 = (M2pEnd32 - M2pStart32) >> 2;

    private const ulong M2pEnd32 = 0xFFE0_0000;

    /// <summary>PERDOMAIN_VIRT_START: L4 slot 260; on the 32-bit hypervisor the 8 MiB below the direct map.</summary>
    public const ulong PerDomainStart64 = 0xFFFF_8200_0000_0000;
    public const ulong PerDomainStart32 = 0xFE80_0000;

    private const int M2pSlot = 256;
    private const int PerDomainSlot = 260;
    private const int TextSlot = 261;
    private const int DirectMapSlot = 262;

    /// <summary>XEN_VIRT_START: slot of its L3, and where Xen's image lies in the gigabyte there. Its 2 MiB pages: text, data, heap start.</summary>
    private const int TextL3Slot40 = 0x32;
    private const int TextL3Slot417 = 0x141;
    private const int ImagePages = 4;
    private const int VcpuShift = 17;
    private const int LdtOffset = 64 * 1024;
    private const ulong Table = Pte.Present | Pte.Writable | Pte.Accessed | Pte.Dirty;
    private const ulong UserTable = Pte.Present | Pte.User | Pte.Accessed;

    // Slots of the 32-bit hypervisor's last L2, as its dom0 sees them (oracle, start-info-4.0.4-x86_32-ring1.txt).
    private const int FrameTableSlot32 = 0x1B4;
    private const int RdwrM2pSlot32 = 0x1E4;
    private const int LinearSlot32 = 0x1EC;
    private const int PerDomainSlot32 = 0x1F4;
    private const int PerDomainTables32 = 4;
    private const int DirectMapSlot32 = 0x1F8;
    private const int IoremapSlot32 = 0x1FE;

    private readonly Xen _xen;
    private readonly FrameTable _frames;
    private readonly Mfn _m2pL3;
    private readonly Mfn _textL3;
    private readonly Mfn _directMapL3;
    private readonly Mfn _zeroPage;
    private readonly Mfn[] _gdtPages = new Mfn[2];
    private readonly Mfn[] _xenL1s32 = new Mfn[3];
    private readonly List<Mfn> _frameTable32 = [];

    internal XenMappings(Xen xen)
    {
        _xen = xen;
        _frames = xen.Frames;
        if (xen.Options.Host64)
        {
            _m2pL3 = BuildM2pTables();
            _textL3 = BuildTextTables();
            _directMapL3 = BuildDirectMap();
        }
        else
        {
            BuildTables32();
        }

        _zeroPage = AllocateBootFrame();
        _gdtPages[0] = BuildGdtPage(compat: !xen.Options.Host64);
        _gdtPages[1] = xen.Options.Host64 ? BuildGdtPage(compat: true) : _gdtPages[0];
    }

    /// <summary>GDT_VIRT_START(v): linear base of a vCPU's GDT.</summary>
    public ulong GdtBase(int vcpu) => (_xen.Options.Host64 ? PerDomainStart64 : PerDomainStart32) + ((ulong)vcpu << VcpuShift);

    public ulong LdtBase(int vcpu) => GdtBase(vcpu) + LdtOffset;

    /// <summary>A zeroed frame of Xen's own.</summary>
    /// <exception cref="InvalidOperationException">The host is out of memory.</exception>
    internal Mfn AllocateXenFrame(int addressBits = 0)
    {
        if (!_frames.Allocator.TryAllocate(0, out Mfn mfn, addressBits))
            throw new InvalidOperationException("the host is out of memory for Xen's own tables");
        return OwnFrame(mfn);
    }

    /// <summary>The same before the boot has moved anything to the top of memory.</summary>
    private Mfn AllocateBootFrame()
        => _frames.Allocator.TryAllocateLowest(superpage: false, out Mfn mfn) ? OwnFrame(mfn) : throw new InvalidOperationException("the host is out of memory for Xen's own tables");

    private Mfn OwnFrame(Mfn mfn)
    {
        _frames.AssignToXen(mfn);
        _frames.Memory.Writable(mfn.Value).Clear();
        return mfn;
    }

    /// <summary>The per-domain area of a new PV domain: its tables, with Xen's GDT page in each vCPU's window.</summary>
    internal PerDomainArea CreatePerDomainArea()
    {
        if (_xen.Options.Host64)
        {
            Mfn l3 = AllocateXenFrame();
            Mfn l2 = AllocateXenFrame();
            Write(l3, 0, Pte.Make(l2.Value, Table));
            return new PerDomainArea(l3, l2, []);
        }

        if (!_frames.Allocator.TryAllocate(2, out Mfn first))
            throw new InvalidOperationException("the host is out of memory for a per-domain area");
        Mfn[] l1s = new Mfn[PerDomainTables32];
        for (int i = 0; i < l1s.Length; i++)
        {
            l1s[i] = new Mfn(first.Value + (ulong)i);
            _frames.AssignToXen(l1s[i]);
        }

        return new PerDomainArea(Mfn.Invalid, Mfn.Invalid, [.. l1s]);
    }

    internal void FreePerDomainArea(PerDomainArea area)
    {
        foreach (Mfn l1 in area.L1s)
            _frames.PutPage(l1);
        if (area.L2 != Mfn.Invalid)
        {
            _frames.PutPage(area.L2);
            _frames.PutPage(area.L3);
        }
    }

    /// <summary>Puts Xen's GDT page into a vCPU's window.</summary>
    internal void MapXenGdt(PerDomainArea area, int vcpu, bool compat)
    {
        for (int page = 0; page < DescriptorTables.FirstReservedPage; page++)
            ClearGdtPage(area, vcpu, page);
        MapInWindow(area, vcpu, DescriptorTables.FirstReservedPage, _gdtPages[compat ? 1 : 0].Value, Table);
    }

    /// <summary>pv_destroy_gdt of 4.17: pages of a GDT that the guest has not set read as zeroes; 4.0 leaves them out.</summary>
    internal void ClearGdtPage(PerDomainArea area, int vcpu, int page)
        => MapInWindow(area, vcpu, page, _zeroPage.Value, _xen.Profile.Release == XenRelease.V4_0 ? 0 : Pte.Present | Pte.Accessed | Pte.Dirty);

    /// <summary>Maps frame <paramref name="frame"/> (or nothing) at page <paramref name="page"/> of a vCPU's window: GDT 0-13, LDT 16-31.</summary>
    internal void MapInWindow(PerDomainArea area, int vcpu, int page, ulong frame, ulong flags)
    {
        int index = (vcpu << (VcpuShift - 12)) + page;
        int table = index / Pte.EntriesPerTable;
        while (area.L1s.Count <= table)
        {
            Mfn l1 = AllocateXenFrame();
            Write(area.L2, area.L1s.Count, Pte.Make(l1.Value, Table));
            area.L1s.Add(l1);
        }

        Write(area.L1s[table], index % Pte.EntriesPerTable, flags == 0 ? 0 : Pte.Make(frame, flags));
    }

    /// <summary>init_guest_l4_table: Xen's slots of a guest's L4.</summary>
    internal void InitGuestL4(Mfn l4, Domain domain)
    {
        for (int slot = PageTableRules.FirstXenSlot; slot <= PageTableRules.LastXenSlot; slot++)
            Write(l4, slot, 0);
        if (domain.IsCompat || _xen.Profile.Release == XenRelease.V4_0 || domain.HasStrictM2p)
            ShowM2p(l4);
        Write(l4, PerDomainSlot, Pte.Make(domain.PerDomain.L3.Value, Table));
        Write(l4, TextSlot, Pte.Make(_textL3.Value, Table));
        Write(l4, DirectMapSlot, Pte.Make(_directMapL3.Value, Table));
    }

    /// <summary>fill_ro_mpt: the machine-to-physical table becomes visible under an L4.</summary>
    internal void ShowM2p(Mfn l4) => Write(l4, M2pSlot, Pte.Make(_m2pL3.Value, UserTable));

    /// <summary>zap_ro_mpt.</summary>
    internal void HideM2p(Mfn l4) => Write(l4, M2pSlot, 0);

    /// <summary>Xen's entries in the last L2 of a PAE guest.</summary>
    internal void InitPaeL2(Mfn l2, Mfn l3, Domain domain)
    {
        for (int slot = PageTableRules.FirstPaeXenSlot; slot < Pte.EntriesPerTable; slot++)
            Write(l2, slot, 0);
        if (_xen.Options.Host64)
        {
            MapSuperpages(l2, PageTableRules.FirstPaeXenSlot, _xen.M2p.CompatFrames, Pte.Present | Pte.PageSize);
            return;
        }

        MapSuperpages(l2, PageTableRules.FirstPaeXenSlot, _xen.M2p.CompatFrames, Pte.Present | Pte.Accessed | Pte.Dirty | Pte.PageSize);
        MapSuperpages(l2, FrameTableSlot32, _frameTable32, Table | Pte.PageSize | Pte.Global);
        MapSuperpages(l2, RdwrM2pSlot32, _xen.M2p.CompatFrames, Table | Pte.PageSize | Pte.Global);
        for (int i = 0; i < PerDomainTables32; i++)
        {
            Write(l2, PerDomainSlot32 + i, Pte.Make(domain.PerDomain.L1s[i].Value, Table));
            ulong l3e = Read(l3, i);
            if ((l3e & Pte.Present) != 0)
                Write(l2, LinearSlot32 + i, Pte.Make(Pte.FrameOf(l3e), Table));
        }

        Write(l2, DirectMapSlot32, Pte.Make(_xenL1s32[0].Value, Table));
        for (ulong slot = DirectMapSlot32 + 1; slot < IoremapSlot32; slot++)
            Write(l2, (int)slot, ((slot - DirectMapSlot32) << 21) | Table | Pte.PageSize | Pte.Global);
        Write(l2, IoremapSlot32, Pte.Make(_xenL1s32[1].Value, Table));
        Write(l2, IoremapSlot32 + 1, Pte.Make(_xenL1s32[2].Value, Table));
    }

    private Mfn BuildM2pTables()
    {
        Mfn l3 = AllocateBootFrame();
        IReadOnlyList<Mfn> superpages = _xen.M2p.Frames;
        for (int i = 0; i < superpages.Count; i += Pte.EntriesPerTable)
        {
            Mfn l2 = AllocateBootFrame();
            Write(l3, i / Pte.EntriesPerTable, Pte.Make(l2.Value, UserTable));
            for (int j = 0; j < Math.Min(Pte.EntriesPerTable, superpages.Count - i); j++)
                Write(l2, j, Pte.Make(superpages[i + j].Value, UserTable | Pte.Dirty | Pte.PageSize | Pte.NoExecute));
        }

        return l3;
    }

    /// <summary>Xen's own text and data, which a guest can see to be present by the error code of its page fault.</summary>
    private Mfn BuildTextTables()
    {
        Mfn l3 = AllocateBootFrame();
        Mfn l2 = AllocateBootFrame();
        Write(l3, _xen.Profile.Release == XenRelease.V4_0 ? TextL3Slot40 : TextL3Slot417, Pte.Make(l2.Value, Table));
        for (ulong page = 1; page <= ImagePages; page++)
            Write(l2, (int)page, (page << 21) | Table | Pte.PageSize | Pte.Global);
        return l3;
    }

    /// <summary>DIRECTMAP_VIRT_START: the machine's memory in pages of 1 GiB.</summary>
    private Mfn BuildDirectMap()
    {
        Mfn l3 = AllocateBootFrame();
        for (ulong gigabyte = 0; gigabyte < Math.Min((_frames.FrameCount + 0x3_FFFF) >> 18, Pte.EntriesPerTable); gigabyte++)
            Write(l3, (int)gigabyte, (gigabyte << 30) | Table | Pte.PageSize | Pte.Global | Pte.NoExecute);
        return l3;
    }

    private void BuildTables32()
    {
        for (int i = 0; i < _xenL1s32.Length; i++)
            _xenL1s32[i] = AllocateBootFrame();

        // 24 bytes of struct page_info for each frame, in 2 MiB pages.
        for (ulong bytes = 0; bytes < _frames.FrameCount * 24; bytes += 2 << 20)
        {
            if (!_frames.Allocator.TryAllocateLowest(superpage: true, out Mfn first))
                throw new InvalidOperationException("the host has no memory for the frame table");
            for (ulong i = 0; i < 512; i++)
                _frames.AssignToXen(new Mfn(first.Value + i));
            _frameTable32.Add(first);
        }
    }

    private Mfn BuildGdtPage(bool compat)
    {
        Mfn page = AllocateBootFrame();
        ReadOnlySpan<ulong> entries = DescriptorTables.XenEntries(_xen.Options, compat);
        for (int i = 0; i < entries.Length; i++)
            Write(page, i, entries[i]);
        return page;
    }

    private void MapSuperpages(Mfn l2, int slot, IReadOnlyList<Mfn> superpages, ulong flags)
    {
        foreach (Mfn first in superpages.Take(Pte.EntriesPerTable - slot))
            Write(l2, slot++, Pte.Make(first.Value, flags));
    }

    private ulong Read(Mfn table, int slot) => BitConverter.ToUInt64(_frames.Memory.Readable(table.Value)[(slot * 8)..]);

    private void Write(Mfn table, int slot, ulong entry)
        => BitConverter.TryWriteBytes(_frames.Memory.Writable(table.Value)[(slot * 8)..], entry);
}

/// <summary>Tables of a domain's per-domain area. On the 32-bit hypervisor only the L1s exist, the guest's L2 refers to them.</summary>
internal sealed record PerDomainArea(Mfn L3, Mfn L2, List<Mfn> L1s);
