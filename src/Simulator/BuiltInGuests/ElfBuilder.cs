using System.Buffers.Binary;
using System.Text;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>Section types and flags of the ELF specification that a kernel image needs.</summary>
public enum ElfSectionType : uint
{
    Progbits = 1,
    Symtab = 2,
    Strtab = 3,
    Note = 7,
    Nobits = 8,
}

/// <summary>Access bits of a program header, PF_*.</summary>
[Flags]
public enum ElfAccess : uint
{
    None = 0,
    Execute = 1,
    Write = 2,
    Read = 4,
}

/// <summary>A section of the image under construction.</summary>
/// <param name="Address">Virtual address; 0 and <paramref name="Allocated"/> false for sections that are not loaded.</param>
/// <param name="MemorySize">Bytes in memory; larger than the contents only for <see cref="ElfSectionType.Nobits"/>.</param>
public sealed record ElfSection(string Name, ElfSectionType Type, ulong Address, byte[] Contents, ulong MemorySize, ElfAccess Access, bool Allocated = true);

/// <summary>A named address for <c>.symtab</c>.</summary>
public sealed record ElfSymbol(string Name, ulong Address, bool IsFunction);

/// <summary>
/// Writes ELF32 and ELF64 kernel images: sections, one PT_LOAD per access pattern, one PT_NOTE, symbols. Small on purpose; it also
/// makes deliberately broken images (<see cref="Class64"/> with the wrong machine, a missing section string table …).
/// Source: the System V ABI, chapters 4 and 5.
/// </summary>
public sealed class ElfBuilder
{
    private const int PageSize = 4096;
    private readonly List<ElfSection> sections = [];
    private readonly List<ElfSymbol> symbols = [];

    /// <summary>ELFCLASS64 or ELFCLASS32.</summary>
    public required bool Class64 { get; init; }

    /// <summary>e_machine; by default EM_X86_64 (62) or EM_386 (3) after the class.</summary>
    public ushort? Machine { get; init; }

    public ulong Entry { get; init; }

    /// <summary>p_paddr = virtual address − this.</summary>
    public ulong VirtualOffset { get; init; }

    /// <summary>Leaves e_shstrndx 0, which libelf refuses.</summary>
    public bool WithoutSectionNames { get; init; }

    /// <summary>Leaves out PT_NOTE, so that a parser has to find the notes by section.</summary>
    public bool WithoutNoteSegment { get; init; }

    public ElfBuilder Add(ElfSection section)
    {
        sections.Add(section);
        return this;
    }

    public ElfBuilder AddCode(string name, ulong address, byte[] contents) =>
        Add(new(name, ElfSectionType.Progbits, address, contents, (ulong)contents.Length, ElfAccess.Read | ElfAccess.Execute));

    public ElfBuilder AddData(string name, ulong address, byte[] contents) =>
        Add(new(name, ElfSectionType.Progbits, address, contents, (ulong)contents.Length, ElfAccess.Read | ElfAccess.Write));

    public ElfBuilder AddZeroed(string name, ulong address, ulong size) =>
        Add(new(name, ElfSectionType.Nobits, address, [], size, ElfAccess.Read | ElfAccess.Write));

    /// <summary>Notes that are part of the file but not loaded (PT_NOTE without a PT_LOAD around it, as GRUB has them).</summary>
    public ElfBuilder AddNotes(string name, byte[] contents) =>
        Add(new(name, ElfSectionType.Note, 0, contents, (ulong)contents.Length, ElfAccess.Read, Allocated: false));

    /// <summary>A section that nobody loads, such as the legacy <c>__xen_guest</c> string.</summary>
    public ElfBuilder AddUnloaded(string name, byte[] contents) =>
        Add(new(name, ElfSectionType.Progbits, 0, contents, (ulong)contents.Length, ElfAccess.Read, Allocated: false));

    public ElfBuilder AddSymbol(string name, ulong address, bool isFunction = true)
    {
        symbols.Add(new(name, address, isFunction));
        return this;
    }

