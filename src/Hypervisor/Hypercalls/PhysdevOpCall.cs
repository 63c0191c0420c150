using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>physdev_op: what a PV guest asks about interrupts and ports. There is no device behind it.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/physdev.c: do_physdev_op.</remarks>
internal static class PhysdevOpCall
{
    private const uint MaxPorts = 65536;

    /// <summary>IOBMP_BYTES.</summary>
    private const ulong BitmapBytes = 8192;

    public static long Do(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        switch ((PhysdevOp)c.A1)
        {
            case PhysdevOp.eoi:
                return c.Memory.TryReadStruct(arg, out PhysdevEoi _) ? XenErrno.EINVAL.ToResult() : XenErrno.EFAULT.ToResult();
            case PhysdevOp.irq_status_query:
                return XenErrno.EINVAL.ToResult();
            case PhysdevOp.set_iopl:
                if (!c.Memory.TryReadStruct(arg, out PhysdevSetIopl iopl))
                    return XenErrno.EFAULT.ToResult();
                if (iopl.Iopl > 3)
                    return XenErrno.EINVAL.ToResult();
                if (c.Vcpu is { } v)
                    v.Iopl = (int)iopl.Iopl;
                return 0;
            case PhysdevOp.set_iobitmap:
                if (!c.Memory.TryReadRecord(arg, c.Abi, out PhysdevSetIobitmap bitmap))
                    return XenErrno.EFAULT.ToResult();
                if (c.Vcpu is not { } owner || !owner.Memory.IsGuestRange(bitmap.Bitmap, BitmapBytes) || bitmap.NrPorts > MaxPorts)
                    return XenErrno.EINVAL.ToResult();
                (owner.IoBitmap, owner.IoBitmapLimit) = (bitmap.Bitmap, bitmap.NrPorts);
                return 0;
            case PhysdevOp.apic_read or PhysdevOp.apic_write or PhysdevOp.alloc_irq_vector or PhysdevOp.manage_pci_add
                or PhysdevOp.manage_pci_remove or PhysdevOp.restore_msi or PhysdevOp.manage_pci_add_ext or PhysdevOp.setup_gsi
                when !c.Caller.IsPrivileged:
                return XenErrno.EPERM.ToResult();
            default:
                c.Xen.NotImplemented(XenNames.PhysdevOp((uint)c.A1), "physdev_op answers -ENOSYS", ours: false);
                return XenErrno.ENOSYS.ToResult();
        }
    }

    public static CallDescription About(HypercallCall c) => Call(XenNames.PhysdevOp((uint)c.A1));
}
