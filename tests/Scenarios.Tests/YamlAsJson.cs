using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace XenSim.Scenarios.Tests;

/// <summary>YAML as an editor's schema check sees it: JSON, plain scalars typed by YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3).</summary>
internal static partial class YamlAsJson
{
    public static string Convert(YamlNode node) => ToJson(node)?.ToJsonString() ?? "null";

    /// <summary>The same document in one line of YAML.</summary>
    public static void Flow(YamlNode node, StringBuilder text)
    {
        switch (node)
        {
            case YamlMappingNode m:
                text.Append('{');
                foreach ((YamlNode key, YamlNode value) in m.Children)
                {
                    Flow(key, text);
                    text.Append(": ");
                    Flow(value, text);
                    text.Append(", ");
                }

                text.Append('}');
                break;
            case YamlSequenceNode s:
                text.Append('[');
                foreach (YamlNode item in s.Children)
                {
                    Flow(item, text);
                    text.Append(", ");
                }

                text.Append(']');
                break;
            default:
                YamlScalarNode scalar = (YamlScalarNode)node;
                text.Append(scalar.Style is ScalarStyle.Plain or ScalarStyle.Any ? scalar.Value : $"\"{scalar.Value}\"");
                break;
        }
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode m => new JsonObject(m.Children.Select(c => KeyValuePair.Create($"{c.Key}", ToJson(c.Value)))),
        YamlSequenceNode s => new JsonArray([.. s.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => Typed(scalar.Value ?? ""),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new NotSupportedException(node.GetType().Name),
    };

    private static JsonValue? Typed(string text) => text switch
    {
        "" or "null" or "~" => null,
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ when Hexadecimal().IsMatch(text) => Number(ulong.Parse(text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)),
        _ when Integer().IsMatch(text) => Number(decimal.Parse(text, CultureInfo.InvariantCulture)),
        _ => JsonValue.Create(text),
    };

    /// <summary>The validator's numbers end at 2^63; no rule of the schema does, so a larger one is as good as that.</summary>
    private static JsonValue Number(decimal value) => JsonValue.Create((long)Math.Min(value, long.MaxValue));

    [GeneratedRegex("^0x[0-9a-fA-F]{1,16}$")]
    private static partial Regex Hexadecimal();

    [GeneratedRegex("^[-+]?[0-9]{1,20}$")]
    private static partial Regex Integer();
}
