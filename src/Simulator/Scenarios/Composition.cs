using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios;

/// <summary>
/// What a scenario file takes from others, as one document: the <c>defaults.yaml</c> of its folder and of those above that have one too, the files that it <c>extends</c>, itself.
/// Mappings are laid over each other key by key, anything else is replaced. Then <c>${name}</c> stands for what <c>vars</c> says.
/// </summary>
internal sealed class Composition
{
    public const string Defaults = "defaults.yaml", Extends = "extends", Variables = "vars";

    private const int MostFiles = 16;

    /// <summary>Variables may make a file longer, but not without end. Unit: characters.</summary>
    private const int LongestExpansion = 1 << 20;

    private readonly string _name;
    private readonly Func<string, byte[]> _readBeside;
    private readonly List<string> _open = [];
    private int _files;
    private int _expanded;

    /// <param name="readBeside">Reads a file named relative to the scenario.</param>
    private Composition(string name, Func<string, byte[]> readBeside) => (_name, _readBeside) = (name, readBeside);

    /// <param name="defaults">Names of the <c>defaults.yaml</c> that hold for it, relative to it, the outermost first.</param>
    /// <param name="settings">Values that replace the file's.</param>
    /// <exception cref="InputException">Everything that is wrong with one of the files.</exception>
    public static YamlNode Compose(string name, YamlNode root, Func<string, byte[]> readBeside, IReadOnlyList<string> defaults, IReadOnlyList<Change> settings)
    {
        Composition composition = new(name, readBeside);
        YamlNode whole = defaults.Reverse().Aggregate(composition.Extended(root, ""), (over, file) => Over(composition.ReadFile(file, new Mark(1, 1)), over));
        return MatrixShape.SetAll(whole, settings);
    }

    /// <summary>The file with its variables' values in their places, for each combination of a matrix anew.</summary>
    public static YamlNode Substitute(string name, YamlNode root)
    {
        if (root is not YamlMapping file)
            return root;
        Composition composition = new(name, _ => []);
        if (file.Entries.FirstOrDefault(e => e.Key.Text == Variables)?.Value is not { } given)
            return composition.Substituted(file, []);
        YamlNode? wrong = given is YamlMapping ? ((YamlMapping)given).Entries.Select(e => e.Value).FirstOrDefault(v => v is not YamlScalar) : given;
        if (wrong is not null)
            throw composition.Refuse(wrong.Mark, $"expected variables with values, as in {{memory: 64}}, found {wrong.Kind}");
        Dictionary<string, YamlScalar> variables = ((YamlMapping)given).Entries.ToDictionary(e => e.Key.Text, e => (YamlScalar)e.Value);
        return composition.Substituted(file with { Entries = [.. file.Entries.Where(e => e.Key.Text != Variables)] }, variables);
    }

    /// <summary>A node laid over what another file says.</summary>
    public static YamlNode Over(YamlNode below, YamlNode above)
    {
        if (below is not YamlMapping lower || above is not YamlMapping upper)
            return above;
        List<YamlEntry> entries = [.. lower.Entries];
        foreach (YamlEntry entry in upper.Entries)
        {
            int at = entries.FindIndex(e => e.Key.Text == entry.Key.Text);
            if (at < 0)
                entries.Add(entry);
            else
                entries[at] = new YamlEntry(entry.Key, Over(entries[at].Value, entry.Value));
        }

        return upper with { Entries = entries };
    }

    private YamlNode Extended(YamlNode root, string file)
    {
        if (root is not YamlMapping mapping || mapping.Entries.FirstOrDefault(e => e.Key.Text == Extends) is not { } extends)
            return root;
        YamlNode own = mapping with { Entries = [.. mapping.Entries.Where(e => e != extends)] };
        YamlNode? below = null;
        foreach (YamlNode each in extends.Value is YamlSequence several ? several.Items : [extends.Value])
        {
            if (each is not YamlScalar { Text.Length: > 0 } named)
                throw Refuse(each.Mark, $"expected the name of a scenario file, found {each.Kind}");
            YamlNode read = ReadFile(Path.Combine(Path.GetDirectoryName(file) ?? "", named.Text), named.Mark);
            below = below is null ? read : Over(below, read);
        }

        return below is null ? throw Refuse(extends.Value.Mark, "expected the names of scenario files, at least one") : Over(below, own);
    }

