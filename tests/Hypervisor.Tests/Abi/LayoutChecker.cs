using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>Compares C# types that mirror a structure of Xen's headers with the table of what the C compiler laid out.</summary>
public sealed partial class LayoutChecker(AbiTable table)
{
    /// <summary>Every disagreement of <paramref name="type"/> with the headers, in words.</summary>
    public IReadOnlyList<string> Check(Type type)
    {
        var attribute = type.GetCustomAttribute<XenStructAttribute>();
        if (attribute is null)
            return [$"{type.Name} bears no XenStruct"];
        List<string> complaints = [];
        foreach (Column column in Column.All)
        {
            if (!attribute.Releases.HasFlag(column.Release) || !attribute.Abis.HasFlag(column.Abi))
                continue;
            if (table.Struct(attribute.Name, column) is { } expected)
                complaints.AddRange(CheckColumn(type, column, expected).Select(c => $"{type.Name} as {attribute.Name} {column}: {c}"));
            else
                complaints.Add($"{type.Name}: {column} has no struct {attribute.Name}");
        }

        return complaints;
    }

    /// <summary>The name a field of the header has in C#: <c>console.domU.mfn</c> is <c>ConsoleDomUMfn</c>.</summary>
    public static string Pascal(string field)
        => string.Concat((field.StartsWith("u.", StringComparison.Ordinal) ? field[2..] : field)
            .Split('.', '_').Where(part => part.Length > 0).Select(part => char.ToUpperInvariant(part[0]) + part[1..]));

    private static IEnumerable<string> CheckColumn(Type type, Column column, CStruct expected)
    {
        (int size, List<(FieldInfo Field, Place Place)> actual) = typeof(IWireRecord).IsAssignableFrom(type)
            ? RecordProbe.Places(type, column.CallerAbi)
            : (SizeOf(type), ExplicitPlaces(type));
        if (size != expected.Size)
            yield return $"{size} bytes, the header says {expected.Size}";

        bool[] covered = new bool[expected.Size];
        foreach ((FieldInfo field, Place place) in actual)
        {
            covered.AsSpan(place.Offset, Math.Min(place.Size, covered.Length - place.Offset)).Fill(true);
            if (NameIn(field, column, expected) is not { } name)
                continue;
            if (!expected.Fields.TryGetValue(name, out Place wanted))
                yield return $"{field.Name} is no field of the header";
            else if (place != wanted)
                yield return $"{field.Name} at {place}, the header says {wanted}";
        }

        foreach ((string name, Place place) in expected.Fields)
        {
            bool leaf = !expected.Fields.Keys.Any(other => other.StartsWith(name + ".", StringComparison.Ordinal));
            if (leaf && !Padding().IsMatch(name) && Enumerable.Range(place.Offset, place.Size).Any(offset => !covered[offset]))
                yield return $"{name} at {place} is missing";
        }
    }

    /// <summary>The header's name for a field, null when that column has none for it.</summary>
    private static string? NameIn(FieldInfo field, Column column, CStruct expected)
    {
        var attributes = field.GetCustomAttributes<XenFieldAttribute>().ToList();
        var here = attributes.Find(a => a.Abis.HasFlag(column.Abi) && a.Releases.HasFlag(column.Release));
        if (attributes.Count > 0 && here is null)
            return null;
        return here?.Name ?? expected.Fields.Keys.FirstOrDefault(name => Pascal(name) == field.Name) ?? field.Name;
    }

    /// <summary>A field that mirrors the same structure (what two releases have in common) stands for its fields.</summary>
    private static List<(FieldInfo Field, Place Place)> ExplicitPlaces(Type type)
    {
        List<(FieldInfo, Place)> places = [];
        foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            int offset = field.GetCustomAttribute<FieldOffsetAttribute>()?.Value ?? -1;
            if (field.FieldType.GetCustomAttribute<XenStructAttribute>()?.Name == type.GetCustomAttribute<XenStructAttribute>()?.Name)
                places.AddRange(ExplicitPlaces(field.FieldType).Select(f => (f.Field, f.Place with { Offset = offset + f.Place.Offset })));
            else
                places.Add((field, new Place(offset, SizeOf(field.FieldType))));
        }

        return places;
    }

    private static int SizeOf(Type type)
        => (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    [GeneratedRegex(@"(^|\.)_*(pad\d*|unused|reserved|res0)$")]
    private static partial Regex Padding();
}
