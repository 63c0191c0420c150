using System.Globalization;
using System.Text;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>gdb's print and x.</summary>
internal static class MemoryCommands
{
    private const int MostUnits = 4096, LongestText = 4096;
    private const string Formats = "xduotac";

    public static void Print(PromptState s, PromptArguments a)
    {
        ulong value = s.Evaluate(a.Text);
        if (a.Format.Length > 1 || (a.Format.Length == 1 && !Formats.Contains(a.Format[0])))
            throw new PromptException($"print: no format \"{a.Format}\"; it is one of {string.Join(", ", Formats.AsEnumerable())}");
        string name = CodeView.NameOf(s.Debug, value) is { } n ? $" <{n}>" : "";
        s.Line(a.Format == "x" ? $"0x{value:x}" : a.Format == "t" ? Convert.ToString((long)value, 2) : a.Format == "c" ? Value(s, value & 0xFF, 'c', 1) : a.Format.Length > 0 ? Value(s, value, a.Format[0], 8) : value < 10 ? $"{value}"
            : name.Length > 0 ? $"0x{value:x}{name}" : string.Create(CultureInfo.InvariantCulture, $"0x{value:x} ({(long)value})"));
    }

    /// <param name="fixedSpace">Null: the command's first word may name one.</param>
    public static void Examine(PromptState s, PromptArguments a, AddressSpace? fixedSpace)
    {
        (int count, char format, int size) = ReadFormat(s, a);
        bool named = false;
        AddressSpace space = fixedSpace ?? DataCommands.SpaceOf(a.Word(0) ?? "", out named);
        string text = named ? a.Rest(1) : a.Text;
        if (text.Length == 0 && s.Next is { } next && (next.Space == space || (fixedSpace is null && !named)))
            space = next.Space;
        else if (text.Length == 0)
            throw new PromptException($"{a.Command}: an address is missing");
        ulong address = text.Length > 0 ? s.Evaluate(text) : s.Next!.Value.Address;
        s.Units = (format, size);
        switch (format)
        {
            case 'i' when space != AddressSpace.Virtual:
                throw new PromptException($"{a.Command}: instructions are shown by virtual address only");
            case 'i':
                CodeCommands.List(s, address, count);
                break;
            case 's':
                Strings(s, space, address, count);
                break;
            default:
                Units(s, space, address, count, format, size);
                break;
        }
    }

    private static void Strings(PromptState s, AddressSpace space, ulong address, int count)
    {
        for (int i = 0; i < count; i++)
        {
            (string text, ulong length) = ReadText(s, space, address);
            s.Line($"{Where(s, space, address)}: {text}");
            address += length;
            s.Next = (space, address);
        }
    }

    private static void Units(PromptState s, AddressSpace space, ulong address, int count, char format, int size)
    {
        int perLine = format switch { 'a' => 2, 't' => Math.Max(1, 4 / size), _ => size == 8 ? 2 : size == 4 ? 4 : 8 };
        byte[] unit = new byte[size];
        for (int i = 0; i < count;)
        {
            StringBuilder line = new($"{Where(s, space, address)}:");
            List<byte> bytes = [];
            bool mapped = true;
            for (int k = 0; k < perLine && i < count && (mapped = s.Debug.Inspect.TryRead(space, address, unit)); k++, i++, address += (ulong)size)
            {
                bytes.AddRange(unit);
                line.Append(' ').Append(Value(s, ValueOf(unit), format, size));
            }

            if (bytes.Count > 0)
                s.Line($"{line}{(format == 'x' ? $"  {StopView.Printable([.. bytes])}" : "")}");
            if (!mapped)
                throw Unmapped(space, address);
            s.Next = (space, address);
        }
    }

    private static string Where(PromptState s, AddressSpace space, ulong address) => space == AddressSpace.Virtual ? s.Address(address) : $"{(space == AddressSpace.Machine ? "machine" : "phys")} 0x{address:x}";

    public static PromptException Unmapped(AddressSpace space, ulong address) => new(space switch
    {
        AddressSpace.Virtual => $"nothing is mapped at 0x{address:x}",
        AddressSpace.Machine => $"there is no memory at machine address 0x{address:x}",
        _ => $"there is no memory at guest-physical address 0x{address:x}",
    });

    private static ulong ValueOf(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
            value = (value << 8) | bytes[i];
        return value;
    }

    private static string Value(PromptState s, ulong value, char format, int size)
    {
        int unused = 64 - (8 * size);
        return format switch
        {
            'x' => "0x" + value.ToString("x" + (2 * size), CultureInfo.InvariantCulture),
            'd' => ((long)(value << unused) >> unused).ToString(CultureInfo.InvariantCulture),
            'u' => value.ToString(CultureInfo.InvariantCulture),
            'o' => value == 0 ? "0" : "0" + Convert.ToString((long)value, 8),
            't' => Convert.ToString((long)value, 2).PadLeft(8 * size, '0'),
            'a' => s.Address(value),
            _ => $"{(long)(value << unused) >> unused} '{Escaped((byte)value, '\'')}'",
        };
    }

    private static (int Count, char Format, int Size) ReadFormat(PromptState s, PromptArguments a)
    {
        string digits = new([.. a.Format.TakeWhile(char.IsAsciiDigit)]);
        int count = digits.Length == 0 ? 1 : int.TryParse(digits, out int n) && n is > 0 and <= MostUnits ? n : throw new PromptException($"{a.Command}: from 1 to {MostUnits} units");
        (char format, int size) = s.Units;
        if (format is 's' or 'i' && a.Text.Length > 0)
            format = 'x';
        bool sized = false;
        foreach (char c in a.Format[digits.Length..])
        {
            switch (c)
            {
                case 'b' or 'h' or 'w' or 'g':
                    (size, sized) = (c switch { 'b' => 1, 'h' => 2, 'w' => 4, _ => 8 }, true);
                    break;
                case 's' or 'i':
                case var _ when Formats.Contains(c):
                    format = c;
                    break;
                default:
                    throw new PromptException($"{a.Command}: no format or size \"{c}\"; help {a.Command} lists them");
            }
        }

        // As in gdb, characters are bytes and addresses pointers unless it is said otherwise.
        return (count, format, sized || !a.Format.AsSpan(digits.Length).ContainsAny('c', 'a') ? size : format == 'c' ? 1 : (s.Debug.Inspect.Scope() as IExpressionScope).PointerSize);
    }

    /// <summary>A string as gdb shows it, and how many bytes it takes with its end.</summary>
    private static (string Text, ulong Length) ReadText(PromptState s, AddressSpace space, ulong address)
    {
        StringBuilder text = new("\"");
        byte[] one = new byte[1];
        ulong length = 0;
        while (true)
        {
            if (!s.Debug.Inspect.TryRead(space, address + length, one))
                return length == 0 ? throw Unmapped(space, address) : ($"{text}\" and then nothing is mapped", length);
            length++;
            if (one[0] == 0)
                return ($"{text}\"", length);
            if (length > LongestText)
                return ($"{text}\"...", length - 1);
            text.Append(Escaped(one[0], '"'));
        }
    }

    private static string Escaped(byte b, char quote) => b switch
    {
        (byte)'\n' => "\\n",
        (byte)'\r' => "\\r",
        (byte)'\t' => "\\t",
        (byte)'\\' => "\\\\",
        >= 0x20 and < 0x7F => b == quote ? $"\\{quote}" : $"{(char)b}",
        _ => "\\" + Convert.ToString(b, 8).PadLeft(3, '0'),
    };
}
