using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>What a dying domain gives back, in Xen's order.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/domain.c: domain_kill; xen/arch/x86/domain.c: domain_relinquish_resources.</remarks>
internal static class DomainTeardown
{
    public static void RelinquishResources(Domain d)
    {
        Xen xen = d.Xen;
        d.EventChannels.Reset();
        UnmapGrantRef.ReleaseAll(d);
        d.Pirqs.Release();
        foreach (Vcpu v in d.Vcpus)
        {
            v.TakeDown();
            DropVcpuReferences(d, v);
        }

        List<Mfn> owned = [.. xen.Frames.OwnedBy(d).Where(m => !xen.Frames[m].Has(PageFlags.XenHeap))];
        foreach (Mfn mfn in owned.Where(m => xen.Frames[m].Has(PageFlags.Pinned)))
            xen.PageTypes.Unpin(mfn, d);
        foreach (Mfn mfn in owned)
            DropAllocation(d, mfn);
        xen.SetOutstandingPages(d, 0);
    }

    /// <summary>Whether a page that Xen lent to the domain is mapped by another.</summary>
    internal static bool IsMapped(Domain d) => d.GrantTable.Frames.Concat(d.GrantTable.StatusFrames).Append(d.SharedInfo.Frame).Any(d.Xen.Frames.IsSharedInUse);

    /// <summary>arch_domain_destroy, grant_table_destroy: what Xen kept for the domain.</summary>
    internal static void Complete(Domain d)
    {
        d.GrantTable.Destroy();
        d.Xen.Frames.Free(d.SharedInfo.Frame);
        d.Xen.Mappings.FreePerDomainArea(d.PerDomain);
    }

    /// <summary>Drops the domain's own reference; frames that somebody still maps live on without an owner's count.</summary>
    internal static void DropAllocation(Domain d, Mfn mfn)
    {
        ref PageInfo page = ref d.Xen.Frames[mfn];
        if (!page.Has(PageFlags.Allocated))
            return;
        page.Flags &= ~PageFlags.Allocated;
        d.Xen.Frames.PutPage(mfn);
    }

    /// <summary>vcpu_destroy_pagetables, destroy_gdt, invalidate_shadow_ldt.</summary>
    internal static void DropVcpuReferences(Domain d, Vcpu v)
    {
        Xen xen = d.Xen;
        GuestTables.DropBaseTables(v);
        GuestTables.DestroyGdt(v);
        GuestTables.InvalidateLdt(v);
        if (v.CompatL4 != Mfn.Invalid)
        {
            xen.Frames.PutPage(v.CompatL4);
            v.CompatL4 = Mfn.Invalid;
        }

        if (v.VcpuInfoRegistered)
        {
            xen.PageTypes.PutPageAndType(v.VcpuInfo.Frame);
            v.VcpuInfoRegistered = false;
        }
    }
}
