using System.Numerics;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>alloc_domheap_pages for dom0, and alloc_chunk, which gives it the rest of its memory.</summary>
/// <remarks>Source: xen/arch/x86/domain_build.c: alloc_chunk (RELEASE-4.0.4), pv/dom0_build.c (stable-4.17).</remarks>
internal static class Dom0Heap
{
    /// <summary>Without memory above 4 GiB the first try, which spares DMA memory, fails, and chunks are at most 2 MiB from then on.</summary>
    private const int LargestChunkOrder = 9;

    /// <summary>Contiguous frames that belong to the domain.</summary>
    /// <param name="addressBits">MEMF_bits: the frames end below 2^bits; 0 = anywhere.</param>
    public static bool TryAllocate(Domain domain, int order, out Mfn first, int addressBits = 0)
    {
        Xen xen = domain.Xen;
        if (!xen.Frames.Allocator.TryAllocate(order, out first, addressBits))
            return false;
        for (ulong i = 0; i < 1ul << order; i++)
            xen.Frames.Assign(new Mfn(first.Value + i), domain.Id);
        domain.TotPages += 1ul << order;
        return true;
    }

    /// <summary>alloc_chunk: at most <paramref name="pages"/> frames; smaller ones when the heap has no larger run.</summary>
    public static bool TryAllocateChunk(Domain domain, ulong pages, out Mfn first, out ulong count)
    {
        int order = Math.Min(BitOperations.Log2(pages), LargestChunkOrder);
        for (; order >= 0; order--)
        {
            if (TryAllocate(domain, order, out first))
            {
                count = 1ul << order;
                return true;
            }
        }

        first = Mfn.Invalid;
        count = 0;
        return false;
    }
}
