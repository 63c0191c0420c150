namespace XenSim.Hypervisor.Public.Numbers;

// platform.h.

/// <summary>Commands of platform_op.</summary>
[XenPrefix("XENPF_")]
public enum PlatformOp : uint
{
    settime32 = 17,
    add_memtype = 31,
    del_memtype = 32,
    read_memtype = 33,
    microcode_update = 35,
    platform_quirk = 39,
    get_cpu_version = 48,
    efi_runtime_call = 49,
    firmware_info = 50,
    enter_acpi_sleep = 51,
    change_freq = 52,
    getidletime = 53,
    set_processor_pminfo = 54,
    get_cpuinfo = 55,
    cpu_online = 56,
    cpu_offline = 57,
    cpu_hotadd = 58,
    mem_hotadd = 59,
    core_parking = 60,
    resource_op = 61,
    settime64 = 62,
    get_symbol = 63,
}

/// <summary>What XENPF_firmware_info tells.</summary>
[XenPrefix("XEN_FW_")]
public enum FirmwareInfo : uint
{
    DISK_INFO = 1,
    DISK_MBR_SIGNATURE = 2,
    VBEDDC_INFO = 3,
    EFI_INFO = 4,
    KBD_SHIFT_FLAGS = 5,
}

/// <summary>Kinds of processor power information.</summary>
[XenPrefix("XEN_PM_")]
public enum ProcessorPower : uint
{
    CX = 0,
    PX = 1,
    TX = 2,
    PDC = 3,
}

/// <summary>Flags of XENPF_get_cpuinfo.</summary>
[Flags]
[XenPrefix("XEN_PCPU_FLAGS_")]
public enum PhysicalCpuFlags : uint
{
    ONLINE = 1,
    INVALID = 2,
}
