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
        ReleaseGrantMappings(d);
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
        d.GrantTable.Destroy();
        xen.Frames.Free(d.SharedInfo.Frame);
        xen.Mappings.FreePerDomainArea(d.PerDomain);
        xen.SetOutstandingPages(d, 0);
    }

    /// <summary>Drops the domain's own reference; frames that somebody still maps live on without an owner's count.</summary>
    internal static void DropAllocation(Domain d, Mfn mfn)
    {
        ref PageInfo page = ref d.Xen.Frames[mfn];
        if (!page.Has(PageFlags.Allocated))
            return;
        page.Flags &= ~PageFlags.Allocated;
        d.TotPages--;
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

    private static void ReleaseGrantMappings(Domain d)
    {
        for (int handle = 0; handle < d.Maptrack.Count; handle++)
        {
            if (d.Maptrack[handle] is { } m && d.Xen.FindDomain(m.Granter) is { } granter)
                granter.GrantTable.Release(m.Reference, m.Frame, m.Writable, lastUser: true);
            d.Maptrack[handle] = null;
        }
    }
}
