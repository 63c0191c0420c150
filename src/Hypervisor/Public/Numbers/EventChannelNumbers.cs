namespace XenSim.Hypervisor.Public.Numbers;

// event_channel.h, xen.h.

/// <summary>Sub-operations of event_channel_op.</summary>
[XenPrefix("EVTCHNOP_")]
public enum EventChannelOp : uint
{
    bind_interdomain = 0,
    bind_virq = 1,
    bind_pirq = 2,
    close = 3,
    send = 4,
    status = 5,
    alloc_unbound = 6,
    bind_ipi = 7,
    bind_vcpu = 8,
    unmask = 9,
    reset = 10,
    init_control = 11,
    expand_array = 12,
    set_priority = 13,
}

/// <summary>Status values of EVTCHNOP_status.</summary>
[XenPrefix("EVTCHNSTAT_")]
public enum EventChannelStatus : uint
{
    closed = 0,
    unbound = 1,
    interdomain = 2,
    pirq = 3,
    virq = 4,
    ipi = 5,
}

/// <summary>Virtual interrupts.</summary>
[XenPrefix("VIRQ_")]
public enum Virq : uint
{
    TIMER = 0,
    DEBUG = 1,
    CONSOLE = 2,
    DOM_EXC = 3,
    TBUF = 4,
    DEBUGGER = 6,
    XENOPROF = 7,
    CON_RING = 8,
    PCPU_STATE = 9,
    MEM_EVENT = 10,
    ARGO = 11,
    ENOMEM = 12,
    XENPMU = 13,
    ARCH_0 = 16,
    ARCH_1 = 17,
    ARCH_2 = 18,
    ARCH_3 = 19,
    ARCH_4 = 20,
    ARCH_5 = 21,
    ARCH_6 = 22,
    ARCH_7 = 23,
}
