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

[XenStruct("xen_memory_exchange", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 44)]
public struct MemoryExchange32
{
    [FieldOffset(0)] public MemoryReservation32 In;
    [FieldOffset(20)] public MemoryReservation32 Out;
    [FieldOffset(40)] public uint NrExchanged;
}

[XenStruct("xen_memory_exchange", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 72)]
public struct MemoryExchange64
{
    [FieldOffset(0)] public MemoryReservation64 In;
    [FieldOffset(32)] public MemoryReservation64 Out;
    [FieldOffset(64)] public ulong NrExchanged;
}

[XenStruct("xen_machphys_mfn_list", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct MachphysMfnList32
{
    [FieldOffset(0)] public uint MaxExtents;
    [FieldOffset(4)] public uint ExtentStart;
    [FieldOffset(8)] public uint NrExtents;
}

[XenStruct("xen_machphys_mfn_list", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct MachphysMfnList64
{
    [FieldOffset(0)] public uint MaxExtents;
    [FieldOffset(8)] public ulong ExtentStart;
    [FieldOffset(16)] public uint NrExtents;
}

[XenStruct("xen_machphys_mapping", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct MachphysMapping32
{
    [FieldOffset(0)] public uint VStart;
    [FieldOffset(4)] public uint VEnd;
    [FieldOffset(8)] public uint MaxMfn;
}

[XenStruct("xen_machphys_mapping", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct MachphysMapping64
{
    [FieldOffset(0)] public ulong VStart;
    [FieldOffset(8)] public ulong VEnd;
    [FieldOffset(16)] public ulong MaxMfn;
}

[XenStruct("xen_add_to_physmap", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct AddToPhysmap32
{
    [FieldOffset(0)] public ushort Domid;
    [XenField(Releases = Releases.V4_17), FieldOffset(2)] public ushort Size;
    [FieldOffset(4)] public uint Space;
    [FieldOffset(8)] public uint Idx;
    [FieldOffset(12)] public uint Gpfn;
}

[XenStruct("xen_add_to_physmap", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct AddToPhysmap64
{
    [FieldOffset(0)] public ushort Domid;
    [XenField(Releases = Releases.V4_17), FieldOffset(2)] public ushort Size;
    [FieldOffset(4)] public uint Space;
    [FieldOffset(8)] public ulong Idx;
    [FieldOffset(16)] public ulong Gpfn;
}

[XenStruct("xen_add_to_physmap_batch", Abis.X32, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 20)]
public struct AddToPhysmapBatch32
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(2)] public ushort Space;
    [FieldOffset(4)] public ushort Size;
    [FieldOffset(6)] public ushort U;
    [FieldOffset(8)] public uint Idxs;
    [FieldOffset(12)] public uint Gpfns;
    [FieldOffset(16)] public uint Errs;
}

[XenStruct("xen_add_to_physmap_batch", Abis.X64, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct AddToPhysmapBatch64
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(2)] public ushort Space;
    [FieldOffset(4)] public ushort Size;
    [FieldOffset(6)] public ushort U;
    [FieldOffset(8)] public ulong Idxs;
    [FieldOffset(16)] public ulong Gpfns;
    [FieldOffset(24)] public ulong Errs;
}

[XenStruct("xen_remove_from_physmap", Abis.X32, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct RemoveFromPhysmap32
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public uint Gpfn;
}

[XenStruct("xen_remove_from_physmap", Abis.X64, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct RemoveFromPhysmap64
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(8)] public ulong Gpfn;
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

[XenStruct("xen_pod_target", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 36)]
public struct PodTarget32
{
    [FieldOffset(0)] public ulong TargetPages;
    [FieldOffset(8)] public ulong TotPages;
    [FieldOffset(16)] public ulong PodCachePages;
    [FieldOffset(24)] public ulong PodEntries;
    [FieldOffset(32)] public ushort Domid;
}

[XenStruct("xen_pod_target", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct PodTarget64
{
    [FieldOffset(0)] public ulong TargetPages;
    [FieldOffset(8)] public ulong TotPages;
    [FieldOffset(16)] public ulong PodCachePages;
    [FieldOffset(24)] public ulong PodEntries;
    [FieldOffset(32)] public ushort Domid;
}

[XenStruct("xen_mem_acquire_resource", Abis.X32, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 28)]
public struct MemAcquireResource32
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(2)] public ushort Type;
    [FieldOffset(4)] public uint Id;
    [FieldOffset(8)] public uint NrFrames;
    [FieldOffset(16)] public ulong Frame;
    [FieldOffset(24)] public uint FrameList;
}

[XenStruct("xen_mem_acquire_resource", Abis.X64, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct MemAcquireResource64
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(2)] public ushort Type;
    [FieldOffset(4)] public uint Id;
    [FieldOffset(8)] public uint NrFrames;
    [FieldOffset(16)] public ulong Frame;
    [FieldOffset(24)] public ulong FrameList;
}
