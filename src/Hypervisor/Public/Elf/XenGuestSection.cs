using System.Globalization;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>The legacy <c>__xen_guest</c> string: <c>KEY=value,KEY=value</c>.</summary>
/// <remarks>Source: libelf-dominfo.c: elf_xen_parse_guest_info of both releases.</remarks>
internal static class XenGuestSection
{
    private const int KeyLimit = 31; // char name[32]
    private const int ValueLimit = 127; // char value[128]

    public static XenElfParameters Parse(ElfImage elf, ulong offset, XenElfParameters parms)
    {
        bool is40 = elf.Release == XenRelease.V4_0;
        string text = elf.ReadString(offset) ?? "";
        int at = 0;
        while (at < text.Length)
        {
            string key = Take(text, ref at, KeyLimit, stopAtEquals: true, out bool equals);
            string value = equals ? Take(text, ref at, ValueLimit, stopAtEquals: false, out _) : "";
            elf.Message(is40 ? $"elf_xen_parse_guest_info: {key}=\"{value}\"" : $"ELF: {key}=\"{value}\"");
            if (key == "FEATURES")
            {
                uint supported = parms.FeaturesSupported;
                uint required = parms.FeaturesRequired;
                bool known = XenFeatures.TryParse(elf.Release, value, ref supported, ref required);
                parms = parms with { FeaturesSupported = supported, FeaturesRequired = required };
                if (!known)
                    break; // the caller ignores the error: later keys are simply lost
            }

            parms = Apply(parms, key, value, is40);
        }

        // 4.17 adds virt_base at the end, wherever VIRT_BASE stands; 4.0.4 adds what it knows when it meets HYPERCALL_PAGE.
        if (!is40 && parms.VirtBase != XenElfParameters.Unset && parms.HasHypercallPage)
            parms = parms with { VirtHypercall = unchecked(parms.VirtHypercall + parms.VirtBase) };
        return parms;
    }

    private static XenElfParameters Apply(XenElfParameters parms, string key, string value, bool is40) => key switch
    {
        "LOADER" => parms with { Loader = Short(value) },
        "GUEST_OS" => parms with { GuestOs = Short(value) },
        "GUEST_VER" => parms with { GuestVersion = Short(value) },
        "XEN_VER" => parms with { XenVersion = Short(value) },
        "PAE" when value == "yes[extended-cr3]" => parms with { Pae = PaeMode.ExtendedCr3 },
        "PAE" when value.StartsWith("yes", StringComparison.Ordinal) => parms with { Pae = PaeMode.Yes },
        "BSD_SYMTAB" => parms with { BsdSymtab = true },
        "VIRT_BASE" => parms with { VirtBase = Number(value) },
        "VIRT_ENTRY" => parms with { VirtEntry = Number(value) },
        "ELF_PADDR_OFFSET" => parms with { ElfPaddrOffset = Number(value) },
        "HYPERCALL_PAGE" => parms with { VirtHypercall = unchecked((Number(value) << 12) + (is40 ? parms.VirtBase : 0)) },
        _ => parms,
    };

    /// <summary>A key or value up to its separator or size limit; a longer one continues as the next key, as in the C code.</summary>
    private static string Take(string text, ref int at, int limit, bool stopAtEquals, out bool equals)
    {
        int start = at;
        equals = false;
        while (at < text.Length && at - start < limit)
        {
            char c = text[at];
            if (c == ',' || (stopAtEquals && c == '='))
            {
                equals = c == '=';
                at++;
                return text[start..(at - 1)];
            }

            at++;
        }

        return text[start..at];
    }

    private static string Short(string text) => text.Length > 15 ? text[..15] : text;

    /// <summary>strtoull(value, NULL, 0): leading blanks and sign, 0x hexadecimal, 0 octal, stops at the first other character, saturates.</summary>
    internal static ulong Number(string value)
    {
        ReadOnlySpan<char> rest = value.AsSpan().TrimStart(" \t\n\v\f\r");
        bool negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
            rest = rest[1..];
        int radix = 10;
        if (rest.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && rest.Length > 2 && char.IsAsciiHexDigit(rest[2]))
        {
            radix = 16;
            rest = rest[2..];
        }
        else if (rest.StartsWith("0"))
        {
            radix = 8;
        }

        UInt128 sum = 0;
        foreach (char c in rest)
        {
            if (!char.IsAsciiHexDigit(c))
                break;
            uint digit = uint.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (digit >= radix)
                break;
            sum = (sum * (uint)radix) + digit;
            if (sum > ulong.MaxValue)
                return ulong.MaxValue;
        }

        return negative ? unchecked(0 - (ulong)sum) : (ulong)sum;
    }
}
