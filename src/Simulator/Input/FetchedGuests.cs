namespace XenSim.Simulator.Input;

/// <summary>The real kernels that scenarios/guests/get.sh has fetched into its cache folder.</summary>
public static class FetchedGuests
{
    /// <summary>What a scenario writes before such a file's name.</summary>
    public const string Prefix = "fetched:";

    /// <summary>The folder, as get.sh chooses it: $XENSIM_GUESTS, else below $XDG_CACHE_HOME or ~/.cache.</summary>
    public static string Folder => Environment.GetEnvironmentVariable("XENSIM_GUESTS") is { Length: > 0 } named ? named : Path.Combine(Cache, "xensim", "guests");

    private static string Cache => Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
        ? cache
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");

    /// <summary>Whether a missing one is an error (CI fetches them all) and not a reason to leave a scenario out.</summary>
    public static bool AreRequired => IsSet("CI") || IsSet("XENSIM_REQUIRE_GUESTS");

    /// <exception cref="InputException">It has not been fetched, or cannot be read.</exception>
    public static byte[] Read(string name)
        => Path.GetFileName(name) == name ? InputFile.Read(Path.Combine(Folder, name)) : throw new InputException(name, "a fetched guest is named without a folder");

    public static bool Exists(string name) => Path.GetFileName(name) == name && File.Exists(Path.Combine(Folder, name));

    private static bool IsSet(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value && value is not ("0" or "false");
}
