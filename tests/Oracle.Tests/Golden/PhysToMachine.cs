using System.Globalization;
using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>The p2m of a recorded domain, from its list of extents.</summary>
internal static partial class PhysToMachine
{
    /// <summary>Machine frame of every pfn.</summary>
    public static ulong[] Parse(IEnumerable<string> lines)
    {
        var frames = new List<ulong>();
        foreach (string line in lines)
        {
            var m = Extent().Match(line);
            if (!m.Success)
            {
                continue;
            }

            ulong first = Hex(m.Groups[1].Value), last = Hex(m.Groups[2].Value), frame = Hex(m.Groups[3].Value);
            if (first != (ulong)frames.Count)
            {
                throw new FormatException($"extent at 0x{first:x} after pfn 0x{frames.Count:x}");
            }

            for (ulong pfn = first; pfn <= last; pfn++)
            {
                frames.Add(frame + (pfn - first));
            }
        }

        return [.. frames];
    }

    private static ulong Hex(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s*([0-9a-f]+)\.\.\s*([0-9a-f]+) -> ([0-9a-f]+)\.\.")]
    private static partial Regex Extent();
}
