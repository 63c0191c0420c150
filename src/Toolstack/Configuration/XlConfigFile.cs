using System.Globalization;
using System.Numerics;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Configuration;

/// <summary>Something that xl says about a configuration file.</summary>
/// <param name="Line">1 is the first; 0 when it is about the file as a whole.</param>
/// <param name="Column">1 is the first; 0 when unknown.</param>
/// <param name="Text">The whole line as xl prints it.</param>
public sealed record XlMessage(int Line, int Column, string Text);

/// <summary>A value: a string (numbers are strings too until somebody asks) or a list.</summary>
public abstract record XlValue(int Line);

/// <inheritdoc cref="XlValue"/>
public sealed record XlString(int Line, string Text) : XlValue(Line);

/// <inheritdoc cref="XlValue"/>
public sealed record XlList(int Line, IReadOnlyList<XlValue> Items) : XlValue(Line);

/// <summary><c>name = value</c>. A later setting of the same name wins.</summary>
public sealed record XlSetting(string Name, XlValue Value, int Line);

/// <summary>A parsed xl configuration file with libxlu's accessors.</summary>
/// <remarks>Source: stable-4.17 tools/libs/util/libxlu_cfg.c.</remarks>
public sealed class XlConfigFile
{
    private readonly List<XlMessage> _messages;

    internal XlConfigFile(string source, XenRelease release, IReadOnlyList<XlSetting> settings, List<XlMessage> messages)
    {
        Source = source;
        Release = release;
        Settings = settings;
        _messages = messages;
    }

    public string Source { get; }

    public XenRelease Release { get; }

    public IReadOnlyList<XlSetting> Settings { get; }

    /// <summary>Errors of the grammar, then warnings of the accessors, in xl's words.</summary>
    public IReadOnlyList<XlMessage> Messages => _messages;

    /// <summary>Whether xl refuses the file (<c>Failed to parse config: Invalid argument</c>, exit code 1).</summary>
    public bool IsRefused { get; internal init; }

    public XlSetting? Find(string name) => Settings.LastOrDefault(s => s.Name == name);

    /// <summary>xlu_cfg_get_string: null when there is none; a list gives a warning and null.</summary>
    public string? GetString(string name)
    {
        if (Find(name) is not { } setting)
            return null;
        if (setting.Value is XlString text)
            return text.Text;
        Warn(setting, $"parameter `{name}' is a list but should be a single value");
        return null;
    }

    /// <summary>xlu_cfg_get_long: strtol with base 0; what is no number gives a warning and null.</summary>
    public long? GetLong(string name)
    {
        if (GetString(name) is not { } text)
            return null;
        XlSetting setting = Find(name)!;
        if (!TryNumber(text, out BigInteger value))
        {
            Warn(setting, $"parameter `{name}' is not a valid number");
            return null;
        }

        if (value >= long.MinValue && value <= long.MaxValue)
            return (long)value;
        Warn(setting, $"parameter `{name}' could not be parsed as a number: Numerical result out of range");
        return null;
    }

    /// <summary>xlu_cfg_get_list: null when there is none; a single value gives a warning and null.</summary>
    public XlList? GetList(string name)
    {
        if (Find(name) is not { } setting)
            return null;
        if (setting.Value is XlList list)
            return list;
        Warn(setting, $"parameter `{name}' is a single value but should be a list");
        return null;
    }

    private void Warn(XlSetting setting, string text)
    {
        string line = $"{Source}:{setting.Line}: warning: {text}";
        if (_messages.TrueForAll(m => m.Text != line))
            _messages.Add(new XlMessage(setting.Line, 0, line));
    }

    /// <summary>The whole text as strtol(…, 0) reads it: optional sign, 0x hexadecimal, 0 octal.</summary>
    private static bool TryNumber(string text, out BigInteger value)
    {
        ReadOnlySpan<char> rest = text.AsSpan().TrimStart(" \t\n\v\f\r");
        bool negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
            rest = rest[1..];
        int radix = rest.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? 16 : rest.Length > 1 && rest[0] == '0' ? 8 : 10;
        rest = radix == 16 ? rest[2..] : rest;
        value = 0;
        const int longest = 64; // any longer number is out of range, and we need not know by how much
        if (rest.IsEmpty)
            return false;
        foreach (char c in rest)
        {
            if (!char.IsAsciiHexDigit(c))
                return false;
            int digit = int.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (digit >= radix)
                return false;
            if (value < BigInteger.One << longest)
                value = (value * radix) + digit;
        }

        value = negative ? -value : value;
        return true;
    }
}
