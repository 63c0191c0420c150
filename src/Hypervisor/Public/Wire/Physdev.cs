using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// physdev.h: arguments of physdev_op.

[XenStruct("physdev_eoi", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PhysdevEoi
{
    [FieldOffset(0)] public uint Irq;
}

[XenStruct("physdev_pirq_eoi_gmfn", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PhysdevPirqEoiGmfn32
{
    [FieldOffset(0)] public uint Gmfn;
}

[XenStruct("physdev_pirq_eoi_gmfn", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevPirqEoiGmfn64
{
    [FieldOffset(0)] public ulong Gmfn;
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

[XenStruct("physdev_set_iobitmap", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevSetIobitmap32
{
    [FieldOffset(0)] public uint Bitmap;
    [FieldOffset(4)] public uint NrPorts;
}

[XenStruct("physdev_set_iobitmap", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct PhysdevSetIobitmap64
{
    [FieldOffset(0)] public ulong Bitmap;
    [FieldOffset(8)] public uint NrPorts;
}

[XenStruct("physdev_apic", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct PhysdevApic32
{
    [FieldOffset(0)] public uint ApicPhysbase;
    [FieldOffset(4)] public uint Reg;
    [FieldOffset(8)] public uint Value;
}

[XenStruct("physdev_apic", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct PhysdevApic64
{
    [FieldOffset(0)] public ulong ApicPhysbase;
    [FieldOffset(8)] public uint Reg;
    [FieldOffset(12)] public uint Value;
}

[XenStruct("physdev_irq", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PhysdevIrq
{
    [FieldOffset(0)] public uint Irq;
    [FieldOffset(4)] public uint Vector;
}

[XenStruct("physdev_map_pirq", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 36)]
public struct PhysdevMapPirq32
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public int Type;
    [FieldOffset(8)] public int Index;
    [FieldOffset(12)] public int Pirq;
    [FieldOffset(16)] public int Bus;
    [FieldOffset(20)] public int Devfn;
    [FieldOffset(24)] public int EntryNr;
    [FieldOffset(28)] public ulong TableBase;
}

[XenStruct("physdev_map_pirq", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct PhysdevMapPirq64
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public int Type;
    [FieldOffset(8)] public int Index;
    [FieldOffset(12)] public int Pirq;
    [FieldOffset(16)] public int Bus;
    [FieldOffset(20)] public int Devfn;
    [FieldOffset(24)] public int EntryNr;
    [FieldOffset(32)] public ulong TableBase;
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
