using System.Globalization;
using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>
/// What the test kernel of dom0-test-kernel prints between BEGIN DUMP and its success line, with machine frames renamed (see
/// <see cref="FrameNames"/>), so that equal structures give equal text.
/// </summary>
internal static partial class TestKernelDump
{
    /// <summary>XENVER sub-operations that tell who compiled Xen and when, or what the machine is called.</summary>
    private static readonly string[] buildFacts = ["compile_info", "changeset", "extraversion", "guest_handle", "commandline", "build_id"];

    private const string FirstP2mPfn = "SI first_p2m_pfn = ";
    private const ulong Superpage = 1 << 7;

    public static List<string> Parse(IEnumerable<string> lines)
    {
        var dump = XenConsole.Guest(lines).SkipWhile(l => l != "BEGIN DUMP").TakeWhile(l => !l.StartsWith("Test result", StringComparison.Ordinal)).ToList();
        if (dump.Count == 0)
        {
            throw new FormatException("no BEGIN DUMP");
        }

        ulong chunk = Hex(FrameNumber().Match(dump.First(l => l.StartsWith("P2M[", StringComparison.Ordinal))).Groups[1].Value);
        ulong chunkPages = Hex(dump.First(l => l.StartsWith(FirstP2mPfn, StringComparison.Ordinal))[FirstP2mPfn.Length..]);
        var names = new FrameNames(chunk, chunkPages);
        var result = new List<string>();
        bool ofBuild = false;
        foreach (string line in dump)
        {
            if (line.StartsWith("XENVER ", StringComparison.Ordinal))
            {
                ofBuild = buildFacts.Any(f => line.StartsWith("XENVER " + f, StringComparison.Ordinal));
                result.Add(ofBuild ? QuotedText().Replace(line, "\"…\"") : line);
            }
            else if (!(ofBuild && line.StartsWith("  raw", StringComparison.Ordinal)))
            {
                ofBuild &= line.StartsWith("  raw", StringComparison.Ordinal);
                result.Add(Rename(line, names));
            }
        }

        return result;
    }

    private static string Rename(string line, FrameNames names)
    {
        if (line.StartsWith("SI shared_info = ", StringComparison.Ordinal))
        {
            // Xen's heap page, not of the chunk: nothing else in the dump names it.
            return line[..17] + $"SHARED_INFO+{Hex(line[17..]) & 0xfff:x}";
        }

        if (line.StartsWith("SIRAW 0020:", StringComparison.Ordinal))
        {
            // nr_pages, shared_info (32-bit ABI: offset 36), flags … : the machine address is bytes 4..7 of this row.
            return line[..20] + "SHARED_INFO" + line[28..];
        }

        if (line.StartsWith("P2M[", StringComparison.Ordinal))
        {
            return FrameNumber().Replace(line, m => " " + names.Of(Hex(m.Groups[1].Value)));
        }

        if (line.StartsWith("SEL e008 lar 00c09a00", StringComparison.Ordinal))
        {
            // The ring-0 stub's lcall loads e008 into CS, which sets the accessed bit (SDM vol. 3A, 3.4.5.1); QEMU's emulator leaves it clear.
            return line.Replace("00c09a00", "00c09b00", StringComparison.Ordinal);
        }

        var entry = PageTableEntry().Match(line);
        if (entry.Success && (Hex(entry.Groups[2].Value) & Superpage) != 0)
        {
            // A PV guest has no superpages: this is Xen's own table of machine-to-phys, somewhere in the machine.
            return $"{entry.Groups[1].Value}XEN flags {Hex(entry.Groups[2].Value) & 0xfff0000000000fff:x}";
        }

        return entry.Success ? $"{entry.Groups[1].Value}{names.Of(Hex(entry.Groups[2].Value) >> 12 & 0xffffffffff)} flags {Hex(entry.Groups[2].Value) & 0xfff0000000000fff:x}" : line;
    }

    private static ulong Hex(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex QuotedText();

    [GeneratedRegex(@" ([0-9a-f]{6})\b")]
    private static partial Regex FrameNumber();

    [GeneratedRegex(@"^(  \[[0-9a-f]{3}\.\.[0-9a-f]{3}\] )([0-9a-f]{16})$")]
    private static partial Regex PageTableEntry();

    /// <summary>
    /// Names frames of dom0's first chunk by their distance from its start: the builder allocates it in one piece, so distances are facts
    /// and its place is not. Others (tables in Xen's own heap) are named in the order in which they appear.
    /// </summary>
    private sealed class FrameNames(ulong chunk, ulong chunkPages)
    {
        private readonly List<ulong> others = [];

        public string Of(ulong frame)
        {
            if (frame >= chunk && frame - chunk < chunkPages)
            {
                return $"F+{frame - chunk:x}";
            }

            if (!others.Contains(frame))
            {
                others.Add(frame);
            }

            return $"X{others.IndexOf(frame)}";
        }
    }
}
