using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>Feature strings such as <c>!writable_page_tables|pae_pgdir_above_4gb</c>.</summary>
/// <remarks>Source: libelf-dominfo.c: elf_xen_parse_features of both releases.</remarks>
public static class XenFeatures
{
    private static readonly XenFeature[] Names40 =
    [
        XenFeature.writable_page_tables, XenFeature.writable_descriptor_tables, XenFeature.auto_translated_physmap,
        XenFeature.supervisor_mode_kernel, XenFeature.pae_pgdir_above_4gb,
    ];

    private static readonly XenFeature[] Names417 = [.. Names40, XenFeature.hvm_callback_vector, XenFeature.dom0];

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
        XenFeature[] names = release == XenRelease.V4_0 ? Names40 : Names417;
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

    private static bool TryFind(XenFeature[] names, ReadOnlySpan<char> feature, out uint mask)
    {
        foreach (XenFeature known in names)
        {
            mask = 1u << (int)known;
            if (feature.SequenceEqual(known.ToString()))
                return true;
        }

        mask = 0;
        return false;
    }
}
