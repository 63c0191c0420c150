using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// domctl.h: payloads about vCPUs and what they see.

[XenStruct("xenctl_bitmap", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct XenctlBitmap
{
    [FieldOffset(0)] public ulong Bitmap;
    [FieldOffset(8)] public uint NrBits;
}

[XenStruct("xenctl_cpumap", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct XenctlCpumap
{
    [FieldOffset(0)] public ulong Bitmap;
    [FieldOffset(8)] public uint NrCpus;
}

[XenStruct("xen_domctl_vcpucontext", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlVcpuContext
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(8)] public ulong Ctxt;
}

[XenStruct("xen_domctl_getvcpuinfo", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlGetVcpuInfo
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(4)] public byte Online;
    [FieldOffset(5)] public byte Blocked;
    [FieldOffset(6)] public byte Running;
    [FieldOffset(8)] public ulong CpuTime;
    [FieldOffset(16)] public uint Cpu;
}

[XenStruct("xen_domctl_vcpuaffinity", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlVcpuAffinityV40
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(8)] public XenctlCpumap Cpumap;
}

[XenStruct("xen_domctl_vcpuaffinity", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct DomctlVcpuAffinityV417
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(4)] public uint Flags;
    [FieldOffset(8)] public XenctlBitmap CpumapHard;
    [FieldOffset(24)] public XenctlBitmap CpumapSoft;
}

[XenStruct("xen_domctl_nodeaffinity", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlNodeAffinity
{
    [FieldOffset(0)] public XenctlBitmap Nodemap;
}

[XenStruct("xen_domctl_sched_sedf", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct DomctlSchedSedf
{
    [FieldOffset(0)] public ulong Period;
    [FieldOffset(8)] public ulong Slice;
    [FieldOffset(16)] public ulong Latency;
    [FieldOffset(24)] public uint Extratime;
    [FieldOffset(28)] public uint Weight;
}

[XenStruct("xen_domctl_sched_credit", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct DomctlSchedCredit
{
    [FieldOffset(0)] public ushort Weight;
    [FieldOffset(2)] public ushort Cap;
}

[XenStruct("xen_domctl_sched_credit2", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct DomctlSchedCredit2
{
    [FieldOffset(0)] public ushort Weight;
    [FieldOffset(2)] public ushort Cap;
}

[XenStruct("xen_domctl_sched_rtds", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct DomctlSchedRtds
{
    [FieldOffset(0)] public uint Period;
    [FieldOffset(4)] public uint Budget;
    [FieldOffset(8)] public uint Flags;
}

[XenStruct("xen_domctl_scheduler_op", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct DomctlSchedulerOpV40
{
    [FieldOffset(0)] public uint SchedId;
    [FieldOffset(4)] public uint Cmd;
    [FieldOffset(8)] public DomctlSchedSedf Sedf;
    [FieldOffset(8)] public DomctlSchedCredit Credit;
}

[XenStruct("xen_domctl_scheduler_op", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlSchedulerOpV417
{
    [FieldOffset(0)] public uint SchedId;
    [FieldOffset(4)] public uint Cmd;
    [FieldOffset(8)] public DomctlSchedCredit Credit;
    [FieldOffset(8)] public DomctlSchedCredit2 Credit2;
    [FieldOffset(8)] public DomctlSchedRtds Rtds;
    [FieldOffset(8)] public ulong VVcpus;
    [FieldOffset(16)] public uint VNrVcpus;
    [FieldOffset(20)] public uint VPadding;
}

[XenStruct("xen_domctl_cpuid", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlCpuid
{
    [FieldOffset(0)] public Array2<uint> Input;
    [FieldOffset(8)] public uint Eax;
    [FieldOffset(12)] public uint Ebx;
    [FieldOffset(16)] public uint Ecx;
    [FieldOffset(20)] public uint Edx;
}

[XenStruct("xen_domctl_cpu_policy", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct DomctlCpuPolicy
{
    [FieldOffset(0)] public uint NrLeaves;
    [FieldOffset(4)] public uint NrMsrs;
    [FieldOffset(8)] public ulong Leaves;
    [FieldOffset(16)] public ulong Msrs;
    [FieldOffset(24)] public uint ErrLeaf;
    [FieldOffset(28)] public uint ErrSubleaf;
    [FieldOffset(32)] public uint ErrMsr;
}

[XenStruct("xen_cpuid_leaf", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct CpuidLeaf
{
    [FieldOffset(0)] public uint Leaf;
    [FieldOffset(4)] public uint Subleaf;
    [FieldOffset(8)] public uint A;
    [FieldOffset(12)] public uint B;
    [FieldOffset(16)] public uint C;
    [FieldOffset(20)] public uint D;
}

[XenStruct("xen_msr_entry", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct MsrEntry
{
    [FieldOffset(0)] public uint Idx;
    [FieldOffset(4)] public uint Flags;
    [FieldOffset(8)] public ulong Val;
}

[XenStruct("xen_domctl_hvmcontext", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlHvmContext
{
    [FieldOffset(0)] public uint Size;
    [FieldOffset(8)] public ulong Buffer;
}

[XenStruct("xen_domctl_hvmcontext_partial", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct DomctlHvmContextPartialV40
{
    [FieldOffset(0)] public uint Type;
    [FieldOffset(4)] public uint Instance;
    [FieldOffset(8)] public ulong Buffer;
}

[XenStruct("xen_domctl_hvmcontext_partial", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct DomctlHvmContextPartialV417
{
    [FieldOffset(0)] public uint Type;
    [FieldOffset(4)] public uint Instance;
    [FieldOffset(8)] public ulong Bufsz;
    [FieldOffset(16)] public ulong Buffer;
}
