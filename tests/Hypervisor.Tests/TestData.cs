using System.Reflection;

namespace XenSim.Hypervisor.Tests;

/// <summary>Golden data of this project, embedded from <c>Data/</c>; each folder's ORIGIN.md says where it is from.</summary>
internal static class TestData
{
    public static byte[] Bytes(string name)
    {
        using Stream s = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"no test data {name}");
        using MemoryStream m = new();
        s.CopyTo(m);
        return m.ToArray();
    }

    public static string[] Lines(string name)
        => System.Text.Encoding.UTF8.GetString(Bytes(name)).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
}
