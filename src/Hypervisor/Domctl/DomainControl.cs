using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>Commands that turn one knob of a domain: pause, unpause, destroy, limits, handle, target.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c.</remarks>
internal static class DomainControl
{
    public static XenErrno Pause(DomctlContext d)
        => d.Target == d.Call.Caller ? XenErrno.EINVAL : d.Target!.PauseByController();

    public static XenErrno Unpause(DomctlContext d) => d.Target!.UnpauseByController();

    public static XenErrno Resume(DomctlContext d)
    {
        if (d.Target == d.Call.Caller && d.Xen.Profile.Release != XenRelease.V4_0)
            return XenErrno.EINVAL;
        d.Target!.Resume();
        return XenErrno.None;
    }

    public static XenErrno Destroy(DomctlContext d)
    {
        if (d.Target == d.Call.Caller)
            return XenErrno.EINVAL;
        d.Target!.Kill();
        return XenErrno.None;
    }

    /// <summary>max_mem in KiB, rounded down to frames; below the present size it only forbids more.</summary>
    public static XenErrno MaxMem(DomctlContext d)
    {
        d.Target!.MaxPages = Math.Min(d.Payload<DomctlMaxMem>().MaxMemkb >> 2, uint.MaxValue - 1);
        return XenErrno.None;
    }

    public static XenErrno SetHandle(DomctlContext d)
    {
        d.Target!.Handle = [.. (ReadOnlySpan<byte>)d.Payload<DomctlSetDomainHandle>().Handle];
        return XenErrno.None;
    }

    public static XenErrno SetTarget(DomctlContext d)
    {
        Domain domain = d.Target!;
        if (d.Xen.FindDomain(new DomainId(d.Payload<DomctlSetTarget>().Target)) is not { } target)
            return XenErrno.ESRCH;
        if (domain == target)
            return XenErrno.EINVAL;
        if (!target.IsHvm)
            return d.Xen.Profile.Release == XenRelease.V4_0 ? XenErrno.EINVAL : XenErrno.EOPNOTSUPP;
        if (domain.Target is not null)
            return XenErrno.EINVAL;
        domain.Target = target;
        return XenErrno.None;
    }

    public static XenErrno SetDebugging(DomctlContext d)
    {
        if (d.Target == d.Call.Caller)
            return XenErrno.EINVAL;
        // struct xen_domctl_setdebugging is one byte, enable.
        d.Target!.DebuggerAttached = d.Payload<byte>() != 0;
        return XenErrno.None;
    }
}
