using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>One entry of a live page table changes: the new entry's references are taken before the old one's go back.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c: mod_l1_entry … mod_l4_entry, do_mmu_update.</remarks>
internal static class PageTableUpdate
{
    /// <summary>Writes <paramref name="entry"/> to a machine address: checked if a page table is there, plain if it can be typed writable.</summary>
    /// <param name="tableOwner">Owner of the table.</param>
    /// <param name="frameOwner">Owner of the frames that an L1 entry may map.</param>
    public static XenErrno Write(Xen xen, Domain tableOwner, Domain frameOwner, ulong machineAddress, ulong entry, bool preserveAccessedDirty)
    {
        Mfn table = new(machineAddress >> 12);
        int slot = (int)(machineAddress & 0xFFF) >> 3;
        if (!xen.Frames.TryGetPage(table, tableOwner.Id))
            return xen.PageTypes.Refuse(tableOwner, table, XenErrno.EINVAL, "Could not get page for normal update");
        XenErrno errno;
        ref PageInfo page = ref xen.Frames[table];
        if (page.TypeCount > 0 && PageTypes.IsTable(page.Type))
        {
            errno = Modify(xen, tableOwner, frameOwner, table, slot, entry, preserveAccessedDirty);
        }
        else
        {
            errno = xen.PageTypes.GetPageType(table, tableOwner, PageType.PGT_writable_page);
            if (errno == XenErrno.None)
            {
                xen.PageTypes.WriteEntry(table, slot, entry);
                xen.PageTypes.PutPageType(table);
            }
        }

        xen.Frames.PutPage(table);
        return errno;
    }

    private static XenErrno Modify(Xen xen, Domain tableOwner, Domain frameOwner, Mfn table, int slot, ulong entry, bool preserveAccessedDirty)
    {
        PageTableRules rules = xen.PageTypes.Rules;
        int level = PageTypes.Level(xen.Frames[table].Type);
        bool v40 = xen.Profile.Release == XenRelease.V4_0;
        if (level > 1 && !v40 && frameOwner != tableOwner)
            return XenErrno.EINVAL;
        if (!rules.IsGuestSlot(tableOwner, level, slot, xen.Frames[table].Has(PageFlags.PaeXenL2)))
            return xen.PageTypes.Refuse(tableOwner, table, v40 || level != 2 ? XenErrno.EINVAL : XenErrno.EPERM, $"Illegal L{level} update attempt in Xen-private area, slot {slot:x}");
        if (level == 3 && tableOwner.Is32BitPv && slot >= 3)
            return xen.PageTypes.Refuse(tableOwner, table, XenErrno.EINVAL, "slot 3 of a live PAE L3 holds Xen's mappings");

        ulong old = xen.PageTypes.ReadEntry(table, slot);
        bool present = (entry & Pte.Present) != 0;
        if (present && (entry & rules.DisallowMask(tableOwner, level)) != 0)
            return xen.PageTypes.Refuse(tableOwner, table, XenErrno.EINVAL, $"Bad L{level} flags {Pte.FlagWord(entry & rules.DisallowMask(tableOwner, level)):x}");

        // Flags that may change without a second look: the references stay what they are.
        bool sameFrame = present && ((old ^ entry) & ~MayChange(xen, level)) == 0;
        if (v40 && level > 1)
            sameFrame = present && ((old ^ entry) & (Pte.AddressMask | Pte.Present)) == 0;
        if (!sameFrame)
        {
            XenErrno errno = rules.GetFromEntry(tableOwner, frameOwner, level, table, slot, ref entry);
            if (errno != XenErrno.None)
                return errno;
        }

        ulong written = rules.Adjust(tableOwner, level, entry);
        if (preserveAccessedDirty)
            written |= old & (Pte.Accessed | Pte.Dirty);
        xen.PageTypes.WriteEntry(table, slot, written);
        if (!sameFrame)
            rules.PutFromEntry(tableOwner, level, table, old);
        if (level > 1)
            tableOwner.FlushTlbs();
        return XenErrno.None;
    }

    /// <summary>FASTPATH_FLAG_WHITELIST of 4.17 (upper entries of a kernel with linear page tables may not become writable so); 4.0 looks at frame, presence and, in L1, write permission.</summary>
    private static ulong MayChange(Xen xen, int level)
    {
        const ulong available = 0xE00, availableHigh = 0x7FF0_0000_0000_0000;
        if (xen.Profile.Release == XenRelease.V4_0)
            return ~(Pte.AddressMask | Pte.Present | (level == 1 ? Pte.Writable : 0));
        return Pte.NoExecute | availableHigh | available | Pte.Global | Pte.Dirty | Pte.Accessed | Pte.User;
    }
}
