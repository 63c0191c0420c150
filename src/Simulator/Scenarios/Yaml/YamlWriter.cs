using System.Text;
using System.Text.Json;

namespace XenSim.Simulator.Scenarios.Yaml;

/// <summary>Writes a document as people write scenario files: mappings over lines, lists of scalars on one.</summary>
internal static class YamlWriter
{
    private const string PlainSigns = "-_./+$";

    public static string Write(YamlMapping document)
    {
        StringBuilder text = new();
        Mapping(text, document, 0);
        return text.ToString();
    }

    private static void Mapping(StringBuilder text, YamlMapping mapping, int indent)
    {
        foreach (YamlEntry entry in mapping.Entries)
        {
            text.Append(' ', indent).Append(Scalar(entry.Key)).Append(':');
            Value(text, entry.Value, indent);
        }
    }

    private static void Value(StringBuilder text, YamlNode value, int indent)
    {
        switch (value)
        {
            case YamlMapping { Entries.Count: > 0 } mapping:
                text.Append('\n');
                Mapping(text, mapping, indent + 2);
                break;
            case YamlSequence { Items.Count: > 0 } list when list.Items.Any(i => i is not YamlScalar):
                text.Append('\n');
                foreach (YamlNode item in list.Items)
                    text.Append(' ', indent + 2).Append("- ").Append(Flow(item)).Append('\n');
                break;
            default:
                text.Append(' ').Append(Flow(value)).Append('\n');
                break;
        }
    }

    private static string Flow(YamlNode node) => node switch
    {
        YamlMapping mapping => $"{{{string.Join(", ", mapping.Entries.Select(e => $"{Scalar(e.Key)}: {Flow(e.Value)}"))}}}",
        YamlSequence list => $"[{string.Join(", ", list.Items.Select(Flow))}]",
        YamlScalar scalar => Scalar(scalar),
        _ => throw new ArgumentException($"no YAML for {node.GetType().Name}", nameof(node)),
    };

    /// <summary>Plain where it was and where that is safe; in quotes a number stays a text. JSON's strings are YAML's.</summary>
    private static string Scalar(YamlScalar scalar)
        => scalar.Plain && scalar.Text.Length > 0 && !scalar.Text.StartsWith('-') && scalar.Text.All(c => char.IsAsciiLetterOrDigit(c) || PlainSigns.Contains(c))
            ? scalar.Text
            : JsonSerializer.Serialize(scalar.Text, YamlText.Default.String);
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class YamlText : System.Text.Json.Serialization.JsonSerializerContext;
