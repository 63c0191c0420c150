using System.Numerics;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>alloc_domheap_pages for dom0, and alloc_chunk, which gives it the rest of its memory.</summary>
/// <remarks>Source: xen/arch/x86/domain_build.c: alloc_chunk (RELEASE-4.0.4), pv/dom0_build.c (stable-4.17).</remarks>
internal static class Dom0Heap
{
    /// <summary>
    /// 4.0 first asks for memory that spares the DMA pool. Without such a pool (one node) that fails at once, and chunks are at most
    /// 2 MiB from then on; 4.17 ignores the wish where there is no pool.
    /// </summary>
    private const int LargestChunkOrder40 = 9;

    /// <summary>Contiguous frames that belong to the domain.</summary>
    /// <param name="addressBits">MEMF_bits: the frames end below 2^bits; 0 = anywhere that the domain can name.</param>
    public static bool TryAllocate(Domain domain, int order, out Mfn first, int addressBits = 0, ulong avoid = ulong.MaxValue)
    {
        Xen xen = domain.Xen;
        first = Mfn.Invalid;
        if (xen.Options.AllocationFaults?.Invoke(order) == true || !xen.Frames.Allocator.TryAllocate(order, out first, domain.ClampAllocationBits(addressBits), avoid))
            return false;
        for (ulong i = 0; i < 1ul << order; i++)
            xen.Frames.Assign(new Mfn(first.Value + i), domain.Id);
        domain.TotPages += 1ul << order;
        return true;
    }

    /// <summary>alloc_chunk: at most <paramref name="pages"/> frames; smaller ones when the heap has no larger run, and no larger ones after that.</summary>
    public static bool TryAllocateChunk(Dom0Build build, ulong pages, out Mfn first, out ulong count)
    {
        int most = build.Domain.Xen.Options.Release == XenRelease.V4_0 ? LargestChunkOrder40 : build.LastChunkOrder;
        for (int order = Math.Min(BitOperations.Log2(pages), most); order >= 0; order--)
        {
            if (!TryAllocate(build.Domain, order, out first, avoid: (ulong)build.P2m.Count))
                continue;
            build.LastChunkOrder = order;
            count = 1ul << order;
            return true;
        }

        first = Mfn.Invalid;
        count = 0;
        return false;
    }
}
