namespace XenSim.Hypervisor.Public.Elf;

/// <summary>Feature strings such as <c>!writable_page_tables|pae_pgdir_above_4gb</c>.</summary>
/// <remarks>Source: libelf-dominfo.c: elf_xen_parse_features of both releases.</remarks>
public static class XenFeatures
{
    // XENFEAT_* numbers: xen/include/public/features.h.
    private static readonly (string Name, int Bit)[] Names40 =
    [
        ("writable_page_tables", 0), ("writable_descriptor_tables", 1), ("auto_translated_physmap", 2),
        ("supervisor_mode_kernel", 3), ("pae_pgdir_above_4gb", 4),
    ];

    private static readonly (string Name, int Bit)[] Names417 = [.. Names40, ("hvm_callback_vector", 8), ("dom0", 11)];

    /// <summary>Sets the bits that <paramref name="features"/> names.</summary>
    /// <param name="required">Null bits: the caller only wants to know what is supported (the <c>features</c> of a configuration).</param>
    /// <returns>False for a name this release does not know (4.17: only if it is required). Bits up to it stay set.</returns>
    public static bool TryParse(XenRelease release, string? features, ref uint supported, ref uint required)
        => TryParse(release, features, withRequired: true, ref supported, ref required);

    /// <summary>The same with a NULL <c>required</c>: in 4.0.4 a leading ! is then part of the name.</summary>
    public static bool TryParse(XenRelease release, string? features, ref uint supported)
    {
        uint ignored = 0;
        return TryParse(release, features, withRequired: false, ref supported, ref ignored);
    }

    private static bool TryParse(XenRelease release, string? features, bool withRequired, ref uint supported, ref uint required)
    {
        const int longest = 63; // char feature[64]
        (string Name, int Bit)[] names = release == XenRelease.V4_0 ? Names40 : Names417;
        ReadOnlySpan<char> rest = features;
        while (rest.Length > 0)
        {
            int bar = rest.IndexOf('|');
            int length = Math.Min(bar < 0 ? rest.Length : bar, longest);
            ReadOnlySpan<char> feature = rest[..length];
            rest = rest[(length == bar && length < longest ? length + 1 : length)..];
            bool isRequired = feature.StartsWith("!") && (withRequired || release != XenRelease.V4_0);
            if (!TryFind(names, isRequired ? feature[1..] : feature, out uint mask))
            {
                if (release == XenRelease.V4_0 || (withRequired && isRequired))
                    return false;
                continue;
            }

            supported |= mask;
            if (isRequired && withRequired)
                required |= mask;
        }

        return true;
    }

    private static bool TryFind((string Name, int Bit)[] names, ReadOnlySpan<char> feature, out uint mask)
    {
        foreach ((string name, int bit) in names)
        {
            mask = 1u << bit;
            if (feature.SequenceEqual(name))
                return true;
        }

        mask = 0;
        return false;
    }
}
