using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// event_channel.h: arguments of event_channel_op.

[XenStruct("evtchn_alloc_unbound", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct EvtchnAllocUnbound
{
    [FieldOffset(0)] public ushort Dom;
    [FieldOffset(2)] public ushort RemoteDom;
    [FieldOffset(4)] public uint Port;
}

[XenStruct("evtchn_bind_interdomain", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct EvtchnBindInterdomain
{
    [FieldOffset(0)] public ushort RemoteDom;
    [FieldOffset(4)] public uint RemotePort;
    [FieldOffset(8)] public uint LocalPort;
}

[XenStruct("evtchn_bind_virq", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct EvtchnBindVirq
{
    [FieldOffset(0)] public uint Virq;
    [FieldOffset(4)] public uint Vcpu;
    [FieldOffset(8)] public uint Port;
}

[XenStruct("evtchn_bind_pirq", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct EvtchnBindPirq
{
    [FieldOffset(0)] public uint Pirq;
    [FieldOffset(4)] public uint Flags;
    [FieldOffset(8)] public uint Port;
}

[XenStruct("evtchn_bind_ipi", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct EvtchnBindIpi
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(4)] public uint Port;
}

[XenStruct("evtchn_close", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct EvtchnClose
{
    [FieldOffset(0)] public uint Port;
}

[XenStruct("evtchn_send", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct EvtchnSend
{
    [FieldOffset(0)] public uint Port;
}

[XenStruct("evtchn_status", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct EvtchnStatus
{
    [FieldOffset(0)] public ushort Dom;
    [FieldOffset(4)] public uint Port;
    [FieldOffset(8)] public uint Status;
    [FieldOffset(12)] public uint Vcpu;
    [FieldOffset(16)] public ushort UnboundDom;
    [FieldOffset(16)] public ushort InterdomainDom;
    [FieldOffset(20)] public uint InterdomainPort;
    [FieldOffset(16)] public uint Pirq;
    [FieldOffset(16)] public uint Virq;
}

[XenStruct("evtchn_bind_vcpu", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct EvtchnBindVcpu
{
    [FieldOffset(0)] public uint Port;
    [FieldOffset(4)] public uint Vcpu;
}

[XenStruct("evtchn_unmask", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct EvtchnUnmask
{
    [FieldOffset(0)] public uint Port;
}

[XenStruct("evtchn_reset", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2)]
public struct EvtchnReset
{
    [FieldOffset(0)] public ushort Dom;
}

[XenStruct("evtchn_init_control", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct EvtchnInitControl
{
    [FieldOffset(0)] public ulong ControlGfn;
    [FieldOffset(8)] public uint Offset;
    [FieldOffset(12)] public uint Vcpu;
    [FieldOffset(16)] public byte LinkBits;
}

[XenStruct("evtchn_expand_array", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct EvtchnExpandArray
{
    [FieldOffset(0)] public ulong ArrayGfn;
}

[XenStruct("evtchn_set_priority", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct EvtchnSetPriority
{
    [FieldOffset(0)] public uint Port;
    [FieldOffset(4)] public uint Priority;
}

[XenStruct("evtchn_fifo_control_block", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 72)]
public struct EvtchnFifoControlBlock
{
    [FieldOffset(0)] public uint Ready;
    [FieldOffset(4)] public uint Rsvd;
    [FieldOffset(8)] public Array16<uint> Head;
}
