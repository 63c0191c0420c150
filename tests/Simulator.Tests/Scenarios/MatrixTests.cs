using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Tests.Scenarios;

public sealed class MatrixTests
{
    private const string Body = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 16}\nfaults: [{stage: a, errno: EIO}]\nexpect: {outcome: powered-off}\n";

    [Fact]
    public void Every_combination_is_a_scenario_of_its_own_in_the_order_of_the_axes()
        => Assert.Equal(
            ["n (xen=4.0, memory=8)", "n (xen=4.0, memory=9)", "n (xen=4.17, memory=8)", "n (xen=4.17, memory=9)"],
            Load(Body + "matrix: {xen: [\"4.0\", \"4.17\"], guest.memory: [8, 9]}\n").Select(s => s.Name));

    [Fact]
    public void A_combination_has_its_values_and_for_the_rest_those_of_the_file()
    {
        Scenario[] all = [.. Load(Body + "matrix: {guest.memory: [8, 9], guest.name: [x]}\n")];
        Assert.Equal([8ul, 9ul], all.Select(s => s.Session.Guest.MemoryMiB));
        Assert.All(all, s => Assert.Equal(("x", "pv64"), (s.Session.Guest.Name, s.Session.Guest.Kernel!.Name)));
    }

    [Fact]
    public void A_value_that_is_a_mapping_changes_several_places_at_once()
    {
        Scenario[] all = [.. Load(Body + "matrix: {k: [{guest.kernel: pv32, host.memory: 512}, {guest.kernel: pv64}]}\n")];
        Assert.Equal([("n (kernel=pv32)", "pv32", 512ul), ("n (kernel=pv64)", "pv64", 1024ul)], all.Select(s => (s.Name, s.Session.Guest.Kernel!.Name, s.Session.Host.MemoryMiB)));
    }

    [Fact]
    public void An_item_of_a_list_is_named_by_its_number()
        => Assert.Equal(["b", "c"], Load(Body + "matrix: {faults.0.stage: [b, c]}\n").Select(s => s.Session.Faults[0].Name));

    [Fact]
    public void Combinations_are_taken_out_and_added()
        => Assert.Equal(
            ["n (xen=4.0, memory=8)", "n (xen=4.17, memory=8)", "n (xen=4.17, memory=9)", "n (name=y)"],
            Load(Body + "matrix:\n  xen: [\"4.0\", \"4.17\"]\n  guest.memory: [8, 9]\n  exclude: [{xen: \"4.0\", guest.memory: 9}]\n  include: [{guest.name: y}]\n").Select(s => s.Name));

    [Fact]
    public void A_setting_replaces_the_value_of_file_and_matrix()
    {
        Assert.Equal([64ul], Load(Body, "guest.memory=64").Select(s => s.Session.Guest.MemoryMiB));
        Assert.All(Load(Body + "matrix: {guest.memory: [8, 9]}\n", "guest.memory=64"), s => Assert.Equal(64ul, s.Session.Guest.MemoryMiB));
        Assert.Contains("did you mean \"memory\"?", Assert.Throws<InputException>(() => Load(Body, "guest.memroy=64")).Message, StringComparison.Ordinal);
        Assert.Contains("takes PATH=VALUE", Assert.Throws<InputException>(() => Load(Body, "guest.memory")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("matrix: []\n", 8, 9, "expected axes with values")]
    [InlineData("matrix: {guest.memory: 8}\n", 8, 24, "expected a list of values")]
    [InlineData("matrix: {guest.memory: []}\n", 8, 24, "expected a list of values")]
    [InlineData("matrix: {guest.memory: [8, lots]}\n", 8, 28, "expected a number from 1 to 65536, found \"lots\"")]
    [InlineData("matrix: {guest.memroy: [8]}\n", 8, 25, "guest has no key \"memroy\"; did you mean \"memory\"?")]
    [InlineData("matrix: {guest.memory: [8], exclude: [{guest.memory: 9}]}\n", 8, 39, "none has these values")]
    [InlineData("matrix: {guest.memory: [8], exclude: [{guest.memory: 8}]}\n", 8, 9, "at least one combination that is not excluded")]
    [InlineData("matrix: {guest.memory: [8], include: [9]}\n", 8, 39, "expected what to include")]
    public void A_mistake_in_a_matrix_is_reported_at_its_place(string matrix, int line, int column, string words)
    {
        Diagnostic first = Assert.Throws<InputException>(() => Load(Body + matrix)).Diagnostics[0];
        Assert.Contains(words, first.ToString(), StringComparison.Ordinal);
        Assert.Equal(new Mark(line, column), first.Mark);
    }

    [Fact]
    public void A_matrix_beyond_the_limit_is_refused()
    {
        string values = string.Join(", ", Enumerable.Range(1, 40));
        Assert.Contains("at most 1000 combinations", Assert.Throws<InputException>(() => Load(Body + $"matrix: {{guest.memory: [{values}], host.memory: [{values}]}}\n")).Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<Scenario> Load(string yaml, params string[] settings)
        => ScenarioFile.Parse("test.yaml", Encoding.UTF8.GetBytes(yaml), path => throw new InputException(path, "no such file"), settings);
}