    private YamlNode ReadFile(string file, Mark named)
    {
        string path = Path.GetFullPath(Beside(file));
        if (_open.Contains(path))
            throw Refuse(named, $"{file} extends itself, by way of {string.Join(", ", _open)}");
        if (++_files > MostFiles)
            throw Refuse(named, $"more than {MostFiles} files belong to one scenario");
        byte[] bytes;
        try
        {
            bytes = _readBeside(file);
        }
        catch (InputException e)
        {
            throw new InputException([new Diagnostic(_name, named, $"\"{file}\": {e.Diagnostics[0].Message}", e.Diagnostics[0].Hint)]);
        }

        _open.Add(path);
        YamlNode read = Extended(YamlReader.Read(Beside(file), bytes, file), file);
        _open.RemoveAt(_open.Count - 1);
        return read;
    }

    private YamlNode Substituted(YamlNode node, Dictionary<string, YamlScalar> variables) => node switch
    {
        YamlScalar scalar => Substituted(scalar, variables),
        YamlSequence sequence => sequence with { Items = [.. sequence.Items.Select(i => Substituted(i, variables))] },
        YamlMapping mapping => mapping with { Entries = [.. mapping.Entries.Select(e => new YamlEntry(e.Key, Substituted(e.Value, variables)))] },
        _ => node,
    };

    /// <summary><c>$${</c> is the text <c>${</c>. A value that is nothing but a variable is what the variable is: a number stays one.</summary>
    private YamlScalar Substituted(YamlScalar scalar, Dictionary<string, YamlScalar> variables)
    {
        if (!scalar.Text.Contains("${", StringComparison.Ordinal))
            return scalar;
        StringBuilder text = new();
        for (int at = 0; at < scalar.Text.Length;)
        {
            int open = scalar.Text.IndexOf("${", at, StringComparison.Ordinal);
            if (open < 0)
                open = scalar.Text.Length;
            bool escaped = open > at && open < scalar.Text.Length && scalar.Text[open - 1] == '$';
            text.Append(scalar.Text.AsSpan(at, (escaped ? open - 1 : open) - at));
            at = open;
            if (open == scalar.Text.Length)
                break;
            if (escaped)
            {
                text.Append("${");
                at += 2;
                continue;
            }

            int close = scalar.Text.IndexOf('}', open);
            string name = close < 0 ? scalar.Text[(open + 2)..] : scalar.Text[(open + 2)..close];
            if (close < 0 || !variables.TryGetValue(name, out YamlScalar? value))
                throw Refuse(scalar.Mark, close < 0 ? "\"${\" without \"}\"" : $"there is no variable \"{(name.Length > 60 ? name[..60] : name)}\"", close < 0 ? "write $${ for the text ${" : NearestName.Hint(name, [.. variables.Keys]) ?? $"add it to \"{Variables}\", or write $${{ for the text ${{");
            if (open == 0 && close == scalar.Text.Length - 1)
                return value with { Mark = scalar.Mark };
            text.Append(value.Text);
            at = close + 1;
            _expanded += value.Text.Length;
            if (_expanded > LongestExpansion)
                throw Refuse(scalar.Mark, $"variables make the file longer than {LongestExpansion} characters");
        }

        return scalar with { Text = text.ToString() };
    }

    private string Beside(string file) => Path.Combine(Path.GetDirectoryName(_name) ?? "", file);

    private InputException Refuse(Mark mark, string message, string? hint = null) => new([new Diagnostic(mark.File is null ? _name : Beside(mark.File), mark, message, hint)]);
}

/// <summary>Keys that <see cref="Composition"/> has dealt with before a scenario is read: here for the schema.</summary>
internal sealed class ComposedShape(Func<System.Text.Json.Nodes.JsonObject> schema) : IShape<bool>
{
    public bool TryRead(YamlNode node, Reading reading, out bool value) => value = true;

    public System.Text.Json.Nodes.JsonObject Schema() => schema();
}
