using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_settscinfo, gettscinfo, settimeoffset.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/time.c: tsc_set_info, tsc_get_info.</remarks>
internal static class TscInfoCommands
{
    public static XenErrno Set(DomctlContext d)
    {
        if (d.Target == d.Call.Caller)
            return XenErrno.EINVAL;
        if (d.Xen.Profile.Release == XenRelease.V4_0)
        {
            GuestTscInfo i = d.Payload<DomctlTscInfoV40>().Info;
            d.Target!.Tsc = new TscInfo(i.TscMode, i.GtscKhz, i.Incarnation, i.ElapsedNsec);
            return XenErrno.None;
        }

        DomctlTscInfoV417 t = d.Payload<DomctlTscInfoV417>();
        d.Target!.Tsc = new TscInfo(t.TscMode, t.GtscKhz, t.Incarnation, t.ElapsedNsec);
        return XenErrno.None;
    }

    public static XenErrno Get(DomctlContext d)
    {
        if (d.Target == d.Call.Caller)
            return XenErrno.EINVAL;
        TscInfo i = d.Target!.Tsc;
        uint khz = i.Khz != 0 ? i.Khz : (uint)d.Xen.Options.Host.CpuKhz;
        if (d.Xen.Profile.Release == XenRelease.V4_0)
        {
            GuestTscInfo info = new() { TscMode = i.Mode, GtscKhz = khz, Incarnation = i.Incarnation, ElapsedNsec = d.Xen.VirtualNanoseconds };
            return d.Call.Memory.TryWriteStruct(new VirtualAddress(d.Payload<DomctlTscInfoV40>().OutInfo), info) ? XenErrno.None : XenErrno.EFAULT;
        }

        d.Payload<DomctlTscInfoV417>() = new DomctlTscInfoV417
        {
            TscMode = i.Mode,
            GtscKhz = khz,
            Incarnation = i.Incarnation,
            ElapsedNsec = d.Xen.VirtualNanoseconds,
        };
        d.CopyBack = true;
        return XenErrno.None;
    }

    public static XenErrno SetTimeOffset(DomctlContext d)
    {
        d.Target!.TimeOffsetSeconds = d.Xen.Profile.Release == XenRelease.V4_0
            ? d.Payload<DomctlSetTimeOffsetV40>().TimeOffsetSeconds
            : d.Payload<DomctlSetTimeOffsetV417>().TimeOffsetSeconds;
        if (d.Target.Vcpus.Count > 0)
            GuestTime.UpdateWallClock(d.Target);
        return XenErrno.None;
    }
}
