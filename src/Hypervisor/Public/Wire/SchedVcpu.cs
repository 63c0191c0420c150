using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// sched.h, vcpu.h: arguments of sched_op and vcpu_op.

[XenStruct("sched_shutdown", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct SchedShutdown
{
    [FieldOffset(0)] public uint Reason;
}

[XenStruct("sched_poll", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct SchedPoll32
{
    [FieldOffset(0)] public uint Ports;
    [FieldOffset(4)] public uint NrPorts;
    [FieldOffset(8)] public ulong Timeout;
}

[XenStruct("sched_poll", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct SchedPoll64
{
    [FieldOffset(0)] public ulong Ports;
    [FieldOffset(8)] public uint NrPorts;
    [FieldOffset(16)] public ulong Timeout;
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

[XenStruct("vcpu_runstate_info", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 44)]
public struct VcpuRunstateInfo32
{
    [FieldOffset(0)] public int State;
    [FieldOffset(4)] public ulong StateEntryTime;
    [FieldOffset(12)] public Array4<ulong> Time;
}

[XenStruct("vcpu_runstate_info", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 48)]
public struct VcpuRunstateInfo64
{
    [FieldOffset(0)] public int State;
    [FieldOffset(8)] public ulong StateEntryTime;
    [FieldOffset(16)] public Array4<ulong> Time;
}

[XenStruct("vcpu_register_runstate_memory_area", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuRegisterRunstateMemoryArea32
{
    [FieldOffset(0)] public uint AddrH;
    [FieldOffset(0)] public uint AddrV;
    [FieldOffset(0)] public ulong AddrP;
}

[XenStruct("vcpu_register_runstate_memory_area", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuRegisterRunstateMemoryArea64
{
    [FieldOffset(0)] public ulong AddrH;
    [FieldOffset(0)] public ulong AddrV;
    [FieldOffset(0)] public ulong AddrP;
}

[XenStruct("vcpu_set_periodic_timer", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuSetPeriodicTimer
{
    [FieldOffset(0)] public ulong PeriodNs;
}

[XenStruct("vcpu_set_singleshot_timer", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct VcpuSetSingleshotTimer32
{
    [FieldOffset(0)] public ulong TimeoutAbsNs;
    [FieldOffset(8)] public uint Flags;
}

[XenStruct("vcpu_set_singleshot_timer", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct VcpuSetSingleshotTimer64
{
    [FieldOffset(0)] public ulong TimeoutAbsNs;
    [FieldOffset(8)] public uint Flags;
}

[XenStruct("vcpu_register_vcpu_info", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct VcpuRegisterVcpuInfo
{
    [FieldOffset(0)] public ulong Mfn;
    [FieldOffset(8)] public uint Offset;
    [FieldOffset(12)] public uint Rsvd;
}

[XenStruct("vcpu_register_time_memory_area", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuRegisterTimeMemoryArea32
{
    [FieldOffset(0)] public uint AddrH;
    [FieldOffset(0)] public uint AddrV;
    [FieldOffset(0)] public ulong AddrP;
}

[XenStruct("vcpu_register_time_memory_area", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuRegisterTimeMemoryArea64
{
    [FieldOffset(0)] public ulong AddrH;
    [FieldOffset(0)] public ulong AddrV;
    [FieldOffset(0)] public ulong AddrP;
}

[XenStruct("vcpu_get_physid", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct VcpuGetPhysid
{
    [FieldOffset(0)] public ulong PhysId;
}
