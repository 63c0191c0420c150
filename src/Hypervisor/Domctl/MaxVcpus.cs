using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_max_vcpus: creates the vCPUs, all down.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c.</remarks>
internal static class MaxVcpus
{
    private const uint MaxVirtCpus64 = 8192;
    private const uint MaxVirtCpus32 = 32;
    private const uint MaxHvmVcpus40 = 128;

    public static XenErrno Do40(DomctlContext d)
    {
        Domain domain = d.Target!;
        uint max = d.Payload<DomctlMaxVcpus>().Max;
        if (domain == d.Call.Caller || max > (d.Xen.Options.Host64 ? MaxVirtCpus64 : MaxVirtCpus32) || (domain.IsHvm && max > MaxHvmVcpus40))
            return XenErrno.EINVAL;
        if (max < domain.Vcpus.Count)
            return XenErrno.EINVAL;
        if (domain.MaxVcpus > 0 && max > domain.MaxVcpus)
            return XenErrno.EBUSY;
        domain.MaxVcpus = Math.Max(domain.MaxVcpus, max);
        Add(domain, max);
        return XenErrno.None;
    }

    public static XenErrno Do417(DomctlContext d)
    {
        Domain domain = d.Target!;
        uint max = d.Payload<DomctlMaxVcpus>().Max;
        if (domain == d.Call.Caller || max != domain.MaxVcpus)
            return XenErrno.EINVAL;
        Add(domain, max);
        return XenErrno.None;
    }

    private static void Add(Domain domain, uint max)
    {
        while (domain.Vcpus.Count < max)
            domain.AddVcpu();
    }
}
