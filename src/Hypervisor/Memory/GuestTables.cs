using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>The tables a PV vCPU runs on: base page tables, GDT, LDT. Each holds typed references on its frames.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/mm.c: new_guest_cr3, set_gdt, destroy_gdt, map_ldt_shadow_page; domain.c.</remarks>
public static class GuestTables
{
    private const ulong GdtFlags = Pte.Present | Pte.Writable | Pte.Accessed | Pte.Dirty;

    /// <summary>Type of the table that a guest's CR3 names.</summary>
    public static PageType BaseTableType(Domain d) => d.Is32BitPv ? PageType.PGT_l3_page_table : PageType.PGT_l4_page_table;

    /// <summary>new_guest_cr3: the guest's kernel base table; the old one's reference goes back.</summary>
    public static XenErrno NewGuestCr3(Vcpu v, Mfn mfn)
    {
        XenErrno errno = v.Domain.Xen.PageTypes.GetPageAndType(mfn, v.Domain, BaseTableType(v.Domain));
        if (errno != XenErrno.None)
            return XenErrno.EINVAL;
        if (v.Domain.ShowsM2pOnLoad)
            v.Domain.Xen.Mappings.ShowM2p(mfn);
        InvalidateLdt(v);
        Mfn old = v.GuestTable;
        v.GuestTable = mfn;
        LoadCr3(v);
        if (old != Mfn.Invalid)
            v.Domain.Xen.PageTypes.PutPageAndType(old);
        return XenErrno.None;
    }

    /// <summary>MMUEXT_NEW_USER_BASEPTR. Frame 0 removes the user table.</summary>
    public static XenErrno NewUserBase(Vcpu v, Mfn mfn)
    {
        if (mfn == v.GuestTableUser)
            return XenErrno.None;
        if (mfn.Value != 0 && v.Domain.Xen.PageTypes.GetPageAndType(mfn, v.Domain, PageType.PGT_l4_page_table) != XenErrno.None)
            return XenErrno.EINVAL;
        if (mfn.Value != 0 && v.Domain.HasStrictM2p && v.Domain.Xen.Profile.Release != XenRelease.V4_0)
            v.Domain.Xen.Mappings.HideM2p(mfn);
        Mfn old = v.GuestTableUser;
        v.GuestTableUser = mfn.Value == 0 ? Mfn.Invalid : mfn;
        if (old != Mfn.Invalid)
            v.Domain.Xen.PageTypes.PutPageAndType(old);
        return XenErrno.None;
    }

    /// <summary>update_cr3 and write_ptbase: what the processor walks now.</summary>
    public static void LoadCr3(Vcpu v)
    {
        Domain d = v.Domain;
        if (d.IsCompat)
        {
            if (v.CompatL4 == Mfn.Invalid)
            {
                v.CompatL4 = d.Xen.Mappings.AllocateXenFrame();
                d.Xen.Mappings.InitGuestL4(v.CompatL4, d);
            }

            // RELEASE-4.0.4 domain.c: arch_set_info_guest writes slot 0 with P, RW, US, A.
            d.Xen.PageTypes.WriteEntry(v.CompatL4, 0, Pte.Make(v.GuestTable.Value, Pte.Present | Pte.Writable | Pte.User | Pte.Accessed));
            v.Cpu.Cr3 = v.CompatL4.Value << 12;
        }
        else
        {
            Mfn table = v.KernelMode || v.GuestTableUser == Mfn.Invalid ? v.GuestTable : v.GuestTableUser;
            v.Cpu.Cr3 = table.Value << 12;
        }

        v.Cpu.FlushTlb();
    }

    internal static void DropBaseTables(Vcpu v)
    {
        if (v.GuestTable != Mfn.Invalid)
            v.Domain.Xen.PageTypes.PutPageAndType(v.GuestTable);
        if (v.GuestTableUser != Mfn.Invalid)
            v.Domain.Xen.PageTypes.PutPageAndType(v.GuestTableUser);
        v.GuestTable = v.GuestTableUser = Mfn.Invalid;
    }

