using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// domctl.h: the envelope and the payloads about a domain as a whole.

[XenStruct("xen_domctl", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 144)]
public struct Domctl
{
    [FieldOffset(0)] public uint Cmd;
    [FieldOffset(4)] public uint InterfaceVersion;
    [FieldOffset(8)] public ushort Domain;
    [XenField("u.pad"), FieldOffset(16)] public Array128<byte> Payload;
}

[XenStruct("xen_arch_domainconfig", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct ArchDomainConfig
{
    [FieldOffset(0)] public uint EmulationFlags;
    [FieldOffset(4)] public uint MiscFlags;
}

[XenStruct("xen_domctl_createdomain", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlCreateDomainV40
{
    [FieldOffset(0)] public uint Ssidref;
    [FieldOffset(4)] public Array16<byte> Handle;
    [FieldOffset(20)] public uint Flags;
}

[XenStruct("xen_domctl_createdomain", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 64)]
public struct DomctlCreateDomainV417
{
    [FieldOffset(0)] public uint Ssidref;
    [FieldOffset(4)] public Array16<byte> Handle;
    [FieldOffset(20)] public uint Flags;
    [FieldOffset(24)] public uint IommuOpts;
    [FieldOffset(28)] public uint MaxVcpus;
    [FieldOffset(32)] public uint MaxEvtchnPort;
    [FieldOffset(36)] public int MaxGrantFrames;
    [FieldOffset(40)] public int MaxMaptrackFrames;
    [FieldOffset(44)] public uint GrantOpts;
    [FieldOffset(48)] public uint VmtraceSize;
    [FieldOffset(52)] public uint CpupoolId;
    [FieldOffset(56)] public ArchDomainConfig Arch;
}

[XenStruct("xen_domctl_getdomaininfo", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 80)]
public struct DomctlGetDomainInfoV40
{
    [FieldOffset(0)] public ushort Domain;
    [FieldOffset(4)] public uint Flags;
    [FieldOffset(8)] public ulong TotPages;
    [FieldOffset(16)] public ulong MaxPages;
    [FieldOffset(24)] public ulong ShrPages;
    [FieldOffset(32)] public ulong SharedInfoFrame;
    [FieldOffset(40)] public ulong CpuTime;
    [FieldOffset(48)] public uint NrOnlineVcpus;
    [FieldOffset(52)] public uint MaxVcpuId;
    [FieldOffset(56)] public uint Ssidref;
    [FieldOffset(60)] public Array16<byte> Handle;
}

[XenStruct("xen_domctl_getdomaininfo", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 112)]
public struct DomctlGetDomainInfoV417
{
    [FieldOffset(0)] public ushort Domain;
    [FieldOffset(4)] public uint Flags;
    [FieldOffset(8)] public ulong TotPages;
    [FieldOffset(16)] public ulong MaxPages;
    [FieldOffset(24)] public ulong OutstandingPages;
    [FieldOffset(32)] public ulong ShrPages;
    [FieldOffset(40)] public ulong PagedPages;
    [FieldOffset(48)] public ulong SharedInfoFrame;
    [FieldOffset(56)] public ulong CpuTime;
    [FieldOffset(64)] public uint NrOnlineVcpus;
    [FieldOffset(68)] public uint MaxVcpuId;
    [FieldOffset(72)] public uint Ssidref;
    [FieldOffset(76)] public Array16<byte> Handle;
    [FieldOffset(92)] public uint Cpupool;
    [FieldOffset(96)] public byte GpaddrBits;
    [FieldOffset(104)] public ArchDomainConfig ArchConfig;
}

[XenStruct("xen_domctl_max_mem", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlMaxMem
{
    [FieldOffset(0)] public ulong MaxMemkb;
}

[XenStruct("xen_domctl_max_vcpus", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct DomctlMaxVcpus
{
    [FieldOffset(0)] public uint Max;
}

[XenStruct("xen_domctl_hypercall_init", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlHypercallInit
{
    [FieldOffset(0)] public ulong Gmfn;
}

[XenStruct("xen_domctl_address_size", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct DomctlAddressSize
{
    [FieldOffset(0)] public uint Size;
}

[XenStruct("xen_guest_tsc_info", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct GuestTscInfo
{
    [FieldOffset(0)] public uint TscMode;
    [FieldOffset(4)] public uint GtscKhz;
    [FieldOffset(8)] public uint Incarnation;
    [FieldOffset(16)] public ulong ElapsedNsec;
}

[XenStruct("xen_domctl_tsc_info", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct DomctlTscInfoV40
{
    [FieldOffset(0)] public ulong OutInfo;
    [FieldOffset(8)] public GuestTscInfo Info;
}

[XenStruct("xen_domctl_tsc_info", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlTscInfoV417
{
    [FieldOffset(0)] public uint TscMode;
    [FieldOffset(4)] public uint GtscKhz;
    [FieldOffset(8)] public uint Incarnation;
    [FieldOffset(16)] public ulong ElapsedNsec;
}

[XenStruct("xen_domctl_set_target", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2)]
public struct DomctlSetTarget
{
    [FieldOffset(0)] public ushort Target;
}

[XenStruct("xen_domctl_settimeoffset", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct DomctlSetTimeOffsetV40
{
    [FieldOffset(0)] public int TimeOffsetSeconds;
}

[XenStruct("xen_domctl_settimeoffset", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct DomctlSetTimeOffsetV417
{
    [FieldOffset(0)] public long TimeOffsetSeconds;
}

[XenStruct("xen_domctl_setdomainhandle", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlSetDomainHandle
{
    [FieldOffset(0)] public Array16<byte> Handle;
}
