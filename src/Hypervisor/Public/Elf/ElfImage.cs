using System.Buffers.Binary;
using System.Text;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>
/// An ELF kernel image as libelf sees it (<c>struct elf_binary</c>): bounded access to headers, strings and notes. Shared
/// by libxc and Xen, as in reality. Reads outside the image give 0 and mark the image broken, as stable-4.17 does;
/// RELEASE-4.0.4 reads on past its mapping there, so for it a broken image is refused.
/// </summary>
/// <remarks>Source: xen/common/libelf/libelf-loader.c, libelf-tools.c of both releases.</remarks>
public sealed class ElfImage
{
    private readonly ElfLayout _layout;
    private readonly bool _swap;
    private readonly Action<ElfLogLine>? _log;
    private ulong? _sectionNames;

    private ElfImage(XenRelease release, ReadOnlyMemory<byte> bytes, Action<ElfLogLine>? log)
    {
        Release = release;
        Bytes = bytes;
        _log = log;
        Is64Bit = bytes.Span[4] == 2;
        IsBigEndian = bytes.Span[5] == 2;
        _swap = bytes.Span[5] != 1;
        _layout = Is64Bit ? ElfLayout.Elf64 : ElfLayout.Elf32;
    }

    public XenRelease Release { get; }

    /// <summary>The whole image file (already decompressed).</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>elf_64bit.</summary>
    public bool Is64Bit { get; }

    /// <summary>elf_msb.</summary>
    public bool IsBigEndian { get; }

    public ElfMachine Machine => (ElfMachine)Read(18, 2);

    /// <summary>e_entry.</summary>
    public ulong Entry => Field(0, _layout.Entry);

    /// <summary>elf_phdr_count.</summary>
    public int SegmentCount => (int)Read((ulong)_layout.Phnum, 2);

    /// <summary>elf_shdr_count: 4.17 caps it at what the file could hold.</summary>
    public int SectionCount
    {
        get
        {
            int count = (int)Read((ulong)_layout.Shnum, 2);
            long most = Bytes.Length / ElfLayout.Elf32.ShdrSize;
            if (Release == XenRelease.V4_0 || count <= most)
                return count;
            MarkBroken("far too many section headers");
            return (int)most;
        }
    }

    /// <summary>Whether there is a section string table; libxc 4.0.4 refuses an image without one.</summary>
    public bool HasSectionNames => _sectionNames is not null;

    /// <summary>The symbol table whose string table exists, if any.</summary>
    public ElfSection? SymbolTable { get; private set; }

    /// <summary>Lowest physical address of a loadable segment (<c>pstart</c>); valid after <see cref="ParseBinary"/>.</summary>
    public ulong PhysicalStart { get; private set; }

    /// <summary>End of the highest loadable segment (<c>pend</c>); valid after <see cref="ParseBinary"/>.</summary>
    public ulong PhysicalEnd { get; private set; }

    /// <summary><c>bsd_symtab_pstart</c>, 0 when no BSD symbol table is to be loaded.</summary>
    public ulong BsdSymtabStart { get; internal set; }

    /// <summary><c>bsd_symtab_pend</c>.</summary>
    public ulong BsdSymtabEnd { get; internal set; }

    /// <summary>elf_check_broken: the first thing wrong with the image that parsing went on in spite of.</summary>
    public string? Broken { get; private set; }

    internal int EhdrSize => _layout.EhdrSize;

    internal int ShdrSize => _layout.ShdrSize;

    internal ulong SectionHeadersOffset => Field(0, _layout.Shoff);

    internal int SectionHeaderStride => (int)Read((ulong)_layout.Shentsize, 2);

    internal int EhdrSizeField => (int)Read((ulong)_layout.Phentsize - 2, 2);

    /// <summary>elf_is_elfbinary. (4.0.4 does not look at the size and so reads past a shorter file.)</summary>
    public static bool IsElf(ReadOnlySpan<byte> bytes)
        => bytes.Length >= ElfLayout.Elf32.EhdrSize && bytes[..4].SequenceEqual("\u007fELF"u8);

