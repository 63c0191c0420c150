namespace XenSim.Oracle.Tests.Golden;

/// <summary>A folder of recorded data; see Data/ORIGIN.md.</summary>
internal sealed class GoldenFolder(string name)
{
    /// <summary>The three PV domains that real xl built and that we build again.</summary>
    public static readonly string[] Guests = ["grub-pv64", "linux-5.10-pv", "linux-6.1-pv"];

    public string Name => name;

    public string Text(string file) => File.ReadAllText(Path(file));

    public string[] Lines(string file) => File.ReadAllLines(Path(file));

    public byte[] Bytes(string file) => File.ReadAllBytes(Path(file));

    private string Path(string file) => System.IO.Path.Combine(AppContext.BaseDirectory, "Data", name, file);
}
