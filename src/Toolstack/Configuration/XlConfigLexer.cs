using System.Text;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Configuration;

internal enum XlToken
{
    End,
    Identifier,
    Number,
    Text,
    Comma,
    Open,
    Close,
    Add,
    Assign,
    Semicolon,
    NewLine,
}

/// <param name="Raw">The characters in the file (flex's yytext).</param>
/// <param name="Value">A string's contents.</param>
/// <param name="ReportedLine">Line in bison's location; of a line end it is its own line.</param>
internal readonly record struct XlLexeme(XlToken Token, string Raw, string Value, int ReportedLine, int Column);

/// <summary>Tokens of an xl configuration file.</summary>
/// <remarks>Source: libxlu_cfg_l.l of both releases.</remarks>
internal sealed class XlConfigLexer(string text, XenRelease release, Action<int, int, string, string> lexicalError)
{
    private int _at;
    private int _line = 1;
    private int _lineStart;

    public XlLexeme Next()
    {
        while (true)
        {
            while (_at < text.Length && text[_at] is ' ' or '\t')
                _at++;
            if (_at >= text.Length)
                return new XlLexeme(XlToken.End, "", "", _line, Column(_at));
            if (TryToken(out XlLexeme lexeme))
                return lexeme;
            if (LexicalError() is { } newLine)
                return newLine;
        }
    }

    private bool TryToken(out XlLexeme lexeme)
    {
        char c = text[_at];
        lexeme = default;
        if (c == '\n' || (c == '#' && text.IndexOf('\n', _at) >= 0))
        {
            int end = text.IndexOf('\n', _at) + 1;
            lexeme = new XlLexeme(XlToken.NewLine, text[_at..end], "", _line, Column(_at));
            _at = end;
            _line++;
            _lineStart = end;
            return true;
        }

        if (char.IsAsciiLetterLower(c))
            return Take(XlToken.Identifier, Run(_at, x => x == '_' || char.IsAsciiDigit(x) || char.IsAsciiLetterLower(x) || (x == '.' && release != XenRelease.V4_0)), out lexeme);
        if (char.IsAsciiDigit(c))
            return Take(XlToken.Number, Run(_at, x => char.IsAsciiDigit(x) || x is (>= 'a' and <= 'f') or 'x'), out lexeme);
        if (c is '\'' or '"')
            return TryQuoted(c, out lexeme);
        if (c == '+' && release != XenRelease.V4_0 && text.AsSpan(_at).StartsWith("+="))
            return Take(XlToken.Add, 2, out lexeme);
        XlToken? single = c switch
        {
            ',' => XlToken.Comma,
            '[' => XlToken.Open,
            ']' => XlToken.Close,
            '=' => XlToken.Assign,
            ';' => XlToken.Semicolon,
            _ => null,
        };
        return single is { } token && Take(token, 1, out lexeme);
    }

    private bool TryQuoted(char quote, out XlLexeme lexeme)
    {
        lexeme = default;
        int end = _at + 1;
        while (end < text.Length && text[end] != quote)
        {
            if (text[end] == '\n' || (text[end] == '\\' && (end + 1 >= text.Length || text[end + 1] == '\n')))
                return false;
            end += text[end] == '\\' ? 2 : 1;
        }

        if (end >= text.Length)
            return false;
        int column = Column(_at);
        string raw = text[_at..(end + 1)];
        _at = end + 1;
        lexeme = new XlLexeme(XlToken.Text, raw, Dequote(raw, column), _line, column);
        return true;
    }

    private bool Take(XlToken token, int length, out XlLexeme lexeme)
    {
        string raw = text.Substring(_at, length);
        lexeme = new XlLexeme(token, raw, raw, _line, Column(_at));
        _at += length;
        return true;
    }

    /// <summary>State lexerr: the offending character with all that follows it up to a blank; a line end directly after it is a token.</summary>
    private XlLexeme? LexicalError()
    {
        int start = _at;
        int column = Column(start);
        _at++;
        int rest = Run(_at, c => c is not (' ' or '\t' or '\n'));
        if (rest == 0 && _at < text.Length && text[_at] == '\n')
        {
            _at++;
            lexicalError(_line + 1, column, text[start.._at], "lexical error");
            _lineStart = _at;
            return new XlLexeme(XlToken.NewLine, text[start.._at], "", ++_line, column);
        }

        _at += rest == 0 && _at < text.Length ? 1 : rest;
        lexicalError(_line, column, text[start.._at], "lexical error");
        return null;
    }

    private string Dequote(string raw, int column)
    {
        var value = new StringBuilder();
        for (int i = 1; i < raw.Length - 1; i++)
        {
            if (raw[i] != '\\')
            {
                value.Append(raw[i]);
                continue;
            }

            char escape = raw[++i];
            int simple = "abfnrtv".IndexOf(escape, StringComparison.Ordinal);
            if (escape is '"' or '\'' or '\\')
                value.Append(escape);
            else if (simple >= 0)
                value.Append("\a\b\f\n\r\t\v"[simple]);
            else if (!TryNumeric(raw, ref i, escape, value, out string? error))
                lexicalError(_line, column, raw, error ?? "invalid character after backlash in quoted string");
        }

        return value.ToString();
    }

    /// <summary>
    /// \NNN in libxlu is read with base 10 although it is called octal and the first digit is swallowed; \xHH loses its first
    /// digit too; neither adds a character. Both are so in the real code.
    /// </summary>
    private static bool TryNumeric(string raw, ref int i, char escape, StringBuilder value, out string? error)
    {
        error = null;
        (int least, int most, string kind) = escape switch
        {
            'x' => (2, 2, "hex"),
            >= '0' and <= '7' => (1, 3, "octal"),
            _ => (0, 0, ""),
        };
        if (most == 0)
            return false;
        int from = i + (escape == 'x' ? 2 : 1);
        int digits = 0;
        while (digits < most && from + digits < raw.Length - 1 && (escape == 'x' ? char.IsAsciiHexDigit(raw[from + digits]) : char.IsAsciiDigit(raw[from + digits])))
            digits++;
        if (digits <= least)
        {
            error = $"invalid digit after backslash {kind}numerical character escape in quoted string";
            i = raw.Length;
            return false;
        }

        i = from + digits - 1;
        return true;
    }

    private int Run(int from, Func<char, bool> belongs)
    {
        int end = from;
        while (end < text.Length && belongs(text[end]))
            end++;
        return end - from;
    }

    private int Column(int at) => at - _lineStart + 1;
}
