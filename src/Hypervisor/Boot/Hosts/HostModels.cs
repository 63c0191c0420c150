using System.Reflection;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>The host models that ship, by name.</summary>
public static class HostModels
{
    private const string Prefix = "hosts/";
    private const string Suffix = ".json";

    /// <summary>The machine of the golden data: AMD-like, SVM, 64-bit.</summary>
    public const string Amd = "amd-q35";

    /// <summary>The machine of the golden 32-bit boot logs: Intel-like, no VMX, no long mode.</summary>
    public const string Qemu32 = "qemu32-pc";

    /// <summary>An Intel machine with VMX and EPT, 64-bit.</summary>
    public const string Intel = "intel-pc";

    public static IReadOnlyList<string> Names { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Select(n => n[Prefix.Length..^Suffix.Length]).Order(StringComparer.Ordinal)];

    /// <summary>The model of that name, or null if none ships.</summary>
    public static HostModel? Find(string name)
    {
        if (Json(name) is not { } json)
            return null;
        return HostModelReader.TryRead(json, out HostModel? model, out IReadOnlyList<string> errors, trusted: true)
            ? model
            : throw new InvalidDataException($"host model {name}: {string.Join("; ", errors)}");
    }

    /// <summary>The file that ships under that name, or null.</summary>
    internal static string? Json(string name)
    {
        using Stream? stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + name + Suffix);
        if (stream is null)
            return null;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }

    /// <summary>The default machine of a scenario that names only vendor and word size.</summary>
    public static HostModel Default(CpuVendor vendor, bool host64)
        => Find(vendor == CpuVendor.Intel ? Intel : host64 ? Amd : Qemu32)!;
}