    /// <summary>Lays the file out and returns its bytes; the same input gives the same bytes.</summary>
    public byte[] Build()
    {
        var all = new List<ElfSection>(sections);
        if (symbols.Count > 0)
        {
            var (table, names) = SymbolTable();
            all.Add(new(".symtab", ElfSectionType.Symtab, 0, table, (ulong)table.Length, ElfAccess.None, Allocated: false));
            all.Add(new(".strtab", ElfSectionType.Strtab, 0, names, (ulong)names.Length, ElfAccess.None, Allocated: false));
        }

        var (sectionNames, nameOffsets) = StringTable([.. all.Select(s => s.Name), ".shstrtab"]);
        all.Add(new(".shstrtab", ElfSectionType.Strtab, 0, sectionNames, (ulong)sectionNames.Length, ElfAccess.None, Allocated: false));

        var loads = Loads();
        int segments = loads.Count + (HasNoteSegment ? 1 : 0);
        var offsets = PlaceSections(all, HeaderSize + segments * ProgramHeaderSize, out int end);
        int sectionHeaders = (end + 7) & ~7;
        var file = new byte[sectionHeaders + (all.Count + 1) * SectionHeaderSize];
        WriteHeader(file, segments, sectionHeaders, all.Count + 1);
        int at = HeaderSize;
        foreach (var load in loads)
        {
            at += WriteLoad(file.AsSpan(at), load, offsets);
        }

        if (HasNoteSegment)
        {
            WriteNoteSegment(file.AsSpan(at), offsets);
        }

        for (int i = 0; i < all.Count; i++)
        {
            all[i].Contents.CopyTo(file, offsets[all[i]]);
            WriteSectionHeader(file.AsSpan(sectionHeaders + (i + 1) * SectionHeaderSize), all[i], nameOffsets[i], offsets[all[i]], all);
        }

        return file;
    }

    private int HeaderSize => Class64 ? 64 : 52;

    private int ProgramHeaderSize => Class64 ? 56 : 32;

    private int SectionHeaderSize => Class64 ? 64 : 40;

    private bool HasNoteSegment => !WithoutNoteSegment && sections.Any(s => s.Type == ElfSectionType.Note);

    /// <summary>Runs of loaded sections with equal access, in address order as added.</summary>
    private List<List<ElfSection>> Loads()
    {
        var loads = new List<List<ElfSection>>();
        foreach (var section in sections.Where(s => s.Allocated))
        {
            if (loads.Count == 0 || loads[^1][0].Access != section.Access)
            {
                loads.Add([]);
            }

            loads[^1].Add(section);
        }

        return loads;
    }

    /// <summary>Gives every section its file offset: loaded ones congruent to their address modulo the page size.</summary>
    private static Dictionary<ElfSection, int> PlaceSections(List<ElfSection> all, int start, out int end)
    {
        var offsets = new Dictionary<ElfSection, int>(ReferenceEqualityComparer.Instance);
        int at = start;
        foreach (var section in all)
        {
            if (section.Allocated)
            {
                at += (int)(section.Address - (ulong)at) & (PageSize - 1);
            }
            else
            {
                at = (at + 7) & ~7;
            }

            offsets[section] = at;
            at += section.Contents.Length;
        }

        end = at;
        return offsets;
    }

    private void WriteHeader(Span<byte> file, int segments, int sectionHeaders, int sectionCount)
    {
        "\u007fELF"u8.CopyTo(file);
        file[4] = (byte)(Class64 ? 2 : 1);
        file[5] = 1; // ELFDATA2LSB
        file[6] = 1; // EV_CURRENT
        var w = new FieldWriter(file[16..], Class64);
        w.Half(2); // ET_EXEC
        w.Half(Machine ?? (ushort)(Class64 ? 62 : 3));
        w.Word(1);
        w.Native(Entry);
        w.Native((ulong)(segments > 0 ? HeaderSize : 0));
        w.Native((ulong)sectionHeaders);
        w.Word(0);
        w.Half((ushort)HeaderSize);
        w.Half((ushort)ProgramHeaderSize);
        w.Half((ushort)segments);
        w.Half((ushort)SectionHeaderSize);
        w.Half((ushort)sectionCount);
        w.Half((ushort)(WithoutSectionNames ? 0 : sectionCount - 1));
    }

    private int WriteLoad(Span<byte> at, List<ElfSection> load, Dictionary<ElfSection, int> offsets)
    {
        var first = load[0];
        var last = load[^1];
        var lastInFile = load.LastOrDefault(s => s.Contents.Length > 0);
        ulong fileSize = lastInFile is null ? 0 : lastInFile.Address + (ulong)lastInFile.Contents.Length - first.Address;
        WriteProgramHeader(at, 1, first.Access, (ulong)offsets[first], first.Address, first.Address - VirtualOffset, fileSize, last.Address + last.MemorySize - first.Address, PageSize);
        return ProgramHeaderSize;
    }

