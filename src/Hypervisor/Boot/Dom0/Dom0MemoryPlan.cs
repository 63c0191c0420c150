using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>Facts that decide how many pages dom0 gets. Unit of all amounts: pages.</summary>
/// <param name="Available">Free domain heap plus what the boot modules still hold.</param>
/// <param name="VcpuOrder">get_order_from_bytes(sizeof(struct vcpu)).</param>
internal readonly record struct Dom0MemoryFacts(
    XenRelease Release, Dom0Kind Kind, ulong Available, uint MaxVcpus, int VcpuOrder, ulong InitrdLength);

/// <summary>compute_dom0_nr_pages (4.0), dom0_compute_nr_pages (4.17). Without an IOMMU: nothing is held back for its tables.</summary>
/// <param name="Pages">nr_pages.</param>
/// <param name="Clipped">The kernel has no INIT_P2M note and its own tables would not fit into the address space.</param>
internal readonly record struct Dom0MemoryPlan(ulong Pages, bool Clipped)
{
    private const ulong DefaultReserve = 128ul << 20 >> 12;

    public static Dom0MemoryPlan Compute(in Dom0MemoryFacts facts, Dom0MemoryOption option, XenElfParameters parms)
    {
        ulong available = facts.Available - ((facts.MaxVcpus - 1ul) << facts.VcpuOrder);
        if (facts.Kind == Dom0Kind.Compat)
            available -= facts.MaxVcpus - 1;
        bool amountGiven = option.Amount.Pages != 0 || option.Amount.Percent != 0;
        ulong pages = amountGiven ? option.Amount.Resolve(available) : available - Math.Min(available / 16, DefaultReserve);
        ulong min = option.Min.Resolve(available);
        pages = Math.Min(Math.Min(Math.Max(pages, min), option.Max.Resolve(available)), available);
        bool mayClip = facts.Kind != Dom0Kind.X86_32 && !parms.HasInitP2m && !option.Amount.IsPositive
            && (!option.Min.IsPositive || pages > min);
        if (!mayClip || Clip(facts, parms, pages) is not { } clipped)
            return new Dom0MemoryPlan(pages, Clipped: false);
        return new Dom0MemoryPlan(option.Min.IsPositive ? Math.Max(clipped, min) : clipped, Clipped: true);
    }

    private static ulong? Clip(in Dom0MemoryFacts facts, XenElfParameters parms, ulong pages)
    {
        ulong entry = facts.Kind == Dom0Kind.Compat ? 4u : 8u;
        ulong limit = facts.Kind == Dom0Kind.Compat ? 1ul << 32 : 0; // 0: the end of the 64-bit address space
        bool initrdUnmapped = facts.Release != XenRelease.V4_0 && parms.UnmappedInitrd;
        ulong start = parms.VirtBase;
        ulong imageEnd = unchecked(Dom0Layout.PageUp(parms.VirtKernelEnd) + (initrdUnmapped ? 0 : Dom0Layout.PageUp(facts.InitrdLength)));
        ulong end = unchecked(imageEnd + (pages * entry));
        if (end > start)
            end = unchecked(end + end - start);
        if (end > start && (limit == 0 || end <= limit))
            return null;
        return unchecked(limit - imageEnd) / (2 * entry);
    }
}
