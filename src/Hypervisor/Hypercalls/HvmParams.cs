using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>Values of HVM_PARAM_*: what each release accepts, and what it keeps.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/hvm/hvm.c: do_hvm_op; stable-4.17: hvm_allow_set_param, hvm_set_param, hvm_get_param.</remarks>
internal static class HvmParams
{
    /// <summary>HVMPTM_one_missed_tick_pending.</summary>
    private const ulong LastTimerMode = 3;

    /// <summary>HVMPV_feature_mask of 4.17; bit 0, base_freq, must be there.</summary>
    private const ulong ViridianFeatures = 0x1FFF, ViridianBase = 1;

    /// <summary>SHUTDOWN_MAX.</summary>
    private const ulong LastShutdownReason = 5;

    /// <summary>XEN_ALTP2M_limited.</summary>
    private const ulong LastAltp2m = 3;

    /// <summary>XEN_HVM_MCA_CAP_MASK.</summary>
    private const ulong McaCapabilities = 1;

    /// <summary>Bits of ioreq_gfn.mask.</summary>
    private const ulong MostIoreqPages = 64;

    private const ulong Vm86TssUpdated = 1UL << 63;
    private const ulong TssSize = 104, LargestTss = TssSize + (0x100 / 8) + (0x10000 / 8) + 1, OldTssSize = 128;
    private const uint PmTimerEmulation = 1 << 2;

    public static XenErrno Set(HypercallCall c, Domain d, HvmParam index, ulong value)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        XenErrno errno = v40 ? Check40(c, d, index, ref value) : Check417(c, d, ref index, ref value);
        if (errno == XenErrno.None)
            d.HvmParams[(int)index] = value;
        return errno;
    }

    public static ulong Get(Domain d, HvmParam index) => index switch
    {
        HvmParam.VM86_TSS when d.Xen.Profile.Release != XenRelease.V4_0 => (uint)d.HvmParams[(int)HvmParam.VM86_TSS_SIZED],
        HvmParam.VM86_TSS_SIZED => d.HvmParams[(int)index] & ~Vm86TssUpdated,
        _ => d.HvmParams[(int)index],
    };

    private static XenErrno Check40(HypercallCall c, Domain d, HvmParam index, ref ulong value)
    {
        switch (index)
        {
            case HvmParam.IOREQ_PFN or HvmParam.BUFIOREQ_PFN:
                // hvm_set_ioreq_page: a page of the guest, and only once.
                return c.Xen.Frames.IsValid(d.GfnToMfn(new Gfn(value))) && d.HvmParams[(int)index] == 0 ? XenErrno.None : XenErrno.EINVAL;
            case HvmParam.TIMER_MODE:
                return value > LastTimerMode ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.VIRIDIAN:
                return value > 1 ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.IDENT_PT:
                return c.Caller == d ? XenErrno.EPERM : d.HvmParams[(int)index] != 0 ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.DM_DOMAIN:
                if (c.Caller == d)
                    return XenErrno.EPERM;
                value = value == DomainId.Self.Value ? c.Caller.Id.Value : value;
                return XenErrno.None;
            case HvmParam.ACPI_S_STATE:
                return c.Caller == d ? XenErrno.EPERM : Sleep(c, value);
            default:
                return XenErrno.None;
        }
    }

    private static XenErrno Check417(HypercallCall c, Domain d, ref HvmParam index, ref ulong value)
    {
        switch (index)
        {
            case HvmParam.TIMER_MODE:
                return value > LastTimerMode ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.VIRIDIAN:
                if ((value & ~ViridianFeatures) != 0 || (value & ViridianBase) == 0)
                    return XenErrno.EINVAL;
                c.Xen.NotImplemented("HVM_PARAM_VIRIDIAN", "Viridian's enlightenments of 4.17 are not simulated, those of 4.0 are", ours: true);
                return XenErrno.None;
            case HvmParam.ACPI_S_STATE:
                return Sleep(c, value);
            case HvmParam.ACPI_IOPORTS_LOCATION:
                return (d.Kind.EmulationFlags & PmTimerEmulation) == 0 ? XenErrno.ENODEV
                    : value == d.HvmParams[(int)index] || (value ^ d.HvmParams[(int)index]) == 1 ? XenErrno.None : XenErrno.EINVAL;
            case HvmParam.ALTP2M:
                if (value > LastAltp2m)
                    return XenErrno.EINVAL;
                if (value != 0)
                    c.Xen.NotImplemented("HVM_PARAM_ALTP2M", "there is one physmap to a domain", ours: true);
                return XenErrno.None;
            case HvmParam.TRIPLE_FAULT_REASON:
                return value > LastShutdownReason ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.NR_IOREQ_SERVER_PAGES:
                return value is 0 or > MostIoreqPages ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.X87_FIP_WIDTH:
                return value is 0 or 4 or 8 ? XenErrno.None : XenErrno.EINVAL;
            case HvmParam.MCA_CAP:
                return (value & ~McaCapabilities) != 0 ? XenErrno.EINVAL : XenErrno.None;
            case HvmParam.VM86_TSS:
                index = HvmParam.VM86_TSS_SIZED;
                if (value != (uint)value)
                    return BadTss(c, d);
                value = value == 0 ? 0 : value | (OldTssSize << 32) | Vm86TssUpdated;
                return XenErrno.None;
            case HvmParam.VM86_TSS_SIZED:
                if (value >> 32 < TssSize)
                    return BadTss(c, d);
                value = (uint)value | (Math.Min(value >> 32, LargestTss) << 32) | Vm86TssUpdated;
                return XenErrno.None;
            default:
                return XenErrno.None;
        }
    }

    /// <summary>A guest that gives a TSS which cannot be is crashed for it.</summary>
    private static XenErrno BadTss(HypercallCall c, Domain d)
    {
        if (d == c.Caller)
            d.Crash(c.Vcpu, $"domain_crash called from hvm.c: bad VM86_TSS of {d.Id}");
        return XenErrno.EINVAL;
    }

    private static XenErrno Sleep(HypercallCall c, ulong state)
    {
        if (state == 3)
            c.Xen.NotImplemented("hvm_s3_suspend", "there is no ACPI sleep state", ours: true);
        return state is 0 or 3 ? XenErrno.None : XenErrno.EINVAL;
    }
}
