using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Reports;

/// <summary>
/// How the guest's memory was laid out, from what the builders themselves say while they do it: <c>xc_dom_alloc_segment</c> and
/// <c>xc_dom_alloc_page</c> (RELEASE-4.17.0 tools/libs/guest/xg_dom_core.c), "VIRTUAL MEMORY ARRANGEMENT" (xen/arch/x86/pv/dom0_build.c), the program
/// headers of an HVM kernel (xen/common/libelf/libelf-loader.c).
/// </summary>
internal static partial class MemoryMap
{
    private const ulong PageSize = 4096;

    /// <summary>A restarted guest is laid out again, the same way.</summary>
    private const int MostSegments = 64;

    private sealed record Segment(string Name, ulong Start, ulong End, string Note);

    public static IReadOnlyList<SegmentReport> Of(BootSession session, EventLog log)
    {
        List<Segment> segments = [], headers = [];
        foreach (XenEvent e in log.Events.Select(e => e.Event))
        {
            Segment? segment = e switch
            {
                LogLine { Context: "XEN" } line => Read(Dom0Line().Match(line.Text)),
                LogLine line => Read(ToolsLine().Match(line.Text)) ?? Read(PageLine().Match(line.Text)),
                _ => null,
            };
            if (e is LogLine { Context: not "XEN" } header && Read(HeaderLine().Match(header.Text)) is { } loaded && !headers.Contains(loaded))
                headers.Add(loaded);
            if (segment is not null && segments.Count < MostSegments && !segments.Contains(segment))
                segments.Add(segment);
        }

        // A PV builder says where it puts the segments themselves.
        if (segments.Count == 0)
            segments.AddRange(headers.Take(MostSegments));
        if (session.Entry is { } entry)
            segments.Add(new Segment("first instruction", entry.Registers["rip"], entry.Registers["rip"], "rip"));
        return [.. segments.OrderBy(s => s.Start).ThenByDescending(s => s.End).Select(s => new SegmentReport(s.Name, Hexadecimal(s.Start), Hexadecimal(s.End), s.Note))];
    }

    private static Segment? Read(Match match)
    {
        if (!match.Success)
            return null;
        ulong start = Number(match.Groups["start"]);
        ulong end = match.Groups["end"].Success ? Number(match.Groups["end"])
            : match.Groups["size"].Success ? start + Number(match.Groups["size"]) : start + PageSize;
        return new Segment(match.Groups["name"].Success ? match.Groups["name"].Value : "kernel", start, end, match.Groups["note"].Value);
    }

    private static ulong Number(Group digits) => ulong.Parse(digits.ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static string Hexadecimal(ulong address) => $"0x{address:x}";

    [GeneratedRegex(@"^xc_dom_alloc_(segment|page) *: +(?<name>.+?) *: 0x(?<start>[0-9a-f]{1,16})( -> 0x(?<end>[0-9a-f]{1,16}))? +\((?<note>[^)]*)\)", RegexOptions.ExplicitCapture)]
    private static partial Regex ToolsLine();

    [GeneratedRegex(@"^setup_(?<name>hypercall_page): vaddr=0x(?<start>[0-9a-f]{1,16}) (?<note>pfn=.*)$", RegexOptions.ExplicitCapture)]
    private static partial Regex PageLine();

    [GeneratedRegex(@"^ (?<name>[A-Z][A-Za-z.\- ]+?): +(?<start>[0-9a-f]{8,16})->(?<end>[0-9a-f]{8,16})$", RegexOptions.ExplicitCapture)]
    private static partial Regex Dom0Line();

    [GeneratedRegex(@"^ELF: phdr: paddr=0x(?<start>[0-9a-f]{1,16}) memsz=0x(?<size>[0-9a-f]{1,15})$", RegexOptions.ExplicitCapture)]
    private static partial Regex HeaderLine();
}
