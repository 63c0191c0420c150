namespace XenSim.Hypervisor.Memory;

/// <summary>Page-table entry bits of PAE and 4-level paging. SDM vol. 3A, tables 4-8 to 4-20.</summary>
public static class Pte
{
    public const ulong Present = 1 << 0;
    public const ulong Writable = 1 << 1;
    public const ulong User = 1 << 2;
    public const ulong Pwt = 1 << 3;
    public const ulong Pcd = 1 << 4;
    public const ulong Accessed = 1 << 5;
    public const ulong Dirty = 1 << 6;

    /// <summary>PS in L2 and L3 entries, PAT in L1 entries.</summary>
    public const ulong PageSize = 1 << 7;
    public const ulong Global = 1 << 8;

    /// <summary>_PAGE_GUEST_KERNEL: Xen's mark on a 64-bit guest's supervisor mappings (RELEASE-4.0.4 asm-x86/x86_64/page.h).</summary>
    public const ulong GuestKernel = 1UL << 52;
    public const ulong NoExecute = 1UL << 63;

    public const ulong AddressMask = 0x000F_FFFF_FFFF_F000;
    public const int EntriesPerTable = 512;

    public static ulong FrameOf(ulong entry) => (entry & AddressMask) >> 12;

    public static ulong Make(ulong frame, ulong flags) => (frame << 12) | flags;

    /// <summary>The flags as one word, as Xen's messages print them: low 12 bits, then bits 63:52.</summary>
    public static ulong FlagWord(ulong entry) => (entry & 0xFFF) | (entry >> 52 << 12);
}
