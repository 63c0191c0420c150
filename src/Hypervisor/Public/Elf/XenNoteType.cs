namespace XenSim.Hypervisor.Public.Elf;

/// <summary>XEN_ELFNOTE_* numbers. Source: stable-4.17 xen/include/public/elfnote.h.</summary>
public enum XenNoteType : uint
{
    INFO = 0,
    ENTRY = 1,
    HYPERCALL_PAGE = 2,
    VIRT_BASE = 3,
    PADDR_OFFSET = 4,
    XEN_VERSION = 5,
    GUEST_OS = 6,
    GUEST_VERSION = 7,
    LOADER = 8,
    PAE_MODE = 9,
    FEATURES = 10,
    BSD_SYMTAB = 11,
    HV_START_LOW = 12,
    L1_MFN_VALID = 13,
    SUSPEND_CANCEL = 14,
    INIT_P2M = 15,
    MOD_START_PFN = 16,
    SUPPORTED_FEATURES = 17,
    PHYS32_ENTRY = 18,
}

/// <summary>A Xen note that was understood (<c>struct xen_elfnote</c>): a text or a number.</summary>
public readonly record struct XenNote(XenNoteType Type, string? Text, ulong Number);

/// <summary>What a kernel says about PAE: <c>enum xen_pae_type</c>.</summary>
public enum PaeMode
{
    No = 0,

    /// <summary>Top table must be below 4 GiB (only <c>__xen_guest</c> can say this).</summary>
    Yes = 1,

    /// <summary>Top table anywhere (XEN_PAE_EXTCR3). A PAE_MODE note of "yes" means this.</summary>
    ExtendedCr3 = 2,

    Bimodal = 3,
}
