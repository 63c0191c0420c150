using System.Globalization;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>One amount of <c>dom0_mem=</c>: pages, a share of what is available, or what is left after subtracting it.</summary>
/// <param name="Minus">The amount is subtracted from what is available.</param>
/// <param name="Percent">Share of what is available (4.17), beside <paramref name="Pages"/>.</param>
internal readonly record struct MemorySize(bool Minus, ulong Pages, uint Percent)
{
    public bool IsPositive => !Minus && (Pages != 0 || Percent != 0);

    /// <summary>get_memsize; a 4.0 amount has no percentage, and a negative zero there is no amount at all.</summary>
    public ulong Resolve(ulong available)
    {
        ulong pages = Pages + ((ulong)Percent * available / 100);
        return Minus && (Pages != 0 || Percent != 0) ? unchecked(available - pages) : pages;
    }
}

/// <summary><c>dom0_mem=[min:amount,][max:amount,][amount]</c>.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: parse_dom0_mem; stable-4.17 dom0_build.c.</remarks>
internal sealed record Dom0MemoryOption(MemorySize Amount, MemorySize Min, MemorySize Max)
{
    public static readonly Dom0MemoryOption None = new(default, default, new MemorySize(false, long.MaxValue, 0));

    /// <summary>Reads what the release reads; the rest of a malformed option is left at its default, as Xen leaves it.</summary>
    public static Dom0MemoryOption Parse(XenRelease release, string? text)
    {
        Dom0MemoryOption option = None;
        foreach (string item in text?.Split(',') ?? [])
        {
            string amount = item[(item.IndexOf(':', StringComparison.Ordinal) + 1)..];
            if (TryAmount(release, amount) is not { } size)
                return option;
            option = item switch
            {
                _ when item.StartsWith("min:", StringComparison.Ordinal) => option with { Min = size },
                _ when item.StartsWith("max:", StringComparison.Ordinal) => option with { Max = size },
                _ => option with { Amount = size },
            };
        }

        return option;
    }

    private static MemorySize? TryAmount(XenRelease release, string text)
    {
        bool minus = text.StartsWith('-');
        ulong pages = 0;
        uint percent = 0;
        string[] items = text[(minus ? 1 : 0)..].Split('+');
        if (release == XenRelease.V4_0 && items.Length > 1)
            return null;
        foreach (string item in items)
        {
            if (release != XenRelease.V4_0 && item.EndsWith('%'))
            {
                if (!uint.TryParse(item[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out percent) || percent >= 100)
                    return null;
            }
            else if (TrySize(item) is { } bytes && percent == 0)
            {
                pages = bytes >> 12;
            }
            else
            {
                return null;
            }
        }

        return new MemorySize(minus, pages, percent);
    }

    /// <summary>parse_size_and_unit: kibibytes unless a unit says otherwise.</summary>
    private static ulong? TrySize(string text)
    {
        string digits = text.TrimEnd('G', 'g', 'M', 'm', 'K', 'k', 'B', 'b', 'T', 't');
        if (text.Length - digits.Length > 1)
            return null;
        bool hex = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        NumberStyles style = hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        if (!ulong.TryParse(hex ? digits[2..] : digits, style, CultureInfo.InvariantCulture, out ulong value))
            return null;
        int shift = (text[^1] | 0x20) switch { 't' => 40, 'g' => 30, 'm' => 20, 'b' => 0, _ => 10 };
        return value << shift >> shift == value ? value << shift : null;
    }
}
