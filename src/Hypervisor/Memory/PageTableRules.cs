using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>What a PV guest may put into its page tables: flags, owners and types, level by level.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c: alloc_l1_table … alloc_l4_table, get_page_from_l*e, mod_l*_entry,
/// adjust_guest_l*e, create_pae_xen_mappings; xen/include/asm-x86/page.h: BASE_DISALLOW_MASK.
/// </remarks>
public sealed class PageTableRules
{
    private const ulong CacheBits = Pte.Pwt | Pte.Pcd | Pte.PageSize;
    private const ulong BaseDisallow64 = 0x198;

    // PAE: every bit of 62:44 as well. NX (63) is allowed: the host has it.
    private const ulong BaseDisallowPae = 0x7FFF_F000_0000_0198;
    private const ulong L3DisallowPae = 0xFFFF_F000_0000_01FE;
    private const ulong L3DisallowCompat = 0xFFF0_0000_0000_0198;

    private readonly Xen _xen;
    private readonly FrameTable _frames;
    private readonly PageTypes _types;

    internal PageTableRules(Xen xen, PageTypes types)
    {
        _xen = xen;
        _frames = xen.Frames;
        _types = types;
    }

    /// <summary>First and last slot (inclusive) of an L4 that belong to Xen (ROOT_PAGETABLE_FIRST_XEN_SLOT).</summary>
    public const int FirstXenSlot = 256;
    public const int LastXenSlot = 271;

    /// <summary>First slot of Xen's in a PAE guest's last L2: 0xF5800000 &gt;&gt; 21, modulo 512.</summary>
    public const int FirstPaeXenSlot = 0x1AC;

    /// <summary>Bits that must be clear in a present entry.</summary>
    public ulong DisallowMask(Domain domain, int level)
    {
        bool pae = !_xen.Options.Host64;
        switch (level)
        {
            case 1:
                ulong l1 = pae ? BaseDisallowPae : BaseDisallow64 & ~Pte.Global;
                return domain.HasDeviceAccess ? l1 & ~CacheBits : l1;
            case 2:
                ulong l2 = pae ? BaseDisallowPae : BaseDisallow64;
                return _xen.Profile.Release == XenRelease.V4_0 ? l2 & ~Pte.PageSize : l2;
            case 3:
                return pae ? L3DisallowPae : domain.Is32BitPv ? L3DisallowCompat : BaseDisallow64;
            default:
                return BaseDisallow64;
        }
    }

    /// <summary>adjust_guest_l*e: the flags that Xen adds to a present entry of a guest.</summary>
    public ulong Adjust(Domain domain, int level, ulong entry)
    {
        if (!_xen.Options.Host64 || (entry & Pte.Present) == 0)
            return entry;
        if (domain.Is32BitPv)
            return level == 3 ? entry | Pte.User | Pte.Writable : entry;
        if (level > 1)
            return entry | Pte.User | (level == 4 && _xen.Profile.Release != XenRelease.V4_0 ? Pte.Accessed : 0);
        if ((entry & Pte.User) == 0)
            entry |= Pte.GuestKernel | Pte.User;
        return (entry & Pte.GuestKernel) == 0 ? entry | Pte.Global : entry;
    }

    /// <summary>unadjust_guest_l3e: what Xen takes away again when a compat L3 is given up.</summary>
    private static ulong Unadjust(Domain domain, int level, ulong entry)
        => domain.Is32BitPv && level == 3 && (entry & Pte.Present) != 0 ? entry & ~(Pte.User | Pte.Writable | Pte.Accessed) : entry;

    /// <summary>Whether a slot of a table is the guest's to fill.</summary>
    public bool IsGuestSlot(Domain domain, int level, int slot, bool paeXenL2) => level switch
    {
        2 => !paeXenL2 || slot < FirstPaeXenSlot,
        3 => _xen.Options.Host64 && !domain.Is32BitPv ? slot < Pte.EntriesPerTable : slot < 4,
        4 => slot is < FirstXenSlot or > LastXenSlot,
        _ => true,
    };

