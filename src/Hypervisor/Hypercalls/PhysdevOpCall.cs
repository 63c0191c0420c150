using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>physdev_op: ports, interrupts and PCI devices, as dom0 sets them up. There is no device behind it.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/physdev.c: do_physdev_op.</remarks>
internal static class PhysdevOpCall
{
    private const uint MaxPorts = 65536;

    /// <summary>IOBMP_BYTES.</summary>
    private const ulong BitmapBytes = 8192;

    public static long Do(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        return (PhysdevOp)c.A1 switch
        {
            PhysdevOp.set_iopl => SetIopl(c, arg),
            PhysdevOp.set_iobitmap => SetIobitmap(c, arg),
            <= PhysdevOp.irq_status_query or PhysdevOp.eoi or PhysdevOp.map_pirq or PhysdevOp.unmap_pirq or PhysdevOp.pirq_eoi_gmfn_v1 or PhysdevOp.pirq_eoi_gmfn_v2
                or PhysdevOp.setup_gsi or PhysdevOp.get_free_pirq => PhysdevIrqs.Do(c, (PhysdevOp)c.A1, arg),
            PhysdevOp.apic_read or PhysdevOp.apic_write or PhysdevOp.alloc_irq_vector => IoApicOp.Do(c, (PhysdevOp)c.A1, arg),
            PhysdevOp.dbgp_op when !Is40(c) => !c.Caller.IsHardwareDomain ? XenErrno.EPERM.ToResult()
                : c.Memory.TryRead(arg, stackalloc byte[6]) ? 0 : XenErrno.EFAULT.ToResult(),
            _ => PhysdevPci.Do(c, (PhysdevOp)c.A1, arg),
        };
    }

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    private static long SetIopl(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out PhysdevSetIopl iopl))
            return XenErrno.EFAULT.ToResult();
        if (iopl.Iopl > 3)
            return XenErrno.EINVAL.ToResult();
        if (c.Vcpu is { } v)
            v.Iopl = (int)iopl.Iopl;
        return 0;
    }

    private static long SetIobitmap(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadRecord(arg, c.Abi, out PhysdevSetIobitmap bitmap))
            return XenErrno.EFAULT.ToResult();
        if (c.Vcpu is not { } owner || !owner.Memory.IsGuestRange(bitmap.Bitmap, BitmapBytes) || bitmap.NrPorts > MaxPorts)
            return XenErrno.EINVAL.ToResult();
        (owner.IoBitmap, owner.IoBitmapLimit) = (bitmap.Bitmap, bitmap.NrPorts);
        return 0;
    }

    public static CallDescription About(HypercallCall c) => Call(XenNames.PhysdevOp((uint)c.A1));
}
