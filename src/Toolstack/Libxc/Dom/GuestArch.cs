using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>struct xc_dom_arch: what the builder does differently for each guest ABI.</summary>
/// <param name="GuestType">The name that images, capabilities and start_info use.</param>
/// <param name="Levels">Page-table levels.</param>
/// <param name="AddressSize">Argument of XEN_DOMCTL_set_address_size; 0: the call is left out.</param>
/// <param name="PinLevel">The level that pins the top table (MMUEXT_PIN_L<c>n</c>_TABLE).</param>
/// <param name="P2mBaseSupported">Whether note INIT_P2M is honoured (4.17).</param>
public sealed record GuestArch(string GuestType, int Levels, uint AddressSize, uint PinLevel, bool P2mBaseSupported)
{
    public static readonly GuestArch X86_32 = new("xen-3.0-x86_32", 2, 0, 2, false);
    public static readonly GuestArch X86_32p = new("xen-3.0-x86_32p", 3, 32, 3, false);
    public static readonly GuestArch X86_64 = new("xen-3.0-x86_64", 4, 64, 4, true);
    public static readonly GuestArch Hvm32 = new("hvm-3.0-x86_32", 0, 0, 0, false);

    public bool Is64Bit => Levels == 4;

    public bool IsHvm => Levels == 0;

    /// <summary>sizeof_pfn: bytes of an entry of the guest's p2m list.</summary>
    public int PfnSize => Is64Bit ? 8 : 4;

    /// <summary>Bytes of a page-table entry: non-PAE 32-bit tables have 4.</summary>
    public int EntrySize => Levels == 2 ? 4 : 8;

    /// <summary>The hooks a release registers: 4.17 has lost non-PAE guests and gained HVM.</summary>
    public static GuestArch? Find(XenRelease release, string guestType)
    {
        GuestArch[] hooks = release == XenRelease.V4_0 ? [X86_32, X86_32p, X86_64] : [X86_32p, X86_64, Hvm32];
        return hooks.FirstOrDefault(h => h.GuestType == guestType);
    }
}
