using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>ioport_permission, iomem_permission, irq_permission. Since 4.x the caller must itself have what it gives or takes.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c, xen/arch/x86/domctl.c.</remarks>
internal static class IoPermissions
{
    private const uint MaxPorts = 65_536;

    /// <summary>nr_irqs_gsi + extra_guest_irqs (4.0: 32 for a domU, 256 for dom0).</summary>
    private const uint ExtraGuestIrqs = 32, ExtraDom0Irqs40 = 256;

    /// <summary>As 4.17 prints it for this machine: "d0 has maximum 208 PIRQs".</summary>
    private const uint Dom0Pirqs417 = 208;

    private const uint IsaIrqs = 16;

    public static XenErrno Ports(DomctlContext d)
    {
        DomctlIoportPermission p = d.Payload<DomctlIoportPermission>();
        uint end = unchecked(p.FirstPort + p.NrPorts);
        if (Is40(d))
        {
            if (end > MaxPorts)
                return XenErrno.EINVAL;
            return p.NrPorts == 0 ? XenErrno.None : Change(d.Target!.Io.Ports, p.FirstPort, end - 1, p.AllowAccess);
        }

        if (end <= p.FirstPort || end > MaxPorts)
            return XenErrno.EINVAL;
        return d.Call.Caller.Io.Ports.Contains(p.FirstPort, end - 1) ? Change(d.Target!.Io.Ports, p.FirstPort, end - 1, p.AllowAccess) : XenErrno.EPERM;
    }

    public static XenErrno Frames(DomctlContext d)
    {
        DomctlIomemPermission p = d.Payload<DomctlIomemPermission>();
        ulong last = unchecked(p.FirstMfn + p.NrMfns - 1);
        if (last < p.FirstMfn)
            return XenErrno.EINVAL;
        return Is40(d) || d.Call.Caller.Io.Frames.Contains(p.FirstMfn, last) ? Change(d.Target!.Io.Frames, p.FirstMfn, last, p.AllowAccess) : XenErrno.EPERM;
    }

    public static XenErrno Irq(DomctlContext d)
    {
        if (Is40(d))
        {
            DomctlIrqPermissionV40 p = d.Payload<DomctlIrqPermissionV40>();
            uint pirqs = IoCapabilities.GsiCount + (d.Target!.IsHardwareDomain ? ExtraDom0Irqs40 : ExtraGuestIrqs);
            return p.Pirq >= pirqs ? XenErrno.EINVAL : Change(d.Target!.Io.Irqs, p.Pirq, p.Pirq, p.AllowAccess);
        }

        DomctlIrqPermissionV417 q = d.Payload<DomctlIrqPermissionV417>();
        if (q.Pirq >= Dom0Pirqs417)
            return XenErrno.EINVAL;

        // domain_pirq_to_irq: dom0's legacy interrupts are mapped one to one from the start, no other is here.
        return q.Pirq is > 0 and < IsaIrqs && d.Call.Caller.Io.Irqs.Contains(q.Pirq, q.Pirq)
            ? Change(d.Target!.Io.Irqs, q.Pirq, q.Pirq, q.AllowAccess)
            : XenErrno.EPERM;
    }

    private static bool Is40(DomctlContext d) => d.Xen.Profile.Release == XenRelease.V4_0;

    private static XenErrno Change(RangeSet set, ulong first, ulong last, byte allow)
    {
        if (allow != 0)
            set.Add(first, last);
        else
            set.Remove(first, last);
        return XenErrno.None;
    }
}