    /// <summary>alloc_l*_table: checks and references every entry of a table, adds Xen's flags and slots.</summary>
    internal XenErrno Validate(Mfn table, Domain domain, int level, bool paeXenL2)
    {
        if (level > domain.PagingLevels)
            return _types.Refuse(domain, table, XenErrno.EINVAL, $"Bad type in alloc_page_type: L{level} in a guest of {domain.PagingLevels} levels");
        if (level == 3 && domain.Is32BitPv && _xen.Options.Host64)
            ClearUnusedCompatSlots(table);
        for (int slot = 0; slot < Pte.EntriesPerTable; slot++)
        {
            if (!IsGuestSlot(domain, level, slot, paeXenL2))
                continue;
            ulong entry = _types.ReadEntry(table, slot);
            XenErrno errno = level == 3 && domain.Is32BitPv && slot == 3 && (entry & Pte.Present) == 0
                ? XenErrno.EINVAL
                : GetFromEntry(domain, domain, level, table, slot, ref entry);
            if (errno != XenErrno.None)
            {
                GiveBack(table, domain, level, slot, paeXenL2);
                return _types.Refuse(domain, table, errno, $"Failure in alloc_l{level}_table: slot 0x{slot:x} of {table} is 0x{entry:x16}");
            }

            ulong adjusted = Adjust(domain, level, entry);
            if (adjusted != _types.ReadEntry(table, slot))
                _types.WriteEntry(table, slot, adjusted);
        }

        if (level == 3 && domain.Is32BitPv && !CreatePaeXenMappings(table, domain))
        {
            GiveBack(table, domain, level, 4, paeXenL2);
            return XenErrno.EINVAL;
        }

        if (level == 4)
            _xen.Mappings.InitGuestL4(table, domain);
        return XenErrno.None;
    }

    /// <summary>free_l*_table.</summary>
    internal void Invalidate(Mfn table, Domain domain, int level)
        => GiveBack(table, domain, level, Pte.EntriesPerTable, _frames[table].Has(PageFlags.PaeXenL2));

    /// <summary>get_page_from_l*e: the references that one entry takes. An entry of I/O memory comes back with the flags that Xen forces on it.</summary>
    internal XenErrno GetFromEntry(Domain domain, Domain frameOwner, int level, Mfn table, int slot, ref ulong entry)
    {
        if ((entry & Pte.Present) == 0)
            return XenErrno.None;
        ulong bad = entry & DisallowMask(domain, level);
        if (bad != 0)
            return _types.Refuse(domain, table, XenErrno.EINVAL, $"Bad L{level} flags {Pte.FlagWord(bad):x}");
        return level == 1 ? GetFromL1(domain, frameOwner, table, ref entry) : GetFromUpper(domain, level, table, slot, entry);
    }

    /// <summary>put_page_from_l*e.</summary>
    internal void PutFromEntry(Domain domain, int level, Mfn table, ulong entry)
    {
        if ((entry & Pte.Present) == 0)
            return;
        Mfn mfn = new(Pte.FrameOf(entry));
        if (!_frames.IsValid(mfn) || (level > 1 && mfn == table) || _frames[mfn].Owner is PageInfo.NoOwner || _frames[mfn].Owner == DomainId.Io.Value)
            return;
        if (level > 1 || ((entry & Pte.Writable) != 0 && CountsAsWritable(domain, _frames[mfn].Owner)))
            _types.PutPageAndType(mfn);
        else
            _frames.PutPage(mfn);
    }

    /// <summary>put_page_from_l1e: a writable mapping of another, translated domain's page takes no type reference (paging_mode_external).</summary>
    private bool CountsAsWritable(Domain mapper, ushort owner) => mapper.Id.Value == owner || _xen.FindDomain(new DomainId(owner)) is not { IsHvm: true };

    private XenErrno GetFromL1(Domain domain, Domain frameOwner, Mfn table, ref ulong entry)
    {
        Mfn mfn = new(Pte.FrameOf(entry));
        if (!_frames.IsValid(mfn) || _frames[mfn].Owner == DomainId.Io.Value)
            return GetIoMemory(domain, frameOwner.Id == DomainId.Io ? domain : frameOwner, table, mfn, ref entry);

        Domain owner = frameOwner;
        if (_frames[mfn].Owner != frameOwner.Id.Value)
        {
            // A stub domain's target: frames of a third domain pass if the frame owner named by the caller is privileged over it.
            if (frameOwner == domain || _xen.FindDomain(new DomainId(_frames[mfn].Owner)) is not { } real || !frameOwner.IsPrivilegedFor(real))
                return WrongOwner(domain, frameOwner, mfn, entry);
            owner = real;
        }

        if ((entry & Pte.Writable) == 0 || !CountsAsWritable(domain, owner.Id.Value))
            return _frames.TryGetPage(mfn, owner.Id) ? XenErrno.None : WrongOwner(domain, frameOwner, mfn, entry);
        return _types.GetPageAndType(mfn, owner, PageType.PGT_writable_page) == XenErrno.None
            ? XenErrno.None
            : WrongOwner(domain, frameOwner, mfn, entry);
    }

