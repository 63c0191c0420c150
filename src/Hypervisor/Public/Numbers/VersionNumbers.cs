namespace XenSim.Hypervisor.Public.Numbers;

// version.h, features.h.

/// <summary>Sub-operations of xen_version.</summary>
[XenPrefix("XENVER_")]
public enum XenVersionCommand : uint
{
    version = 0,
    extraversion = 1,
    compile_info = 2,
    capabilities = 3,
    changeset = 4,
    platform_parameters = 5,
    get_features = 6,
    pagesize = 7,
    guest_handle = 8,
    commandline = 9,
    build_id = 10,
}

/// <summary>Feature bits: numbers of bits in XENVER_get_features' submap 0 and in the notes.</summary>
[XenPrefix("XENFEAT_")]
public enum XenFeature : uint
{
    writable_page_tables = 0,
    writable_descriptor_tables = 1,
    auto_translated_physmap = 2,
    supervisor_mode_kernel = 3,
    pae_pgdir_above_4gb = 4,
    mmu_pt_update_preserve_ad = 5,
    highmem_assist = 6,
    gnttab_map_avail_bits = 7,
    hvm_callback_vector = 8,
    hvm_safe_pvclock = 9,
    hvm_pirqs = 10,
    dom0 = 11,
    memory_op_vnode_supported = 13,
    ARM_SMCCC_supported = 14,
    linux_rsdp_unrestricted = 15,
    not_direct_mapped = 16,
    direct_mapped = 17,
}
