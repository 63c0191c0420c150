using XenSim.Simulator.Input;

namespace XenSim.Simulator.Scenarios;

/// <summary>The scenarios of several files, and what they come to together.</summary>
internal static class SuiteFiles
{
    /// <summary>All files are read before the first runs, so that a mistake in the last one is not found after a long wait.</summary>
    /// <param name="seed">Replaces the scenarios' own; null: they keep it.</param>
    /// <exception cref="InputException">Everything that is wrong with any of them.</exception>
    public static List<Scenario> Load(IReadOnlyList<string> paths, IReadOnlyList<string> settings, ulong? seed = null)
    {
        List<Scenario> scenarios = [];
        List<Diagnostic> problems = [];
        foreach (string file in ScenarioFile.Find(paths))
        {
            try
            {
                scenarios.AddRange(ScenarioFile.Load(file, settings).Select(s => seed is { } given ? s with { Session = s.Session with { Seed = given } } : s));
            }
            catch (InputException e)
            {
                problems.AddRange(e.Diagnostics);
            }
        }

        return problems.Count == 0 ? scenarios : throw new InputException(problems);
    }
}