    /// <summary>What 4.17 does not let be cached or, if Xen works on it itself, written, it maps otherwise than it was asked.</summary>
    private XenErrno GetIoMemory(Domain domain, Domain frameOwner, Mfn table, Mfn mfn, ref ulong entry)
    {
        if (!frameOwner.Io.Frames.Contains(mfn.Value, mfn.Value) || !domain.Io.Frames.Contains(mfn.Value, mfn.Value))
        {
            XenErrno errno = mfn.Value == Pte.AddressMask >> 12 ? XenErrno.EINVAL : _xen.Profile.MmioForbidden;
            return _types.Refuse(domain, table, errno, $"Non-privileged ({frameOwner.Id.Value}) attempt to map I/O space {mfn.Value:x8}");
        }

        if (_xen.Profile.Release == XenRelease.V4_0)
            return XenErrno.None;
        if ((entry & Pte.Writable) != 0 && _xen.ReadOnlyMmio.Contains(mfn.Value, mfn.Value))
            entry &= ~Pte.Writable;
        entry = (entry & CacheBits) switch
        {
            0 => entry | Pte.Pwt | Pte.Pcd,
            Pte.Pwt or Pte.Pwt | Pte.PageSize => (entry | Pte.Pcd) & ~Pte.PageSize,
            _ => entry,
        };
        return XenErrno.None;
    }

    private XenErrno WrongOwner(Domain domain, Domain frameOwner, Mfn mfn, ulong entry)
        => _types.Refuse(domain, mfn, _xen.Profile.WrongOwner,
            $"Error getting mfn {mfn.Value:x} (pfn {_xen.M2p.Get(mfn).Value:x}) from L1 entry {entry:x16} for l1e_owner={domain.Id.Value}, pg_owner={frameOwner.Id.Value}");

    private XenErrno GetFromUpper(Domain domain, int level, Mfn table, int slot, ulong entry)
    {
        Mfn mfn = new(Pte.FrameOf(entry));
        if (level == 2 && (entry & Pte.PageSize) != 0)
            return _types.Refuse(domain, table, XenErrno.EINVAL, "attempt to map superpage without allowsuperpage flag in hypervisor");
        bool paeXenL2 = level == 3 && domain.Is32BitPv && slot == 3;
        PageType wanted = (PageType)(level - 1);
        bool linear = level < 3 || !domain.IsCompat || _xen.Profile.Release == XenRelease.V4_0;
        if (linear && (mfn == table || (_frames.IsValid(mfn) && _frames[mfn].Owner == domain.Id.Value && _frames[mfn].Type == (PageType)level && _frames[mfn].TypeCount > 0)))
            return GetLinear(domain, level, table, mfn, entry);
        return _types.GetPageAndType(mfn, domain, wanted, paeXenL2);
    }

    /// <summary>get_l*_linear_pagetable: a table that maps itself or one of its own level, read-only.</summary>
    private XenErrno GetLinear(Domain domain, int level, Mfn table, Mfn mfn, ulong entry)
    {
        if ((entry & Pte.Writable) != 0)
            return _types.Refuse(domain, table, XenErrno.EINVAL, "Attempt to create linear p.t. with write perms");
        if (mfn == table)
            return XenErrno.None;
        ref PageInfo page = ref _frames[mfn];
        if (!page.Has(PageFlags.Validated))
            return _types.Refuse(domain, table, XenErrno.EINVAL, $"linear p.t. of {mfn} that is not validated");
        page.Count++;
        page.TypeCount++;
        return XenErrno.None;
    }

    private void GiveBack(Mfn table, Domain domain, int level, int slots, bool paeXenL2)
    {
        for (int slot = 0; slot < slots; slot++)
        {
            if (!IsGuestSlot(domain, level, slot, paeXenL2))
                continue;
            ulong entry = _types.ReadEntry(table, slot);
            if ((entry & Pte.Present) == 0)
                continue;
            PutFromEntry(domain, level, table, entry);
            ulong original = _xen.Options.Host64 ? Unadjust(domain, level, entry) : entry;
            if (original != entry)
                _types.WriteEntry(table, slot, original);
        }
    }

    private void ClearUnusedCompatSlots(Mfn table) => _frames.Memory.Writable(table.Value)[32..].Clear();

    /// <summary>create_pae_xen_mappings: the L2 behind slot 3 gets Xen's entries. It must not be shared.</summary>
    private bool CreatePaeXenMappings(Mfn table, Domain domain)
    {
        Mfn l2 = new(Pte.FrameOf(_types.ReadEntry(table, 3)));
        if (_frames[l2].TypeCount > 1 + (_frames[l2].Has(PageFlags.Pinned) ? 1u : 0u))
        {
            _types.Refuse(domain, table, XenErrno.EINVAL, "PAE L3 3rd slot is shared");
            return false;
        }

        _xen.Mappings.InitPaeL2(l2, table, domain);
        return true;
    }
}
