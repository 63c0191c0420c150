using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>mmu_update, update_va_mapping and update_va_mapping_otherdomain.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c: do_mmu_update, get_pg_owner, __do_update_va_mapping.</remarks>
internal static class MmuUpdateCall
{
    /// <summary>MMU_UPDATE_PREEMPTED: a continuation; guests that set it themselves resume an earlier count.</summary>
    public const ulong Preempted = 0x8000_0000;

    public static long Do(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (!v40 && c.A1 == 0 && (uint)c.A2 == Preempted)
            return (int)c.A4; // what a continuation that only puts an old base table says in the end
        ulong count = c.A2 & ~Preempted & uint.MaxValue;
        uint foreign = (uint)c.A4;
        Domain tables = c.Caller;
        if (foreign >> 16 is not 0 and uint pt)
        {
            if (c.Xen.FindDomain(new DomainId((ushort)(pt - 1))) is not { } d)
                return (v40 ? XenErrno.EINVAL : XenErrno.ESRCH).ToResult();
            if (d.Vcpus.Count == 0)
                return XenErrno.EINVAL.ToResult();
            if (!c.Caller.IsPrivilegedFor(d))
                return c.Xen.Profile.ForeignNotPrivileged.ToResult();
            tables = d;
        }

        XenErrno errno = PageOwner(c, (ushort)foreign, out Domain frames);
        if (errno != XenErrno.None)
            return errno.ToResult();
        ulong done = 0;
        bool preempted = false;
        while (done < count && errno == XenErrno.None)
        {
            preempted = (done != 0 || v40) && c.ShouldPreempt;
            if (preempted)
                break;
            if (!c.Memory.TryReadStruct(new VirtualAddress(c.A1 + (done * 16)), out MmuUpdate request))
                errno = XenErrno.EFAULT;
            else
                errno = One(c, tables, frames, request);
            if (errno == XenErrno.None)
                done++;
        }

        ReportDone(c, c.A3, (uint)done, (c.A2 & Preempted) != 0);
        return preempted ? c.Continue([c.A1 + (done * 16), (count - done) | Preempted, c.A3, (uint)c.A4]) : errno.ToResult();
    }

    public static CallDescription About(HypercallCall c)
    {
        CallDescription about = Call(null, Arg("count", c.A2), Arg("foreigndom", c.A4));
        return c.Memory.TryReadStruct(new VirtualAddress(c.A1), out MmuUpdate first)
            ? about with { Arguments = [.. about.Arguments, Arg("ptr", first.Ptr), Arg("val", first.Val)] }
            : about;
    }

    /// <summary>pdone: what was done by this call, on top of an earlier part's count.</summary>
    public static void ReportDone(HypercallCall c, ulong handle, uint done, bool continued)
    {
        if (handle == 0)
            return;
        if (continued && c.Memory.TryReadStruct(new VirtualAddress(handle), out uint before))
            done += before;
        c.Memory.TryWriteStruct(new VirtualAddress(handle), done);
    }

    /// <summary>get_pg_owner: SELF, IO, XEN or another domain; the caller's own number is refused.</summary>
    public static XenErrno PageOwner(HypercallCall c, ushort foreign, out Domain owner)
    {
        owner = c.Caller;
        if (foreign == DomainId.Self.Value)
            return XenErrno.None;
        if (foreign == c.Caller.Id.Value)
            return c.Xen.PageTypes.Refuse(c.Caller, Mfn.Invalid, XenErrno.ESRCH, "Cannot specify itself as foreign domain");
        DomainId id = new(foreign);
        if (id == DomainId.Io || id == DomainId.Xen)
        {
            owner = c.Xen.SystemDomain(id);
            return id == DomainId.Io || c.Caller.IsPrivileged ? XenErrno.None : c.Xen.Profile.ForeignNotPrivileged;
        }

        if (c.Xen.FindDomain(id) is not { } d)
            return XenErrno.ESRCH;
        owner = d;
        return c.Caller.IsPrivilegedFor(d) ? XenErrno.None : c.Xen.Profile.ForeignNotPrivileged;
    }

    public static long UpdateVaMapping(HypercallCall c) => UpdateVa(c, c.Caller);

    public static long UpdateVaMappingOtherDomain(HypercallCall c)
    {
        ushort foreign = (ushort)(c.Abi == Abi.X64 ? c.A4 : c.A5);
        XenErrno errno = PageOwner(c, foreign, out Domain frames);
        return errno == XenErrno.None ? UpdateVa(c, frames) : errno.ToResult();
    }

    public static CallDescription AboutVa(HypercallCall c)
        => c.Abi == Abi.X64
            ? Call(null, Arg("va", c.A1), Arg("val", c.A2), Arg("flags", c.A3))
            : Call(null, Arg("va", c.A1), Arg("val", c.A2 | (c.A3 << 32)), Arg("flags", c.A4));

