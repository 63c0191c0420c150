namespace XenSim.Simulator.Session;

/// <summary>Domain names made from file names.</summary>
public static class GuestNames
{
    private const int Longest = 64;

    /// <summary>The file's name without folder and extension, with only what a domain's name may hold.</summary>
    public static string FromFile(string path)
    {
        string name = new([.. Path.GetFileNameWithoutExtension(path).Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.').Take(Longest)]);
        return name.Length == 0 ? "guest" : name;
    }
}
