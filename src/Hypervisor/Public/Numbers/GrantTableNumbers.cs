namespace XenSim.Hypervisor.Public.Numbers;

// grant_table.h.

/// <summary>Sub-operations of grant_table_op.</summary>
[XenPrefix("GNTTABOP_")]
public enum GrantTableOp : uint
{
    map_grant_ref = 0,
    unmap_grant_ref = 1,
    setup_table = 2,
    dump_table = 3,
    transfer = 4,
    copy = 5,
    query_size = 6,
    unmap_and_replace = 7,
    set_version = 8,
    get_status_frames = 9,
    get_version = 10,
    swap_grant_ref = 11,
    cache_flush = 12,
}

/// <summary>Status that each entry of a grant table operation gets.</summary>
[XenPrefix("GNTST_")]
public enum GrantStatus : short
{
    okay = 0,
    general_error = -1,
    bad_domain = -2,
    bad_gntref = -3,
    bad_handle = -4,
    bad_virt_addr = -5,
    bad_dev_addr = -6,
    no_device_space = -7,
    permission_denied = -8,
    bad_page = -9,
    bad_copy_arg = -10,
    address_too_big = -11,
    eagain = -12,
    no_space = -13,
}

/// <summary>Flags and types of a grant entry.</summary>
[Flags]
[XenPrefix("GTF_")]
public enum GrantEntryFlags : ushort
{
    invalid = 0,
    permit_access = 1,
    accept_transfer = 2,
    transitive = 3,
    type_mask = 3,
    @readonly = 4,
    transfer_committed = 4,
    reading = 8,
    transfer_completed = 8,
    writing = 0x10,
    PWT = 0x20,
    PCD = 0x40,
    PAT = 0x80,
    sub_page = 0x100,
}

/// <summary>Flags of GNTTABOP_map_grant_ref.</summary>
[Flags]
[XenPrefix("GNTMAP_")]
public enum GrantMapFlags : uint
{
    device_map = 1,
    host_map = 2,
    @readonly = 4,
    application_map = 8,
    contains_pte = 0x10,
    can_fail = 0x20,
    guest_avail_mask = 0xffff0000,
}

/// <summary>Flags of GNTTABOP_copy.</summary>
[Flags]
[XenPrefix("GNTCOPY_")]
public enum GrantCopyFlags : ushort
{
    source_gref = 1,
    dest_gref = 2,
    can_fail = 4,
}

/// <summary>Grant references that the tools fill (from 4.2).</summary>
[XenPrefix("GNTTAB_RESERVED_")]
public enum GrantReservedEntry : uint
{
    CONSOLE = 0,
    XENSTORE = 1,
}
