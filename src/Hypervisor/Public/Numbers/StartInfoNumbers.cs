namespace XenSim.Hypervisor.Public.Numbers;

// xen.h, arch-x86/xen.h.

/// <summary>Flags of start_info.</summary>
[Flags]
[XenPrefix("SIF_")]
public enum StartInfoFlags : uint
{
    PRIVILEGED = 1,
    INITDOMAIN = 2,
    MULTIBOOT_MOD = 4,
    MOD_START_PFN = 8,
    VIRT_P2M_4TOOLS = 0x10,
    PM_MASK = 0xff00,
}

/// <summary>Flags of vcpu_guest_context and of an iret frame.</summary>
[Flags]
[XenPrefix("VGCF_")]
public enum VcpuContextFlags : uint
{
    I387_VALID = 1,
    in_kernel = 4,
    failsafe_disables_events = 8,
    syscall_disables_events = 0x10,
    online = 0x20,
    in_syscall = 0x100,
}

/// <summary>Selectors of Xen's own GDT that guests may use. RING names without a width are those of 32-bit guests.</summary>
[XenPrefix("FLAT_")]
public enum FlatSelector : ushort
{
    RING3_DS64 = 0,
    RING1_CS = 0xe019,
    RING1_DS = 0xe021,
    RING1_SS = 0xe021,
    RING3_CS32 = 0xe023,
    RING3_CS = 0xe02b,
    RING3_DS32 = 0xe02b,
    RING3_SS32 = 0xe02b,
    RING3_SS64 = 0xe02b,
    RING3_CS64 = 0xe033,
    RING3_DS = 0xe033,
    RING3_SS = 0xe033,
}