    /// <summary>elf_init: checks the magic and that both header tables lie in the file, finds the string and symbol tables.</summary>
    /// <param name="log">Gets every line libelf prints. Null: nobody listens (libxc's probes).</param>
    /// <returns>The image, or the error that elf_init reports.</returns>
    public static ElfImage? Init(XenRelease release, ReadOnlyMemory<byte> bytes, Action<ElfLogLine>? log, out ElfError? error)
    {
        string prefix = release == XenRelease.V4_0 ? "elf_init" : "ELF";
        error = null;
        if (!IsElf(bytes.Span))
        {
            error = new ElfError("elf_init", $"{prefix}: not an ELF binary");
            log?.Invoke(new ElfLogLine(true, error.Message));
            return null;
        }

        var image = new ElfImage(release, bytes, log);
        error = image.CheckTable("phdr", prefix, image._layout.Phoff, image._layout.Phentsize, image.SegmentCount)
            ?? image.CheckTable("shdr", prefix, image._layout.Shoff, image._layout.Shentsize, image.SectionCount);
        if (error is not null)
            return null;
        image.FindTables();
        error = image.RefuseIfUnreadable("elf_init");
        return error is null ? image : null;
    }

    /// <summary>elf_parse_binary: the range of physical addresses that the loadable segments span.</summary>
    public void ParseBinary()
    {
        ulong low = ulong.MaxValue;
        ulong high = 0;
        for (int i = 0; i < SegmentCount; i++)
        {
            if (!TrySegment(i, out ElfSegment segment))
                break;
            if (!segment.IsLoadable)
                continue;
            Message(Release == XenRelease.V4_0
                ? $"elf_parse_binary: phdr: paddr=0x{segment.Paddr:x} memsz=0x{segment.MemorySize:x}"
                : $"ELF: phdr: paddr={Hex(segment.Paddr)} memsz={Hex(segment.MemorySize)}");
            low = Math.Min(low, segment.Paddr);
            high = Math.Max(high, unchecked(segment.Paddr + segment.MemorySize));
        }

        PhysicalStart = low;
        PhysicalEnd = high;
        Message(Release == XenRelease.V4_0
            ? $"elf_parse_binary: memory: 0x{low:x} -> 0x{high:x}"
            : $"ELF: memory: {Hex(low)} -> {Hex(high)}");
    }

    /// <summary>elf_phdr_by_index with its fields read; false when the header lies outside the image or does not exist.</summary>
    public bool TrySegment(int index, out ElfSegment segment)
    {
        segment = default;
        if (index >= SegmentCount)
            return false;
        ulong at = unchecked(Field(0, _layout.Phoff) + (Read((ulong)_layout.Phentsize, 2) * (ulong)index));
        if (!AccessOk(at, 1))
            return false;
        segment = new ElfSegment(
            index, (ElfSegmentType)Read(at, 4), (ElfSegmentFlags)Read(at + (ulong)_layout.PFlags, 4), Field(at, _layout.POffset),
            Field(at, _layout.PVaddr), Field(at, _layout.PPaddr), Field(at, _layout.PFilesz), Field(at, _layout.PMemsz));
        return true;
    }

    /// <summary>elf_shdr_by_index with its fields read; false when the header lies outside the image or does not exist.</summary>
    public bool TrySection(int index, out ElfSection section)
    {
        section = default;
        if (index >= SectionCount)
            return false;
        ulong at = unchecked(SectionHeadersOffset + ((ulong)SectionHeaderStride * (ulong)index));
        if (!AccessOk(at, 1))
            return false;
        section = new ElfSection(
            index, at, (uint)Read(at, 4), (ElfSectionType)Read(at + 4, 4), Field(at, _layout.ShOffset), Field(at, _layout.ShSize),
            (uint)Read(at + (ulong)_layout.ShLink, 4));
        return true;
    }

    /// <summary>elf_section_name: <c>unknown</c> without a string table, null when the name is unreadable.</summary>
    public string? SectionName(ElfSection section)
        => _sectionNames is null ? "unknown" : ReadString(unchecked(_sectionNames.Value + section.Name));

    /// <summary>elf_shdr_by_name: 4.17 skips the undefined section 0.</summary>
    public ElfSection? SectionByName(string name)
    {
        for (int i = Release == XenRelease.V4_0 ? 0 : 1; i < SectionCount; i++)
        {
            if (!TrySection(i, out ElfSection section))
                return null;
            if (SectionName(section) == name)
                return section;
        }

        return null;
    }

