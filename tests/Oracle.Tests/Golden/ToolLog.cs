using System.Globalization;
using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>A line of the builder's log with what differs from run to run taken out.</summary>
/// <param name="Text">The line with <c>PTR</c>, <c>MFN</c>, <c>FILE</c> and <c>dN</c> in place of such values.</param>
/// <param name="Frames">The machine frames that stood there, for the renaming.</param>
internal sealed record ToolLogLine(string Text, IReadOnlyList<ulong> Frames);

/// <summary>The <c>domainbuilder:</c> and <c>xc:</c> lines of <c>xl -vvv create</c>.</summary>
internal static partial class ToolLog
{
    public static List<ToolLogLine> Parse(IEnumerable<string> lines) => [.. lines.Where(IsCompared).Select(Normalise)];

    /// <summary>
    /// The memory footprint is what the real process allocated (malloc and mmap of a C program), not something a build does to a domain:
    /// the data's notes leave it out.
    /// </summary>
    private static bool IsCompared(string line) =>
        (line.StartsWith("domainbuilder: ", StringComparison.Ordinal) || line.StartsWith("xc: ", StringComparison.Ordinal)) && !Footprint().IsMatch(line);

    private static ToolLogLine Normalise(string line)
    {
        var frames = new List<ulong>();
        string text = Pointer().Replace(line, "$1PTR");
        text = PhdrPointers().Replace(text, "$1PTR -> PTR");
        text = FileName().Replace(text, "$1FILE\"");
        text = Frame().Replace(text, m =>
        {
            frames.Add(ulong.Parse(m.Groups[2].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            return m.Groups[1].Value + "MFN";
        });
        text = DomainNumber().Replace(text, "$1dN");
        return new(text.TrimEnd(), frames);
    }

    [GeneratedRegex(@"xc_dom_malloc|domain builder memory footprint|: detail: {4,7}(allocated|mapped|malloc |anon mmap|file mmap|domU mmap)")]
    private static partial Regex Footprint();

    [GeneratedRegex(@"( at )0x(<user-ptr>|[0-9a-f]+)$")]
    private static partial Regex Pointer();

    [GeneratedRegex(@"(ELF: phdr \d+ at )0x\S+ -> 0x\S+")]
    private static partial Regex PhdrPointers();

    [GeneratedRegex(@"(filename="")[^""]*""")]
    private static partial Regex FileName();

    [GeneratedRegex(@"(\bmfn |gnt\[\d+\] -> d0 )0x([0-9a-f]+)")]
    private static partial Regex Frame();

    [GeneratedRegex(@"(xc_dom_set_gnttab_entry: )d\d+")]
    private static partial Regex DomainNumber();
}
