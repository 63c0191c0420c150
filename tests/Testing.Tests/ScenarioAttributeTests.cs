using System.Reflection;
using XenSim.Simulator.Input;
using Xunit.Sdk;

namespace XenSim.Testing.Tests;

/// <summary>Scenario files as rows of a theory.</summary>
public sealed class ScenarioAttributeTests
{
    private static readonly MethodInfo s_method = typeof(ScenarioAttributeTests).GetMethod(nameof(The_scenario_beside_the_tests_holds))!;

    [Theory, Scenario("Scenarios")]
    public void The_scenario_beside_the_tests_holds(ScenarioCase scenario) => Assert.True(scenario.Run(TestContext.Current.CancellationToken).Instructions > 0);

    [Fact]
    public async Task A_row_bears_the_files_and_the_scenarios_name()
    {
        await using DisposalTracker tracker = new();
        ITheoryDataRow row = Assert.Single(await new ScenarioAttribute("Scenarios").GetData(s_method, tracker));
        Assert.StartsWith("pv64-4.17.yaml: ", row.TestDisplayName, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scenarios_that_may_run_longer_are_left_out()
    {
        await using DisposalTracker tracker = new();
        Assert.Empty(await new ScenarioAttribute("Scenarios") { LongestInstructions = 1 }.GetData(s_method, tracker));
    }

    [Fact]
    public async Task A_path_that_is_nowhere_above_is_refused()
    {
        await using DisposalTracker tracker = new();
        InputException e = await Assert.ThrowsAsync<InputException>(async () => await new ScenarioAttribute("no-such-folder").GetData(s_method, tracker));
        Assert.Contains("no-such-folder", e.Message, StringComparison.Ordinal);
    }
}
