using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Configuration;

/// <summary>Reads xl configuration files: <c>name = value</c>, strings, numbers, nested lists, comments.</summary>
/// <remarks>Source: libxlu_cfg_y.y, libxlu_cfg_l.l, libxlu_cfg.c of both releases.</remarks>
public sealed class XlConfigParser
{
    private const int NestingLimit = 200; // bison's stack (YYMAXDEPTH 10000) ends too; nobody nests that deep

    private readonly XlConfigLexer _lexer;
    private readonly XenRelease _release;
    private readonly string _source;
    private readonly List<XlMessage> _messages = [];
    private readonly List<XlSetting> _settings = [];
    private XlLexeme _token;
    private int _lastLexicalErrorLine;
    private bool _failed;
    private int _depth;

    private XlConfigParser(string source, string text, XenRelease release)
    {
        _source = source;
        _release = release;
        _lexer = new XlConfigLexer(text, release, OnLexicalError);
    }

    /// <summary>xlu_cfg_readdata. Never throws; what is wrong is in the messages.</summary>
    /// <param name="source">Name for messages.</param>
    public static XlConfigFile Parse(string source, string text, XenRelease release)
    {
        var parser = new XlConfigParser(source, text, release);
        parser.Statements();
        if (parser._failed)
        {
            string failed = release == XenRelease.V4_0 ? "Failed to parse config file: Invalid argument" : "Failed to parse config: Invalid argument";
            parser._messages.Add(new XlMessage(0, 0, failed));
        }

        return new XlConfigFile(source, release, parser._settings, parser._messages) { IsRefused = parser._failed };
    }

    private void Statements()
    {
        Advance();
        while (_token.Token != XlToken.End)
        {
            if (_token.Token is XlToken.NewLine or XlToken.Semicolon)
            {
                Advance();
                continue;
            }

            // A statement needs its end, except the last one of the file.
            if (Assignment() && _token.Token is XlToken.NewLine or XlToken.Semicolon or XlToken.End)
                continue;
            SyntaxError();
            while (_token.Token is not (XlToken.NewLine or XlToken.End))
                Advance();
        }
    }

    private bool Assignment()
    {
        string name = _token.Value;
        if (_token.Token != XlToken.Identifier)
            return false;
        Advance();
        bool isAddition = _token.Token == XlToken.Add;
        if (!isAddition && _token.Token != XlToken.Assign)
            return false;
        Advance();
        if (Value() is not { } value)
            return false;
        Store(name, value, isAddition);
        return true;
    }

    private XlValue? Value()
    {
        XlLexeme first = _token;
        if (first.Token is XlToken.Text or XlToken.Number)
        {
            Advance();
            return new XlString(first.ReportedLine, first.Value);
        }

        if (first.Token != XlToken.Open || _depth >= NestingLimit)
            return null;
        _depth++;
        XlList? list = List(first.ReportedLine);
        _depth--;
        return list;
    }

    /// <summary>Line ends are free inside a list, except between a comma's value and nothing; a trailing comma is fine.</summary>
    private XlList? List(int line)
    {
        var items = new List<XlValue>();
        Advance();
        SkipNewLines();
        while (_token.Token != XlToken.Close)
        {
            if (Value() is not { } item)
                return null;
            items.Add(item);
            SkipNewLines();
            if (_token.Token == XlToken.Comma)
            {
                Advance();
                SkipNewLines();
            }
            else if (_token.Token != XlToken.Close)
            {
                return null;
            }
        }

        Advance();
        return new XlList(line, items);
    }

    /// <summary>xlu__cfg_set_store: += appends to a list or a string of the same name (4.17).</summary>
    private void Store(string name, XlValue value, bool isAddition)
    {
        XlSetting? old = isAddition ? _settings.FindLast(s => s.Name == name) : null;
        XlValue stored = (old?.Value, value) switch
        {
            (XlString a, XlString b) => b with { Text = a.Text + b.Text },
            (XlList a, XlList b) => b with { Items = [.. a.Items, .. b.Items] },
            (XlList a, XlString b) => new XlList(b.Line, [.. a.Items, b]),
            _ => value,
        };
        if (old?.Value is XlString && value is XlList)
        {
            Report(value.Line, 0, $"{_source}:{value.Line}: error: can't add list to string");
            return;
        }

        _settings.Add(new XlSetting(name, stored, value.Line));
    }

    private void SyntaxError() => Error(_token.ReportedLine, _token.ReportedLine, _token.Column, _token.Raw, "syntax error");

    private void OnLexicalError(int line, int column, string text, string message)
    {
        Error(line, text.EndsWith('\n') ? line - 1 : line, column, text, message);
        _lastLexicalErrorLine = line;
    }

    /// <summary>xlu__cfg_yyerror. It takes one off the line when the text ends in a line end, also from a location that has it right already.</summary>
    /// <param name="location">bison's line.</param>
    /// <param name="line">The true one.</param>
    private void Error(int location, int line, int column, string raw, string message)
    {
        if (location <= _lastLexicalErrorLine)
            return;
        string text = raw;
        string newLine = "";
        int printed = location;
        if (text.EndsWith('\n'))
        {
            text = text[..^1];
            printed--;
            newLine = text.Length == 0 ? "<newline>" : "";
        }

        text = text.TrimEnd('\t', ' ');
        string quoted = text.Length > 0 ? $"`{text}'" : "";
        Report(line, column, $"{_source}:{printed}: config parsing error near {quoted}{newLine}: {message}");
    }

    private void Report(int line, int column, string text)
    {
        _failed = true;
        const int most = 100; // a hostile file need not fill the screen
        if (_messages.Count < most)
            _messages.Add(new XlMessage(line, column, text));
    }

    private void SkipNewLines()
    {
        while (_token.Token == XlToken.NewLine)
            Advance();
    }

    private void Advance() => _token = _lexer.Next();
}
