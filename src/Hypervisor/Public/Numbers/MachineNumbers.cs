namespace XenSim.Hypervisor.Public.Numbers;

// Numbers that stand in no installed public header.

/// <summary>How memory_op's first argument is divided. Source: RELEASE-4.0.4 and stable-4.17 xen/include/xen/hypercall.h.</summary>
public static class MemoryOpArgument
{
    /// <summary>The bits that are the command.</summary>
    public const ulong MEMOP_CMD_MASK = 0x3f;

    /// <summary>Where the extent starts from which a preempted call continues.</summary>
    public const int MEMOP_EXTENT_SHIFT = 6;
}

/// <summary>Types of a memory map's entries. Source: stable-4.17 tools/include/xenctrl.h and the ACPI specification.</summary>
[XenPrefix("E820_")]
public enum E820Type : uint
{
    RAM = 1,
    RESERVED = 2,
    ACPI = 3,
    NVS = 4,
    UNUSABLE = 5,
}

/// <summary>Type codes of HVM save records, DECLARE_HVM_SAVE_TYPE in arch-x86/hvm/save.h.</summary>
public enum HvmSaveCode : ushort
{
    END = 0,
    HEADER = 1,
    CPU = 2,
    PIC = 3,
    IOAPIC = 4,
    LAPIC = 5,
    LAPIC_REGS = 6,
    PCI_IRQ = 7,
    ISA_IRQ = 8,
    PCI_LINK = 9,
    PIT = 10,
    RTC = 11,
    HPET = 12,
    PMTIMER = 13,
    MTRR = 14,
    VIRIDIAN = 15,
    CPU_XSAVE = 16,
    VIRIDIAN_VCPU = 17,
    VMCE_VCPU = 18,
    TSC_ADJUST = 19,
    CPU_MSR = 20,
}
