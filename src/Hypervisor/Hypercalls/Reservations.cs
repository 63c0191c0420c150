using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>populate_physmap, increase_reservation, decrease_reservation: the number of extents done is the only answer.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/memory.c: populate_physmap, increase_reservation, decrease_reservation; page_alloc.c: assign_pages.</remarks>
internal static class Reservations
{
    /// <summary>Highest extent order of a caller without device access, and with it (2 MiB; MAX_ORDER).</summary>
    private const uint MaxOrderUnprivileged = 9;
    private const uint MaxOrder = 18;

    public static long Do(HypercallCall c, MemoryOpCommand op)
    {
        long start = (long)(c.A1 >> MemoryOpArgument.MEMOP_EXTENT_SHIFT);
        if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out MemoryReservation r))
            return start;
        if (r.NrExtents > ulong.MaxValue >> MemoryOpArgument.MEMOP_EXTENT_SHIFT || (ulong)start >= r.NrExtents)
            return start;
        if (c.DomainByAnyId(r.Domid) is not { } d || (d != c.Caller && !c.Caller.IsPrivilegedFor(d)))
            return start;
        uint bits = r.MemFlags & 0xFF;
        if (bits is > 0 and <= 12)
            return start;
        if ((r.MemFlags & (uint)MemFlags.populate_on_demand) != 0 && op == MemoryOpCommand.populate_physmap)
        {
            c.Xen.NotImplemented("XENMEMF_populate_on_demand", "populate-on-demand memory", ours: true);
            return start;
        }

        ulong done = (ulong)start;
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        for (; done < r.NrExtents; done++)
        {
            if ((v40 || done != (ulong)start) && c.ShouldPreempt)
                return c.Continue([(ulong)op | (done << MemoryOpArgument.MEMOP_EXTENT_SHIFT), c.A2]);
            if (!OneExtent(c, op, d, r, done, (int)bits))
                break;
        }

        return (long)done;
    }

    private static bool OneExtent(HypercallCall c, MemoryOpCommand op, Domain d, in MemoryReservation r, ulong index, int bits)
    {
        VirtualAddress slot = new(r.ExtentStart + (index * (ulong)c.Abi.LongSize()));
        if (r.ExtentOrder > (c.Caller.HasDeviceAccess ? MaxOrder : MaxOrderUnprivileged))
            return false;
        if (op == MemoryOpCommand.increase_reservation)
        {
            return TryAllocate(d, (int)r.ExtentOrder, bits, ulong.MaxValue, out Mfn fresh)
                && (r.ExtentStart == 0 || c.Memory.TryWriteLong(slot, c.Abi, fresh.Value));
        }

        if (!c.Memory.TryReadLong(slot, c.Abi, out ulong gfn))
            return false;
        return op == MemoryOpCommand.populate_physmap ? Populate(c, d, r, index, gfn, bits, slot) : Release(d, gfn, r.ExtentOrder);
    }

    private static bool Populate(HypercallCall c, Domain d, in MemoryReservation r, ulong index, ulong gpfn, int bits, VirtualAddress slot)
    {
        int order = (int)r.ExtentOrder;
        if (d.Physmap is { } existing && existing.Get(new Gfn(gpfn)) != Mfn.Invalid)
            return false;
        if (!TryAllocate(d, order, bits, gpfn, out Mfn mfn))
        {
            LogRefusal(c.Xen, d, r, index);
            return false;
        }

        for (ulong i = 0; i < 1UL << order; i++)
        {
            if (d.Physmap is { } map && !map.Set(new Gfn(gpfn + i), new Mfn(mfn.Value + i)))
                return false;
            c.Xen.M2p.Set(new Mfn(mfn.Value + i), new Pfn(gpfn + i));
        }

        return d.Physmap is not null || c.Memory.TryWriteLong(slot, c.Abi, mfn.Value);
    }

    private static void LogRefusal(Xen xen, Domain d, in MemoryReservation r, ulong index)
    {
        // RELEASE-4.0.4 memory.c: populate_physmap; page_alloc.c: assign_pages prints first when the domain is at its limit.
        bool over = d.TotPages + (1UL << (int)r.ExtentOrder) > d.MaxPages;
        if (over)
        {
            xen.Log(LogLevel.Info, xen.Profile.Release == XenRelease.V4_0
                ? $"Over-allocation for domain {d.Id.Value}: {d.TotPages + (1UL << (int)r.ExtentOrder)} > {d.MaxPages}"
                : $"{d.Id}: Over-allocation: {d.TotPages + (1UL << (int)r.ExtentOrder)} > {d.MaxPages}");
        }

        xen.Log(LogLevel.Info, $"Could not allocate order={r.ExtentOrder} extent: id={d.Id.Value} memflags=0x{r.MemFlags:x} ({index} of {r.NrExtents})");
    }

    /// <summary>alloc_domheap_pages: frames that the domain owns, within its limit and the host's free, unclaimed memory.</summary>
    internal static bool TryAllocate(Domain d, int order, int bits, ulong avoid, out Mfn first)
    {
        Xen xen = d.Xen;
        ulong count = 1UL << order;
        first = Mfn.Invalid;
        ulong claimedByOthers = xen.Frames.Allocator.OutstandingClaims - d.OutstandingPages;
        if (d.IsDying || d.TotPages + count > d.MaxPages || xen.Frames.Allocator.FreeCount < claimedByOthers + count)
            return false;
        if (xen.Options.AllocationFaults?.Invoke(order) == true || !xen.Frames.Allocator.TryAllocate(order, out first, d.ClampAllocationBits(bits), avoid))
            return false;
        for (ulong i = 0; i < count; i++)
            xen.Frames.Assign(new Mfn(first.Value + i), d.Id);
        d.TotPages += count;
        ulong fromClaim = Math.Min(d.OutstandingPages, count);
        d.OutstandingPages -= fromClaim;
        xen.Frames.Allocator.OutstandingClaims -= fromClaim;
        return true;
    }

    /// <summary>guest_remove_page for each frame of an extent.</summary>
    private static bool Release(Domain d, ulong gfn, uint order)
    {
        for (ulong i = 0; i < 1UL << (int)order; i++)
        {
            Mfn mfn = d.GfnToMfn(new Gfn(gfn + i));
            if (!d.Xen.Frames.TryGetPage(mfn, d.Id))
                return false;
            if (d.Xen.Profile.Release == XenRelease.V4_0 && d.Xen.Frames[mfn].Has(PageFlags.Pinned))
                d.Xen.PageTypes.Unpin(mfn, d);
            if (!d.Xen.Frames[mfn].Has(PageFlags.XenHeap))
                DomainTeardown.DropAllocation(d, mfn);
            d.Physmap?.Set(new Gfn(gfn + i), Mfn.Invalid);
            d.Xen.M2p.Set(mfn, Pfn.Invalid);
            d.Xen.Frames.PutPage(mfn);
        }

        if (d.Physmap is not null)
            d.FlushTlbs();
        return true;
    }
}
