using System.CommandLine;
using Stateless.Reflection;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Graphs;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim graph</c></summary>
internal static class GraphCommand
{
    private enum Format
    {
        Mermaid,
        Dot,
    }

    public static Command Build(Terminal terminal)
    {
        Argument<string> subject = new("MACHINE") { Description = "One of: domu, stubdom, dom0, hvm (boot paths), vcpu, domain (their lives)." };
        subject.AcceptOnlyFromAmong("domu", "stubdom", "dom0", "hvm", "vcpu", "domain");
        DefaultedOption<XenRelease> release = Options.Release();
        DefaultedOption<Format> format = Options.Choice("--format", "Output format.", Format.Mermaid, ("mermaid", Format.Mermaid), ("dot", Format.Dot));
        Command command = new("graph",
            """
            Draws a state machine from its live declaration.

            Examples:
              xensim graph domu > domu.mmd
              xensim graph vcpu --format dot | dot -Tsvg > vcpu.svg
            """)
        {
            subject, release, format,
        };
        command.SetAction(parsed =>
        {
            string name = parsed.GetRequiredValue(subject);
            StateMachineInfo machine = name switch
            {
                "vcpu" => VcpuLife.Declare().GetInfo(),
                "domain" => DomainLife.Declare(() => default, _ => { }).GetInfo(),
                _ => BootPaths.Declaration(BootPaths.Parse(name), release.ValueIn(parsed)),
            };
            MachineGraph graph = MachineGraph.From(name, machine);
            terminal.Out.Write(format.ValueIn(parsed) == Format.Dot ? DotWriter.Write(graph) : MermaidWriter.Write(graph));
            return (int)ExitCode.Success;
        });
        return command;
    }
}
