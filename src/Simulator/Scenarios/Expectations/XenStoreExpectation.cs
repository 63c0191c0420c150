using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>xenstore: {/local/domain/{domid}/name: guest, /vm: absent}</c></summary>
internal static class XenStoreExpectation
{
    private const string Absent = "absent";

    /// <summary>A value, where the empty text is a value too.</summary>
    private sealed class ValueShape : IShape<string>
    {
        public bool TryRead(YamlNode node, Reading reading, out string value)
        {
            value = (node as YamlScalar)?.Text ?? "";
            return node is YamlScalar || reading.Expected(node, "a value or absent");
        }

        public JsonObject Schema() => new() { ["type"] = new JsonArray("string", "number", "boolean", "null") };
    }

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Entries(
        "xenstore", "Nodes of xenstore at the end, by path; {domid} and {uuid} stand for the domain's own, the value \"absent\" for no such node.",
        new MapShape<string, string>("xenstore paths with values", new TextShape("a path"), new ValueShape()), Moment.End, Check);

    private static string? Check(string path, string expected, IEvidence evidence)
    {
        string resolved = path.Replace("{domid}", evidence.Subject?.Value.ToString(CultureInfo.InvariantCulture) ?? "?", StringComparison.Ordinal)
            .Replace("{uuid}", evidence.Uuid?.ToString("D") ?? "?", StringComparison.Ordinal);
        string? actual = evidence.ReadXenStore(resolved);
        return (actual ?? Absent) == expected ? null : $"{resolved}: expected \"{expected}\", got {(actual is null ? "no such node" : $"\"{actual}\"")}";
    }
}
