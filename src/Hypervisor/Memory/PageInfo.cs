namespace XenSim.Hypervisor.Memory;

/// <summary>Type of a page, as counted by type_info. Numbers are those of RELEASE-4.0.4 xen/include/asm-x86/mm.h: PGT_*.</summary>
public enum PageType : byte
{
    PGT_none = 0,
    PGT_l1_page_table = 1,
    PGT_l2_page_table = 2,
    PGT_l3_page_table = 3,
    PGT_l4_page_table = 4,
    PGT_seg_desc_page = 5,
    PGT_writable_page = 7,
    PGT_shared_page = 8,
}

/// <summary>Bits beside the counts.</summary>
[Flags]
public enum PageFlags : byte
{
    None = 0,

    /// <summary>The owner's own reference (PGC_allocated) is held.</summary>
    Allocated = 1 << 0,

    /// <summary>Owned by Xen and only lent to a domain: never in the domain's page count (PGC_xen_heap).</summary>
    XenHeap = 1 << 1,

    /// <summary>The contents were checked for the type (PGT_validated).</summary>
    Validated = 1 << 2,

    /// <summary>A guest holds one type reference by MMUEXT_PIN (PGT_pinned).</summary>
    Pinned = 1 << 3,

    /// <summary>An L2 that holds Xen's own slots, i.e. the one behind slot 3 of a PAE L3 (PGT_pae_xen_l2).</summary>
    PaeXenL2 = 1 << 4,

    /// <summary>The allocator handed the frame out.</summary>
    InUse = 1 << 5,
}

/// <summary>What Xen knows of a machine frame: struct page_info with count_info and type_info unpacked.</summary>
public struct PageInfo
{
    /// <summary>Owner that no domain has.</summary>
    public const ushort NoOwner = 0xFFFF;

    // Stored inverted, so that a table of zeroes is a table of frames without owner.
    private ushort _ownerInverted;

    public ushort Owner
    {
        readonly get => (ushort)~_ownerInverted;
        set => _ownerInverted = (ushort)~value;
    }

    public PageType Type;
    public PageFlags Flags;

    /// <summary>General references: existence of the page (count_info).</summary>
    public uint Count;

    /// <summary>References to the page as <see cref="Type"/> (type_info).</summary>
    public uint TypeCount;

    public readonly bool Has(PageFlags flag) => (Flags & flag) == flag;
}
