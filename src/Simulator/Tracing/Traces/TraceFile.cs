using System.Text;
using System.Text.Json;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Tracing.Traces;

/// <summary>A line of a trace.</summary>
/// <param name="What">The event and its fields, without number and time: two of the same text are the same event.</param>
internal readonly record struct TraceLine(string Json, string What)
{
    private const string Event = "\"event\":";

    /// <returns>Null: it is no line of a trace.</returns>
    public static TraceLine? From(string json)
    {
        int at = json.StartsWith('{') && json.EndsWith('}') ? json.IndexOf(Event, StringComparison.Ordinal) : -1;
        return at < 0 ? null : new TraceLine(json, json[at..]);
    }

    public static TraceLine From(in TimedEvent e) => From(Encoding.UTF8.GetString(JsonLine.Of(e)))!.Value;

    /// <summary>The event's type.</summary>
    public ReadOnlySpan<char> Name
    {
        get
        {
            ReadOnlySpan<char> rest = What.AsSpan(Event.Length).TrimStart(" \"");
            int end = rest.IndexOf('"');
            return end < 0 ? rest : rest[..end];
        }
    }

    public JsonElement Parse()
    {
        using JsonDocument document = JsonDocument.Parse(Json);
        return document.RootElement.Clone();
    }
}

/// <summary>A trace as <c>--trace</c> writes it, line by line, so that its length does not matter.</summary>
internal static class TraceFile
{
    /// <summary>Unit: characters.</summary>
    private const int LongestLine = 4 << 20;

    /// <exception cref="InputException">It cannot be read, or a line is not an event; while it is enumerated.</exception>
    public static IEnumerable<TraceLine> Read(string path)
    {
        using StreamReader reader = Open(path);
        int number = 0;
        while (NextLine(reader, path, number + 1) is { } line)
        {
            number++;
            yield return IsEvent(line) && TraceLine.From(line) is { } read
                ? read
                : throw new InputException([new Diagnostic(path, new Mark(number, 1), "is no event of a trace", "a trace is written by xensim boot --trace or xensim test --trace")]);
        }
    }

    private static bool IsEvent(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static StreamReader Open(string path)
    {
        if (Directory.Exists(path))
            throw new InputException(path, "is a folder, a trace was expected");
        try
        {
            return new StreamReader(path, new UTF8Encoding(false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(path, e is FileNotFoundException or DirectoryNotFoundException ? "no such file" : $"cannot be read: {e.Message}");
        }
    }

    /// <summary>Never more than the longest line comes into memory.</summary>
    private static string? NextLine(StreamReader reader, string path, int number)
    {
        StringBuilder line = new();
        for (int c = reader.Read(); c >= 0; c = reader.Read())
        {
            if (c == '\n')
                return line.ToString();
            if (line.Length == LongestLine)
                throw new InputException([new Diagnostic(path, new Mark(number, 1), $"is longer than {LongestLine} characters")]);
            line.Append((char)c);
        }

        return line.Length > 0 ? line.ToString() : null;
    }
}
