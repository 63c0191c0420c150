using System.ComponentModel;
using System.Diagnostics;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>Makes the tables' 4.17 columns again from the headers that are installed, where they and a compiler are.</summary>
public sealed class RegenerationTests
{
    private const string Headers = "/usr/include/xen";

    [Theory]
    [InlineData("structs", 2)]
    [InlineData("constants", 1)]
    public void The_tables_4_17_columns_are_what_the_installed_headers_compile_to(string table, int headCells)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(Headers, "domctl.h")), "libxen-dev is not installed: the ABI tables are not made again");
        Assert.SkipUnless(Runs("gcc", "--version") && Runs("readelf", "--version") && Runs("python3", "--version"),
            "gcc, readelf or python3 is not installed: the ABI tables are not made again");
        Assert.SkipUnless(File.ReadAllText(Path.Combine(Headers, "domctl.h")).Contains("XEN_DOMCTL_INTERFACE_VERSION 0x00000015", StringComparison.Ordinal),
            "the installed libxen-dev is not 4.17: the ABI tables are not made again");

        (int code, string output, string error) = Run("python3", Path.Combine(AbiTable.Folder, "generate.py"), table, $"4.17={Headers}");
        Assert.True(code == 0, error);
        string[] fresh = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] stored = [.. OnlyNewColumns(File.ReadLines(Path.Combine(AbiTable.Folder, table + ".txt")), headCells)];
        Assert.True(stored.Length > 1000);
        Assert.Equal(fresh.Skip(1).Order(StringComparer.Ordinal), stored.Order(StringComparer.Ordinal));
    }

    /// <summary>The stored lines without their 4.0 columns, and without lines that only 4.0 has.</summary>
    private static IEnumerable<string> OnlyNewColumns(IEnumerable<string> lines, int headCells)
    {
        foreach (string line in lines.Where(l => !l.StartsWith('#')))
        {
            string[] cells = line.TrimStart().Split(' ');
            int names = line.StartsWith(' ') ? 1 : headCells;
            string[] newer = cells[(names + 2)..];
            if (newer.Any(cell => cell != "-"))
                yield return (line.StartsWith(' ') ? "  " : "") + string.Join(' ', [.. cells[..names], .. newer]);
        }
    }

    private static bool Runs(string program, string argument)
    {
        try
        {
            return Run(program, argument).Code == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    private static (int Code, string Output, string Error) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
