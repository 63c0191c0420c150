using System.Reflection;
using XenSim.Simulator.Scenarios;
using XenSim.Testing;

namespace XenSim.Scenarios.Tests;

/// <summary>Every scenario is a test under its own name.</summary>
public sealed class ScenarioTests
{
    internal static readonly string Folder = FindFolder();

    public static IEnumerable<TheoryDataRow<string>> Files
        => ScenarioFile.Find([Folder]).Where(f => ScenarioFile.Load(f).All(s => s.Session.Limits.Instructions <= LongestHere)).Select(f => new TheoryDataRow<string>(Path.GetRelativePath(Folder, f)) { TestDisplayName = Path.GetRelativePath(Folder, f) });

    /// <summary>Whole Linux boots, billions of instructions long, run in CI once, by <c>xensim run</c> in a Release build. Unit: instructions.</summary>
    private const long LongestHere = 1_000_000_000;

    [Theory, Scenario("scenarios", LongestInstructions = LongestHere)]
    public void The_scenario_holds(ScenarioCase scenario) => scenario.Run(TestContext.Current.CancellationToken);

    [Fact]
    public void Every_path_release_and_flavour_has_a_scenario()
    {
        Scenario[] all = [.. ScenarioFile.Find([Folder]).SelectMany(f => ScenarioFile.Load(f))];
        Assert.Equal(4, all.Select(s => s.Session.Path).Distinct().Count());
        Assert.Equal(2, all.Select(s => s.Session.Release).Distinct().Count());
        Assert.Equal(2, all.Select(s => s.Session.Host.Vendor).Distinct().Count());
        Assert.Equal(2, all.Select(s => s.Session.Host.Bits).Distinct().Count());
    }

    [Fact]
    public void No_two_scenarios_have_the_same_name()
        => Assert.Distinct(ScenarioFile.Find([Folder]).SelectMany(f => ScenarioFile.Load(f)).Select(s => s.Name));

    /// <summary>The folder is beside the solution, above wherever the tests were built to.</summary>
    private static string FindFolder()
    {
        for (string? folder = Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "XenSim.sln")))
                return Path.Combine(folder, "scenarios");
        }

        throw new DirectoryNotFoundException("XenSim.sln is not above the tests");
    }
}
