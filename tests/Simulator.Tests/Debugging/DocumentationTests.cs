using System.Runtime.CompilerServices;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>docs/debugging.md shows what works.</summary>
public sealed class DocumentationTests
{
    public static TheoryData<string, string> Blocks
    {
        get
        {
            TheoryData<string, string> blocks = [];
            string[] parts = File.ReadAllText(Path.Combine(Root(), "docs", "debugging.md")).Split("```debug ");
            foreach (string part in parts.Skip(1))
            {
                string[] lines = part[..part.IndexOf("```", StringComparison.Ordinal)].Split('\n', 2);
                blocks.Add(lines[0], lines[1]);
            }

            return blocks;
        }
    }

    [Theory]
    [MemberData(nameof(Blocks))]
    public void A_block_of_commands_runs_without_a_complaint(string target, string commands)
    {
        using ScratchFolder folder = new();
        ProgramRun run = ProgramRun.With(["debug", .. target.Split(' '), "-x", folder.Write("block.txt", commands)]);
        Assert.DoesNotContain("error:", run.Output + run.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, run.Exit);
    }

    [Fact]
    public void There_are_blocks() => Assert.True(Blocks.Count > 5);

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", ".."));
}
