using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// physdev.h: arguments of physdev_op.

[XenStruct("physdev_eoi", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PhysdevEoi
{
    [FieldOffset(0)] public uint Irq;
}

[XenStruct("physdev_irq_status_query", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevIrqStatusQuery
{
    [FieldOffset(0)] public uint Irq;
    [FieldOffset(4)] public uint Flags;
}

[XenStruct("physdev_set_iopl", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PhysdevSetIopl
{
    [FieldOffset(0)] public uint Iopl;
}

[XenStruct("physdev_irq", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevIrq
{
    [FieldOffset(0)] public uint Irq;
    [FieldOffset(4)] public uint Vector;
}

[XenStruct("physdev_unmap_pirq", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevUnmapPirq
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public int Pirq;
}

[XenStruct("physdev_setup_gsi", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevSetupGsi
{
    [FieldOffset(0)] public int Gsi;
    [FieldOffset(4)] public byte Triggering;
    [FieldOffset(5)] public byte Polarity;
}

[XenStruct("physdev_get_free_pirq", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevGetFreePirq
{
    [FieldOffset(0)] public int Type;
    [FieldOffset(4)] public uint Pirq;
}

[XenStruct("physdev_manage_pci", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2)]
public struct PhysdevManagePci
{
    [FieldOffset(0)] public byte Bus;
    [FieldOffset(1)] public byte Devfn;
}

[XenStruct("physdev_manage_pci_ext", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct PhysdevManagePciExt
{
    [FieldOffset(0)] public byte Bus;
    [FieldOffset(1)] public byte Devfn;
    [FieldOffset(4)] public uint IsExtfn;
    [FieldOffset(8)] public uint IsVirtfn;
    [XenField("physfn.bus"), FieldOffset(12)] public byte PhysfnBus;
    [XenField("physfn.devfn"), FieldOffset(13)] public byte PhysfnDevfn;
}

[XenStruct("physdev_pci_device", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PhysdevPciDevice
{
    [FieldOffset(0)] public ushort Seg;
    [FieldOffset(2)] public byte Bus;
    [FieldOffset(3)] public byte Devfn;
}

/// <summary>The head of physdev_map_pirq, alike in both widths; what follows is about MSI. No whole structure: real calls (oracle, dom0-calls) are its witness.</summary>
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct PhysdevMapPirqHead
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public int Type;
    [FieldOffset(8)] public int Index;
    [FieldOffset(12)] public int Pirq;
}
