using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>memory_op: a domain's memory, and what it may know of the machine's.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/memory.c: do_memory_op; xen/arch/x86/mm.c: arch_memory_op.</remarks>
internal static class MemoryOp
{
    public static long Do(HypercallCall c)
    {
        MemoryOpCommand op = (MemoryOpCommand)(c.A1 & MemoryOpArgument.MEMOP_CMD_MASK);
        return op switch
        {
            MemoryOpCommand.increase_reservation or MemoryOpCommand.decrease_reservation or MemoryOpCommand.populate_physmap => Reservations.Do(c, op),
            MemoryOpCommand.maximum_ram_page => (long)c.Xen.Frames.MaxPage,
            MemoryOpCommand.current_reservation or MemoryOpCommand.maximum_reservation or MemoryOpCommand.maximum_gpfn => DomainStatistic(c, op),
            MemoryOpCommand.exchange => MemoryExchangeOp.Do(c),
            MemoryOpCommand.machphys_mfn_list => MachphysMfnList(c, c.Abi == Abi.X64 ? c.Xen.M2p.Frames : c.Xen.M2p.CompatFrames),
            MemoryOpCommand.machphys_compat_mfn_list when !Is40(c) => MachphysMfnList(c, c.Xen.M2p.CompatFrames),
            MemoryOpCommand.machphys_mapping when !c.Caller.IsHvm => MachphysMapping(c),
            MemoryOpCommand.add_to_physmap => AddToPhysmap(c),
            MemoryOpCommand.remove_from_physmap when !Is40(c) => RemoveFromPhysmap(c),
            MemoryOpCommand.memory_map => MemoryMap(c),
            MemoryOpCommand.set_memory_map => SetMemoryMap(c),
            MemoryOpCommand.machine_memory_map when !c.Caller.IsHvm => MachineMap(c),
            MemoryOpCommand.claim_pages when !Is40(c) => ClaimPages(c),
            MemoryOpCommand.get_sharing_freed_pages => 0,
            MemoryOpCommand.get_sharing_shared_pages when !Is40(c) => 0,
            _ => Missing(c, op),
        };
    }

    public static CallDescription About(HypercallCall c)
    {
        string name = XenNames.MemoryOp(c.A1);
        VirtualAddress arg = new(c.A2);
        switch ((MemoryOpCommand)(c.A1 & MemoryOpArgument.MEMOP_CMD_MASK))
        {
            case MemoryOpCommand.increase_reservation or MemoryOpCommand.decrease_reservation or MemoryOpCommand.populate_physmap or MemoryOpCommand.claim_pages:
                return c.Memory.TryReadRecord(arg, c.Abi, out MemoryReservation r)
                    ? Call(name, r.Domid, Arg("nr_extents", r.NrExtents), Arg("extent_order", r.ExtentOrder), Arg("mem_flags", r.MemFlags))
                    : Call(name);
            case MemoryOpCommand.set_memory_map:
                return c.Memory.TryReadRecord(arg, c.Abi, out ForeignMemoryMap f) ? Call(name, f.Domid, Arg("nr_entries", f.Map.NrEntries)) : Call(name);
            case MemoryOpCommand.add_to_physmap:
                return c.Memory.TryReadRecord(arg, c.Abi, out AddToPhysmap a)
                    ? Call(name, a.Domid, Arg("space", a.Space), Arg("idx", a.Idx), Arg("gpfn", a.Gpfn))
                    : Call(name);
            default:
                return Call(name);
        }
    }

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    private static long Missing(HypercallCall c, MemoryOpCommand op)
    {
        c.Xen.NotImplemented(XenNames.Of(op), "memory_op answers -ENOSYS", ours: false);
        return XenErrno.ENOSYS.ToResult();
    }

