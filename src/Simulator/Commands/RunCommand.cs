using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim run</c></summary>
internal static class RunCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string[]> paths = new("PATH") { Arity = ArgumentArity.OneOrMore, Description = "Scenario files, and folders that are searched for *.yaml." };
        Option<bool> stages = new("--stages") { Description = "Print the stages of every scenario, not only of one that fails." };
        Command command = new("run",
            """
            Runs scenario files and checks what they expect.

            Exit codes: 0 all passed, 1 an expectation failed, 2 bad input, 3 stopped at something
            unimplemented, 4 a limit was reached.

            Examples:
              xensim run scenarios/
              xensim run scenarios/domu/pv64-xen-4.17.yaml --stages
            """)
        {
            paths, stages,
        };
        command.SetAction(parsed => (int)Run(parsed.GetRequiredValue(paths), parsed.GetValue(stages), terminal));
        return command;
    }

    private static ExitCode Run(string[] paths, bool stages, Terminal terminal)
    {
        List<Scenario> scenarios = LoadAll(ScenarioFile.Find(paths));
        RunView view = new(terminal, scenarios.Count, stages || scenarios.Count == 1);
        List<ScenarioResult> results = [];
        foreach (Scenario scenario in scenarios)
        {
            results.Add(view.Show(scenario));
            if (terminal.Stop.IsCancellationRequested)
                break;
        }

        view.Summarise(results);
        return Worst(results);
    }

    /// <summary>All files are read before the first runs, so that a mistake in the last one is not found after a long wait.</summary>
    private static List<Scenario> LoadAll(IReadOnlyList<string> files)
    {
        List<Scenario> scenarios = [];
        List<Diagnostic> problems = [];
        foreach (string file in files)
        {
            try
            {
                scenarios.Add(ScenarioFile.Load(file));
            }
            catch (InputException e)
            {
                problems.AddRange(e.Diagnostics);
            }
        }

        return problems.Count == 0 ? scenarios : throw new InputException(problems);
    }

    /// <summary>A failed expectation outweighs a stop, a stop at something unimplemented outweighs a limit.</summary>
    private static ExitCode Worst(List<ScenarioResult> results)
    {
        ExitCode[] byWeight = [ExitCode.Interrupted, ExitCode.Failure, ExitCode.Unimplemented, ExitCode.LimitReached];
        return byWeight.FirstOrDefault(c => results.Any(r => r.Verdict == c));
    }
}
