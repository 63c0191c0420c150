using System.Text.Json.Nodes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>A SHA-256 in hexadecimal, lower case.</summary>
internal sealed class DigestShape : IShape<string>
{
    public bool IsWord => true;

    public bool TryRead(YamlNode node, Reading reading, out string value)
    {
        value = (node as YamlScalar)?.Text.ToLowerInvariant() ?? "";
        return (value.Length == 64 && value.All(char.IsAsciiHexDigit)) || reading.Expected(node, "a SHA-256, 64 hexadecimal digits");
    }

    public JsonObject Schema() => new() { ["type"] = "string", ["pattern"] = "^[0-9a-fA-F]{64}$" };
}