    private static long DomainStatistic(HypercallCall c, MemoryOpCommand op)
    {
        Span<byte> id = stackalloc byte[2];
        if (!c.Memory.TryRead(new VirtualAddress(c.A2), id))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(BitConverter.ToUInt16(id), out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        long statistic = op switch
        {
            MemoryOpCommand.current_reservation => (long)d.TotPages,
            MemoryOpCommand.maximum_reservation => (long)d.MaxPages,
            _ => (long)(d.Physmap?.MaxMapped ?? SharedInfoMaxPfn(d)),
        };

        // compat_memory_op: what does not fit into the caller's int is the largest one.
        return c.Abi == Abi.X32 && !Is40(c) ? Math.Min(statistic, int.MaxValue) : statistic;
    }

    /// <summary>domain_get_maximum_gpfn of a PV domain: what the guest wrote into arch.max_pfn, minus one (4.17).</summary>
    private static ulong SharedInfoMaxPfn(Domain d)
    {
        ReadOnlySpan<byte> field = d.SharedInfo.Bytes[d.SharedInfo.Layout.ArchMaxPfn..];
        ulong maxPfn = d.Is32BitPv ? BitConverter.ToUInt32(field) : BitConverter.ToUInt64(field);
        return d.Xen.Profile.Release == XenRelease.V4_0 ? maxPfn : Math.Max(maxPfn, 1) - 1;
    }

    private static long MachphysMfnList(HypercallCall c, IReadOnlyList<Mfn> superpages)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadRecord(arg, c.Abi, out MachphysMfnList list))
            return XenErrno.EFAULT.ToResult();
        uint count = Math.Min(list.MaxExtents, (uint)superpages.Count);
        for (uint i = 0; i < count; i++)
        {
            if (!c.Memory.TryWriteLong(new VirtualAddress(list.ExtentStart + (i * (ulong)c.Abi.LongSize())), c.Abi, superpages[(int)i].Value))
                return XenErrno.EFAULT.ToResult();
        }

        list.NrExtents = count;
        return c.Memory.TryWriteRecord(arg, c.Abi, list) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long MachphysMapping(HypercallCall c)
    {
        // RELEASE-4.0.4 x86_64/mm.c and compat/mm.c: the window's ends and the highest frame it can hold.
        MachphysMapping map = c.Abi == Abi.X64
            ? new MachphysMapping { VStart = XenMappings.M2pStart64, VEnd = XenMappings.M2pStart64 + (1UL << 38), MaxMfn = Is40(c) ? (1UL << 35) - 1 : c.Xen.Frames.MaxPage - 1 }
            : c.Xen.Options.Host64
                ? new MachphysMapping { VStart = XenMappings.M2pStart32, VEnd = 0xFFE0_0000, MaxMfn = ((0xFFE0_0000 - XenMappings.M2pStart32) >> 2) - 1 }
                : new MachphysMapping { VStart = XenMappings.M2pStart32, VEnd = 0xF680_0000, MaxMfn = ((16UL << 20) >> 2) - 1 };
        return c.Memory.TryWriteRecord(new VirtualAddress(c.A2), c.Abi, map) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long AddToPhysmap(HypercallCall c)
    {
        if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out AddToPhysmap a))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(a.Domid, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        if (d.Physmap is not { } map)
            return (Is40(c) ? XenErrno.EINVAL : XenErrno.EACCES).ToResult();
        Mfn mfn = (MapSpace)a.Space switch
        {
            MapSpace.shared_info when a.Idx == 0 => d.SharedInfo.Frame,
            MapSpace.grant_table when d.GrantTable.TryGrow((uint)Math.Min(a.Idx + 1, uint.MaxValue)) => d.GrantTable.Frames[(int)a.Idx],
            MapSpace.gmfn => d.GfnToMfn(new Gfn(a.Idx)),
            _ => Mfn.Invalid,
        };
        if (mfn == Mfn.Invalid)
            return XenErrno.EINVAL.ToResult();

        // A frame has one place: it leaves the old one. A frame that was at the new place loses its home (4.0.4 frees it).
        Pfn old = c.Xen.M2p.Get(mfn);
        if (old != Pfn.Invalid && map.Get(new Gfn(old.Value)) == mfn)
            map.Set(new Gfn(old.Value), Mfn.Invalid);
        Mfn displaced = map.Get(new Gfn(a.Gpfn));
        if (displaced != Mfn.Invalid)
        {
            c.Xen.M2p.Set(displaced, Pfn.Invalid);
            if (!c.Xen.Frames[displaced].Has(PageFlags.XenHeap))
                DomainTeardown.DropAllocation(d, displaced);
        }

        if (!map.Set(new Gfn(a.Gpfn), mfn))
            return XenErrno.EINVAL.ToResult();
        c.Xen.M2p.Set(mfn, new Pfn(a.Gpfn));
        d.FlushTlbs();
        return 0;
    }

