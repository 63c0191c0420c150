using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim run</c></summary>
internal static class RunCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string[]> paths = new("PATH") { Arity = ArgumentArity.OneOrMore, Description = "Scenario files, and folders that are searched for *.yaml." };
        Option<bool> stages = new("--stages") { Description = "Print the stages of every scenario, not only of one that fails." };
        Option<string?> perfetto = BootRun.Perfetto();
        Command command = new("run",
            """
            Runs scenario files and checks what they expect.

            Exit codes: 0 all passed, 1 an expectation failed, 2 bad input, 3 stopped at something
            unimplemented, 4 a limit was reached.

            Examples:
              xensim run scenarios/
              xensim run scenarios/domu/pv64-xen-4.17.yaml --stages
              xensim run scenarios/domu/pv64-xen-4.17.yaml --perfetto boot.json
            """)
        {
            paths, stages, perfetto,
        };
        command.SetAction(parsed => (int)Run(parsed.GetRequiredValue(paths), parsed.GetValue(stages), parsed.GetValue(perfetto), terminal));
        return command;
    }

    private static ExitCode Run(string[] paths, bool stages, string? perfetto, Terminal terminal)
    {
        List<Scenario> scenarios = SuiteFiles.Load(paths, []);
        if (perfetto is not null && scenarios.Count != 1)
            throw new InputException("--perfetto", $"shows one scenario, there are {scenarios.Count}", "name one file without a matrix");
        using PerfettoWriter? tracks = perfetto is null ? null : new PerfettoWriter(BootRun.Create(perfetto));
        RunView view = new(terminal, scenarios.Count, stages || scenarios.Count == 1);
        List<ScenarioResult> results = [];
        foreach (Scenario scenario in scenarios)
        {
            results.Add(view.Show(scenario, tracks is null ? [] : [tracks]));
            if (terminal.Stop.IsCancellationRequested)
                break;
        }

        view.Summarise(results);
        return Verdicts.Worst([.. results.Select(Verdicts.Of)]);
    }
}
