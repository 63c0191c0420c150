namespace XenSim.Hypervisor.Public.Numbers;

// domctl.h.

/// <summary>Commands of domctl. Of a number that only one release has, the profile of the other answers ENOSYS.</summary>
[XenPrefix("XEN_DOMCTL_")]
public enum DomctlCommand : uint
{
    createdomain = 1,
    destroydomain = 2,
    pausedomain = 3,
    unpausedomain = 4,
    getdomaininfo = 5,
    getmemlist = 6,
    getpageframeinfo = 7,
    getpageframeinfo2 = 8,
    setvcpuaffinity = 9,
    shadow_op = 10,
    max_mem = 11,
    setvcpucontext = 12,
    getvcpucontext = 13,
    getvcpuinfo = 14,
    max_vcpus = 15,
    scheduler_op = 16,
    setdomainhandle = 17,
    setdebugging = 18,
    irq_permission = 19,
    iomem_permission = 20,
    ioport_permission = 21,
    hypercall_init = 22,
    arch_setup = 23,
    settimeoffset = 24,
    getvcpuaffinity = 25,
    real_mode_area = 26,
    resumedomain = 27,
    sendtrigger = 28,
    subscribe = 29,
    gethvmcontext = 33,
    sethvmcontext = 34,
    set_address_size = 35,
    get_address_size = 36,
    assign_device = 37,
    bind_pt_irq = 38,
    memory_mapping = 39,
    ioport_mapping = 40,
    pin_mem_cacheattr = 41,
    set_ext_vcpucontext = 42,
    get_ext_vcpucontext = 43,
    set_opt_feature = 44,
    test_assign_device = 45,
    set_target = 46,
    deassign_device = 47,
    unbind_pt_irq = 48,
    set_cpuid = 49,
    get_device_group = 50,
    set_machine_address_size = 51,
    get_machine_address_size = 52,
    suppress_spurious_page_faults = 53,
    debug_op = 54,
    gethvmcontext_partial = 55,
    mem_event_op = 56,
    vm_event_op = 56,
    mem_sharing_op = 57,
    disable_migrate = 58,
    gettscinfo = 59,
    settscinfo = 60,
    getpageframeinfo3 = 61,
    setvcpuextstate = 62,
    getvcpuextstate = 63,
    set_access_required = 64,
    audit_p2m = 65,
    set_virq_handler = 66,
    set_broken_page_p2m = 67,
    setnodeaffinity = 68,
    getnodeaffinity = 69,
    cacheflush = 71,
    get_vcpu_msrs = 72,
    set_vcpu_msrs = 73,
    setvnumainfo = 74,
    psr_cmt_op = 75,
    monitor_op = 77,
    psr_alloc = 78,
    soft_reset = 79,
    vuart_op = 81,
    get_cpu_policy = 82,
    set_cpu_policy = 83,
    vmtrace_op = 84,
    get_paging_mempool_size = 85,
    set_paging_mempool_size = 86,
    gdbsx_guestmemio = 0x3e8,
    gdbsx_pausevcpu = 0x3e9,
    gdbsx_unpausevcpu = 0x3ea,
    gdbsx_domstatus = 0x3eb,
}

/// <summary>Flags of XEN_DOMCTL_createdomain; 4.0 knows the first four.</summary>
[Flags]
[XenPrefix("XEN_DOMCTL_CDF_")]
public enum CreateDomainFlags : uint
{
    hvm = 1,
    hvm_guest = 1,
    hap = 2,
    s3_integrity = 4,
    oos_off = 8,
    xs_domain = 0x10,
    iommu = 0x20,
    nested_virt = 0x40,
    vpmu = 0x80,
}

/// <summary>Flags of XEN_DOMCTL_getdomaininfo; the shutdown code stands at shutdownshift.</summary>
[Flags]
[XenPrefix("XEN_DOMINF_")]
public enum DomainInfoFlags : uint
{
    dying = 1,
    hvm_guest = 2,
    shutdown = 4,
    paused = 8,
    blocked = 0x10,
    shutdownshift = 0x10,
    running = 0x20,
    debugged = 0x40,
    xs_domain = 0x80,
    shutdownmask = 0xff,
    hap = 0x100,
}

/// <summary>Operations of XEN_DOMCTL_shadow_op.</summary>
[XenPrefix("XEN_DOMCTL_SHADOW_OP_")]
public enum ShadowOp : uint
{
    OFF = 0,
    ENABLE_TEST = 1,
    ENABLE_LOGDIRTY = 2,
    ENABLE_TRANSLATE = 3,
    CLEAN = 11,
    PEEK = 12,
    GET_ALLOCATION = 30,
    SET_ALLOCATION = 31,
    ENABLE = 32,
}

/// <summary>Modes of XEN_DOMCTL_SHADOW_OP_ENABLE.</summary>
[Flags]
[XenPrefix("XEN_DOMCTL_SHADOW_ENABLE_")]
public enum ShadowEnable : uint
{
    REFCOUNT = 2,
    LOG_DIRTY = 4,
    TRANSLATE = 8,
    EXTERNAL = 0x10,
}

/// <summary>What XEN_DOMCTL_getpageframeinfo3 says of a frame.</summary>
[XenPrefix("XEN_DOMCTL_PFINFO_")]
public enum PageFrameInfo : uint
{
    NOTAB = 0,
    LTAB_SHIFT = 0x1c,
    L1TAB = 0x10000000,
    L2TAB = 0x20000000,
    L3TAB = 0x30000000,
    L4TAB = 0x40000000,
    LTABTYPE_MASK = 0x70000000,
    LPINTAB = 0x80000000,
    PAGEDTAB = 0x80000000,
    BROKEN = 0xd0000000,
    XALLOC = 0xe0000000,
    LTAB_MASK = 0xf0000000,
    XTAB = 0xf0000000,
}

/// <summary>Operations of XEN_DOMCTL_scheduler_op.</summary>
[XenPrefix("XEN_DOMCTL_SCHEDOP_")]
public enum DomctlSchedOp : uint
{
    putinfo = 0,
    getinfo = 1,
    putvcpuinfo = 2,
    getvcpuinfo = 3,
}

/// <summary>Which masks XEN_DOMCTL_setvcpuaffinity sets (4.17).</summary>
[Flags]
[XenPrefix("XEN_VCPUAFFINITY_")]
public enum VcpuAffinityFlags : uint
{
    HARD = 1,
    SOFT = 2,
    FORCE = 4,
}

/// <summary>Devices of xen_arch_domainconfig.emulation_flags (4.17).</summary>
[Flags]
[XenPrefix("XEN_X86_EMU_")]
public enum EmulationFlags : uint
{
    LAPIC = 1,
    HPET = 2,
    PM = 4,
    RTC = 8,
    IOAPIC = 0x10,
    PIC = 0x20,
    VGA = 0x40,
    IOMMU = 0x80,
    PIT = 0x100,
    USE_PIRQ = 0x200,
    VPCI = 0x400,
}

/// <summary>Schedulers, as sched_id names them.</summary>
[XenPrefix("XEN_SCHEDULER_")]
public enum SchedulerId : uint
{
    SEDF = 4,
    CREDIT = 5,
    CREDIT2 = 6,
    ARINC653 = 7,
    RTDS = 8,
    NULL = 9,
}
