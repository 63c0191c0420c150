using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>physdev_op about PCI devices: Xen notes those that dom0 tells of. There are none whose registers it could read.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/physdev.c, xen/drivers/pci/physdev.c, xen/drivers/passthrough/pci.c: pci_add_device; RELEASE-4.0.4 xen/arch/x86/physdev.c.</remarks>
internal static class PhysdevPci
{
    /// <summary>physdev_pci_mmcfg_reserved: address, segment, first and last bus, flags. Unit: bytes.</summary>
    private const int MmcfgSize = 16;

    public static long Do(HypercallCall c, PhysdevOp op, VirtualAddress arg)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        bool known = op is PhysdevOp.manage_pci_add or PhysdevOp.manage_pci_remove or PhysdevOp.manage_pci_add_ext or PhysdevOp.restore_msi
            || (!v40 && op is >= PhysdevOp.pci_mmcfg_reserved and <= PhysdevOp.restore_msi_ext or PhysdevOp.prepare_msix or PhysdevOp.release_msix);
        if (!known)
        {
            c.Xen.NotImplemented(XenNames.Of(op), "Xen has no such physdev_op: -ENOSYS", ours: false);
            return XenErrno.ENOSYS.ToResult();
        }

        // 4.0 asks for privilege before it reads, 4.17 (where the XSM hook stands in pci_add_device) after.
        if (v40 && !c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        if (!TryRead(c, op, arg, out uint device, out bool valid))
            return XenErrno.EFAULT.ToResult();
        if (!valid)
            return XenErrno.EINVAL.ToResult();
        if (op == PhysdevOp.pci_mmcfg_reserved && c.Caller.IsPrivileged)
            return MmcfgReserved(c, arg).ToResult();
        return c.Caller.IsPrivileged ? Run(c.Xen, op, device).ToResult() : XenErrno.EPERM.ToResult();
    }

    /// <summary>pci_mmcfg_reserved: dom0 agrees or not with what Xen read in the MCFG.</summary>
    private static XenErrno MmcfgReserved(HypercallCall c, VirtualAddress arg)
    {
        const uint reserved = 1; // XEN_PCI_MMCFG_RESERVED
        const byte lastBus = 0xFF;
        Span<byte> r = stackalloc byte[MmcfgSize];
        c.Memory.TryRead(arg, r);
        ulong address = r.ReadStruct<ulong>();
        if ((r[12..].ReadStruct<uint>() & ~reserved) != 0)
            return XenErrno.EINVAL;
        if (c.Xen.Options.Host.Firmware.McfgBase is not { } mcfg || r[8..].ReadStruct<ushort>() != 0 || r[10] != 0 || r[11] != lastBus)
            return XenErrno.ENODEV;
        if (address == mcfg)
            return XenErrno.None;
        c.Xen.Log(LogLevel.Warn, $"Base address presented for segment 0000 bus 00-ff ({address:x8}) does not match previously obtained one ({mcfg:x8})");
        return XenErrno.EIO;
    }

    /// <summary>Segment, bus and devfn of the structure that the operation takes.</summary>
    private static bool TryRead(HypercallCall c, PhysdevOp op, VirtualAddress arg, out uint device, out bool valid)
    {
        (device, valid) = (0, true);
        switch (op)
        {
            case PhysdevOp.manage_pci_add or PhysdevOp.manage_pci_remove or PhysdevOp.restore_msi:
                bool read = c.Memory.TryReadStruct(arg, out PhysdevManagePci old);
                device = (uint)(old.Bus << 8) | old.Devfn;
                return read;
            case PhysdevOp.manage_pci_add_ext:
                read = c.Memory.TryReadStruct(arg, out PhysdevManagePciExt ext);
                device = (uint)(ext.Bus << 8) | ext.Devfn;
                valid = ext.IsExtfn <= 1 && ext.IsVirtfn <= 1;
                return read;
            case PhysdevOp.pci_mmcfg_reserved:
                return c.Memory.TryRead(arg, stackalloc byte[MmcfgSize]);
            case PhysdevOp.pci_device_add:
                read = c.Memory.TryRead(arg, stackalloc byte[12]);
                return read & TryReadDevice(c, arg, out device);
            default:
                return TryReadDevice(c, arg, out device);
        }
    }

    private static bool TryReadDevice(HypercallCall c, VirtualAddress arg, out uint device)
    {
        bool read = c.Memory.TryReadStruct(arg, out PhysdevPciDevice d);
        device = (uint)(d.Seg << 16) | (uint)(d.Bus << 8) | d.Devfn;
        return read;
    }

    private static XenErrno Run(Xen xen, PhysdevOp op, uint device)
    {
        string name = $"{device >> 16:x4}:{device >> 8 & 0xFF:x2}:{device >> 3 & 0x1F:x2}.{device & 7}";
        switch (op)
        {
            case PhysdevOp.manage_pci_add or PhysdevOp.manage_pci_add_ext or PhysdevOp.pci_device_add:
                if (xen.PciDevices.Add(device))
                    xen.Log(LogLevel.Debug, $"PCI add device {name}");
                return XenErrno.None;
            case PhysdevOp.manage_pci_remove or PhysdevOp.pci_device_remove:
                if (!xen.PciDevices.Remove(device))
                    return XenErrno.ENODEV;
                xen.Log(LogLevel.Debug, $"PCI remove device {name}");
                return XenErrno.None;
            case PhysdevOp.restore_msi or PhysdevOp.restore_msi_ext:
                return xen.PciDevices.Contains(device) ? XenErrno.None : XenErrno.ENODEV;
            default:
                // No MSI-X tables.
                return XenErrno.ENODEV;
        }
    }
}
