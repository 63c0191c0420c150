using System.Text.Json.Nodes;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>A value with the place where it stands.</summary>
internal readonly record struct Marked<T>(T Value, Mark Mark);

/// <summary>A list of values; a single value is a list of one.</summary>
internal sealed class ListShape<T>(IShape<T> item, string what) : IShape<IReadOnlyList<Marked<T>>>
{
    public bool TryRead(YamlNode node, Reading reading, out IReadOnlyList<Marked<T>> value)
    {
        List<Marked<T>> items = [];
        value = items;
        if (node is YamlSequence { Items.Count: 0 })
            return reading.Expected(node, $"{what}, at least one", "remove the key if nothing is meant");
        bool ok = true;
        foreach (YamlNode each in node is YamlSequence sequence ? sequence.Items : [node])
        {
            if (item.TryRead(each, reading, out T one))
                items.Add(new Marked<T>(one, each.Mark));
            else
                ok = false;
        }

        return ok;
    }

    public JsonObject Schema() => new()
    {
        ["anyOf"] = new JsonArray(
            item.ValueSchema(),
            new JsonObject { ["type"] = "array", ["items"] = item.ValueSchema(), ["minItems"] = 1 }),
    };
}

/// <summary>A mapping whose keys are data: names of a known set, or anything a key shape accepts.</summary>
internal sealed class MapShape<TKey, T>(string what, IShape<TKey> key, IShape<T> item) : IShape<IReadOnlyList<(TKey Key, T Value, Mark Mark)>>
{
    public bool TryRead(YamlNode node, Reading reading, out IReadOnlyList<(TKey Key, T Value, Mark Mark)> value)
    {
        List<(TKey, T, Mark)> entries = [];
        value = entries;
        if (node is not YamlMapping mapping || mapping.Entries.Count == 0)
            return reading.Expected(node, what);
        bool ok = true;
        foreach (YamlEntry entry in mapping.Entries)
        {
            if (key.TryRead(entry.Key, reading, out TKey k) & item.TryRead(entry.Value, reading, out T v))
                entries.Add((k, v, entry.Key.Mark));
            else
                ok = false;
        }

        return ok;
    }

    public JsonObject Schema()
    {
        JsonObject schema = new() { ["type"] = "object", ["minProperties"] = 1 };
        if (key.Schema()["enum"] is JsonArray names)
        {
            // Named one by one, so that an editor can complete them.
            schema["properties"] = new JsonObject(names.Select(n => KeyValuePair.Create<string, JsonNode?>($"{n}", Described($"{n}"))));
            schema["additionalProperties"] = false;
        }
        else if (KeyPattern(key.Schema()) is { } pattern)
        {
            schema["patternProperties"] = new JsonObject { [pattern] = item.ValueSchema() };
            schema["additionalProperties"] = false;
        }
        else
        {
            schema["additionalProperties"] = item.ValueSchema();
        }

        return schema;
    }

    /// <summary>The pattern of keys that are numbers: JSON knows keys as strings only.</summary>
    private static string? KeyPattern(JsonObject schema)
        => schema["anyOf"] is JsonArray forms ? forms.Select(f => f?["pattern"]?.ToString()).FirstOrDefault(p => p is not null) : null;

    private JsonObject Described(string name)
    {
        JsonObject schema = item.ValueSchema();
        schema["description"] = $"{name}: one of the {what}.";
        return schema;
    }
}

/// <summary>Short form or long form: a bare word where a mapping says no more than its main key.</summary>
internal sealed class ShortOrLongShape<TShort, T>(IShape<TShort> brief, Func<TShort, T> expand, IShape<T> full) : IShape<T>
{
    public bool TryRead(YamlNode node, Reading reading, out T value)
    {
        if (node is YamlMapping)
            return full.TryRead(node, reading, out value);
        bool ok = brief.TryRead(node, reading, out TShort s);
        value = ok ? expand(s) : default!;
        return ok;
    }

    public JsonObject Schema() => new() { ["anyOf"] = new JsonArray(brief.ValueSchema(), full.ValueSchema()) };
}
