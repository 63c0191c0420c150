using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// domctl.h: payloads about memory and permissions.

[XenStruct("xen_domctl_shadow_op_stats", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlShadowOpStats
{
    [FieldOffset(0)] public uint FaultCount;
    [FieldOffset(4)] public uint DirtyCount;
}

[XenStruct("xen_domctl_shadow_op", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct DomctlShadowOp
{
    [FieldOffset(0)] public uint Op;
    [FieldOffset(4)] public uint Mode;
    [FieldOffset(8)] public uint Mb;
    [FieldOffset(16)] public ulong DirtyBitmap;
    [FieldOffset(24)] public ulong Pages;
    [FieldOffset(32)] public DomctlShadowOpStats Stats;
}

[XenStruct("xen_domctl_getpageframeinfo3", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlGetPageFrameInfo3
{
    [FieldOffset(0)] public ulong Num;
    [FieldOffset(8)] public ulong Array;
}

[XenStruct("xen_domctl_getmemlist", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct DomctlGetMemList
{
    [FieldOffset(0)] public ulong MaxPfns;
    [FieldOffset(8)] public ulong StartPfn;
    [FieldOffset(16)] public ulong Buffer;
    [FieldOffset(24)] public ulong NumPfns;
}

[XenStruct("xen_domctl_paging_mempool", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlPagingMempool
{
    [FieldOffset(0)] public ulong Size;
}

[XenStruct("xen_domctl_iomem_permission", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlIomemPermission
{
    [FieldOffset(0)] public ulong FirstMfn;
    [FieldOffset(8)] public ulong NrMfns;
    [FieldOffset(16)] public byte AllowAccess;
}

[XenStruct("xen_domctl_ioport_permission", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct DomctlIoportPermission
{
    [FieldOffset(0)] public uint FirstPort;
    [FieldOffset(4)] public uint NrPorts;
    [FieldOffset(8)] public byte AllowAccess;
}

[XenStruct("xen_domctl_irq_permission", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2)]
public struct DomctlIrqPermissionV40
{
    [FieldOffset(0)] public byte Pirq;
    [FieldOffset(1)] public byte AllowAccess;
}

[XenStruct("xen_domctl_irq_permission", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlIrqPermissionV417
{
    [FieldOffset(0)] public uint Pirq;
    [FieldOffset(4)] public byte AllowAccess;
}
