using System.Globalization;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging;

/// <summary>What names and memory mean to an expression.</summary>
public interface IExpressionScope
{
    /// <summary>A register (<c>$rip</c>, <c>rip</c>), an argument of the event, or a symbol.</summary>
    bool TryName(string name, out ulong value);

    /// <summary>Guest memory by linear address.</summary>
    /// <param name="size">1, 2, 4 or 8. Unit: bytes.</param>
    bool TryRead(ulong address, int size, out ulong value);

    /// <summary>Bytes of a pointer of the guest that is looked at.</summary>
    int PointerSize { get; }

    /// <summary>Names that exist, for a hint at a wrong one.</summary>
    IEnumerable<string> Names { get; }
}

/// <summary>An expression cannot be read, or has no value here. The message is one line for the user.</summary>
public sealed class ExpressionException(string message) : Exception(message);

/// <summary>
/// A C-like expression over 64-bit numbers: registers, symbols, arguments of a hypercall, numbers, <c>*address</c> (a pointer's size),
/// <c>byte(a)</c>, <c>word(a)</c>, <c>dword(a)</c>, <c>qword(a)</c>, and C's operators with C's precedence, all unsigned.
/// </summary>
public sealed class Expression
{
    private const int Deepest = 64;
    private static readonly string[][] s_levels = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<=", ">=", "<", ">"], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]];
    private static readonly string[] s_operators = ["||", "&&", "==", "!=", "<=", ">=", "<<", ">>", "|", "^", "&", "<", ">", "+", "-", "*", "/", "%", "(", ")", "!", "~"];
    private readonly Func<IExpressionScope, ulong> _value;

    private Expression(string text, Func<IExpressionScope, ulong> value) => (Text, _value) = (text, value);

    public string Text { get; }

    /// <exception cref="ExpressionException">It is not an expression.</exception>
    public static Expression Parse(string text)
    {
        Parser parser = new(text);
        Func<IExpressionScope, ulong> value = parser.Level(0, 0);
        parser.ExpectEnd();
        return new Expression(text.Trim(), value);
    }

    /// <exception cref="ExpressionException">A name is unknown, or memory is not mapped.</exception>
    public ulong Evaluate(IExpressionScope scope) => _value(scope);

    public override string ToString() => Text;

    private sealed class Parser
    {
        private readonly string _text;
        private readonly List<(string Token, int Column)> _tokens = [];
        private int _next;

        public Parser(string text)
        {
            _text = text;
            int at = 0;
            while (true)
            {
                while (at < text.Length && char.IsWhiteSpace(text[at]))
                    at++;
                if (at == text.Length)
                    return;
                int length = IsWord(text[at]) ? WordLength(at) : s_operators.FirstOrDefault(o => string.CompareOrdinal(text, at, o, 0, o.Length) == 0)?.Length ?? 0;
                if (length == 0)
                    throw new ExpressionException($"\"{text[at]}\" in column {at + 1} of \"{text}\" means nothing in an expression");
                _tokens.Add((text.Substring(at, length), at + 1));
                at += length;
            }
        }

        private string? Peek => _next < _tokens.Count ? _tokens[_next].Token : null;

        public void ExpectEnd()
        {
            if (Peek is { } rest)
                throw new ExpressionException($"\"{rest}\" in column {_tokens[_next].Column} of \"{_text}\" follows a whole expression");
        }

        public Func<IExpressionScope, ulong> Level(int level, int depth)
        {
            if (level == s_levels.Length)
                return Unary(depth);
            Func<IExpressionScope, ulong> left = Level(level + 1, depth);
            while (Peek is { } op && Array.IndexOf(s_levels[level], op) >= 0)
            {
                _next++;
                left = Combine(op, left, Level(level + 1, depth));
            }

            return left;
        }