    private static XenErrno One(HypercallCall c, Domain tables, Domain frames, in MmuUpdate request)
    {
        MmuUpdateCommand command = (MmuUpdateCommand)(request.Ptr & 7);
        switch (command)
        {
            case MmuUpdateCommand.NORMAL_PT_UPDATE or MmuUpdateCommand.PT_UPDATE_PRESERVE_AD:
            case MmuUpdateCommand.PT_UPDATE_NO_TRANSLATE when c.Xen.Profile.Release != XenRelease.V4_0:
                return PageTableUpdate.Write(c.Xen, tables, frames, request.Ptr & ~7UL, request.Val, command == MmuUpdateCommand.PT_UPDATE_PRESERVE_AD);
            case MmuUpdateCommand.MACHPHYS_UPDATE:
                return Machphys(c, tables, frames, new Mfn(request.Ptr >> 12), request.Val);
            default:
                return c.Xen.PageTypes.Refuse(c.Caller, Mfn.Invalid, XenErrno.ENOSYS, $"Invalid page update command {(int)command:x}");
        }
    }

    private static XenErrno Machphys(HypercallCall c, Domain tables, Domain frames, Mfn mfn, ulong pfn)
    {
        if (c.Xen.Profile.Release != XenRelease.V4_0 && tables != c.Caller)
            return XenErrno.EPERM;
        if (!c.Xen.Frames.TryGetPage(mfn, frames.Id))
            return c.Xen.PageTypes.Refuse(frames, mfn, XenErrno.EINVAL, "Could not get page for mach->phys update");
        if (frames.Physmap is null)
            c.Xen.M2p.Set(mfn, new Pfn(pfn));
        c.Xen.Frames.PutPage(mfn);
        return frames.Physmap is null ? XenErrno.None : XenErrno.EINVAL;
    }

    private static long UpdateVa(HypercallCall c, Domain frames)
    {
        ulong va = c.A1;
        ulong entry = c.Abi == Abi.X64 ? c.A2 : c.A2 | (c.A3 << 32);
        ulong flags = c.Abi == Abi.X64 ? c.A3 : c.A4;
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        XenErrno errno = FindL1Entry(v, va) is { } at
            ? PageTableUpdate.Write(c.Xen, c.Caller, frames, at, entry, preserveAccessedDirty: false)
            : XenErrno.EINVAL;
        if (errno != XenErrno.None && c.Xen.Profile.Release != XenRelease.V4_0)
            return errno.ToResult();
        XenErrno flushed = Flush(c, v, va, flags);
        return (errno == XenErrno.None ? flushed : errno).ToResult();
    }

    /// <summary>UVMF_*: whom else the flush is for is a bitmap of vCPUs, unless all or the caller alone. All vCPUs is never wrong.</summary>
    private static XenErrno Flush(HypercallCall c, Vcpu v, ulong va, ulong flags)
    {
        const ulong local = 0, all = (ulong)UpdateVaMappingFlags.ALL;
        UpdateVaMappingFlags kind = (UpdateVaMappingFlags)flags & UpdateVaMappingFlags.FLUSHTYPE_MASK;
        ulong whom = flags & ~(ulong)UpdateVaMappingFlags.FLUSHTYPE_MASK;
        if (kind is not (UpdateVaMappingFlags.TLB_FLUSH or UpdateVaMappingFlags.INVLPG))
            return XenErrno.None;
        if (whom is not (local or all) && !c.Memory.TryRead(new VirtualAddress(whom), stackalloc byte[1]))
            return c.Xen.Profile.Release == XenRelease.V4_0 ? XenErrno.None : XenErrno.EFAULT;
        foreach (Vcpu other in c.Caller.Vcpus)
        {
            if (whom == local && other != v)
                continue;
            if (kind == UpdateVaMappingFlags.INVLPG)
                other.Cpu.FlushTlb(new LinearAddress(va));
            else
                other.Cpu.FlushTlb();
        }

        return XenErrno.None;
    }

    /// <summary>guest_map_l1e: machine address of the L1 entry that maps a virtual address in the running table.</summary>
    internal static ulong? FindL1Entry(Vcpu v, ulong va)
    {
        Xen xen = v.Domain.Xen;
        bool compatOrPae = v.Domain.Is32BitPv;
        Mfn table = v.KernelMode || compatOrPae || v.GuestTableUser == Mfn.Invalid ? v.GuestTable : v.GuestTableUser;
        for (int level = compatOrPae ? 3 : 4; level > 1; level--)
        {
            if (!xen.Frames.IsValid(table))
                return null;
            int slot = (int)(va >> (3 + (9 * level))) & (level == 3 && compatOrPae ? 3 : 511);
            ulong entry = xen.PageTypes.ReadEntry(table, slot);
            if ((entry & Pte.Present) == 0 || (level < 4 && level > 1 && !(level == 3 && compatOrPae) && (entry & Pte.PageSize) != 0))
                return null;
            table = new Mfn(Pte.FrameOf(entry));
        }

        return xen.Frames.IsValid(table) && xen.Frames[table].Type == PageType.PGT_l1_page_table ? (table.Value << 12) | ((va >> 9) & 0xFF8) : null;
    }
}
