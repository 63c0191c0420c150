using System.Globalization;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

/// <summary>Path rules of xenstored.</summary>
/// <remarks>Source: stable-4.17 tools/xenstore/xenstored_core.c: is_valid_nodename, canonicalize; RELEASE-4.0.4 the same file.</remarks>
internal static class StorePath
{
    public const int AbsoluteLimit = 3072; // XENSTORE_ABS_PATH_MAX
    public const int RelativeLimit = 2048; // XENSTORE_REL_PATH_MAX

    public static string Home(uint domain) => string.Create(CultureInfo.InvariantCulture, $"/local/domain/{domain}");

    public static bool IsSpecial(string name) => name.StartsWith('@');

    /// <param name="longest">4.17's quota, on what follows a domain's home.</param>
    public static bool IsValid(XenRelease release, string path, int longest)
    {
        if (!path.StartsWith('/') || (path.Length > 1 && path.EndsWith('/')) || path.Contains("//", StringComparison.Ordinal))
            return false;
        int limit = release == XenRelease.V4_0 ? AbsoluteLimit : longest + HomePrefixLength(path);
        return path.Length <= limit && path.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '/' or '_' or '@');
    }

    /// <summary>An absolute path: relative ones start at the caller's home.</summary>
    public static string Canonical(uint caller, string path) => path.StartsWith('/') || IsSpecial(path) ? path : $"{Home(caller)}/{path}";

    public static string Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash <= 0 ? "/" : path[..slash];
    }

    public static string Child(string parent, string name) => parent == "/" ? $"/{name}" : $"{parent}/{name}";

    /// <summary>basename: what the parent calls it.</summary>
    public static string Name(string path) => path[(path.LastIndexOf('/') + 1)..];

    /// <summary>Whether a watch on <paramref name="parent"/> sees <paramref name="child"/>.</summary>
    public static bool IsChild(string child, string parent)
        => parent == "/" || (child.StartsWith(parent, StringComparison.Ordinal) && (child.Length == parent.Length || child[parent.Length] == '/'));

    private static int HomePrefixLength(string path)
    {
        const string prefix = "/local/domain/";
        if (!path.StartsWith(prefix, StringComparison.Ordinal))
            return 0;
        int slash = path.IndexOf('/', prefix.Length);
        int digits = slash - prefix.Length;
        return digits is >= 1 and <= 5 && path[prefix.Length..slash].All(char.IsAsciiDigit) ? slash + 1 : 0;
    }
}
