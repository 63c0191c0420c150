using System.Reflection;
using XenSim.Simulator.Scenarios;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace XenSim.Testing;

/// <summary>
/// Gives a theory one row for each scenario of a file or folder, a matrix's combinations each by themselves. The test takes a
/// <see cref="ScenarioCase"/> and runs it; it bears the scenario's name.
/// </summary>
/// <param name="path">
/// A scenario file, or a folder that is searched for <c>*.yaml</c>; a relative one is looked for from the test assembly's folder upwards, so that one
/// beside the project or the solution is found.
/// </param>
/// <example><code>[Theory, Scenario("scenarios/domu")] public void Holds(ScenarioCase scenario) => scenario.Run();</code></example>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class ScenarioAttribute(string path) : DataAttribute
{
    public string Path => path;

    /// <summary>Scenarios whose limit lies above this are left out. Unit: guest instructions.</summary>
    public long LongestInstructions { get; set; } = long.MaxValue;

    /// <exception cref="Simulator.Input.InputException">There is no such path, or a file is not a scenario: file, line, column and what was expected.</exception>
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker)
    {
        string full = ScenarioPath.Find(path, testMethod.Module.Assembly);
        return new([.. ScenarioFile.Find([full]).SelectMany(f => RowsOf(f, Directory.Exists(full) ? full : System.IO.Path.GetDirectoryName(full)!))]);
    }

    public override bool SupportsDiscoveryEnumeration() => true;

    private IEnumerable<ITheoryDataRow> RowsOf(string file, string folder)
        => ScenarioFile.Load(file).Where(s => s.Session.Limits.Instructions <= LongestInstructions)
            .Select(s => new TheoryDataRow<ScenarioCase>(new ScenarioCase(file, s.Name))
            {
                TestDisplayName = $"{System.IO.Path.GetRelativePath(folder, file)}: {s.Name}",
                Skip = s.Skip,
            });
}
