using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>Builds small ELF images byte by byte. Layout: header, program headers, contents, section headers.</summary>
internal sealed class ElfBuilder(bool is64 = true)
{
    private readonly List<(ElfSegmentType Type, uint Flags, ulong Paddr, ulong MemorySize, byte[] Bytes)> _segments = [];
    private readonly List<(string Name, ElfSectionType Type, byte[] Bytes, uint Link)> _sections = [];
    private readonly List<byte> _notes = [];

    public ElfMachine Machine { get; init; } = is64 ? ElfMachine.EM_X86_64 : ElfMachine.EM_386;

    public ulong Entry { get; init; }

    public bool WithSectionNames { get; init; } = true;

    /// <summary>Whether the notes are a PT_NOTE segment or only a SHT_NOTE section.</summary>
    public bool NotesInSegment { get; init; } = true;

    public ElfBuilder Load(ulong paddr, ulong memorySize, byte[]? bytes = null, uint flags = 7)
    {
        _segments.Add((ElfSegmentType.PT_LOAD, flags, paddr, memorySize, bytes ?? []));
        return this;
    }

    public ElfBuilder Section(string name, ElfSectionType type, byte[] bytes, uint link = 0)
    {
        _sections.Add((name, type, bytes, link));
        return this;
    }

    public ElfBuilder Note(ElfNote type, string text) => RawNote("Xen", (uint)type, [.. Encoding.Latin1.GetBytes(text), 0]);

    public ElfBuilder Note(ElfNote type, ulong value, int size = 8)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return RawNote("Xen", (uint)type, bytes[..size]);
    }

    public ElfBuilder RawNote(string name, uint type, byte[] desc)
    {
        byte[] nameBytes = [.. Encoding.Latin1.GetBytes(name), 0];
        _notes.AddRange([.. Word((uint)nameBytes.Length), .. Word((uint)desc.Length), .. Word(type)]);
        _notes.AddRange(nameBytes);
        Pad(_notes);
        _notes.AddRange(desc);
        Pad(_notes);
        return this;
    }

    public ElfBuilder RawNoteBytes(params byte[] bytes)
    {
        _notes.AddRange(bytes);
        return this;
    }

    public byte[] Build()
    {
        var segments = new List<(ElfSegmentType Type, uint Flags, ulong Paddr, ulong MemorySize, byte[] Bytes)>(_segments);
        var sections = new List<(string Name, ElfSectionType Type, byte[] Bytes, uint Link)> { ("", ElfSectionType.SHT_NULL, [], 0) };
        sections.AddRange(_sections);
        if (_notes.Count > 0 && NotesInSegment)
            segments.Add((ElfSegmentType.PT_NOTE, 4, 0, 0, [.. _notes]));
        else if (_notes.Count > 0)
            sections.Add((".notes", ElfSectionType.SHT_NOTE, [.. _notes], 0));
        if (WithSectionNames)
            sections.Add((".shstrtab", ElfSectionType.SHT_STRTAB, [], 0));

        (int ehdr, int phdr, int shdr) = is64 ? (64, 56, 64) : (52, 32, 40);
        var file = new List<byte>(new byte[ehdr + (phdr * segments.Count)]);
        var headers = new List<byte>();
        foreach ((ElfSegmentType type, uint flags, ulong paddr, ulong memory, byte[] bytes) in segments)
        {
            Align(file, 8);
            headers.AddRange(SegmentHeader(type, flags, (ulong)file.Count, paddr, (ulong)bytes.Length, memory));
            file.AddRange(bytes);
        }

        List<byte> names = [];
        var sectionHeaders = new List<byte>();
        foreach ((string name, ElfSectionType type, byte[] bytes, uint link) in sections)
        {
            uint at = (uint)names.Count;
            names.AddRange([.. Encoding.Latin1.GetBytes(name), 0]);
            byte[] contents = name == ".shstrtab" ? [.. names] : bytes;
            Align(file, 8);
            sectionHeaders.AddRange(SectionHeader(at, type, (ulong)file.Count, (ulong)contents.Length, link));
            file.AddRange(contents);
        }

        Align(file, 8);
        byte[] header = FileHeader((ulong)ehdr, segments.Count, (ulong)file.Count, WithSectionNames ? sections.Count : 0);
        file.AddRange(WithSectionNames ? sectionHeaders : []);
        byte[] image = [.. file];
        header.CopyTo(image, 0);
        headers.CopyTo(image, ehdr);
        return image;
    }

    private byte[] FileHeader(ulong phoff, int phnum, ulong shoff, int shnum) =>
    [
        0x7f, (byte)'E', (byte)'L', (byte)'F', is64 ? (byte)2 : (byte)1, 1, 1, .. new byte[9],
        .. Half(2), .. Half((ushort)Machine), .. Word(1), .. Address(Entry), .. Address(phoff), .. Address(shnum > 0 ? shoff : 0),
        .. Word(0), .. Half(is64 ? (ushort)64 : (ushort)52), .. Half(is64 ? (ushort)56 : (ushort)32), .. Half((ushort)phnum),
        .. Half(is64 ? (ushort)64 : (ushort)40), .. Half((ushort)shnum), .. Half((ushort)Math.Max(shnum - 1, 0)),
    ];

    private byte[] SegmentHeader(ElfSegmentType type, uint flags, ulong offset, ulong paddr, ulong fileSize, ulong memorySize) => is64
        ? [.. Word((uint)type), .. Word(flags), .. Address(offset), .. Address(paddr), .. Address(paddr), .. Address(fileSize), .. Address(memorySize), .. Address(8)]
        : [.. Word((uint)type), .. Address(offset), .. Address(paddr), .. Address(paddr), .. Address(fileSize), .. Address(memorySize), .. Word(flags), .. Address(8)];

    private byte[] SectionHeader(uint name, ElfSectionType type, ulong offset, ulong size, uint link)
        => [.. Word(name), .. Word((uint)type), .. Address(0), .. Address(0), .. Address(offset), .. Address(size), .. Word(link), .. Word(0), .. Address(1), .. Address(0)];

    private static byte[] Half(ushort value) => BitConverter.GetBytes(value);

    private static byte[] Word(uint value) => BitConverter.GetBytes(value);

    private byte[] Address(ulong value) => is64 ? BitConverter.GetBytes(value) : BitConverter.GetBytes((uint)value);

    private static void Pad(List<byte> bytes) => Align(bytes, 4);

    private static void Align(List<byte> bytes, int to)
    {
        while (bytes.Count % to != 0)
            bytes.Add(0);
    }
}
