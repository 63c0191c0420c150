using System.Text.Json.Nodes;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>One key of a mapping: its name, what it means, its shape, and how it goes into the record.</summary>
internal sealed class Field<T>
{
    private readonly Func<YamlNode, Reading, T, (bool Ok, T Record)> _read;
    private readonly Func<JsonObject> _schema;

    private Field(string name, string description, bool required, Func<YamlNode, Reading, T, (bool Ok, T Record)> read, Func<JsonObject> schema)
    {
        (Name, Description, Required) = (name, description, required);
        (_read, _schema) = (read, schema);
    }

    public string Name { get; }

    public string Description { get; }

    public bool Required { get; }

    public static Field<T> Of<TValue>(string name, string description, IShape<TValue> shape, Func<T, TValue, T> with, bool required = false)
        => new(name, description, required, (node, reading, record) => shape.TryRead(node, reading, out TValue value) ? (true, with(record, value)) : (false, record), shape.ValueSchema);

    /// <summary>Like <see cref="Of"/>, where the record also needs the place of the value for later messages.</summary>
    public static Field<T> Marked<TValue>(string name, string description, IShape<TValue> shape, Func<T, TValue, Mark, T> with, bool required = false)
        => new(name, description, required, (node, reading, record) => shape.TryRead(node, reading, out TValue value) ? (true, with(record, value, node.Mark)) : (false, record), shape.ValueSchema);

    /// <summary>A field of what is part of the record.</summary>
    public static Field<T> Part<TPart>(Field<TPart> field, Func<T, TPart> get, Func<T, TPart, T> with)
        => new(field.Name, field.Description, field.Required, (node, reading, record) =>
        {
            TPart part = get(record);
            return field.TryRead(node, reading, ref part) ? (true, with(record, part)) : (false, record);
        }, field._schema);

    public bool TryRead(YamlNode node, Reading reading, ref T record)
    {
        (bool ok, record) = _read(node, reading, record);
        return ok;
    }

    public JsonObject Schema()
    {
        JsonObject schema = _schema();
        schema["description"] = Description;
        return schema;
    }
}

/// <summary>What does not fit to something else in the file, and where it stands.</summary>
/// <param name="Mark">Null: where the mapping begins.</param>
internal sealed record Misfit(Mark? Mark, string Text, string? Hint = null);

/// <summary>A mapping with named keys: unknown and missing ones are errors.</summary>
/// <param name="check">Rules between fields: returns what is wrong, or null.</param>
/// <param name="suppliedBy">A key with which the required ones may come from elsewhere; for the schema.</param>
/// <param name="checkAt">Rules whose breach has a place of its own.</param>
internal sealed class ObjectShape<T>(
    string what, T initial, IReadOnlyList<Field<T>> fields, Func<T, string?>? check = null, string? suppliedBy = null, Func<T, Misfit?>? checkAt = null) : IShape<T>
{
    public bool TryRead(YamlNode node, Reading reading, out T value)
    {
        value = initial;
        if (node is not YamlMapping mapping)
            return reading.Expected(node, what);
        bool ok = true;
        foreach (YamlEntry entry in mapping.Entries)
        {
            Field<T>? field = fields.FirstOrDefault(f => f.Name == entry.Key.Text);
            if (field is null)
            {
                reading.Report(entry.Key.Mark, $"{what} has no key \"{Shortened(entry.Key.Text)}\"", NearestName.Hint(entry.Key.Text, [.. fields.Select(f => f.Name)]));
                ok = false;
            }
            else
            {
                ok &= field.TryRead(entry.Value, reading, ref value);
            }
        }

        foreach (Field<T> missing in fields.Where(f => f.Required && mapping.Entries.All(e => e.Key.Text != f.Name)))
        {
            reading.Report(node.Mark, $"{what} lacks the key \"{missing.Name}\"", $"add \"{missing.Name}: …\" ({missing.Description})");
            ok = false;
        }

        if (ok && checkAt?.Invoke(value) is { } misfit)
        {
            reading.Report(misfit.Mark ?? node.Mark, misfit.Text, misfit.Hint);
            return false;
        }

        if (!ok || check?.Invoke(value) is not { } wrong)
            return ok;
        reading.Report(node.Mark, wrong);
        return false;
    }

    public JsonObject Schema()
    {
        JsonObject properties = [];
        JsonArray required = [];
        foreach (Field<T> field in fields)
        {
            properties[field.Name] = field.Schema();
            if (field.Required)
                required.Add((JsonNode)field.Name);
        }

        JsonObject schema = new() { ["type"] = "object", ["additionalProperties"] = false, ["properties"] = properties };
        if (required.Count > 0 && suppliedBy is not null)
            schema["anyOf"] = new JsonArray(new JsonObject { ["required"] = new JsonArray((JsonNode)suppliedBy) }, new JsonObject { ["required"] = required });
        else if (required.Count > 0)
            schema["required"] = required;
        return schema;
    }

    private static string Shortened(string key) => key.Length <= 60 ? key : key[..60] + "…";
}