    private static long RemoveFromPhysmap(HypercallCall c)
    {
        if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out RemoveFromPhysmap r))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(r.Domid, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        if (d.Physmap is not { } map)
            return XenErrno.EACCES.ToResult();
        Mfn mfn = map.Get(new Gfn(r.Gpfn));
        if (mfn == Mfn.Invalid)
            return XenErrno.ENOENT.ToResult();
        map.Set(new Gfn(r.Gpfn), Mfn.Invalid);
        c.Xen.M2p.Set(mfn, Pfn.Invalid);
        d.FlushTlbs();
        return 0;
    }

    private static long MemoryMap(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (Is40(c) && c.Caller.MemoryMap.Count == 0)
            return XenErrno.ENOSYS.ToResult();
        if (!c.Memory.TryReadRecord(arg, c.Abi, out MemoryMap map))
            return XenErrno.EFAULT.ToResult();
        return c.Caller.MemoryMap.Count == 0 ? XenErrno.ENOSYS.ToResult() : CopyMap(c, arg, map, c.Caller.MemoryMap);
    }

    private static long MachineMap(HypercallCall c)
    {
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadRecord(arg, c.Abi, out MemoryMap map))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = new MachineMemoryMap(c, map).Write(out uint entries);
        map.NrEntries = entries;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteRecord(arg, c.Abi, map) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long CopyMap(HypercallCall c, VirtualAddress arg, MemoryMap map, IReadOnlyList<E820Entry> entries)
    {
        uint count = Math.Min(map.NrEntries, (uint)entries.Count);
        for (uint i = 0; i < count; i++)
        {
            if (!c.Memory.TryWriteStruct(new VirtualAddress(map.Buffer + (i * 20)), entries[(int)i]))
                return XenErrno.EFAULT.ToResult();
        }

        map.NrEntries = count;
        return c.Memory.TryWriteRecord(arg, c.Abi, map) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long SetMemoryMap(HypercallCall c)
    {
        const uint e820Max = 128;
        if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out ForeignMemoryMap f))
            return XenErrno.EFAULT.ToResult();
        if (f.Map.NrEntries > e820Max)
            return (Is40(c) ? XenErrno.EINVAL : XenErrno.E2BIG).ToResult();
        XenErrno errno = c.TargetDomain(f.Domid, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        E820Entry[] entries = new E820Entry[f.Map.NrEntries];
        for (int i = 0; i < entries.Length; i++)
        {
            if (!c.Memory.TryReadStruct(new VirtualAddress(f.Map.Buffer + ((ulong)i * 20)), out entries[i]))
                return XenErrno.EFAULT.ToResult();
        }

        d.MemoryMap = entries;
        return 0;
    }

    private static long ClaimPages(HypercallCall c)
    {
        if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out MemoryReservation r))
            return XenErrno.EFAULT.ToResult();
        if (r.ExtentStart != 0 || r.ExtentOrder != 0 || r.MemFlags != 0)
            return XenErrno.EINVAL.ToResult();
        if (c.Xen.FindDomain(new DomainId(r.Domid)) is not { } d)
            return XenErrno.EINVAL.ToResult();
        return c.Caller.IsPrivileged ? c.Xen.SetOutstandingPages(d, r.NrExtents).ToResult() : XenErrno.EPERM.ToResult();
    }
}
