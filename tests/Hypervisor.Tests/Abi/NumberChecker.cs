using System.Globalization;
using System.Reflection;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>Compares enums and constants with the values the C compiler gives Xen's names.</summary>
public sealed class NumberChecker(AbiTable table)
{
    /// <summary>Every member of an enum that no release has, or that one of them has with another value.</summary>
    public IReadOnlyList<string> Check(Type type)
    {
        string prefix = type.GetCustomAttribute<XenPrefixAttribute>()!.Prefix;
        return [.. type.GetFields(BindingFlags.Static | BindingFlags.Public)
            .SelectMany(member => Compare(prefix + member.Name.TrimStart('_'), Bits(member.GetRawConstantValue()!)))];
    }

    /// <param name="only">The one column to look at, or null for every column that has the name.</param>
    public IEnumerable<string> Compare(string name, ulong actual, Column? only = null)
    {
        if (table.Constant(name) is not { } values)
        {
            yield return $"{name} is in no header";
            yield break;
        }

        for (int i = 0; i < Column.All.Length; i++)
        {
            if ((only is null || only == Column.All[i]) && values[i] is { } expected && expected != actual)
                yield return $"{name} is 0x{actual:x}, {Column.All[i]} has 0x{expected:x}";
        }
    }

    /// <summary>A constant as C converts it to unsigned long long.</summary>
    public static ulong Bits(object constant) => constant switch
    {
        short s => (ulong)s,
        int i => (ulong)i,
        _ => Convert.ToUInt64(constant, CultureInfo.InvariantCulture),
    };
}
