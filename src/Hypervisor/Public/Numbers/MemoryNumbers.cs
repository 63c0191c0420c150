namespace XenSim.Hypervisor.Public.Numbers;

// memory.h.

/// <summary>Sub-operations of memory_op: bits 5:0 of its first argument, the rest carries the continuation's extent.</summary>
[XenPrefix("XENMEM_")]
public enum MemoryOpCommand : uint
{
    increase_reservation = 0,
    decrease_reservation = 1,
    maximum_ram_page = 2,
    current_reservation = 3,
    maximum_reservation = 4,
    machphys_mfn_list = 5,
    populate_physmap = 6,
    add_to_physmap = 7,
    memory_map = 9,
    machine_memory_map = 10,
    exchange = 11,
    machphys_mapping = 12,
    set_memory_map = 13,
    maximum_gpfn = 14,
    remove_from_physmap = 15,
    set_pod_target = 16,
    get_pod_target = 17,
    get_sharing_freed_pages = 18,
    get_sharing_shared_pages = 19,
    paging_op = 20,
    access_op = 21,
    sharing_op = 22,
    add_to_physmap_batch = 23,
    claim_pages = 24,
    machphys_compat_mfn_list = 25,
    get_vnumainfo = 26,
    reserved_device_memory_map = 27,
    acquire_resource = 28,
}

/// <summary>Spaces of XENMEM_add_to_physmap.</summary>
[XenPrefix("XENMAPSPACE_")]
public enum MapSpace : uint
{
    shared_info = 0,
    grant_table = 1,
    gmfn = 2,
    gmfn_range = 3,
    gmfn_foreign = 4,
    dev_mmio = 5,
}

/// <summary>Flag bits of xen_memory_reservation.mem_flags; bits 7:0 limit the address width, bits 15:8 are node + 1.</summary>
[Flags]
[XenPrefix("XENMEMF_")]
public enum MemFlags : uint
{
    populate_on_demand = 0x10000,
    exact_node_request = 0x20000,
    vnode = 0x40000,
}

/// <summary>Types of XENMEM_acquire_resource (4.17).</summary>
[XenPrefix("XENMEM_resource_")]
public enum ResourceType : ushort
{
    ioreq_server = 0,
    grant_table = 1,
    vmtrace_buf = 2,
}
