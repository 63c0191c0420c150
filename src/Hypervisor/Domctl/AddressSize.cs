using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_set_address_size: makes a PV domain a 32-bit one, or back, before it has a page.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domctl.c, domain.c: switch_compat, switch_native; stable-4.17 xen/arch/x86/pv/domain.c.</remarks>
internal static class AddressSize
{
    public static XenErrno Set(DomctlContext d)
    {
        Domain domain = d.Target!;
        uint size = d.Payload<DomctlAddressSize>().Size;
        bool v40 = d.Xen.Profile.Release == XenRelease.V4_0;
        if (!d.Xen.Options.Host64)
            return size == 32 ? XenErrno.None : XenErrno.EINVAL;
        if (!v40 && (domain.IsHvm || (size == 32 && !d.Xen.Options.Pv32)))
            return domain.IsHvm ? XenErrno.EOPNOTSUPP : size == 32 ? XenErrno.EOPNOTSUPP : XenErrno.None;
        switch (size)
        {
            case 32:
                return Switch(domain, compat: true);
            case 64:
                return Switch(domain, compat: false);
            default:
                return XenErrno.EINVAL;
        }
    }

    public static XenErrno Get(DomctlContext d)
    {
        d.Payload<DomctlAddressSize>().Size = (uint)d.Target!.AddressSize;
        d.CopyBack = true;
        return XenErrno.None;
    }

    /// <summary>switch_compat, switch_native: only before the domain has a page.</summary>
    internal static XenErrno Switch(Domain domain, bool compat)
    {
        // 4.0 looks at the pages first, 4.17 lets a switch to the present width pass: both refuse once memory is there.
        bool v40 = domain.Xen.Profile.Release == XenRelease.V4_0;
        if (!v40 && domain.Is32BitPv == compat)
            return XenErrno.None;
        if (domain.TotPages > 0)
            return XenErrno.EACCES;
        if (domain.Is32BitPv == compat)
            return XenErrno.None;
        domain.Is32BitPv = compat;
        domain.SharedInfo.Layout = compat ? SharedInfoLayout.X32 : SharedInfoLayout.X64;
        foreach (Vcpu v in domain.Vcpus)
            domain.Xen.Mappings.MapXenGdt(domain.PerDomain, v.Id, compat);
        return XenErrno.None;
    }
}
