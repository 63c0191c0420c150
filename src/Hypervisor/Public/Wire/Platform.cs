using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// platform.h: the envelope of platform_op and the payloads that are looked at.

[XenStruct("xen_platform_op", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 136)]
public struct PlatformRequest
{
    [FieldOffset(0)] public uint Cmd;
    [FieldOffset(4)] public uint InterfaceVersion;
    [XenField("u.pad"), FieldOffset(8)] public Array128<byte> Payload;
}

[XenStruct("xenpf_settime64", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct XenpfSettime64
{
    [FieldOffset(0)] public ulong Secs;
    [FieldOffset(8)] public uint Nsecs;
    [FieldOffset(12)] public uint Mbz;
    [FieldOffset(16)] public ulong SystemTime;
}

[XenStruct("xenpf_pcpuinfo", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 20)]
public struct XenpfPcpuinfo
{
    [FieldOffset(0)] public uint XenCpuid;
    [FieldOffset(4)] public uint MaxPresent;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(12)] public uint ApicId;
    [FieldOffset(16)] public uint AcpiId;
}

[XenStruct("xenpf_pcpu_version", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct XenpfPcpuVersion
{
    [FieldOffset(0)] public uint XenCpuid;
    [FieldOffset(4)] public uint MaxPresent;
    [FieldOffset(8)] public Array12<byte> VendorId;
    [FieldOffset(20)] public uint Family;
    [FieldOffset(24)] public uint Model;
    [FieldOffset(28)] public uint Stepping;
}

[XenStruct("xenpf_core_parking", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct XenpfCoreParking
{
    [FieldOffset(0)] public uint Type;
    [FieldOffset(4)] public uint IdleNums;
}
