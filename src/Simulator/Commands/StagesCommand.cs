using System.CommandLine;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim stages</c></summary>
internal static class StagesCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string> path = new("PATH") { Description = "One of: domu, stubdom, dom0, hvm." };
        path.AcceptOnlyFromAmong("domu", "stubdom", "dom0", "hvm");
        DefaultedOption<XenRelease> release = Options.Release();
        Option<bool> sources = new("--sources") { Description = "Show where each function is in Xen's source." };
        Command command = new("stages",
            """
            Lists the stages of a boot path in order, nested as the real calls nest.

            Examples:
              xensim stages domu
              xensim stages dom0 --xen 4.0 --sources
            """)
        {
            path, release, sources,
        };
        command.SetAction(parsed =>
        {
            foreach (StageInfo stage in BootPaths.Stages(BootPaths.Parse(parsed.GetRequiredValue(path)), release.ValueIn(parsed)))
                terminal.Out.WriteLine(Line(stage, parsed.GetValue(sources)));
            return (int)ExitCode.Success;
        });
        return command;
    }

    private static string Line(StageInfo stage, bool sources)
    {
        string line = new string(' ', 2 * stage.Depth) + stage.Name;
        if (stage.Condition is not null)
            line += $"  (if {stage.Condition})";
        if (stage.Rollback)
            line += "  (rollback)";
        return sources ? $"{line}  — {stage.Source}" : line;
    }
}
