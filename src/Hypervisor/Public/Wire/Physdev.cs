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
