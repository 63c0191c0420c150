using System.Reflection;
using XenSim.Simulator;
using XenSim.Simulator.Scenarios;

namespace XenSim.Scenarios.Tests;

/// <summary>Every scenario file is a test under its own name.</summary>
public sealed class ScenarioTests
{
    internal static readonly string Folder = FindFolder();

    public static IEnumerable<TheoryDataRow<string>> Files
        => ScenarioFile.Find([Folder]).Where(f => ScenarioFile.Load(f).All(s => s.Session.Limits.Instructions <= LongestHere)).Select(f => new TheoryDataRow<string>(Path.GetRelativePath(Folder, f)) { TestDisplayName = Path.GetRelativePath(Folder, f) });

    /// <summary>Whole Linux boots, billions of instructions long, run in CI once, by <c>xensim run</c> in a Release build. Unit: instructions.</summary>
    private const long LongestHere = 1_000_000_000;

    [Theory]
    [MemberData(nameof(Files))]
    public void The_scenario_holds(string file)
    {
        foreach (Scenario scenario in ScenarioFile.Load(Path.Combine(Folder, file)))
        {
            ScenarioResult result = ScenarioRunner.Run(scenario, TestContext.Current.CancellationToken);
            Assert.SkipWhen(result.Skipped, result.Outcome.Detail);
            string mismatches = string.Join(Environment.NewLine, result.Mismatches.Select(m => $"{file}:{m.Mark?.Line}: {m.Keyword}: {m.Text}"));
            Assert.True(result.Verdict == ExitCode.Success, $"{scenario.Name}: {result.Verdict}: {result.Outcome.Detail}{Environment.NewLine}{mismatches}");
        }
    }

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
