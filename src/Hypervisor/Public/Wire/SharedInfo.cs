using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// xen.h, arch-x86/xen.h: the page a domain shares with Xen.

[XenStruct("arch_vcpu_info", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct ArchVcpuInfo32
{
    [FieldOffset(0)] public uint Cr2;
}

[XenStruct("arch_vcpu_info", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct ArchVcpuInfo64
{
    [FieldOffset(0)] public ulong Cr2;
}

[XenStruct("vcpu_time_info", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct VcpuTimeInfo
{
    [FieldOffset(0)] public uint Version;
    [FieldOffset(8)] public ulong TscTimestamp;
    [FieldOffset(16)] public ulong SystemTime;
    [FieldOffset(24)] public uint TscToSystemMul;
    [FieldOffset(28)] public sbyte TscShift;
    [XenField(Releases = Releases.V4_17), FieldOffset(29)] public byte Flags;
}

[XenStruct("vcpu_info", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 64)]
public struct VcpuInfo32
{
    [FieldOffset(0)] public byte EvtchnUpcallPending;
    [FieldOffset(1)] public byte EvtchnUpcallMask;
    [FieldOffset(4)] public uint EvtchnPendingSel;
    [FieldOffset(8)] public ArchVcpuInfo32 Arch;
    [FieldOffset(32)] public VcpuTimeInfo Time;
}

[XenStruct("vcpu_info", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 64)]
public struct VcpuInfo64
{
    [FieldOffset(0)] public byte EvtchnUpcallPending;
    [FieldOffset(1)] public byte EvtchnUpcallMask;
    [FieldOffset(8)] public ulong EvtchnPendingSel;
    [FieldOffset(16)] public ArchVcpuInfo64 Arch;
    [FieldOffset(32)] public VcpuTimeInfo Time;
}

// What 4.17 has more lies in room that 4.0 leaves as padding: the 4.0 structures are the same with more room behind.

[XenStruct("arch_shared_info", Abis.X32, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 28)]
public struct ArchSharedInfo32V417
{
    [FieldOffset(0)] public uint MaxPfn;
    [FieldOffset(4)] public uint PfnToMfnFrameListList;
    [FieldOffset(8)] public uint NmiReason;
    [XenField(Releases = Releases.V4_17), FieldOffset(12)] public uint P2mCr3;
    [XenField(Releases = Releases.V4_17), FieldOffset(16)] public uint P2mVaddr;
    [XenField(Releases = Releases.V4_17), FieldOffset(20)] public uint P2mGeneration;
    [XenField(Releases = Releases.V4_17), FieldOffset(24)] public uint WcSecHi;
}

[XenStruct("arch_shared_info", Abis.X32, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 268)]
public struct ArchSharedInfo32V40
{
    [FieldOffset(0)] public ArchSharedInfo32V417 Common;
}

[XenStruct("arch_shared_info", Abis.X64, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 48)]
public struct ArchSharedInfo64V417
{
    [FieldOffset(0)] public ulong MaxPfn;
    [FieldOffset(8)] public ulong PfnToMfnFrameListList;
    [FieldOffset(16)] public ulong NmiReason;
    [XenField(Releases = Releases.V4_17), FieldOffset(24)] public ulong P2mCr3;
    [XenField(Releases = Releases.V4_17), FieldOffset(32)] public ulong P2mVaddr;
    [XenField(Releases = Releases.V4_17), FieldOffset(40)] public ulong P2mGeneration;
}

[XenStruct("arch_shared_info", Abis.X64, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 280)]
public struct ArchSharedInfo64V40
{
    [FieldOffset(0)] public ArchSharedInfo64V417 Common;
}

[XenStruct("shared_info", Abis.X32, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2344)]
public struct SharedInfo32V417
{
    [FieldOffset(0)] public Array32<VcpuInfo32> VcpuInfo;
    [FieldOffset(2048)] public Array32<uint> EvtchnPending;
    [FieldOffset(2176)] public Array32<uint> EvtchnMask;
    [FieldOffset(2304)] public uint WcVersion;
    [FieldOffset(2308)] public uint WcSec;
    [FieldOffset(2312)] public uint WcNsec;
    [XenField(Releases = Releases.V4_17), FieldOffset(2316)] public ArchSharedInfo32V417 Arch;
}

[XenStruct("shared_info", Abis.X32, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2584)]
public struct SharedInfo32V40
{
    [FieldOffset(0)] public SharedInfo32V417 Common;
    [FieldOffset(2316)] public ArchSharedInfo32V40 Arch;
}

[XenStruct("shared_info", Abis.X64, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 3136)]
public struct SharedInfo64V417
{
    [FieldOffset(0)] public Array32<VcpuInfo64> VcpuInfo;
    [FieldOffset(2048)] public Array64<ulong> EvtchnPending;
    [FieldOffset(2560)] public Array64<ulong> EvtchnMask;
    [FieldOffset(3072)] public uint WcVersion;
    [FieldOffset(3076)] public uint WcSec;
    [FieldOffset(3080)] public uint WcNsec;
    [XenField(Releases = Releases.V4_17), FieldOffset(3084)] public uint WcSecHi;
    [XenField(Releases = Releases.V4_17), FieldOffset(3088)] public ArchSharedInfo64V417 Arch;
}

[XenStruct("shared_info", Abis.X64, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 3368)]
public struct SharedInfo64V40
{
    [FieldOffset(0)] public SharedInfo64V417 Common;
    [FieldOffset(3088)] public ArchSharedInfo64V40 Arch;
}
