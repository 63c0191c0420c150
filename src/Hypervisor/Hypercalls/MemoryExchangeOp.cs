using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>
/// XENMEM_exchange: a domain gives frames up and gets as many others, contiguous or below an address. Chunk by chunk; a chunk that fails
/// leaves its frames where they were, and nr_exchanged says how many frames of the chunks before are done.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/memory.c: memory_exchange; xen/arch/x86/mm.c: steal_page.</remarks>
internal static class MemoryExchangeOp
{
    private const uint MaxOrderUnprivileged = 9;
    private const uint MaxOrder = 18;

    public static long Do(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadRecord(arg, c.Abi, out MemoryExchange exchange))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = Check(c, exchange, out Domain d);
        if (errno != XenErrno.None || exchange.NrExchanged == exchange.In.NrExtents)
            return errno.ToResult();
        Chunks chunks = new(exchange);
        ulong first = exchange.NrExchanged >> chunks.InOrder, chunk = first;
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        for (; errno == XenErrno.None && chunk < exchange.In.NrExtents >> chunks.InOrder; chunk++)
        {
            if ((v40 || chunk != first) && c.ShouldPreempt)
            {
                exchange.NrExchanged = chunk << chunks.InOrder;
                return c.Memory.TryWriteRecord(arg, c.Abi, exchange) ? c.Continue([c.A1, c.A2]) : XenErrno.EFAULT.ToResult();
            }

            errno = One(c, d, exchange, chunks, chunk);
        }

        exchange.NrExchanged = errno == XenErrno.None ? exchange.In.NrExtents : (chunk - 1) << chunks.InOrder;
        return c.Memory.TryWriteRecord(arg, c.Abi, exchange) ? errno.ToResult() : XenErrno.EFAULT.ToResult();
    }

    /// <summary>The larger of the two extents makes a chunk: so many extents of each side, as orders.</summary>
    private readonly record struct Chunks
    {
        public Chunks(in MemoryExchange e)
        {
            InOrder = (int)Math.Max(0, (long)e.Out.ExtentOrder - e.In.ExtentOrder);
            OutOrder = (int)Math.Max(0, (long)e.In.ExtentOrder - e.Out.ExtentOrder);
        }

        public int InOrder { get; }

        public int OutOrder { get; }
    }

    private static XenErrno Check(HypercallCall c, in MemoryExchange e, out Domain d)
    {
        d = c.Caller;
        uint order = Math.Max(e.In.ExtentOrder, e.Out.ExtentOrder);
        uint limit = c.Caller.HasDeviceAccess ? MaxOrder : c.Xen.Profile.Release == XenRelease.V4_0 ? 0 : MaxOrderUnprivileged;
        if (order > limit)
            return XenErrno.EPERM;
        if (e.NrExchanged > e.In.NrExtents || e.In.Domid != e.Out.Domid
            || ulong.MaxValue >> (int)e.In.ExtentOrder < e.In.NrExtents || ulong.MaxValue >> (int)e.Out.ExtentOrder < e.Out.NrExtents
            || e.In.NrExtents << (int)e.In.ExtentOrder != e.Out.NrExtents << (int)e.Out.ExtentOrder)
            return XenErrno.EINVAL;
        return c.TargetDomain(e.In.Domid, out d);
    }

    private static XenErrno One(HypercallCall c, Domain d, in MemoryExchange e, Chunks chunks, ulong chunk)
    {
        List<Mfn> stolen = [];
        List<Mfn> fresh = [];
        XenErrno errno = Steal(c, d, e, chunk << chunks.InOrder, 1UL << chunks.InOrder, stolen);
        for (ulong j = 0; errno == XenErrno.None && j < 1UL << chunks.OutOrder; j++)
        {
            if (c.Xen.Options.AllocationFaults?.Invoke((int)e.Out.ExtentOrder) != true
                && c.Xen.Frames.Allocator.TryAllocate((int)e.Out.ExtentOrder, out Mfn first, d.ClampAllocationBits((int)(e.Out.MemFlags & 0xFF))))
                fresh.Add(first);
            else
                errno = XenErrno.ENOMEM;
        }

        if (errno != XenErrno.None)
        {
            foreach (Mfn mfn in stolen)
                c.Xen.Frames[mfn].Owner = d.Id.Value;
            foreach (Mfn mfn in fresh)
                c.Xen.Frames.Allocator.Free(mfn, (int)e.Out.ExtentOrder);
            return errno;
        }

        foreach (Mfn mfn in stolen)
            c.Xen.Frames.Free(mfn);
        d.FlushTlbs();
        return Assign(c, d, e, chunk << chunks.OutOrder, fresh);
    }

    /// <summary>steal_page for each frame of some extents: one that anybody but its owner's allocation holds stays.</summary>
    private static XenErrno Steal(HypercallCall c, Domain d, in MemoryExchange e, ulong firstExtent, ulong extents, List<Mfn> stolen)
    {
        for (ulong j = firstExtent; j < firstExtent + extents; j++)
        {
            if (!c.Memory.TryReadLong(new VirtualAddress(e.In.ExtentStart + (j * (ulong)c.Abi.LongSize())), c.Abi, out ulong gmfn))
                return XenErrno.EFAULT;
            for (ulong k = 0; k < 1UL << (int)e.In.ExtentOrder; k++)
            {
                Mfn mfn = d.GfnToMfn(new Gfn(gmfn + k));
                if (!c.Xen.Frames.IsValid(mfn))
                    return XenErrno.EINVAL;
                if (d.Physmap is not null)
                    return XenErrno.EOPNOTSUPP;
                ref PageInfo page = ref c.Xen.Frames[mfn];
                if (page.Owner != d.Id.Value || page.Has(PageFlags.XenHeap) || !page.Has(PageFlags.Allocated) || page.Count != 1)
                    return c.Xen.PageTypes.Refuse(d, mfn, XenErrno.EINVAL, $"Bad steal mfn {mfn.Value:x} from {d.Id} (count {page.Count})");
                page.Owner = PageInfo.NoOwner;
                stolen.Add(mfn);
            }
        }

        return XenErrno.None;
    }

    /// <summary>assign_page and the physmap: the guest said at which frame numbers it wants the new ones, and is told what it got.</summary>
    private static XenErrno Assign(HypercallCall c, Domain d, in MemoryExchange e, ulong firstExtent, List<Mfn> fresh)
    {
        XenErrno errno = XenErrno.None;
        for (int j = 0; j < fresh.Count; j++)
        {
            for (ulong k = 0; k < 1UL << (int)e.Out.ExtentOrder; k++)
                c.Xen.Frames.Assign(new Mfn(fresh[j].Value + k), d.Id);
            VirtualAddress slot = new(e.Out.ExtentStart + ((firstExtent + (ulong)j) * (ulong)c.Abi.LongSize()));
            if (!c.Memory.TryReadLong(slot, c.Abi, out ulong gpfn))
            {
                errno = XenErrno.EFAULT;
                continue;
            }

            for (ulong k = 0; k < 1UL << (int)e.Out.ExtentOrder; k++)
                c.Xen.M2p.Set(new Mfn(fresh[j].Value + k), new Pfn(gpfn + k));
            if (!c.Memory.TryWriteLong(slot, c.Abi, fresh[j].Value))
                errno = XenErrno.EFAULT;
        }

        return errno;
    }
}
