using System.Globalization;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>One release and one ABI: a column of the tables in Data.</summary>
public readonly record struct Column(Releases Release, Abis Abi)
{
    public static readonly Column[] All =
    [
        new(Releases.V4_0, Abis.X32), new(Releases.V4_0, Abis.X64), new(Releases.V4_17, Abis.X32), new(Releases.V4_17, Abis.X64),
    ];

    public Hypervisor.Public.Abi CallerAbi => Abi == Abis.X64 ? Hypervisor.Public.Abi.X64 : Hypervisor.Public.Abi.X32;

    public override string ToString() => $"{Release}-{Abi}";
}

/// <summary>Where a field lies, in bytes.</summary>
public readonly record struct Place(int Offset, int Size)
{
    public bool Covers(int offset) => offset >= Offset && offset < Offset + Size;
}

/// <summary>What the C compiler says of one structure in one column.</summary>
public sealed record CStruct(int Size, IReadOnlyDictionary<string, Place> Fields);

/// <summary>The tables that Data/generate.py printed; see Data/ORIGIN.md.</summary>
public sealed class AbiTable
{
    private readonly Dictionary<(string Struct, Column), CStruct> _structs = [];
    private readonly Dictionary<string, ulong?[]> _constants = [];

    private AbiTable()
    {
    }

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Abi", "Data");

    public static AbiTable Load()
    {
        AbiTable table = new();
        table.ReadStructs(File.ReadLines(Path.Combine(Folder, "structs.txt")));
        foreach (string line in File.ReadLines(Path.Combine(Folder, "constants.txt")).Where(l => !l.StartsWith('#')))
        {
            string[] cells = line.Split(' ');
            table._constants.Add(cells[0], [.. cells[1..].Select(Number)]);
        }

        return table;
    }

    /// <summary>Null when that release and ABI lack the structure.</summary>
    public CStruct? Struct(string name, Column column) => _structs.GetValueOrDefault((name, column));

    /// <summary>Null when no release has the constant; else one value, or null, for each of <see cref="Column.All"/>.</summary>
    public IReadOnlyList<ulong?>? Constant(string name) => _constants.GetValueOrDefault(name);

    private static ulong? Number(string cell)
        => cell == "-" ? null : ulong.Parse(cell.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private void ReadStructs(IEnumerable<string> lines)
    {
        Dictionary<string, Place>?[] current = new Dictionary<string, Place>?[4];
        foreach (string line in lines.Where(l => !l.StartsWith('#')))
        {
            string[] cells = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            bool head = !line.StartsWith(' ');
            ReadOnlySpan<string> values = cells.AsSpan(head ? 2 : 1);
            for (int i = 0; i < 4; i++)
            {
                if (head)
                {
                    current[i] = values[i] == "-" ? null : [];
                    if (current[i] is { } fields)
                        _structs.Add((cells[1], Column.All[i]), new CStruct(Parse(values[i]), fields));
                }
                else if (values[i] != "-")
                {
                    string[] place = values[i].Split('/');
                    current[i]!.Add(cells[0], new Place(Parse(place[0]), Parse(place[1])));
                }
            }
        }
    }

    private static int Parse(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
