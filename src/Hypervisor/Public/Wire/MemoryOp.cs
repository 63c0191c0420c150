using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// memory.h: arguments of memory_op.

[XenStruct("xen_memory_reservation", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 20)]
public struct MemoryReservation32
{
    [FieldOffset(0)] public uint ExtentStart;
    [FieldOffset(4)] public uint NrExtents;
    [FieldOffset(8)] public uint ExtentOrder;
    [FieldOffset(12)] public uint MemFlags;
    [FieldOffset(16)] public ushort Domid;
}

[XenStruct("xen_memory_reservation", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct MemoryReservation64
{
    [FieldOffset(0)] public ulong ExtentStart;
    [FieldOffset(8)] public ulong NrExtents;
    [FieldOffset(16)] public uint ExtentOrder;
    [FieldOffset(20)] public uint MemFlags;
    [FieldOffset(24)] public ushort Domid;
}

[XenStruct("xen_memory_map", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct MemoryMap32
{
    [FieldOffset(0)] public uint NrEntries;
    [FieldOffset(4)] public uint Buffer;
}

[XenStruct("xen_memory_map", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct MemoryMap64
{
    [FieldOffset(0)] public uint NrEntries;
    [FieldOffset(8)] public ulong Buffer;
}

[XenStruct("xen_foreign_memory_map", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct ForeignMemoryMap32
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public MemoryMap32 Map;
}

[XenStruct("xen_foreign_memory_map", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct ForeignMemoryMap64
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(8)] public MemoryMap64 Map;
}
