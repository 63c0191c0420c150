namespace XenSim.Hypervisor.Public.Elf;

// Numbers of the ELF format that libelf looks at. Source: RELEASE-4.0.4 xen/include/xen/elfstructs.h.

/// <summary>e_machine values that libelf and the builders tell apart.</summary>
public enum ElfMachine : ushort
{
    EM_386 = 3,
    EM_ARM = 40,
    EM_IA_64 = 50,
    EM_X86_64 = 62,
}

/// <summary>p_type values.</summary>
public enum ElfSegmentType : uint
{
    PT_NULL = 0,
    PT_LOAD = 1,
    PT_NOTE = 4,
}

/// <summary>p_flags bits.</summary>
[Flags]
public enum ElfSegmentFlags : uint
{
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
}

/// <summary>sh_type values.</summary>
public enum ElfSectionType : uint
{
    SHT_NULL = 0,
    SHT_SYMTAB = 2,
    SHT_STRTAB = 3,
    SHT_NOTE = 7,
}

/// <summary>A program header. Units: bytes.</summary>
public readonly record struct ElfSegment(
    int Index, ElfSegmentType Type, ElfSegmentFlags Flags, ulong Offset, ulong Vaddr, ulong Paddr, ulong FileSize, ulong MemorySize)
{
    /// <summary>elf_phdr_is_loadable: PT_LOAD with at least one of R, W and X.</summary>
    public bool IsLoadable
        => Type == ElfSegmentType.PT_LOAD && (Flags & (ElfSegmentFlags.PF_R | ElfSegmentFlags.PF_W | ElfSegmentFlags.PF_X)) != 0;
}

/// <summary>A section header. Units: bytes.</summary>
/// <param name="HeaderOffset">Where the header itself is in the image.</param>
public readonly record struct ElfSection(int Index, ulong HeaderOffset, uint Name, ElfSectionType Type, ulong Offset, ulong Size, uint Link);

/// <summary>Offset and width of every header field libelf reads, for one ELF class.</summary>
internal sealed record ElfLayout(
    int EhdrSize, int PhdrSize, int ShdrSize,
    (int At, int Size) Entry, (int At, int Size) Phoff, (int At, int Size) Shoff,
    int Phentsize, int Phnum, int Shentsize, int Shnum, int Shstrndx,
    int PFlags, (int At, int Size) POffset, (int At, int Size) PVaddr, (int At, int Size) PPaddr, (int At, int Size) PFilesz, (int At, int Size) PMemsz,
    (int At, int Size) ShOffset, (int At, int Size) ShSize, int ShLink)
{
    public static readonly ElfLayout Elf32 = new(
        52, 32, 40, (24, 4), (28, 4), (32, 4), 42, 44, 46, 48, 50,
        24, (4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (16, 4), (20, 4), 24);

    public static readonly ElfLayout Elf64 = new(
        64, 56, 64, (24, 8), (32, 8), (40, 8), 54, 56, 58, 60, 62,
        4, (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (24, 8), (32, 8), 40);
}
