using System.Buffers;
using System.Text;
using System.Text.Json;

namespace XenSim.Simulator.Tracing;

/// <summary>An event in one line, from its JSON form, so that one of a file and one that has just happened read the same.</summary>
internal static class EventText
{
    /// <summary>Unit: characters.</summary>
    private const int Longest = 300;

    public static string Of(in TimedEvent e)
    {
        using JsonDocument json = JsonDocument.Parse(JsonLine.Of(e));
        return Of(json.RootElement);
    }

    public static string Of(JsonElement e)
    {
        string text = Text(e, "event") switch
        {
            "StageEntered" => $"{Text(e, "stage")} is entered",
            "StageReturned" => $"{Text(e, "stage")} returns",
            "StageFailed" => $"{Text(e, "stage")} fails with {Text(e, "code")}, {Text(e, "errno")}: {Text(e, "message")}{(Text(e, "injected") == "True" ? " (injected)" : "")}",
            "HypercallEntered" => $"{Caller(e)} calls {Call(e)}({Arguments(e)})",
            "HypercallReturned" => $"{Caller(e)}'s {Call(e)} returns {Text(e, "result")}",
            "LogLine" => $"log: {Text(e, "rendered")}",
            "ConsoleOutput" => $"d{Text(e, "domain")} prints \"{Printed(Text(e, "bytes"))}\"",
            { } name => $"{name}{string.Concat(e.EnumerateObject().Where(p => p.Name is not ("seq" or "ns" or "instructions" or "event")).Select(p => $" {p.Name}={Value(p.Value)}"))}",
        };
        text = string.Concat(text.Select(c => char.IsControl(c) ? '·' : c));
        return text.Length <= Longest ? text : text[..Longest] + "…";
    }

    /// <summary>A value as text: of a text without its quotes.</summary>
    public static string Value(JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? $"[{string.Join(", ", value.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Object ? string.Join("=", v.EnumerateObject().Select(p => Value(p.Value))) : Value(v)))}]"
        : value.ToString();

    private static string Text(JsonElement e, string field) => e.TryGetProperty(field, out JsonElement value) ? Value(value) : "?";

    private static string Caller(JsonElement e) => Text(e, "issuer") == "Toolstack" ? "the toolstack" : $"d{Text(e, "caller")}v{Text(e, "vcpu")}";

    private static string Call(JsonElement e) => Text(e, "subOperation") is { Length: > 0 } operation ? $"{Text(e, "name")}/{operation}" : Text(e, "name");

    private static string Arguments(JsonElement e) => Text(e, "arguments").Trim('[', ']');

    private static string Printed(string hexadecimal)
    {
        string digits = hexadecimal.Replace(" ", "", StringComparison.Ordinal);
        return digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigit) ? Encoding.Latin1.GetString(Convert.FromHexString(digits)).Replace("\n", "\\n", StringComparison.Ordinal) : hexadecimal;
    }
}

/// <summary>An event as the line that a trace holds of it.</summary>
internal static class JsonLine
{
    public static byte[] Of(in TimedEvent e)
    {
        ArrayBufferWriter<byte> line = new(256);
        using (Utf8JsonWriter json = new(line))
            Write(json, e);
        return line.WrittenSpan.ToArray();
    }

    public static void Write(Utf8JsonWriter json, in TimedEvent e)
    {
        json.WriteStartObject();
        json.WriteNumber("seq"u8, e.Sequence);
        json.WriteNumber("ns"u8, e.VirtualNanoseconds);
        json.WriteNumber("instructions"u8, e.Instructions);
        json.WriteString("event"u8, e.Event.GetType().Name);
        EventFields.Write(json, e.Event);
        json.WriteEndObject();
    }
}
