using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>physdev_op about interrupts.</summary>
/// <remarks>Source: stable-4.17 and RELEASE-4.0.4 xen/arch/x86/physdev.c.</remarks>
internal static class PhysdevIrqs
{
    // xen/include/public/physdev.h: XENIRQSTAT_needs_eoi, MAP_PIRQ_TYPE_GSI.
    private const uint NeedsEoi = 1;
    private const int TypeMsi = 0, TypeGsi = 1;

    public static long Do(HypercallCall c, PhysdevOp op, VirtualAddress arg)
    {
        Pirqs pirqs = c.Caller.Pirqs;
        switch (op)
        {
            case PhysdevOp.IRQ_UNMASK_NOTIFY:
                return 0;
            case PhysdevOp.irq_status_query:
                if (!c.Memory.TryReadStruct(arg, out PhysdevIrqStatusQuery query))
                    return XenErrno.EFAULT.ToResult();
                if ((int)query.Irq < 0 || query.Irq >= pirqs.Count)
                    return XenErrno.EINVAL.ToResult();
                query.Flags = NeedsEoi;
                return c.Memory.TryWriteStruct(arg, query) ? 0 : XenErrno.EFAULT.ToResult();
            case PhysdevOp.eoi:
                return !c.Memory.TryReadStruct(arg, out PhysdevEoi eoi) ? XenErrno.EFAULT.ToResult()
                    : eoi.Irq < pirqs.Count && pirqs.IsKnown((int)eoi.Irq) ? 0 : XenErrno.EINVAL.ToResult();
            case PhysdevOp.map_pirq:
                return Map(c, arg);
            case PhysdevOp.unmap_pirq:
                if (!c.Memory.TryReadStruct(arg, out PhysdevUnmapPirq unmap))
                    return XenErrno.EFAULT.ToResult();
                XenErrno errno = c.TargetDomain(unmap.Domid, out Domain target);
                return (errno == XenErrno.None ? target.Pirqs.Unmap(unmap.Pirq) : errno).ToResult();
            case PhysdevOp.pirq_eoi_gmfn_v1:
            case PhysdevOp.pirq_eoi_gmfn_v2 when !Is40(c):
                return c.Memory.TryReadLong(arg, c.Abi, out ulong gmfn) ? pirqs.SetEoiFrame(new Gfn(gmfn)).ToResult() : XenErrno.EFAULT.ToResult();
            case PhysdevOp.setup_gsi:
                return SetupGsi(c, arg);
            case PhysdevOp.get_free_pirq when !Is40(c):
                return FreePirq(c, arg);
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    private static long Map(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out PhysdevMapPirqHead map))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(map.Domid, out Domain d);
        if (errno == XenErrno.None)
            errno = map.Type == TypeGsi ? d.Pirqs.MapGsi(map.Index, ref map.Pirq) : XenErrno.EINVAL;
        return c.Memory.TryWriteStruct(arg, map) ? errno.ToResult() : XenErrno.EFAULT.ToResult();
    }

    private static long SetupGsi(HypercallCall c, VirtualAddress arg)
    {
        if (Is40(c) && !c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        if (!c.Memory.TryReadStruct(arg, out PhysdevSetupGsi gsi))
            return XenErrno.EFAULT.ToResult();
        if (gsi.Gsi is < 0 or >= Pirqs.Gsis)
            return XenErrno.EINVAL.ToResult();
        return c.Caller.IsPrivileged ? Pirqs.SetupGsi(c.Xen, gsi.Gsi, gsi.Triggering != 0, gsi.Polarity != 0).ToResult() : XenErrno.EPERM.ToResult();
    }

    private static long FreePirq(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out PhysdevGetFreePirq request))
            return XenErrno.EFAULT.ToResult();
        if (request.Type is not (TypeMsi or TypeGsi))
            return XenErrno.EINVAL.ToResult();
        XenErrno errno = c.Caller.Pirqs.Allocate(request.Type == TypeGsi, out int pirq);
        if (errno != XenErrno.None)
            return errno.ToResult();
        request.Pirq = (uint)pirq;
        return c.Memory.TryWriteStruct(arg, request) ? 0 : XenErrno.EFAULT.ToResult();
    }
}
