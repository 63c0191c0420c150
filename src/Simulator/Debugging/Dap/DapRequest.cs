using System.Text.Json;
using System.Text.Json.Nodes;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>A request of the client.</summary>
internal sealed record DapRequest(long Sequence, string Command, DapArguments Arguments)
{
    private const int Deepest = 64;

    /// <returns>Null: it is a message of another kind.</returns>
    /// <exception cref="DapException">It is no message.</exception>
    public static DapRequest? Parse(ReadOnlySpan<byte> message)
    {
        JsonObject? o;
        try
        {
            o = JsonNode.Parse(message, documentOptions: new JsonDocumentOptions { MaxDepth = Deepest }) as JsonObject;
        }
        catch (JsonException e)
        {
            throw new DapException($"a message that is not JSON: {e.Message}");
        }

        try
        {
            DapArguments all = new(o ?? throw new DapException("a message that is no JSON object"));
            return all.Text("type") == "request" ? new DapRequest(all.Number("seq") ?? 0, all.Required("command"), new DapArguments(o["arguments"] as JsonObject ?? [])) : null;
        }
        catch (DapRefusal e)
        {
            throw new DapException(e.Message);
        }
        catch (ArgumentException)
        {
            // JsonObject finds out late that a name stands twice.
            throw new DapException("a message in which a name stands twice");
        }
    }
}

/// <summary>Named values that came from the client. What is of another type than expected is refused by name.</summary>
internal sealed class DapArguments(JsonObject values)
{
    private const int LongestText = 1 << 20;

    public string? Text(string name)
    {
        if (Value(name) is not { } value)
            return null;
        return value.TryGetValue(out string? text) && text.Length <= LongestText ? text : throw Wrong(name, "a text");
    }

    public string Required(string name) => Text(name) ?? throw Wrong(name, "a text");

    public long? Number(string name)
    {
        if (Value(name) is not { } value)
            return null;
        return value.TryGetValue(out long number) ? number : throw Wrong(name, "a whole number");
    }

    public long Required(string name, long least, long most)
        => Number(name) is { } n && n >= least && n <= most ? n : throw Wrong(name, $"a number from {least} to {most}");

    public bool Flag(string name) => Value(name) is { } value && (value.TryGetValue(out bool flag) ? flag : throw Wrong(name, "true or false"));

    public DapArguments? Object(string name) => Node(name) switch
    {
        null => null,
        JsonObject o => new DapArguments(o),
        _ => throw Wrong(name, "an object"),
    };

    /// <summary>Empty if it is not there.</summary>
    public IReadOnlyList<DapArguments> Objects(string name)
        => [.. Items(name).Select(i => i is JsonObject o ? new DapArguments(o) : throw Wrong(name, "a list of objects"))];

    /// <summary>Empty if it is not there.</summary>
    public IReadOnlyList<string> Texts(string name)
        => [.. Items(name).Select(i => i is JsonValue v && v.TryGetValue(out string? text) ? text : throw Wrong(name, "a list of texts"))];

    private JsonArray Items(string name) => Node(name) switch
    {
        null => [],
        JsonArray items => items,
        _ => throw Wrong(name, "a list"),
    };

    private JsonValue? Value(string name) => Node(name) switch
    {
        null => null,
        JsonValue value => value,
        _ => throw Wrong(name, "a single value"),
    };

    private JsonNode? Node(string name)
    {
        try
        {
            return values[name];
        }
        catch (ArgumentException)
        {
            throw new DapRefusal("a name stands twice in the arguments");
        }
    }

    private static DapRefusal Wrong(string name, string expected) => new($"\"{name}\" has to be {expected}");
}