    /// <summary>elf_access_ok for reading the image.</summary>
    public bool AccessOk(ulong offset, ulong size)
    {
        if (offset <= (ulong)Bytes.Length && size <= (ulong)Bytes.Length - offset)
            return true;
        MarkBroken("out of range access");
        return false;
    }

    /// <summary>elf_access_unsigned: a number of 1, 2, 4 or 8 bytes in the image's byte order; any other size, or out of range, is 0.</summary>
    public ulong Read(ulong offset, int size)
    {
        if (size is not (1 or 2 or 4 or 8) || !AccessOk(offset, (ulong)size))
            return 0;
        ReadOnlySpan<byte> at = Bytes.Span[(int)offset..];
        return (size, _swap) switch
        {
            (1, _) => at[0],
            (2, false) => BinaryPrimitives.ReadUInt16LittleEndian(at),
            (2, true) => BinaryPrimitives.ReadUInt16BigEndian(at),
            (4, false) => BinaryPrimitives.ReadUInt32LittleEndian(at),
            (4, true) => BinaryPrimitives.ReadUInt32BigEndian(at),
            (_, false) => BinaryPrimitives.ReadUInt64LittleEndian(at),
            (_, true) => BinaryPrimitives.ReadUInt64BigEndian(at),
        };
    }

    /// <summary>elf_strval: a NUL-terminated string, null (and the image broken) when it leaves the image or is too long.</summary>
    public string? ReadString(ulong offset)
    {
        if (!AccessOk(offset, 1))
            return null;
        ReadOnlySpan<byte> rest = Bytes.Span[(int)offset..];
        ReadOnlySpan<byte> window = rest[..Math.Min(rest.Length, ElfLimits.StringLength)];
        int end = window.IndexOf((byte)0);
        if (end >= 0)
            return Encoding.Latin1.GetString(window[..end]);
        MarkBroken(window.Length < ElfLimits.StringLength ? "out of range access" : "excessively long string");
        return null;
    }

    /// <summary>elf_round_up: to the image's word size.</summary>
    public ulong RoundUp(ulong address)
    {
        ulong mask = Is64Bit ? 7u : 3u;
        return unchecked(address + mask) & ~mask;
    }

    internal void MarkBroken(string reason) => Broken ??= reason;

    /// <summary>RELEASE-4.0.4 has no bounds checks; where it would read what is not the image's, we stop with one error.</summary>
    internal ElfError? RefuseIfUnreadable(string function)
        => Release == XenRelease.V4_0 && Broken is not null ? Error(function, $"{function}: corrupt image: {Broken}") : null;

    internal void Message(string text) => _log?.Invoke(new ElfLogLine(false, text));

    internal ElfError Error(string function, string text)
    {
        _log?.Invoke(new ElfLogLine(true, text));
        return new ElfError(function, text);
    }

    /// <summary>C's <c>%#llx</c>: no 0x before a zero.</summary>
    internal static string Hex(ulong value) => value == 0 ? "0" : $"0x{value:x}";

    private ulong Field(ulong header, (int At, int Size) field) => Read(unchecked(header + (ulong)field.At), field.Size);

    private ElfError? CheckTable(string table, string prefix, (int At, int Size) tableOffset, int strideField, int count)
    {
        ulong end = unchecked(Field(0, tableOffset) + (Read((ulong)strideField, 2) * (ulong)count));
        return end > (ulong)Bytes.Length
            ? Error("elf_init", $"{prefix}: {table} overflow (off {end:x} > size {Bytes.Length:x})")
            : null;
    }

    private void FindTables()
    {
        if (TrySection((int)Read((ulong)_layout.Shstrndx, 2), out ElfSection names))
            _sectionNames = names.Offset;
        int count = SectionCount;
        for (int i = Release == XenRelease.V4_0 ? 0 : 1; i < count; i++)
        {
            if (!TrySection(i, out ElfSection section))
                return;
            if (section.Type != ElfSectionType.SHT_SYMTAB)
                continue;
            bool linked = section.Link < (uint)count && (section.Link != 0 || Release == XenRelease.V4_0);
            if (linked)
                SymbolTable = section;
            if (linked || Release != XenRelease.V4_0)
                return;
        }
    }
}
