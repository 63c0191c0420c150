using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>Parts of a serial log of Xen booting a dom0.</summary>
internal static partial class XenConsole
{
    /// <summary>
    /// The construct_dom0 part of Xen's own lines: from the line that announces domain 0 to <c>ENTRY ADDRESS</c>, machine addresses
    /// replaced, since they depend on the machine's memory map.
    /// </summary>
    public static List<string> ConstructDom0(IEnumerable<string> lines)
    {
        var own = lines.Where(l => l.StartsWith("(XEN)", StringComparison.Ordinal)).Select(l => l.TrimEnd()).ToList();
        int from = own.FindIndex(l => l.Contains("*** LOADING DOMAIN 0 ***", StringComparison.Ordinal) || l.Contains("*** Building a PV Dom0 ***", StringComparison.Ordinal));
        int to = own.FindIndex(Math.Max(from, 0), l => l.Contains("ENTRY ADDRESS:", StringComparison.Ordinal));
        if (from < 0 || to < 0)
        {
            throw new FormatException("no construct_dom0 lines");
        }

        bool physical = false;
        var part = new List<string>();
        foreach (string line in own[from..(to + 1)])
        {
            physical = line.Contains("MEMORY ARRANGEMENT", StringComparison.Ordinal) ? line.Contains("PHYSICAL", StringComparison.Ordinal) : physical;
            part.Add(physical ? MachineRange().Replace(line, "MADDR->MADDR") : line);
        }

        return part;
    }

    /// <summary>What the guest printed itself: everything that is not Xen's.</summary>
    public static List<string> Guest(IEnumerable<string> lines) =>
        [.. lines.Select(l => l.TrimEnd('\r')).SkipWhile(l => !l.StartsWith("(XEN)", StringComparison.Ordinal)).Where(l => !l.StartsWith("(XEN)", StringComparison.Ordinal) && l.Length > 0)];

    [GeneratedRegex(@"[0-9a-f]{8,16}->[0-9a-f]{8,16}")]
    private static partial Regex MachineRange();
}
