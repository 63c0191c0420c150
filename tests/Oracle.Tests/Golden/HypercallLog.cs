using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>One call of the tools into Xen, in a form that both a recorded log and our events can be brought into.</summary>
/// <param name="Call">Hypercall, or privcmd's own operation: <c>domctl</c>, <c>memory_op</c>, <c>MMAPBATCH_V2</c>.</param>
/// <param name="Arguments">Wire field names and values that do not depend on the run; frame numbers are in <paramref name="Frames"/>.</param>
/// <param name="Frames">Machine frames in the arguments: to be compared through the renaming. Of long lists the recorder kept the first few.</param>
internal sealed record ToolCall(string Call, string? SubOperation, IReadOnlyDictionary<string, ulong> Arguments, IReadOnlyList<ulong> Frames, long Result)
{
    /// <summary>What the recorder noted besides and an event does not carry: outputs, and what a pointer in the arguments points to.</summary>
    public IReadOnlyDictionary<string, ulong> Details { get; init; } = new Dictionary<string, ulong>();

    public override string ToString() =>
        $"{Call} {SubOperation} {{{string.Join(", ", Arguments.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}=0x{a.Value:x}"))}}} -> {Result}";
}

/// <summary>
/// Reads the <c>HC</c> lines of a recorded <c>xl create</c>. What xl asks for its own sake (physinfo, domain lists, xsm) is left out: the
/// data's notes name these as not part of building a domain.
/// </summary>
internal static partial class HypercallLog
{
    private static readonly HashSet<string> queries =
    [
        "XEN_SYSCTL_physinfo", "XEN_SYSCTL_getdomaininfolist", "XEN_SYSCTL_cpupool_op", "XEN_SYSCTL_numainfo", "XEN_SYSCTL_cputopoinfo",
        "XEN_SYSCTL_get_cpu_policy", "XEN_SYSCTL_get_cpu_featureset", "XENMEM_get_sharing_freed_pages", "XENMEM_get_sharing_shared_pages",
        // Placement on the host's own CPUs and nodes, and a weight that xl reads and writes back.
        "XEN_DOMCTL_setvcpuaffinity", "XEN_DOMCTL_setnodeaffinity", "XEN_DOMCTL_scheduler_op",
    ];

    /// <summary>
    /// Whether a sub-operation is compared at all. Binding a port is the daemons' business: the recordings are of xl's own process.
    /// </summary>
    public static bool IsCompared(string call, string? subOperation) =>
        call is "domctl" or "memory_op" or "event_channel_op" or "mmuext_op" or "MMAPBATCH_V2" or "MMAP_RESOURCE"
        && !(subOperation is not null && (queries.Contains(subOperation) || subOperation is "EVTCHNOP_bind_interdomain" or "EVTCHNOP_send"));

    /// <summary>
    /// Names of all calls of a recorded xl in order, from its first question to the end: left out are the query for a security label (no XSM here)
    /// and the probes of libraries that open /dev/xen/privcmd.
    /// </summary>
    public static List<string> AllNames(IEnumerable<string> lines) => [.. lines.Select(l => NamedCall().Match(l)).Where(m => m.Success && m.Groups["name"].Value != "DM_OP").Select(m => m.Groups["name"].Value)];

    /// <summary>The compared calls in order, from createdomain on.</summary>
    public static List<ToolCall> Parse(IEnumerable<string> lines) =>
        [.. lines.Select(ParseLine).OfType<ToolCall>().SkipWhile(c => c.SubOperation != "XEN_DOMCTL_createdomain")];

    private static ToolCall? ParseLine(string line)
    {
        var match = CallLine().Match(line);
        if (!match.Success)
        {
            return null;
        }

        string call = match.Groups["call"].Value;
        string? sub = match.Groups["sub"].Success ? match.Groups["sub"].Value : null;
        string rest = match.Groups["rest"].Value;
        if (call == "privcmd")
        {
            (call, sub) = (sub!, null);
        }
        else if (call == "mmuext_op")
        {
            sub = MmuExt().Match(rest).Groups["op"].Value;
        }

        if (!IsCompared(call, sub))
        {
            return null;
        }

        var arguments = new SortedDictionary<string, ulong>(StringComparer.Ordinal);
        var frames = new List<ulong>();
        var details = new SortedDictionary<string, ulong>(StringComparer.Ordinal);
        Decode(call, sub, rest, arguments, details, frames);
        return new(call, sub, arguments, frames, long.Parse(Result().Match(line).Groups[1].Value, CultureInfo.InvariantCulture)) { Details = details };
    }