        private Func<IExpressionScope, ulong> Unary(int depth)
        {
            if (depth > Deepest)
                throw new ExpressionException($"\"{_text}\" is nested too deeply");
            if (Peek is not { } token)
                throw new ExpressionException(_tokens.Count == 0 ? "an expression is missing" : $"\"{_text}\" ends where a value is expected");
            int column = _tokens[_next++].Column;
            switch (token)
            {
                case "-":
                    Func<IExpressionScope, ulong> negated = Unary(depth + 1);
                    return s => 0 - negated(s);
                case "!":
                    Func<IExpressionScope, ulong> tested = Unary(depth + 1);
                    return s => tested(s) == 0 ? 1ul : 0;
                case "~":
                    Func<IExpressionScope, ulong> inverted = Unary(depth + 1);
                    return s => ~inverted(s);
                case "*":
                    Func<IExpressionScope, ulong> address = Unary(depth + 1);
                    return s => Read(s, address(s), s.PointerSize);
                case "(":
                    Func<IExpressionScope, ulong> inner = Level(0, depth + 1);
                    Expect(")");
                    return inner;
                default:
                    return IsWord(token[0]) ? Word(token, depth) : throw new ExpressionException($"\"{token}\" in column {column} of \"{_text}\" stands where a value is expected");
            }
        }

        private Func<IExpressionScope, ulong> Word(string word, int depth)
        {
            int size = word switch { "byte" => 1, "word" => 2, "dword" => 4, "qword" => 8, _ => 0 };
            if (size > 0 && Peek == "(")
            {
                _next++;
                Func<IExpressionScope, ulong> address = Level(0, depth + 1);
                Expect(")");
                return s => Read(s, address(s), size);
            }

            if (char.IsAsciiDigit(word[0]))
            {
                bool hexadecimal = word.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
                return ulong.TryParse(hexadecimal ? word[2..] : word, hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
                    ? _ => number
                    : throw new ExpressionException($"\"{word}\" is not a number (decimal, or 0x and hexadecimal digits)");
            }

            return s => s.TryName(word, out ulong value)
                ? value
                : throw new ExpressionException($"no register, argument or symbol \"{word}\" here{(NearestName.Find(word, s.Names) is { } near ? $"; did you mean \"{near}\"?" : "")}");
        }

        private void Expect(string token)
        {
            if (Peek != token)
                throw new ExpressionException($"\"{token}\" is missing in \"{_text}\"");
            _next++;
        }

        private static Func<IExpressionScope, ulong> Combine(string op, Func<IExpressionScope, ulong> a, Func<IExpressionScope, ulong> b) => op switch
        {
            "||" => s => a(s) != 0 || b(s) != 0 ? 1ul : 0,
            "&&" => s => a(s) != 0 && b(s) != 0 ? 1ul : 0,
            "|" => s => a(s) | b(s),
            "^" => s => a(s) ^ b(s),
            "&" => s => a(s) & b(s),
            "==" => s => a(s) == b(s) ? 1ul : 0,
            "!=" => s => a(s) != b(s) ? 1ul : 0,
            "<" => s => a(s) < b(s) ? 1ul : 0,
            ">" => s => a(s) > b(s) ? 1ul : 0,
            "<=" => s => a(s) <= b(s) ? 1ul : 0,
            ">=" => s => a(s) >= b(s) ? 1ul : 0,
            "<<" => s => b(s) is < 64 and var n ? a(s) << (int)n : 0,
            ">>" => s => b(s) is < 64 and var n ? a(s) >> (int)n : 0,
            "+" => s => a(s) + b(s),
            "-" => s => a(s) - b(s),
            "*" => s => a(s) * b(s),
            "/" => s => b(s) is not 0 and var n ? a(s) / n : throw new ExpressionException("division by zero"),
            _ => s => b(s) is not 0 and var n ? a(s) % n : throw new ExpressionException("division by zero"),
        };

        private static ulong Read(IExpressionScope scope, ulong address, int size)
            => scope.TryRead(address, size, out ulong value) ? value : throw new ExpressionException($"nothing is mapped at 0x{address:x}");

        private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '.' or '@';

        private int WordLength(int from)
        {
            int to = from;
            while (to < _text.Length && IsWord(_text[to]))
                to++;
            return to - from;
        }
    }
}