    private void WriteNoteSegment(Span<byte> at, Dictionary<ElfSection, int> offsets)
    {
        var note = sections.First(s => s.Type == ElfSectionType.Note);
        ulong physical = note.Allocated ? note.Address - VirtualOffset : 0;
        WriteProgramHeader(at, 4, ElfAccess.Read, (ulong)offsets[note], note.Address, physical, note.MemorySize, note.MemorySize, 4);
    }

    private void WriteProgramHeader(Span<byte> at, uint type, ElfAccess access, ulong offset, ulong vaddr, ulong paddr, ulong fileSize, ulong memorySize, ulong align)
    {
        var w = new FieldWriter(at, Class64);
        w.Word(type);
        if (Class64)
        {
            w.Word((uint)access);
        }

        w.Native(offset);
        w.Native(vaddr);
        w.Native(paddr);
        w.Native(fileSize);
        w.Native(memorySize);
        if (!Class64)
        {
            w.Word((uint)access);
        }

        w.Native(align);
    }

    private void WriteSectionHeader(Span<byte> at, ElfSection section, int name, int offset, List<ElfSection> all)
    {
        // SHF_WRITE 1, SHF_ALLOC 2, SHF_EXECINSTR 4
        ulong flags = (section.Allocated ? 2u : 0) | (section.Access.HasFlag(ElfAccess.Write) ? 1u : 0) | (section.Access.HasFlag(ElfAccess.Execute) ? 4u : 0);
        bool symtab = section.Type == ElfSectionType.Symtab;
        var w = new FieldWriter(at, Class64);
        w.Word((uint)name);
        w.Word((uint)section.Type);
        w.Native(flags);
        w.Native(section.Address);
        w.Native((ulong)offset);
        w.Native(section.MemorySize);
        w.Word(symtab ? (uint)all.FindIndex(s => s.Name == ".strtab") + 1 : 0);
        w.Word(symtab ? 1u : 0); // sh_info: first non-local symbol
        w.Native(section.Type == ElfSectionType.Note ? 4ul : 16);
        w.Native(symtab ? (Class64 ? 24ul : 16) : 0);
    }

    private (byte[] Table, byte[] Names) SymbolTable()
    {
        int size = Class64 ? 24 : 16;
        var (names, offsets) = StringTable([.. symbols.Select(s => s.Name)]);
        var table = new byte[size * (symbols.Count + 1)];
        for (int i = 0; i < symbols.Count; i++)
        {
            var w = new FieldWriter(table.AsSpan((i + 1) * size), Class64);
            byte info = (byte)(0x10 | (symbols[i].IsFunction ? 2 : 1)); // STB_GLOBAL, STT_FUNC or STT_OBJECT
            const ushort absolute = 0xfff1; // SHN_ABS
            w.Word((uint)offsets[i]);
            if (Class64)
            {
                w.Byte(info);
                w.Byte(0);
                w.Half(absolute);
                w.Native(symbols[i].Address);
                w.Native(0);
            }
            else
            {
                w.Native(symbols[i].Address);
                w.Native(0);
                w.Byte(info);
                w.Byte(0);
                w.Half(absolute);
            }
        }

        return (table, names);
    }

    private static (byte[] Table, int[] Offsets) StringTable(IReadOnlyList<string> strings)
    {
        var table = new List<byte> { 0 };
        var offsets = new int[strings.Count];
        for (int i = 0; i < strings.Count; i++)
        {
            offsets[i] = table.Count;
            table.AddRange(Encoding.ASCII.GetBytes(strings[i]));
            table.Add(0);
        }

        return ([.. table], offsets);
    }

    /// <summary>Little-endian fields one after the other; "native" ones are 4 or 8 bytes after the class.</summary>
    private ref struct FieldWriter(Span<byte> destination, bool wide)
    {
        private Span<byte> rest = destination;

        public void Byte(byte value)
        {
            rest[0] = value;
            rest = rest[1..];
        }

        public void Half(ushort value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(rest, value);
            rest = rest[2..];
        }

        public void Word(uint value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, value);
            rest = rest[4..];
        }

        public void Native(ulong value)
        {
            if (wide)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(rest, value);
                rest = rest[8..];
            }
            else
            {
                Word((uint)value);
            }
        }
    }
}
