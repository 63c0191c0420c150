using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// sysctl.h: the envelope and the payloads a build issues.

[XenStruct("xen_sysctl", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 136)]
public struct Sysctl
{
    [FieldOffset(0)] public uint Cmd;
    [FieldOffset(4)] public uint InterfaceVersion;
    [XenField("u.pad"), FieldOffset(8)] public Array128<byte> Payload;
}

[XenStruct("xen_sysctl_physinfo", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 104)]
public struct SysctlPhysInfoV40
{
    [FieldOffset(0)] public uint ThreadsPerCore;
    [FieldOffset(4)] public uint CoresPerSocket;
    [FieldOffset(8)] public uint NrCpus;
    [FieldOffset(12)] public uint MaxNodeId;
    [FieldOffset(16)] public uint CpuKhz;
    [FieldOffset(24)] public ulong TotalPages;
    [FieldOffset(32)] public ulong FreePages;
    [FieldOffset(40)] public ulong ScrubPages;
    [FieldOffset(48)] public Array8<uint> HwCap;
    [FieldOffset(80)] public uint MaxCpuId;
    [FieldOffset(88)] public ulong CpuToNode;
    [FieldOffset(96)] public uint Capabilities;
}

[XenStruct("xen_sysctl_physinfo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 112)]
public struct SysctlPhysInfoV417
{
    [FieldOffset(0)] public uint ThreadsPerCore;
    [FieldOffset(4)] public uint CoresPerSocket;
    [FieldOffset(8)] public uint NrCpus;
    [FieldOffset(12)] public uint MaxCpuId;
    [FieldOffset(16)] public uint NrNodes;
    [FieldOffset(20)] public uint MaxNodeId;
    [FieldOffset(24)] public uint CpuKhz;
    [FieldOffset(28)] public uint Capabilities;
    [FieldOffset(32)] public uint ArchCapabilities;
    [FieldOffset(40)] public ulong TotalPages;
    [FieldOffset(48)] public ulong FreePages;
    [FieldOffset(56)] public ulong ScrubPages;
    [FieldOffset(64)] public ulong OutstandingPages;
    [FieldOffset(72)] public ulong MaxMfn;
    [FieldOffset(80)] public Array8<uint> HwCap;
}

[XenStruct("xen_sysctl_getdomaininfolist", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct SysctlGetDomainInfoList
{
    [FieldOffset(0)] public ushort FirstDomain;
    [FieldOffset(4)] public uint MaxDomains;
    [FieldOffset(8)] public ulong Buffer;
    [FieldOffset(16)] public uint NumDomains;
}

[XenStruct("xen_sysctl_sched_id", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct SysctlSchedId
{
    [FieldOffset(0)] public uint SchedId;
}

[XenStruct("xen_sysctl_cpupool_op", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct SysctlCpupoolOp
{
    [FieldOffset(0)] public uint Op;
    [FieldOffset(4)] public uint CpupoolId;
    [FieldOffset(8)] public uint SchedId;
    [FieldOffset(12)] public uint Domid;
    [FieldOffset(16)] public uint Cpu;
    [FieldOffset(20)] public uint NDom;
    [FieldOffset(24)] public XenctlBitmap Cpumap;
}

[XenStruct("xen_sysctl_meminfo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct SysctlMemInfo
{
    [FieldOffset(0)] public ulong Memsize;
    [FieldOffset(8)] public ulong Memfree;
}

[XenStruct("xen_sysctl_numainfo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct SysctlNumaInfo
{
    [FieldOffset(0)] public uint NumNodes;
    [FieldOffset(8)] public ulong Meminfo;
    [FieldOffset(16)] public ulong Distance;
}

[XenStruct("xen_sysctl_cputopo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct SysctlCpuTopo
{
    [FieldOffset(0)] public uint Core;
    [FieldOffset(4)] public uint Socket;
    [FieldOffset(8)] public uint Node;
}

[XenStruct("xen_sysctl_cputopoinfo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct SysctlCpuTopoInfo
{
    [FieldOffset(0)] public uint NumCpus;
    [FieldOffset(8)] public ulong Cputopo;
}

[XenStruct("xen_sysctl_cpu_featureset", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct SysctlCpuFeatureset
{
    [FieldOffset(0)] public uint Index;
    [FieldOffset(4)] public uint NrFeatures;
    [FieldOffset(8)] public ulong Features;
}

[XenStruct("xen_sysctl_cpu_policy", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct SysctlCpuPolicy
{
    [FieldOffset(0)] public uint Index;
    [FieldOffset(4)] public uint NrLeaves;
    [FieldOffset(8)] public uint NrMsrs;
    [FieldOffset(12)] public uint Rsvd;
    [FieldOffset(16)] public ulong Leaves;
    [FieldOffset(24)] public ulong Msrs;
}
