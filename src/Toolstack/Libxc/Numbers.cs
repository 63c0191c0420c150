namespace XenSim.Toolstack.Libxc;

/// <summary>Source: xen/include/public/domctl.h of both releases.</summary>
internal enum DomctlCommand : uint
{
    XEN_DOMCTL_createdomain = 1,
    XEN_DOMCTL_destroydomain = 2,
    XEN_DOMCTL_pausedomain = 3,
    XEN_DOMCTL_unpausedomain = 4,
    XEN_DOMCTL_getdomaininfo = 5,
    XEN_DOMCTL_setvcpuaffinity = 9,
    XEN_DOMCTL_shadow_op = 10,
    XEN_DOMCTL_max_mem = 11,
    XEN_DOMCTL_setvcpucontext = 12,
    XEN_DOMCTL_max_vcpus = 15,
    XEN_DOMCTL_scheduler_op = 16,
    XEN_DOMCTL_hypercall_init = 22,
    XEN_DOMCTL_gethvmcontext = 33,
    XEN_DOMCTL_sethvmcontext = 34,
    XEN_DOMCTL_set_address_size = 35,
    XEN_DOMCTL_get_address_size = 36,
    XEN_DOMCTL_set_target = 46,
    XEN_DOMCTL_set_cpuid = 49,
    XEN_DOMCTL_settscinfo = 60,
    XEN_DOMCTL_setnodeaffinity = 68,
    XEN_DOMCTL_set_cpu_policy = 83,
    XEN_DOMCTL_set_paging_mempool_size = 86,
}

/// <summary>Source: xen/include/public/sysctl.h.</summary>
internal enum SysctlCommand : uint
{
    XEN_SYSCTL_getdomaininfolist = 6,
    XEN_SYSCTL_get_cpu_featureset = 26,
    XEN_SYSCTL_get_cpu_policy = 29,
}

/// <summary>Source: xen/include/public/memory.h.</summary>
internal enum MemoryCommand : uint
{
    XENMEM_increase_reservation = 0,
    XENMEM_decrease_reservation = 1,
    XENMEM_populate_physmap = 6,
    XENMEM_add_to_physmap = 7,
    XENMEM_set_memory_map = 13,
    XENMEM_claim_pages = 24,
}

/// <summary>Source: xen/include/public/hvm/params.h.</summary>
internal enum HvmParam : uint
{
    HVM_PARAM_STORE_PFN = 1,
    HVM_PARAM_STORE_EVTCHN = 2,
    HVM_PARAM_PAE_ENABLED = 4,
    HVM_PARAM_IOREQ_PFN = 5,
    HVM_PARAM_BUFIOREQ_PFN = 6,
    HVM_PARAM_VIRIDIAN = 9,
    HVM_PARAM_TIMER_MODE = 10,
    HVM_PARAM_HPET_ENABLED = 11,
    HVM_PARAM_IDENT_PT = 12,
    HVM_PARAM_VPT_ALIGN = 16,
    HVM_PARAM_CONSOLE_PFN = 17,
    HVM_PARAM_CONSOLE_EVTCHN = 18,
    HVM_PARAM_PAGING_RING_PFN = 27,
    HVM_PARAM_MONITOR_RING_PFN = 28,
    HVM_PARAM_SHARING_RING_PFN = 29,
    HVM_PARAM_ALTP2M = 35,
}
