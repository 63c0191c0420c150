using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>A Xen note that was understood (<c>struct xen_elfnote</c>): a text or a number.</summary>
public readonly record struct XenNote(ElfNote Type, string? Text, ulong Number);

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
