using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_createdomain.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/domctl.c; stable-4.17 xen/common/domain.c: sanitise_domain_config, xen/arch/x86/domain.c: arch_sanitise_domain_config, emulation_flags_ok.</remarks>
internal static class CreateDomain
{
    private const uint MaxVirtCpus = 8192;
    private const uint HvmMaxVcpus = 128;

    public static XenErrno Do40(DomctlContext d)
    {
        ref DomctlCreateDomainV40 c = ref d.Payload<DomctlCreateDomainV40>();
        if (d.Xen.Options.SupervisorModeKernel || (c.Flags & ~d.Xen.Profile.CreateDomainFlags) != 0)
            return XenErrno.EINVAL;
        XenErrno errno = ChooseId(d, XenErrno.EINVAL, out DomainId id);
        if (errno != XenErrno.None)
            return errno;
        bool hvm = (c.Flags & (uint)CreateDomainFlags.hvm) != 0;
        if (hvm && d.Xen.Hvm is null)
            return XenErrno.ENOMEM;
        return Create(d, id, new DomainKind
        {
            IsHvm = hvm,
            IsHap = hvm && (c.Flags & (uint)CreateDomainFlags.hap) != 0,
            Ssidref = c.Ssidref,
            Handle = [.. (ReadOnlySpan<byte>)c.Handle],
        });
    }

    public static XenErrno Do417(DomctlContext d)
    {
        ref DomctlCreateDomainV417 c = ref d.Payload<DomctlCreateDomainV417>();
        XenErrno errno = ChooseId(d, XenErrno.EEXIST, out DomainId id);
        if (errno != XenErrno.None)
            return errno;
        if (Refusal(d.Xen, c) is { } refusal)
        {
            d.Xen.Log(LogLevel.Info, refusal);
            return XenErrno.EINVAL;
        }

        // grant_table_init: said in debug builds only.
        if (!d.Xen.GrantOptions.Permits(c.MaxGrantFrames, c.MaxMaptrackFrames, c.GrantOpts))
            return XenErrno.EINVAL;
        bool hvm = (c.Flags & (uint)CreateDomainFlags.hvm) != 0;
        return Create(d, id, new DomainKind
        {
            IsHvm = hvm,
            IsHap = (c.Flags & (uint)CreateDomainFlags.hap) != 0,
            IsXenStore = (c.Flags & (uint)CreateDomainFlags.xs_domain) != 0,
            Ssidref = c.Ssidref,
            MaxVcpus = c.MaxVcpus,
            MaxEvtchnPort = c.MaxEvtchnPort,
            MaxGrantFrames = c.MaxGrantFrames < 0 ? null : (uint)c.MaxGrantFrames,
            MaxMaptrackFrames = c.MaxMaptrackFrames < 0 ? null : (uint)c.MaxMaptrackFrames,
            MaxGrantVersion = c.GrantOpts,
            EmulationFlags = c.Arch.EmulationFlags,
            MiscFlags = c.Arch.MiscFlags,
            Handle = [.. (ReadOnlySpan<byte>)c.Handle],
        });
    }

    private static XenErrno ChooseId(DomctlContext d, XenErrno taken, out DomainId id)
    {
        id = new DomainId(d.Request.Domain);
        if (id.Value > 0 && id.Value < DomainId.FirstReserved.Value)
            return d.Xen.FindDomain(id) is null ? XenErrno.None : taken;
        if (d.Xen.NextFreeId() is not { } next)
            return XenErrno.ENOMEM;
        id = next;
        return XenErrno.None;
    }

    private static XenErrno Create(DomctlContext d, DomainId id, DomainKind kind)
    {
        if (d.Xen.Frames.Allocator.FreeCount < 64)
            return XenErrno.ENOMEM;
        d.Xen.CreateDomain(id, kind);
        d.Request.Domain = id.Value;
        d.CopyBack = true;
        return XenErrno.None;
    }

    /// <summary>What 4.17 says about a configuration it does not take; null if it does.</summary>
    private static string? Refusal(Xen xen, in DomctlCreateDomainV417 c)
    {
        bool hvm = (c.Flags & (uint)CreateDomainFlags.hvm) != 0;
        bool hap = (c.Flags & (uint)CreateDomainFlags.hap) != 0;
        if ((c.Flags & ~xen.Profile.CreateDomainFlags) != 0)
            return $"Unknown CDF flags 0x{c.Flags & ~xen.Profile.CreateDomainFlags:x}";
        if ((c.GrantOpts & ~0xFFu) != 0)
            return $"Unknown grant options 0x{c.GrantOpts & ~0xFFu:x}";
        if (c.MaxVcpus < 1)
            return "No vCPUS";
        if (hap && !hvm)
            return "HAP requested for non-HVM guest";
        if ((c.Flags & (uint)CreateDomainFlags.iommu) == 0 && c.IommuOpts != 0)
            return "IOMMU options specified but IOMMU not requested";
        if ((c.Flags & (uint)CreateDomainFlags.iommu) != 0)
            return "IOMMU requested but not available";
        if (hvm && xen.Hvm is null)
            return "HVM requested but not available";
        if (c.MaxVcpus > (hvm ? HvmMaxVcpus : MaxVirtCpus))
            return $"Requested vCPUs ({c.MaxVcpus}) exceeds max ({(hvm ? HvmMaxVcpus : MaxVirtCpus)})";
        if (hvm && !hap)
            return "Shadow paging requested but not available";
        return hvm || c.Arch.EmulationFlags is 0 or (uint)EmulationFlags.PIT ? null : $"Xen does not allow PV creation with the current selection of emulators: 0x{c.Arch.EmulationFlags:x}";
    }
}
