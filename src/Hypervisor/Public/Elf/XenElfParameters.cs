using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>What a kernel image tells Xen about itself: <c>struct elf_dom_parms</c>. Addresses in bytes.</summary>
/// <remarks>Source: stable-4.17 xen/include/xen/libelf.h.</remarks>
public sealed record XenElfParameters
{
    /// <summary>UNSET_ADDR.</summary>
    public const ulong Unset = ulong.MaxValue;

    /// <summary>UNSET_ADDR32, the unset value of <see cref="Phys32Entry"/>.</summary>
    public const uint Unset32 = uint.MaxValue;

    public string GuestOs { get; init; } = "";

    public string GuestVersion { get; init; } = "";

    public string XenVersion { get; init; } = "";

    public string Loader { get; init; } = "";

    public PaeMode Pae { get; init; }

    public bool BsdSymtab { get; init; }

    /// <summary>Note MOD_START_PFN: the ramdisk need not be in the initial mapping (4.17).</summary>
    public bool UnmappedInitrd { get; init; }

    public ulong VirtBase { get; init; } = Unset;

    public ulong VirtEntry { get; init; } = Unset;

    /// <summary>Virtual address of the hypercall page; <see cref="Unset"/>: the kernel wants none.</summary>
    public ulong VirtHypercall { get; init; } = Unset;

    public ulong VirtHvStartLow { get; init; } = Unset;

    /// <summary>Note INIT_P2M: where the kernel wants its p2m list.</summary>
    public ulong P2mBase { get; init; } = Unset;

    public ulong ElfPaddrOffset { get; init; } = Unset;

    /// <summary>XENFEAT bits of submap 0.</summary>
    public uint FeaturesSupported { get; init; }

    /// <summary>XENFEAT bits of submap 0 that the kernel cannot do without.</summary>
    public uint FeaturesRequired { get; init; }

    /// <summary>Note PHYS32_ENTRY: physical 32-bit entry point of a PVH kernel (4.17).</summary>
    public uint Phys32Entry { get; init; } = Unset32;

    /// <summary>virt_base - elf_paddr_offset.</summary>
    public ulong VirtOffset { get; init; }

    public ulong VirtKernelStart { get; init; }

    public ulong VirtKernelEnd { get; init; }

    /// <summary>Notes understood, last one of a type wins. Empty for a <c>__xen_guest</c> kernel.</summary>
    public IReadOnlyDictionary<ElfNote, XenNote> Notes { get; init; } = new Dictionary<ElfNote, XenNote>();

    public bool HasHypercallPage => VirtHypercall != Unset;

    public bool HasInitP2m => P2mBase != Unset;

    public bool HasPhys32Entry => Phys32Entry != Unset32;

    /// <summary>elf_xen_feature_get(XENFEAT_…, f_supported).</summary>
    public bool Supports(int feature) => (FeaturesSupported >> feature & 1) != 0;

    /// <summary>elf_xen_feature_get(XENFEAT_…, f_required).</summary>
    public bool Requires(int feature) => (FeaturesRequired >> feature & 1) != 0;
}
