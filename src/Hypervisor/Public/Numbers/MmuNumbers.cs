namespace XenSim.Hypervisor.Public.Numbers;

// xen.h.

/// <summary>Commands of mmuext_op.</summary>
[XenPrefix("MMUEXT_")]
public enum MmuextCommand : uint
{
    PIN_L1_TABLE = 0,
    PIN_L2_TABLE = 1,
    PIN_L3_TABLE = 2,
    PIN_L4_TABLE = 3,
    UNPIN_TABLE = 4,
    NEW_BASEPTR = 5,
    TLB_FLUSH_LOCAL = 6,
    INVLPG_LOCAL = 7,
    TLB_FLUSH_MULTI = 8,
    INVLPG_MULTI = 9,
    TLB_FLUSH_ALL = 10,
    INVLPG_ALL = 11,
    FLUSH_CACHE = 12,
    SET_LDT = 13,
    NEW_USER_BASEPTR = 15,
    CLEAR_PAGE = 16,
    COPY_PAGE = 17,
    FLUSH_CACHE_GLOBAL = 18,
    MARK_SUPER = 19,
    UNMARK_SUPER = 20,
}

/// <summary>Commands of mmu_update, in the low bits of ptr.</summary>
[XenPrefix("MMU_")]
public enum MmuUpdateCommand : uint
{
    NORMAL_PT_UPDATE = 0,
    MACHPHYS_UPDATE = 1,
    PT_UPDATE_PRESERVE_AD = 2,
    PT_UPDATE_NO_TRANSLATE = 3,
}

/// <summary>Flags of update_va_mapping.</summary>
[Flags]
[XenPrefix("UVMF_")]
public enum UpdateVaMappingFlags : uint
{
    LOCAL = 0,
    MULTI = 0,
    NONE = 0,
    TLB_FLUSH = 1,
    INVLPG = 2,
    FLUSHTYPE_MASK = 3,
    ALL = 4,
}

/// <summary>Which base set_segment_base sets.</summary>
[XenPrefix("SEGBASE_")]
public enum SegmentBase : uint
{
    FS = 0,
    GS_USER = 1,
    GS_KERNEL = 2,
    GS_USER_SEL = 3,
}

/// <summary>Commands of vm_assist.</summary>
[XenPrefix("VMASST_CMD_")]
public enum VmAssistCommand : uint
{
    enable = 0,
    disable = 1,
}

/// <summary>Assists of vm_assist: bit numbers.</summary>
[XenPrefix("VMASST_TYPE_")]
public enum VmAssistType : uint
{
    _4gb_segments = 0,
    _4gb_segments_notify = 1,
    writable_pagetables = 2,
    pae_extended_cr3 = 3,
    architectural_iopl = 4,
    runstate_update_flag = 5,
    m2p_strict = 32,
}
