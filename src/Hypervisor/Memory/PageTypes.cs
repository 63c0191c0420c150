using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// Page types: one type and a count per frame, validated when a page becomes a page table or descriptor table. What a PV
/// guest may have in its tables is decided here and in <see cref="PageTableRules"/>.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c: __get_page_type, alloc_l*_table, put_page_type.</remarks>
public sealed class PageTypes
{
    private readonly Xen _xen;
    private readonly FrameTable _frames;
    private readonly PageTableRules _rules;

    internal PageTypes(Xen xen)
    {
        _xen = xen;
        _frames = xen.Frames;
        _rules = new PageTableRules(xen, this);
    }

    public PageTableRules Rules => _rules;

    /// <summary>get_page_and_type: a general and a type reference on a frame of <paramref name="owner"/>.</summary>
    public XenErrno GetPageAndType(Mfn mfn, Domain owner, PageType type, bool paeXenL2 = false)
    {
        if (!_frames.TryGetPage(mfn, owner.Id))
            return Refuse(owner, mfn, XenErrno.EINVAL, $"{mfn} does not belong to {owner.Id}");
        XenErrno errno = GetPageType(mfn, owner, type, paeXenL2);
        if (errno != XenErrno.None)
            _frames.PutPage(mfn);
        return errno;
    }

    public void PutPageAndType(Mfn mfn)
    {
        PutPageType(mfn);
        _frames.PutPage(mfn);
    }

    /// <summary>get_page_type: one more reference as <paramref name="type"/>; the first one validates. The caller holds a general reference.</summary>
    public XenErrno GetPageType(Mfn mfn, Domain owner, PageType type, bool paeXenL2 = false)
    {
        ref PageInfo page = ref _frames[mfn];
        if (page.TypeCount == 0)
        {
            if (page.Type != type)
            {
                // Stale writable translations must not outlive the type.
                owner.FlushTlbs();
                page.Type = type;
                page.Flags &= ~PageFlags.Validated;
                if (type is PageType.PGT_writable_page or PageType.PGT_shared_page)
                    page.Flags |= PageFlags.Validated;
            }

            if (paeXenL2)
                page.Flags |= PageFlags.PaeXenL2;
        }
        else if (page.Type != type || page.Has(PageFlags.PaeXenL2) != paeXenL2)
        {
            return Refuse(owner, mfn, XenErrno.EINVAL, $"Bad type (saw {page.Type} x{page.TypeCount} != exp {type}) for {mfn}");
        }

        page.TypeCount++;
        if (page.Has(PageFlags.Validated))
            return XenErrno.None;
        if (page.TypeCount > 1)
        {
            // Being validated further up: a table that refers to itself with write permission or at the wrong level.
            page.TypeCount--;
            return Refuse(owner, mfn, XenErrno.EINVAL, $"{mfn} is being validated");
        }

        return Validate(mfn, owner, type, paeXenL2);
    }

    /// <summary>put_page_type: the last reference to a table gives back what its entries hold.</summary>
    public void PutPageType(Mfn mfn)
    {
        ref PageInfo page = ref _frames[mfn];
        if (page.TypeCount > 1)
        {
            page.TypeCount--;
            return;
        }

        PageType type = page.Type;
        if (page.Has(PageFlags.Validated) && IsTable(type))
        {
            page.Flags &= ~PageFlags.Validated;
            if (_xen.FindDomain(new DomainId(page.Owner)) is { } owner)
                _rules.Invalidate(mfn, owner, Level(type));
        }

        page.TypeCount = 0;
        page.Flags &= ~PageFlags.PaeXenL2;
    }

    /// <summary>MMUEXT_PIN_L*_TABLE after its checks of level and permission.</summary>
    public XenErrno Pin(Mfn mfn, Domain owner, PageType type)
    {
        XenErrno errno = GetPageAndType(mfn, owner, type);
        if (errno != XenErrno.None)
            return errno;
        ref PageInfo page = ref _frames[mfn];
        if (page.Has(PageFlags.Pinned))
        {
            PutPageAndType(mfn);
            return Refuse(owner, mfn, XenErrno.EINVAL, $"{mfn} already pinned");
        }

        page.Flags |= PageFlags.Pinned;
        return XenErrno.None;
    }

    /// <summary>MMUEXT_UNPIN_TABLE.</summary>
    public XenErrno Unpin(Mfn mfn, Domain owner)
    {
        if (!_frames.TryGetPage(mfn, owner.Id))
            return Refuse(owner, mfn, XenErrno.EINVAL, $"{mfn} bad domain");
        ref PageInfo page = ref _frames[mfn];
        XenErrno errno = XenErrno.None;
        if (page.Has(PageFlags.Pinned))
        {
            page.Flags &= ~PageFlags.Pinned;
            PutPageAndType(mfn);
        }
        else
        {
            errno = Refuse(owner, mfn, XenErrno.EINVAL, $"{mfn} not pinned");
        }

        _frames.PutPage(mfn);
        return errno;
    }

    internal static bool IsTable(PageType type) => type is >= PageType.PGT_l1_page_table and <= PageType.PGT_l4_page_table;

    internal static int Level(PageType type) => (int)type;

    internal ulong ReadEntry(Mfn table, int slot)
        => BinaryPrimitives.ReadUInt64LittleEndian(_frames.Memory.Readable(table.Value)[(slot * 8)..]);

    internal void WriteEntry(Mfn table, int slot, ulong entry)
        => BinaryPrimitives.WriteUInt64LittleEndian(_frames.Memory.Writable(table.Value)[(slot * 8)..], entry);

    /// <summary>Says why a request is refused; the reason's words follow Xen's own message where it has one.</summary>
    internal XenErrno Refuse(Domain domain, Mfn mfn, XenErrno errno, string reason)
    {
        if (_xen.Events.Wants<PageTypeRefused>())
            _xen.Events.Emit(new PageTypeRefused(domain.Id, mfn, errno, reason));
        return errno;
    }

    private XenErrno Validate(Mfn mfn, Domain owner, PageType type, bool paeXenL2)
    {
        XenErrno errno = type == PageType.PGT_seg_desc_page
            ? DescriptorTables.Validate(_xen, mfn, owner)
            : _rules.Validate(mfn, owner, Level(type), paeXenL2);
        ref PageInfo page = ref _frames[mfn];
        if (errno == XenErrno.None)
        {
            page.Flags |= PageFlags.Validated;
            return errno;
        }

        // RELEASE-4.0.4 mm.c: alloc_page_type forgets the type of a page that does not validate.
        page.TypeCount = 0;
        page.Type = PageType.PGT_none;
        page.Flags &= ~(PageFlags.Validated | PageFlags.PaeXenL2);
        return errno;
    }
}
