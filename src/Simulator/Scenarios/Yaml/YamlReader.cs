using System.Text;
using XenSim.Simulator.Input;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using Mark = XenSim.Simulator.Input.Mark;

namespace XenSim.Simulator.Scenarios.Yaml;

/// <summary>
/// One YAML document to nodes, from the parser's events, so that every node knows its line and column. Bounded: size,
/// depth and the number of nodes that aliases expand to, so that no file can exhaust memory or time.
/// </summary>
internal sealed class YamlReader
{
    /// <summary>Unit: bytes.</summary>
    public const int LargestFile = 256 * 1024;
    public const int DeepestNesting = 24;

    /// <summary>Nodes of the document with every alias counted as what it stands for.</summary>
    public const int MostNodes = 20_000;

    private readonly string _file;
    private readonly string? _includedAs;
    private readonly Parser _parser;
    private readonly Dictionary<string, (YamlNode Node, int Size)> _anchors = [];
    private int _nodes;

    private YamlReader(string file, string text, string? includedAs)
    {
        _file = file;
        _includedAs = includedAs;
        _parser = new Parser(new StringReader(text));
    }

    /// <param name="file">Name for error messages.</param>
    /// <param name="includedAs">The name by which another file takes this one in; null: it is the scenario itself.</param>
    /// <exception cref="InputException">Not UTF-8, not YAML, more than one document, or beyond a limit.</exception>
    public static YamlNode Read(string file, byte[] bytes, string? includedAs = null)
    {
        if (bytes.Length > LargestFile)
            throw new InputException(file, $"a scenario file has at most {LargestFile} bytes, this one has {bytes.Length}");
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (ArgumentException)
        {
            throw new InputException(file, "is not UTF-8 text", "a scenario is a YAML file; a kernel goes to \"xensim boot\"");
        }

        YamlReader reader = new(file, text, includedAs);
        try
        {
            return reader.Document();
        }
        catch (YamlException e)
        {
            throw TabIndentation(text) is { } tab
                ? reader.RefuseAt(tab, "a tab cannot indent YAML", "use spaces")
                : reader.Refuse(e.Start, $"not valid YAML: {e.Message}");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or NullReferenceException)
        {
            // YamlDotNet's scanner has inputs that it does not foresee.
            throw reader.Refuse(reader._parser.Current?.End ?? YamlDotNet.Core.Mark.Empty, "not valid YAML after this");
        }
    }

    /// <summary>The commonest cause of an error whose own message says nothing of it.</summary>
    private static Mark? TabIndentation(string text)
    {
        int line = 1;
        foreach (ReadOnlySpan<char> each in text.AsSpan().EnumerateLines())
        {
            int column = each.IndexOfAnyExcept(' ');
            if (column >= 0 && each[column] == '\t')
                return new Mark(line, column + 1);
            line++;
        }

        return null;
    }

    private YamlNode Document()
    {
        Next<StreamStart>();
        if (_parser.Current is StreamEnd)
            throw new InputException(_file, "is empty", "a scenario needs at least name, description, xen, path and guest");
        Next<DocumentStart>();
        YamlNode root = Node(0);
        Next<DocumentEnd>();
        if (_parser.Current is DocumentStart second)
            throw Refuse(second.Start, "a second document starts here, a scenario file has one", "move it into a file of its own");
        return root;
    }

    private void Next<TEvent>()
        where TEvent : ParsingEvent
    {
        if (_parser.Current is null)
            _parser.MoveNext();
        if (_parser.Current is not TEvent)
            throw Refuse(_parser.Current!.Start, $"unexpected {_parser.Current.GetType().Name} in the YAML stream");
        _parser.MoveNext();
    }

    private YamlNode Node(int depth)
    {
        ParsingEvent e = _parser.Current!;
        if (depth > DeepestNesting)
            throw Refuse(e.Start, $"nested deeper than {DeepestNesting} levels");
        Count(e, 1);
        int before = _nodes;
        if (e is NodeEvent { Tag.IsEmpty: false } tagged)
            throw Refuse(e.Start, $"the tag {tagged.Tag} has no meaning in a scenario", "remove it");
        switch (e)
        {
            case Scalar scalar:
                _parser.MoveNext();
                return Anchored(scalar, new YamlScalar(MarkOf(e.Start), scalar.Value, scalar.Style == ScalarStyle.Plain), before);
            case SequenceStart start:
                return Anchored(start, Sequence(start, depth), before);
            case MappingStart start:
                return Anchored(start, Mapping(start, depth), before);
            case AnchorAlias alias:
                return Alias(alias);
            default:
                throw Refuse(e.Start, $"unexpected {e.GetType().Name} in the YAML stream");
        }
    }

    private YamlSequence Sequence(SequenceStart start, int depth)
    {
        _parser.MoveNext();
        List<YamlNode> items = [];
        while (_parser.Current is not SequenceEnd)
            items.Add(Node(depth + 1));
        _parser.MoveNext();
        return new YamlSequence(MarkOf(start.Start), items);
    }

    private YamlMapping Mapping(MappingStart start, int depth)
    {
        _parser.MoveNext();
        List<YamlEntry> entries = [];
        Dictionary<string, Mark> seen = [];
        while (_parser.Current is not MappingEnd)
        {
            Mark at = MarkOf(_parser.Current!.Start);
            if (Node(depth + 1) is not YamlScalar key)
                throw RefuseAt(at, "a key must be a plain word");
            key = key with { Mark = at };
            if (!seen.TryAdd(key.Text, at))
                throw RefuseAt(at, $"the key \"{key.Text}\" stands twice in this mapping, first in line {seen[key.Text].Line}", "keep one of them");
            entries.Add(new YamlEntry(key, Node(depth + 1)));
        }

        _parser.MoveNext();
        return new YamlMapping(MarkOf(start.Start), entries);
    }

    private YamlNode Anchored(NodeEvent e, YamlNode node, int before)
    {
        if (!e.Anchor.IsEmpty)
            _anchors[e.Anchor.Value] = (node, 1 + _nodes - before);
        return node;
    }

    /// <summary>An alias costs what it expands to; one to an anchor that is still open is not known yet, so cycles end here.</summary>
    private YamlNode Alias(AnchorAlias alias)
    {
        if (!_anchors.TryGetValue(alias.Value.Value, out (YamlNode Node, int Size) anchor))
            throw Refuse(alias.Start, $"the alias *{alias.Value} has no finished anchor before it", NearestName.Hint(alias.Value.Value, _anchors.Keys));
        Count(alias, anchor.Size);
        _parser.MoveNext();
        return anchor.Node;
    }

    private void Count(ParsingEvent e, int nodes)
    {
        _nodes += nodes;
        if (_nodes > MostNodes)
            throw Refuse(e.Start, $"more than {MostNodes} values, counting what aliases stand for");
    }

    private InputException Refuse(YamlDotNet.Core.Mark at, string message, string? hint = null)
        => RefuseAt(MarkOf(at), message, hint);

    private InputException RefuseAt(Mark at, string message, string? hint = null) => new([new Diagnostic(_file, at, message, hint)]);

    private Mark MarkOf(YamlDotNet.Core.Mark mark) => new((int)mark.Line, (int)mark.Column, _includedAs);
}