    /// <summary>Turns the raw <c>in[…]</c> words, or the recorder's own decoding, into wire fields.</summary>
    private static void Decode(string call, string? sub, string rest, SortedDictionary<string, ulong> to, SortedDictionary<string, ulong> details, List<ulong> frames)
    {
        switch (sub ?? call)
        {
            case "XEN_DOMCTL_createdomain":
                foreach (string field in new[] { "flags", "max_vcpus", "max_evtchn_port", "grant_opts" })
                {
                    to[field] = Named(rest, field);
                }

                break;
            case "XEN_DOMCTL_max_vcpus":
                to["max"] = Word32(rest, 0);
                break;
            case "XEN_DOMCTL_max_mem":
                to["max_memkb"] = Word64(rest, 0);
                break;
            case "XEN_DOMCTL_settscinfo":
                to["tsc_mode"] = Word32(rest, 0);
                to["incarnation"] = Word32(rest, 4);
                break;
            case "XEN_DOMCTL_set_cpu_policy":
                to["nr_leaves"] = Word32(rest, 0);
                to["nr_msrs"] = Word32(rest, 4);
                break;
            case "XEN_DOMCTL_set_address_size":
                to["size"] = Word32(rest, 0);
                break;
            case "XEN_DOMCTL_hypercall_init":
                frames.Add(Word64(rest, 0));
                break;
            case "XEN_DOMCTL_setvcpucontext":
                to["vcpu"] = Named(rest, "vcpu");
                foreach (Match m in ContextWord().Matches(rest))
                {
                    details["+" + m.Groups[1].Value] = Hex(m.Groups[2].Value);
                }

                break;
            case "EVTCHNOP_alloc_unbound":
                to["remote_dom"] = Word16(rest, 2);
                details["port"] = Word32(rest[rest.IndexOf("out[", StringComparison.Ordinal)..], 4, "out[");
                break;
            case "XENMEM_set_memory_map":
                to["nr_entries"] = Named(rest, "n");
                var map = MapEntry().Match(rest);
                details["addr"] = Hex(map.Groups[1].Value);
                details["size"] = Hex(map.Groups[2].Value);
                details["type"] = Hex(map.Groups[3].Value);
                break;
            case "XENMEM_claim_pages":
                to["nr_extents"] = Word64(rest, 8);
                break;
            case "XENMEM_populate_physmap":
                to["nr_extents"] = ulong.Parse(Extents().Match(rest).Groups[1].Value, CultureInfo.InvariantCulture);
                to["extent_order"] = Named(rest, "order");
                to["mem_flags"] = Named(rest, "flags");
                break;
            case "MMUEXT_PIN_L4_TABLE" or "MMUEXT_PIN_L3_TABLE":
                frames.Add(Hex(MmuExt().Match(rest).Groups["frame"].Value));
                break;
            case "MMAPBATCH_V2":
                to["num"] = Named(rest, "num");
                frames.AddRange(FrameList().Match(rest).Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).TakeWhile(w => w != "...").Select(Hex));
                break;
            case "MMAP_RESOURCE":
                to["num"] = Named(rest, "num");
                break;
        }
    }

    private static ulong Named(string text, string field)
    {
        string value = Regex.Match(text, $@"\b{field}=(0x[0-9a-f]+|\d+)").Groups[1].Value;
        return value.StartsWith("0x", StringComparison.Ordinal) ? Hex(value[2..]) : ulong.Parse(value, CultureInfo.InvariantCulture);
    }

    private static ulong Word16(string rest, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(Raw(rest, "in[").AsSpan(offset));

    private static ulong Word32(string rest, int offset, string which = "in[") => BinaryPrimitives.ReadUInt32LittleEndian(Raw(rest, which).AsSpan(offset));

    private static ulong Word64(string rest, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Raw(rest, "in[").AsSpan(offset));

    /// <summary>The recorder prints 8 bytes per group in memory order; a half or whole group that is stack junk reads as zero here.</summary>
    private static byte[] Raw(string rest, string which)
    {
        int from = rest.IndexOf(which, StringComparison.Ordinal) + which.Length;
        string inside = rest[from..rest.IndexOf(']', from)].Replace("<junk>", "00000000", StringComparison.Ordinal).Replace("<user-ptr>", "0000000000000000", StringComparison.Ordinal);
        return Convert.FromHexString(inside.Replace(" ", "", StringComparison.Ordinal));
    }

    private static ulong Hex(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^HC \d{4} (?<call>\w+)(\(\d+\))?( \[via multicall\])?( (?<sub>[A-Z][A-Za-z0-9_]+)(\([^)]*\))?)?(?<rest>.*)$")]
    private static partial Regex CallLine();

    [GeneratedRegex(@"^HC \d{4} (domctl|sysctl|memory_op|hvm_op|xen_version|event_channel_op|mmuext_op|privcmd)\b.*?(?<name>[A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+)")]
    private static partial Regex NamedCall();

    [GeneratedRegex(@" -> (-?\d+)")]
    private static partial Regex Result();

    [GeneratedRegex(@"\+([0-9a-f]+):([0-9a-f]+)")]
    private static partial Regex ContextWord();

    [GeneratedRegex(@"\{ ([0-9a-f]+)\+([0-9a-f]+) type(\d+) \}")]
    private static partial Regex MapEntry();

    [GeneratedRegex(@"extents\[(\d+)\]")]
    private static partial Regex Extents();

    [GeneratedRegex(@"\{(?<op>MMUEXT_\w+) arg1=(?<frame>[0-9a-f]+)")]
    private static partial Regex MmuExt();

    [GeneratedRegex(@"gfns\{([^}]*)\}")]
    private static partial Regex FrameList();
}
