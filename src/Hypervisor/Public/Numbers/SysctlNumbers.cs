namespace XenSim.Hypervisor.Public.Numbers;

// sysctl.h.

/// <summary>Commands of sysctl.</summary>
[XenPrefix("XEN_SYSCTL_")]
public enum SysctlCommand : uint
{
    readconsole = 1,
    tbuf_op = 2,
    physinfo = 3,
    sched_id = 4,
    perfc_op = 5,
    getdomaininfolist = 6,
    debug_keys = 7,
    getcpuinfo = 8,
    availheap = 9,
    get_pmstat = 10,
    cpu_hotplug = 11,
    pm_op = 12,
    page_offline_op = 14,
    lockprof_op = 15,
    cputopoinfo = 16,
    numainfo = 17,
    cpupool_op = 18,
    scheduler_op = 19,
    coverage_op = 20,
    psr_cmt_op = 21,
    pcitopoinfo = 22,
    psr_alloc = 23,
    get_cpu_levelling_caps = 25,
    get_cpu_featureset = 26,
    livepatch_op = 27,
    get_cpu_policy = 29,
}

/// <summary>Operations of XEN_SYSCTL_cpupool_op (4.17).</summary>
[XenPrefix("XEN_SYSCTL_CPUPOOL_OP_")]
public enum CpupoolOp : uint
{
    CREATE = 1,
    DESTROY = 2,
    INFO = 3,
    ADDCPU = 4,
    RMCPU = 5,
    MOVEDOMAIN = 6,
    FREEINFO = 7,
}

/// <summary>Capabilities in XEN_SYSCTL_physinfo, as 4.17 has them; 4.0: bit 0 hvm, bit 1 hvm_directio.</summary>
[Flags]
[XenPrefix("XEN_SYSCTL_PHYSCAP_")]
public enum PhysicalCapabilities : uint
{
    hvm = 1,
    pv = 2,
    directio = 4,
    hap = 8,
    shadow = 0x10,
    iommu_hap_pt_share = 0x20,
    vmtrace = 0x40,
    vpmu = 0x80,
    gnttab_v1 = 0x100,
    gnttab_v2 = 0x200,
}

/// <summary>Which featureset XEN_SYSCTL_get_cpu_featureset reads (4.17).</summary>
[XenPrefix("XEN_SYSCTL_cpu_featureset_")]
public enum CpuFeaturesetIndex : uint
{
    raw = 0,
    host = 1,
    pv = 2,
    hvm = 3,
    pv_max = 4,
    hvm_max = 5,
}

/// <summary>Which policy XEN_SYSCTL_get_cpu_policy reads (4.17).</summary>
[XenPrefix("XEN_SYSCTL_cpu_policy_")]
public enum CpuPolicyIndex : uint
{
    raw = 0,
    host = 1,
    pv_max = 2,
    hvm_max = 3,
    pv_default = 4,
    hvm_default = 5,
}
