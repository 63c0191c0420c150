using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// sched.h, vcpu.h: arguments of sched_op and vcpu_op.

[XenStruct("sched_shutdown", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct SchedShutdown
{
    [FieldOffset(0)] public uint Reason;
}

[XenStruct("sched_remote_shutdown", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct SchedRemoteShutdown
{
    [FieldOffset(0)] public ushort DomainId;
    [FieldOffset(4)] public uint Reason;
}

[XenStruct("sched_watchdog", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct SchedWatchdog
{
    [FieldOffset(0)] public uint Id;
    [FieldOffset(4)] public uint Timeout;
}

[XenStruct("sched_pin_override", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct SchedPinOverride
{
    [FieldOffset(0)] public int Pcpu;
}

[XenStruct("vcpu_set_periodic_timer", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuSetPeriodicTimer
{
    [FieldOffset(0)] public ulong PeriodNs;
}

[XenStruct("vcpu_register_vcpu_info", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct VcpuRegisterVcpuInfo
{
    [FieldOffset(0)] public ulong Mfn;
    [FieldOffset(8)] public uint Offset;
    [FieldOffset(12)] public uint Rsvd;
}

[XenStruct("vcpu_get_physid", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuGetPhysid
{
    [FieldOffset(0)] public ulong PhysId;
}
