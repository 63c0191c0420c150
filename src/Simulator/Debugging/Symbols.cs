using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace XenSim.Simulator.Debugging;

/// <summary>A named address of a guest's kernel.</summary>
/// <param name="Size">Unit: bytes, at most up to the next one; 0: unknown.</param>
public readonly record struct Symbol(string Name, ulong Address, ulong Size);

/// <summary>Names of addresses: from an ELF image's symbol table, or from lines like those of System.map.</summary>
public sealed class Symbols
{
    private const ulong FarthestOffset = 1 << 20;
    private const int MostSymbols = 1 << 20;
    private readonly Symbol[] _byAddress;
    private readonly Dictionary<string, Symbol> _byName = [];

    private Symbols(IEnumerable<Symbol> symbols)
    {
        _byAddress = symbols is Symbol[] { Length: 0 } ? [] : [.. symbols.Where(s => s.Name.Length > 0).OrderBy(s => s.Address).ThenBy(s => s.Size == 0).Take(MostSymbols)];
        foreach (Symbol s in _byAddress)
            _byName.TryAdd(s.Name, s);
    }

    public static readonly Symbols None = new(Array.Empty<Symbol>());

    public int Count => _byAddress.Length;

    public IEnumerable<string> Names => _byName.Keys;

    public bool TryFind(string name, out Symbol symbol) => _byName.TryGetValue(name, out symbol);

    /// <summary>The symbol at or before an address; null: none near it.</summary>
    public Symbol? Before(ulong address)
    {
        int low = 0, high = _byAddress.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_byAddress[middle].Address <= address)
                low = middle + 1;
            else
                high = middle;
        }

        if (low == 0)
            return null;
        ulong found = _byAddress[low - 1].Address;
        while (low > 1 && _byAddress[low - 2].Address == found)
            low--;
        Symbol s = _byAddress[low - 1];
        ulong reach = s.Size > 0 ? s.Size : FarthestOffset;
        return address - s.Address < reach ? s : null;
    }

    /// <summary><c>name+0x10</c>; null: no symbol there.</summary>
    public string? Describe(ulong address)
        => Before(address) is not { } s ? null : s.Address == address ? s.Name : $"{s.Name}+0x{address - s.Address:x}";

    public Symbols With(Symbols others) => new(_byAddress.Concat(others._byAddress));

    /// <summary>The symbols of an image; none if it has no table, or is no ELF file. Bad offsets end the list.</summary>
    public static Symbols Read(ReadOnlySpan<byte> file)
        => file.Length > 64 && file[..4].SequenceEqual("\u007fELF"u8) && file[5] == 1 ? ReadElf(file) : LooksLikeMap(file) ? ReadMap(file) : None;

    private static Symbols ReadElf(ReadOnlySpan<byte> file)
    {
        bool wide = file[4] == 2;
        List<Symbol> symbols = [];
        ulong sections = Word(file, wide ? 40 : 32, wide);
        int entry = Half(file, wide ? 58 : 46), count = Half(file, wide ? 60 : 48);
        List<(ulong From, ulong To)> loaded = [];
        for (int i = 0; i < count; i++)
        {
            // SHF_ALLOC = 2: symbols that do not say how long they are end with their section at the latest.
            if (TrySlice(file, sections + ((ulong)i * (ulong)entry), wide ? 64ul : 40, out ReadOnlySpan<byte> section) && (Word(section, 8, wide) & 2) != 0)
                loaded.Add((Word(section, wide ? 16 : 12, wide), Word(section, wide ? 16 : 12, wide) + Word(section, wide ? 32 : 20, wide)));
        }

        for (int i = 0; i < count; i++)
        {
            // SHT_SYMTAB = 2; fields as in gabi's Elf32_Shdr and Elf64_Shdr.
            if (!TrySlice(file, sections + ((ulong)i * (ulong)entry), wide ? 64ul : 40, out ReadOnlySpan<byte> header) || BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) != 2)
                continue;
            uint link = BinaryPrimitives.ReadUInt32LittleEndian(header[(wide ? 40 : 24)..]);
            if (!TrySlice(file, sections + (link * (ulong)entry), wide ? 64ul : 40, out ReadOnlySpan<byte> strings)
                || !TrySlice(file, Word(header, wide ? 24 : 16, wide), Word(header, wide ? 32 : 20, wide), out ReadOnlySpan<byte> table)
                || !TrySlice(file, Word(strings, wide ? 24 : 16, wide), Word(strings, wide ? 32 : 20, wide), out ReadOnlySpan<byte> names))
                continue;
            AddTable(symbols, table, names, loaded, wide);
        }

        return new Symbols(symbols);
    }

    private static void AddTable(List<Symbol> symbols, ReadOnlySpan<byte> table, ReadOnlySpan<byte> names, List<(ulong From, ulong To)> loaded, bool wide)
    {
        int size = wide ? 24 : 16;
        for (int at = 0; at + size <= table.Length && symbols.Count < MostSymbols; at += size)
        {
            ReadOnlySpan<byte> s = table[at..];
            int name = BinaryPrimitives.ReadInt32LittleEndian(s);
            byte info = s[wide ? 4 : 12];
            ushort section = BinaryPrimitives.ReadUInt16LittleEndian(s[(wide ? 6 : 14)..]);
            // Not defined here, or a section's or a file's name (STT_SECTION, STT_FILE).
            if (section == 0 || (info & 15) is 3 or 4 || name <= 0 || name >= names.Length)
                continue;
            ReadOnlySpan<byte> text = names[name..];
            int end = text.IndexOf((byte)0);
            ulong address = Word(s, wide ? 8 : 4, wide), length = Word(s, wide ? 16 : 8, wide);
            symbols.Add(new Symbol(Encoding.Latin1.GetString(end < 0 ? text : text[..end]), address, length > 0 ? length : ToEnd(loaded, address)));
        }
    }

    private static ulong ToEnd(List<(ulong From, ulong To)> loaded, ulong address)
    {
        foreach ((ulong from, ulong to) in loaded)
        {
            if (address >= from && address < to)
                return to - address;
        }

        return 0;
    }

    /// <summary>ffffffff81000000 T _stext</summary>
    private static bool LooksLikeMap(ReadOnlySpan<byte> file)
    {
        int end = file.IndexOf((byte)'\n');
        return end > 10 && end < 512 && Encoding.Latin1.GetString(file[..end]).Split(' ') is { Length: >= 3 } parts && ulong.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _);
    }

    private static Symbols ReadMap(ReadOnlySpan<byte> file)
    {
        List<Symbol> symbols = [];
        foreach (string line in Encoding.Latin1.GetString(file).Split('\n'))
        {
            string[] parts = line.Split(' ', 3);
            if (parts.Length == 3 && ulong.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address))
                symbols.Add(new Symbol(parts[2].Trim(), address, 0));
        }

        return new Symbols(symbols);
    }

    private static bool TrySlice(ReadOnlySpan<byte> file, ulong offset, ulong length, out ReadOnlySpan<byte> slice)
    {
        bool fits = offset <= (ulong)file.Length && length <= (ulong)file.Length - offset;
        slice = fits ? file.Slice((int)offset, (int)length) : default;
        return fits;
    }

    private static ulong Word(ReadOnlySpan<byte> bytes, int at, bool wide)
        => wide ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static int Half(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);
}
