using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Tests.Debugging.Gdb;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>What docs/debugging.md shows is what one gets.</summary>
public sealed class FrontsDocumentTests
{
    private static string Block(string language)
    {
        string text = File.ReadAllText(Path.Combine(Path.GetDirectoryName(Here())!, "../../../docs/debugging.md"));
        return Regex.Match(text, $"```{language}\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
    }

    [Fact]
    public void The_session_with_gdb_runs_as_it_is_written()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        string[] commands = Block("gdb").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("target remote 127.0.0.1:1234", commands[0]);
        string said = served.Gdb(commands[1..]);
        Assert.True(said.Contains("xen-3.0-x86_64", StringComparison.Ordinal), said);
        Assert.Equal(1, Regex.Count(said, "Breakpoint 1, "));
        Assert.Contains("the guest powered off", said, StringComparison.Ordinal);
        Assert.Contains("[Inferior 1 (Remote target) killed]", said, StringComparison.Ordinal);
        Assert.DoesNotContain("rror", said, StringComparison.Ordinal);
    }

    [Fact]
    public void The_launch_configurations_are_understood()
    {
        using JsonDocument launch = JsonDocument.Parse(Block("json"));
        int count = 0;
        foreach (JsonElement configuration in launch.RootElement.GetProperty("configurations").EnumerateArray())
        {
            using MemoryStream output = new();
            using StringWriter error = new();
            string[] words = [configuration.GetProperty("program").GetString()!, .. configuration.GetProperty("args").EnumerateArray().Select(a => a.GetString()!)];
            using DebugSession debug = DebugCommand.Open(words, new Terminal(output, error, interactive: false, CancellationToken.None));
            count++;
        }

        Assert.Equal(2, count);
    }

    private static string Here([CallerFilePath] string file = "") => file;
}
