using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Grants;

/// <summary>Where a domain sees a grant that it has mapped: an entry of its L1 tables, or a frame of its guest-physical memory.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/pv/grant_table.c: create_grant_pv_mapping, replace_grant_pv_mapping, steal_linear_address, hvm/grant_table.c;
/// RELEASE-4.0.4 xen/arch/x86/mm.c: create_grant_pte_mapping, replace_grant_va_mapping, create_grant_p2m_mapping.
/// The entry holds the reference that map_grant_ref took: a guest that overwrites it gives the reference back, though not the mapping.
/// </remarks>
internal static class GrantHostMapping
{
    /// <summary>_PAGE_AVAIL and where GNTMAP_guest_avail0 stands.</summary>
    private const ulong Available = 0xE00;
    private const int GuestAvail0 = 16;

    /// <summary>create_grant_host_mapping. False: GNTST_general_error.</summary>
    public static bool Create(HypercallCall c, ulong address, Mfn frame, GrantMapFlags flags)
    {
        // A tool's process sees the page; its page tables are not simulated.
        if (c.Vcpu is not { } v)
            return true;
        if (c.Caller.Physmap is { } map)
            return CreateTranslated(c.Caller, map, address, frame, flags);
        if (FindEntry(v, address, flags, "") is not { } at)
            return false;
        Mfn table = new(at >> 12);
        int slot = (int)(at & 0xFF8) >> 3;
        ulong old = c.Xen.PageTypes.ReadEntry(table, slot);
        c.Xen.PageTypes.WriteEntry(table, slot, c.Xen.PageTypes.Rules.Adjust(c.Caller, 1, Pte.Make(frame.Value, EntryFlags(flags))));
        c.Xen.PageTypes.Rules.PutFromEntry(c.Caller, 1, table, old);
        c.Caller.FlushTlbs();
        return true;
    }

    /// <summary>replace_grant_host_mapping: the mapping goes, or the one at another address takes its place.</summary>
    public static bool Replace(HypercallCall c, ulong address, Mfn frame, ulong newAddress, GrantMapFlags flags)
    {
        if (c.Vcpu is not { } v)
            return newAddress == 0;
        if (c.Caller.Physmap is { } map)
            return newAddress == 0 && RemoveTranslated(c.Caller, map, address, frame);
        if (newAddress != 0 && (flags & GrantMapFlags.contains_pte) != 0)
            return false;
        ulong entry = 0;
        if (newAddress != 0)
        {
            if (FindEntry(v, newAddress, flags, "replacement for ") is not { } source)
                return false;
            entry = c.Xen.PageTypes.ReadEntry(new Mfn(source >> 12), (int)(source & 0xFF8) >> 3);
            c.Xen.PageTypes.WriteEntry(new Mfn(source >> 12), (int)(source & 0xFF8) >> 3, 0);
        }

        bool done = FindEntry(v, address, flags, "") is { } at && Overwrite(c, at, frame, flags, entry);
        if (!done)
            c.Xen.PageTypes.Rules.PutFromEntry(c.Caller, 1, Mfn.Invalid, entry);
        c.Caller.FlushTlbs();
        return done;
    }

    private static bool Overwrite(HypercallCall c, ulong at, Mfn frame, GrantMapFlags flags, ulong entry)
    {
        Mfn table = new(at >> 12);
        int slot = (int)(at & 0xFF8) >> 3;
        ulong old = c.Xen.PageTypes.ReadEntry(table, slot);

        // 4.0 compares the frame only.
        ulong compared = c.Xen.Profile.Release == XenRelease.V4_0 ? 0 : Pte.Present | Pte.Writable;
        if (Pte.FrameOf(old) != frame.Value || ((old ^ EntryFlags(flags)) & compared) != 0)
        {
            Refuse(c, table, $"PTE {old:x16} doesn't match grant ({Pte.Make(frame.Value, EntryFlags(flags)):x16})");
            return false;
        }

        c.Xen.PageTypes.WriteEntry(table, slot, entry);
        return true;
    }

    /// <summary>grant_to_pte_flags, without cache attributes, which only I/O memory may have.</summary>
    private static ulong EntryFlags(GrantMapFlags flags)
        => Pte.Present | Pte.Accessed | Pte.Dirty | Pte.NoExecute
            | ((flags & GrantMapFlags.application_map) != 0 ? Pte.User : 0)
            | ((flags & GrantMapFlags.@readonly) == 0 ? Pte.Writable : 0)
            | ((((ulong)flags >> GuestAvail0) << 9) & Available);

    /// <summary>Machine address of the L1 entry: given (contains_pte), or the one behind a linear address.</summary>
    private static ulong? FindEntry(Vcpu v, ulong address, GrantMapFlags flags, string what)
    {
        Domain d = v.Domain;
        bool given = (flags & GrantMapFlags.contains_pte) != 0;
        if (given && (address & 7) != 0)
            return Refuse(v.Call, Mfn.Invalid, $"Misaligned PTE address {address:x}");
        if (!given && d.Is32BitPv && address != (uint)address)
            return Refuse(v.Call, Mfn.Invalid, $"{what}linear address {address:x} is out of range");
        ulong? at = given ? address : MmuUpdateCall.FindL1Entry(v, address);
        if (at is not { } entry)
            return Refuse(v.Call, Mfn.Invalid, $"Could not find L1 PTE for {what}linear address {address:x}");
        Mfn table = new(entry >> 12);
        FrameTable frames = d.Xen.Frames;
        if (!frames.IsValid(table) || frames[table].Owner != d.Id.Value || frames[table].Type != PageType.PGT_l1_page_table || frames[table].TypeCount == 0)
            return Refuse(v.Call, table, $"{table} is not an L1 table of {d.Id}");
        return entry;
    }

    private static ulong? Refuse(HypercallCall c, Mfn frame, string reason)
    {
        c.Xen.PageTypes.Refuse(c.Caller, frame, XenErrno.EINVAL, reason);
        return null;
    }

    /// <summary>create_grant_p2m_mapping. The page that was at the place stays the domain's, without a place.</summary>
    private static bool CreateTranslated(Domain d, GuestPhysmap map, ulong address, Mfn frame, GrantMapFlags flags)
    {
        if ((flags & ~GrantMapFlags.@readonly) != GrantMapFlags.host_map)
            return false;
        Gfn gfn = new(address >> 12);
        Mfn old = map.Get(gfn);
        if (old != Mfn.Invalid && d.Xen.Frames[old].Owner != d.Id.Value)
        {
            // stable-4.17 xen/arch/x86/mm/p2m.c: guest_physmap_add_entry; a mapped grant must be unmapped first.
            d.Crash(null, $"{d.Id} tries to map a grant over another at {gfn}");
            return false;
        }

        if (!map.Set(gfn, frame))
            return false;
        if (old != Mfn.Invalid)
            d.Xen.M2p.Set(old, Pfn.Invalid);
        d.FlushTlbs();
        return true;
    }

    private static bool RemoveTranslated(Domain d, GuestPhysmap map, ulong address, Mfn frame)
    {
        Gfn gfn = new(address >> 12);
        if (map.Get(gfn) != frame)
            return false;
        map.Set(gfn, Mfn.Invalid);
        d.FlushTlbs();
        return true;
    }
}
