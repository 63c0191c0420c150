namespace XenSim.Hypervisor.Public.Numbers;

// hvm/hvm_op.h, hvm/params.h, arch-x86/hvm/start_info.h.

/// <summary>Sub-operations of hvm_op.</summary>
[XenPrefix("HVMOP_")]
public enum HvmOp : uint
{
    set_param = 0,
    get_param = 1,
    set_pci_intx_level = 2,
    set_isa_irq_level = 3,
    set_pci_link_route = 4,
    flush_tlbs = 5,
    track_dirty_vram = 6,
    modified_memory = 7,
    set_mem_type = 8,
    pagetable_dying = 9,
    get_time = 10,
    xentrace = 11,
    set_mem_access = 12,
    get_mem_access = 13,
    get_mem_type = 15,
    set_evtchn_upcall_vector = 23,
    guest_request_vm_event = 24,
    altp2m = 25,
}

/// <summary>Parameters of HVMOP_set_param and HVMOP_get_param.</summary>
[XenPrefix("HVM_PARAM_")]
public enum HvmParam : uint
{
    CALLBACK_IRQ = 0,
    STORE_PFN = 1,
    STORE_EVTCHN = 2,
    PAE_ENABLED = 4,
    IOREQ_PFN = 5,
    BUFIOREQ_PFN = 6,
    VIRIDIAN = 9,
    TIMER_MODE = 10,
    HPET_ENABLED = 11,
    IDENT_PT = 12,
    DM_DOMAIN = 13,
    ACPI_S_STATE = 14,
    VM86_TSS = 15,
    VPT_ALIGN = 16,
    CONSOLE_PFN = 17,
    CONSOLE_EVTCHN = 18,
    ACPI_IOPORTS_LOCATION = 19,
    MEMORY_EVENT_CR0 = 20,
    MEMORY_EVENT_CR3 = 21,
    MEMORY_EVENT_CR4 = 22,
    MEMORY_EVENT_INT3 = 23,
    NESTEDHVM = 24,
    MEMORY_EVENT_SINGLE_STEP = 25,
    BUFIOREQ_EVTCHN = 26,
    PAGING_RING_PFN = 27,
    MONITOR_RING_PFN = 28,
    SHARING_RING_PFN = 29,
    MEMORY_EVENT_MSR = 30,
    TRIPLE_FAULT_REASON = 31,
    IOREQ_SERVER_PFN = 32,
    NR_IOREQ_SERVER_PAGES = 33,
    VM_GENERATION_ID_ADDR = 34,
    ALTP2M = 35,
    X87_FIP_WIDTH = 36,
    VM86_TSS_SIZED = 37,
    MCA_CAP = 38,
}

/// <summary>Bits 63:56 of HVM_PARAM_CALLBACK_IRQ.</summary>
[XenPrefix("HVM_PARAM_CALLBACK_TYPE_")]
public enum HvmCallbackType : byte
{
    GSI = 0,
    PCI_INTX = 1,
    VECTOR = 2,
}

/// <summary>Types in the memory map of hvm_start_info, the same as those of e820.</summary>
[XenPrefix("XEN_HVM_MEMMAP_TYPE_")]
public enum HvmMemmapType : uint
{
    RAM = 1,
    RESERVED = 2,
    ACPI = 3,
    NVS = 4,
    UNUSABLE = 5,
    DISABLED = 6,
    PMEM = 7,
}
