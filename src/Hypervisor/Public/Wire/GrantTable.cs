using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// grant_table.h: entries and the arguments of grant_table_op.

[XenStruct("grant_entry_header", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct GrantEntryHeader
{
    [FieldOffset(0)] public ushort Flags;
    [FieldOffset(2)] public ushort Domid;
}

[XenStruct("grant_entry_v1", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct GrantEntryV1
{
    [FieldOffset(0)] public ushort Flags;
    [FieldOffset(2)] public ushort Domid;
    [FieldOffset(4)] public uint Frame;
}

[XenStruct("grant_entry_v2", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct GrantEntryV2
{
    [FieldOffset(0)] public GrantEntryHeader Hdr;
    [FieldOffset(0)] public GrantEntryHeader FullPageHdr;
    [FieldOffset(8)] public ulong FullPageFrame;
    [FieldOffset(0)] public GrantEntryHeader SubPageHdr;
    [FieldOffset(4)] public ushort SubPagePageOff;
    [FieldOffset(6)] public ushort SubPageLength;
    [FieldOffset(8)] public ulong SubPageFrame;
    [FieldOffset(0)] public GrantEntryHeader TransitiveHdr;
    [FieldOffset(4)] public ushort TransitiveTransDomid;
    [FieldOffset(8)] public uint TransitiveGref;
    [FieldOffset(0)] public Array4<uint> Spacer;
}

[XenStruct("gnttab_map_grant_ref", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct GnttabMapGrantRef
{
    [FieldOffset(0)] public ulong HostAddr;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(12)] public uint Ref;
    [FieldOffset(16)] public ushort Dom;
    [FieldOffset(18)] public short Status;
    [FieldOffset(20)] public uint Handle;
    [FieldOffset(24)] public ulong DevBusAddr;
}

[XenStruct("gnttab_unmap_grant_ref", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct GnttabUnmapGrantRef
{
    [FieldOffset(0)] public ulong HostAddr;
    [FieldOffset(8)] public ulong DevBusAddr;
    [FieldOffset(16)] public uint Handle;
    [FieldOffset(20)] public short Status;
}

[XenStruct("gnttab_dump_table", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct GnttabDumpTable
{
    [FieldOffset(0)] public ushort Dom;
    [FieldOffset(2)] public short Status;
}

[XenStruct("gnttab_query_size", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct GnttabQuerySize
{
    [FieldOffset(0)] public ushort Dom;
    [FieldOffset(4)] public uint NrFrames;
    [FieldOffset(8)] public uint MaxNrFrames;
    [FieldOffset(12)] public short Status;
}

[XenStruct("gnttab_unmap_and_replace", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct GnttabUnmapAndReplace
{
    [FieldOffset(0)] public ulong HostAddr;
    [FieldOffset(8)] public ulong NewAddr;
    [FieldOffset(16)] public uint Handle;
    [FieldOffset(20)] public short Status;
}

[XenStruct("gnttab_set_version", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct GnttabSetVersion
{
    [FieldOffset(0)] public uint Version;
}

[XenStruct("gnttab_get_version", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct GnttabGetVersion
{
    [FieldOffset(0)] public ushort Dom;
    [FieldOffset(4)] public uint Version;
}

[XenStruct("gnttab_swap_grant_ref", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct GnttabSwapGrantRef
{
    [FieldOffset(0)] public uint RefA;
    [FieldOffset(4)] public uint RefB;
    [FieldOffset(8)] public short Status;
}

[XenStruct("gnttab_cache_flush", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct GnttabCacheFlush
{
    [XenField("a.dev_bus_addr")]
    [FieldOffset(0)] public ulong DevBusAddr;
    [FieldOffset(8)] public ushort Offset;
    [FieldOffset(10)] public ushort Length;
    [FieldOffset(12)] public uint Op;
}
