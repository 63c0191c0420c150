using System.Text.Json.Nodes;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios;

/// <summary>A value put in the place of another: <c>guest.memory</c> and 64.</summary>
/// <param name="Path">Keys from the file's top, with dots between them; an item of a list by its number from 0.</param>
internal sealed record Change(string Path, YamlNode Value);

/// <summary>One variation of a scenario: what is in its name, and what it changes.</summary>
internal sealed record Combination(string Label, IReadOnlyList<Change> Changes);

/// <summary>
/// <c>matrix</c>: axes with values, every combination of which is a scenario of its own. A value that is a mapping changes several places at
/// once. <c>exclude</c> takes combinations out, <c>include</c> adds some.
/// </summary>
internal sealed class MatrixShape : IShape<IReadOnlyList<Combination>>
{
    private const string Include = "include", Exclude = "exclude";

    /// <summary>Beyond this the file is most likely a mistake.</summary>
    private const int MostCombinations = 1000;

    public bool TryRead(YamlNode node, Reading reading, out IReadOnlyList<Combination> value)
    {
        value = [];
        if (node is not YamlMapping { Entries.Count: > 0 } mapping)
            return reading.Expected(node, "axes with values, as in {guest.memory: [32, 64]}");
        List<Combination> combinations = [];
        List<YamlEntry> axes = [.. mapping.Entries.Where(e => e.Key.Text is not (Include or Exclude))];
        if (axes.Count > 0)
            combinations.Add(new Combination("", []));
        foreach (YamlEntry axis in axes)
        {
            if (axis.Value is not YamlSequence { Items.Count: > 0 } values)
                return reading.Expected(axis.Value, "a list of values");
            combinations = [.. combinations.SelectMany(_ => values.Items, (c, v) => With(c, axis.Key.Text, v))];
            if (combinations.Count > MostCombinations)
                return reading.Expected(axis.Value, $"at most {MostCombinations} combinations");
        }

        if (!TryReadList(mapping, Exclude, reading, out List<YamlMapping> excluded) || !TryReadList(mapping, Include, reading, out List<YamlMapping> included))
            return false;
        foreach (YamlMapping pattern in excluded)
        {
            if (combinations.RemoveAll(c => Matches(c, pattern)) == 0)
                return reading.Expected(pattern, "a combination to exclude", "none has these values");
        }

        combinations.AddRange(included.Select(i => i.Entries.Aggregate(new Combination("", []), (c, e) => With(c, e.Key.Text, e.Value))));
        value = combinations;
        return combinations.Count > 0 || reading.Expected(node, "at least one combination that is not excluded");
    }

    public JsonObject Schema()
    {
        JsonObject list = new() { ["type"] = "array", ["minItems"] = 1, ["items"] = new JsonObject { ["type"] = "object", ["minProperties"] = 1 } };
        return new JsonObject
        {
            ["type"] = "object",
            ["minProperties"] = 1,
            ["properties"] = new JsonObject
            {
                [Exclude] = Described(list, "Combinations to leave out: those that have all these values."),
                [Include] = Described(list, "Combinations to add."),
            },
            ["additionalProperties"] = new JsonObject { ["type"] = "array", ["minItems"] = 1 },
        };
    }

    /// <summary>The file as the combination has it, without its matrix.</summary>
    public static YamlNode Apply(YamlNode root, IEnumerable<Change> changes)
    {
        YamlNode body = root is YamlMapping file ? file with { Entries = [.. file.Entries.Where(e => e.Key.Text != "matrix")] } : root;
        return SetAll(body, changes);
    }

    public static YamlNode SetAll(YamlNode root, IEnumerable<Change> changes)
        => changes.Aggregate(root, (node, change) => Set(node, change.Path.Split('.'), change.Value));

    private static JsonObject Described(JsonObject schema, string description)
    {
        JsonObject copy = schema.DeepClone().AsObject();
        copy["description"] = description;
        return copy;
    }

    private static YamlNode Set(YamlNode node, ReadOnlySpan<string> path, YamlNode value)
    {
        if (path.Length == 0)
            return value;
        if (node is YamlSequence sequence && int.TryParse(path[0], System.Globalization.CultureInfo.InvariantCulture, out int index) && index >= 0 && index < sequence.Items.Count)
        {
            List<YamlNode> items = [.. sequence.Items];
            items[index] = Set(items[index], path[1..], value);
            return sequence with { Items = items };
        }

        List<YamlEntry> entries = node is YamlMapping mapping ? [.. mapping.Entries] : [];
        string key = path[0];
        int at = entries.FindIndex(e => e.Key.Text == key);
        YamlNode inner = Set(at < 0 ? new YamlMapping(value.Mark, []) : entries[at].Value, path[1..], value);
        YamlEntry entry = new(at < 0 ? new YamlScalar(value.Mark, key, Plain: true) : entries[at].Key, inner);
        if (at < 0)
            entries.Add(entry);
        else
            entries[at] = entry;
        return new YamlMapping(node.Mark, entries);
    }

    private static Combination With(Combination c, string axis, YamlNode value) => value is YamlMapping { Entries.Count: > 0 } several
        ? new Combination(Joined(c.Label, Named(several.Entries[0].Key.Text, several.Entries[0].Value)), [.. c.Changes, .. several.Entries.Select(e => new Change(e.Key.Text, e.Value))])
        : new Combination(Joined(c.Label, Named(axis, value)), [.. c.Changes, new Change(axis, value)]);

    private static string Joined(string left, string right) => left.Length == 0 ? right : $"{left}, {right}";

    /// <summary>memory=64 for guest.memory and 64.</summary>
    private static string Named(string path, YamlNode value) => $"{path[(path.LastIndexOf('.') + 1)..]}={FirstText(value)}";

    /// <summary>What stands for a value in a name.</summary>
    private static string FirstText(YamlNode value) => value switch
    {
        YamlScalar scalar => scalar.Text,
        YamlSequence { Items: [var first, ..] } => FirstText(first),
        YamlMapping { Entries: [var first, ..] } => FirstText(first.Value),
        _ => "empty",
    };

    private static bool Matches(Combination c, YamlMapping pattern)
        => pattern.Entries.All(e => c.Changes.Any(x => x.Path == e.Key.Text && x.Value is YamlScalar has && e.Value is YamlScalar wanted && has.Text == wanted.Text));

    private static bool TryReadList(YamlMapping mapping, string key, Reading reading, out List<YamlMapping> list)
    {
        list = [];
        if (mapping.Entries.FirstOrDefault(e => e.Key.Text == key) is not { } entry)
            return true;
        foreach (YamlNode item in entry.Value is YamlSequence sequence ? sequence.Items : [entry.Value])
        {
            if (item is not YamlMapping { Entries.Count: > 0 } one)
                return reading.Expected(item, $"what to {key}, as in {{guest.memory: 64}}");
            list.Add(one);
        }

        return true;
    }
}
