using System.Security.Cryptography;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>A kernel that scenarios/guests/get.sh has fetched.</summary>
/// <param name="IsRecorded">Whether it is, byte for byte, the one that the recordings were made with.</param>
internal sealed record RealGuest(string Name, byte[] Bytes, bool IsRecorded)
{
    /// <summary>Real guests may not be skipped here, and comparisons with them take the time they need.</summary>
    public static bool AreRequired => IsSet("CI") || IsSet("XENSIM_REQUIRE_GUESTS");

    /// <summary>Reads a file of the cache. Without it the test skips, or fails where real guests are required.</summary>
    public static RealGuest Load(string name)
    {
        string folder = Environment.GetEnvironmentVariable("XENSIM_GUESTS")
            ?? Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "xensim", "guests");
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            string missing = $"the real guest {name} is not in {folder}: run scenarios/guests/get.sh";
            Assert.False(AreRequired, missing);
            Assert.Skip(missing);
        }

        byte[] bytes = File.ReadAllBytes(path);
        string digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        bool recorded = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "SHA256SUMS")).Any(l => l.StartsWith(digest + "  " + name, StringComparison.Ordinal));
        return new(name, bytes, recorded);
    }

    public NamedBytes AsFile => new(Name, Bytes);

    private static bool IsSet(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value && value is not ("0" or "false");
}
