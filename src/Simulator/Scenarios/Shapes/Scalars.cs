using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>Any text, quoted or not.</summary>
/// <param name="longest">Unit: characters.</param>
internal sealed class TextShape(string what = "text", int longest = 4096) : IShape<string>
{
    public bool TryRead(YamlNode node, Reading reading, out string value)
    {
        value = (node as YamlScalar)?.Text ?? "";
        if (node is not YamlScalar scalar || (scalar.Plain && scalar.Text.Length == 0))
            return reading.Expected(node, what);
        return value.Length <= longest || reading.Expected(node, $"{what} of at most {longest} characters");
    }

    // A number in the place of a text is the text of that number, as YAML's 4.17 is.
    public JsonObject Schema() => new() { ["type"] = new JsonArray("string", "number", "boolean"), ["maxLength"] = longest };
}

/// <summary>An unsigned number: decimal, 0x…, with _ between digits.</summary>
internal sealed class NumberShape(ulong least, ulong most, string what = "a number") : IShape<ulong>
{
    public bool IsWord => true;

    public static readonly NumberShape Any = new(0, ulong.MaxValue);

    public static bool TryParse(string text, out ulong value)
    {
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        return digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    public bool TryRead(YamlNode node, Reading reading, out ulong value)
    {
        value = 0;
        string range = most == ulong.MaxValue ? what : $"{what} from {least} to {most}";
        if (node is not YamlScalar { Plain: true } scalar || !TryParse(scalar.Text, out value))
            return reading.Expected(node, range, node is YamlScalar { Plain: false } ? "remove the quotes" : null);
        return (value >= least && value <= most) || reading.Expected(node, range);
    }

    // YAML 1.2's 0x numbers are integers to a schema validator; with _ they are strings.
    public JsonObject Schema() => new()
    {
        ["anyOf"] = new JsonArray(
            most <= long.MaxValue ? new JsonObject { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most } : new JsonObject { ["type"] = "integer", ["minimum"] = least },
            new JsonObject { ["type"] = "string", ["pattern"] = "^(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$" }),
    };
}

internal sealed class BooleanShape : IShape<bool>
{
    public bool IsWord => true;

    public bool TryRead(YamlNode node, Reading reading, out bool value)
    {
        value = node is YamlScalar { Plain: true, Text: "true" };
        return value || node is YamlScalar { Plain: true, Text: "false" } || reading.Expected(node, "true or false");
    }

    public JsonObject Schema() => new() { ["type"] = "boolean" };
}

/// <summary>One of a list of words, each with its meaning.</summary>
internal sealed class ChoiceShape<T>(string what, IReadOnlyDictionary<string, T> choices) : IShape<T>
{
    public bool IsWord => true;

    public bool TryRead(YamlNode node, Reading reading, out T value)
    {
        value = default!;
        if (node is YamlScalar scalar && choices.TryGetValue(scalar.Text, out T? chosen))
        {
            value = chosen;
            return true;
        }

        string[] names = [.. choices.Keys];
        return reading.Expected(node, what, node is YamlScalar wrong ? NearestName.Hint(wrong.Text, names) : null);
    }

    public JsonObject Schema()
    {
        JsonArray values = [];
        foreach (string name in choices.Keys)
        {
            values.Add((JsonNode)name);
            if (double.TryParse(name, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                values.Add((JsonNode)number);
        }

        return new JsonObject { ["enum"] = values };
    }
}

/// <summary>Bytes as pairs of hexadecimal digits: <c>"b8 17 00 00 00 cd 82"</c>.</summary>
internal sealed class BytesShape : IShape<byte[]>
{
    public bool IsWord => true;

    private const int Longest = 4096;

    public bool TryRead(YamlNode node, Reading reading, out byte[] value)
    {
        value = [];
        if (node is not YamlScalar scalar || scalar.Text.Length == 0)
            return reading.Expected(node, "bytes in hexadecimal, as in \"b8 17 00 00 00\"");
        string digits = scalar.Text.Replace(" ", "", StringComparison.Ordinal);
        if (digits.Length % 2 != 0 || digits.Length > 2 * Longest || !digits.All(char.IsAsciiHexDigit))
            return reading.Expected(node, $"pairs of hexadecimal digits, at most {Longest} bytes");
        value = Convert.FromHexString(digits);
        return true;
    }

    public JsonObject Schema() => new() { ["type"] = new JsonArray("string", "integer"), ["pattern"] = "^[0-9a-fA-F ]+$" };
}

/// <summary>A span of virtual time: a number with ns, us, ms or s. Unit of the value: nanoseconds.</summary>
internal sealed class VirtualTimeShape : IShape<ulong>
{
    public bool IsWord => true;

    private static readonly (string Suffix, ulong Nanoseconds)[] s_units = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

    public bool TryRead(YamlNode node, Reading reading, out ulong value)
    {
        value = 0;
        string text = (node as YamlScalar)?.Text ?? "";
        foreach ((string suffix, ulong unit) in s_units)
        {
            if (text.EndsWith(suffix, StringComparison.Ordinal)
                && NumberShape.TryParse(text[..^suffix.Length].TrimEnd(), out ulong count) && count <= 1_000_000_000_000_000_000 / unit)
            {
                value = count * unit;
                return true;
            }
        }

        return reading.Expected(node, "virtual time, as in 10s, 500ms, 20us or 100ns");
    }

    public JsonObject Schema() => new() { ["type"] = "string", ["pattern"] = "^[0-9_]+ *(ns|us|ms|s)$" };
}
