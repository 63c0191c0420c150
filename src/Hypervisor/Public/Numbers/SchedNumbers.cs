namespace XenSim.Hypervisor.Public.Numbers;

// sched.h, vcpu.h.

/// <summary>Sub-operations of sched_op.</summary>
[XenPrefix("SCHEDOP_")]
public enum SchedOp : uint
{
    yield = 0,
    block = 1,
    shutdown = 2,
    poll = 3,
    remote_shutdown = 4,
    shutdown_code = 5,
    watchdog = 6,
    pin_override = 7,
}

/// <summary>Why a domain shut down.</summary>
[XenPrefix("SHUTDOWN_")]
public enum ShutdownReason : uint
{
    poweroff = 0,
    reboot = 1,
    suspend = 2,
    crash = 3,
    watchdog = 4,
    soft_reset = 5,
}

/// <summary>Sub-operations of vcpu_op.</summary>
[XenPrefix("VCPUOP_")]
public enum VcpuOp : uint
{
    initialise = 0,
    up = 1,
    down = 2,
    is_up = 3,
    get_runstate_info = 4,
    register_runstate_memory_area = 5,
    set_periodic_timer = 6,
    stop_periodic_timer = 7,
    set_singleshot_timer = 8,
    stop_singleshot_timer = 9,
    register_vcpu_info = 10,
    send_nmi = 11,
    get_physid = 12,
    register_vcpu_time_memory_area = 13,
}

/// <summary>States of vcpu_runstate_info.</summary>
[XenPrefix("RUNSTATE_")]
public enum RunState : uint
{
    running = 0,
    runnable = 1,
    blocked = 2,
    offline = 3,
}

/// <summary>Flags of VCPUOP_set_singleshot_timer.</summary>
[Flags]
[XenPrefix("VCPU_SSHOTTMR_")]
public enum SingleshotTimerFlags : uint
{
    future = 1,
}

/// <summary>Flags of vcpu_time_info (4.17).</summary>
[Flags]
[XenPrefix("XEN_PVCLOCK_")]
public enum PvClockFlags : byte
{
    TSC_STABLE_BIT = 1,
    GUEST_STOPPED = 2,
}