    /// <summary>set_gdt: frames typed as descriptor pages and mapped in the vCPU's window.</summary>
    public static XenErrno SetGdt(Vcpu v, ReadOnlySpan<ulong> frames, uint entries)
    {
        if (entries > DescriptorTables.MaxGuestEntries)
            return XenErrno.EINVAL;
        int count = (int)(entries + 511) / 512;
        for (int i = 0; i < count; i++)
        {
            XenErrno errno = v.Domain.Xen.PageTypes.GetPageAndType(v.Domain.GfnToMfn(new Gfn(frames[i])), v.Domain, PageType.PGT_seg_desc_page);
            if (errno == XenErrno.None)
                continue;
            while (i-- > 0)
                v.Domain.Xen.PageTypes.PutPageAndType(v.Domain.GfnToMfn(new Gfn(frames[i])));
            return XenErrno.EINVAL;
        }

        DestroyGdt(v);
        Mfn[] mapped = new Mfn[count];
        for (int i = 0; i < count; i++)
        {
            mapped[i] = v.Domain.GfnToMfn(new Gfn(frames[i]));
            v.Domain.Xen.Mappings.MapInWindow(v.Domain.PerDomain, v.Id, i, mapped[i].Value, GdtFlags);
        }

        v.GdtFrames = mapped;
        v.GdtEntries = entries;
        v.Cpu.FlushTlb();
        return XenErrno.None;
    }

    public static void DestroyGdt(Vcpu v)
    {
        for (int i = 0; i < v.GdtFrames.Count; i++)
        {
            v.Domain.Xen.Mappings.ClearGdtPage(v.Domain.PerDomain, v.Id, i);
            v.Domain.Xen.PageTypes.PutPageAndType(v.GdtFrames[i]);
        }

        v.GdtFrames = [];
        v.GdtEntries = 0;
        v.Cpu.FlushTlb();
    }

    /// <summary>MMUEXT_SET_LDT: remembers the table; pages are mapped when they are touched.</summary>
    public static XenErrno SetLdt(Vcpu v, ulong address, ulong entries)
    {
        if ((address & 0xFFF) != 0 || entries > 8192 || !v.Memory.IsGuestRange(address, entries * 8))
            return XenErrno.EINVAL;
        if (v.LdtBase == address && v.LdtEntries == entries)
            return XenErrno.None;
        InvalidateLdt(v);
        v.LdtBase = address;
        v.LdtEntries = (uint)entries;
        LoadLdtr(v);
        return XenErrno.None;
    }

    /// <summary>load_LDT: LDTR covers the vCPU's window.</summary>
    public static void LoadLdtr(Vcpu v)
    {
        SegmentRegister ldtr = v.LdtEntries == 0
            ? default
            : new SegmentRegister(0xE050, v.Domain.Xen.Mappings.LdtBase(v.Id), (v.LdtEntries * 8) - 1, 0x82);
        v.Cpu.SetSegment(SegmentName.Ldtr, ldtr);
    }

    public static void InvalidateLdt(Vcpu v)
    {
        for (int i = 0; i < v.LdtFrames.Length; i++)
        {
            if (v.LdtFrames[i] == Mfn.Invalid)
                continue;
            v.Domain.Xen.Mappings.MapInWindow(v.Domain.PerDomain, v.Id, 16 + i, 0, 0);
            v.Domain.Xen.PageTypes.PutPageAndType(v.LdtFrames[i]);
            v.LdtFrames[i] = Mfn.Invalid;
        }

        v.Cpu.FlushTlb();
    }

    /// <summary>map_ldt_shadow_page: a fault in the LDT window brings the guest's page in. False: the fault is the guest's.</summary>
    public static bool MapLdtPage(Vcpu v, int page)
    {
        ulong address = v.LdtBase + ((ulong)page << 12);
        if (page < 0 || page >= v.LdtFrames.Length || (ulong)page * 512 >= v.LdtEntries || v.LdtFrames[page] != Mfn.Invalid)
            return false;
        if (!v.Cpu.TryTranslate(new Guest.Memory.LinearAddress(address), AccessKind.Read, 0, out Guest.Memory.PhysicalAddress physical, out _))
            return false;
        Mfn mfn = new(physical.Frame);
        if (v.Domain.Xen.PageTypes.GetPageAndType(mfn, v.Domain, PageType.PGT_seg_desc_page) != XenErrno.None)
            return false;
        v.LdtFrames[page] = mfn;
        v.Domain.Xen.Mappings.MapInWindow(v.Domain.PerDomain, v.Id, 16 + page, mfn.Value, GdtFlags);
        v.Cpu.FlushTlb();
        return true;
    }
}
