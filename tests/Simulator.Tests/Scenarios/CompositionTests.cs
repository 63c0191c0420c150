using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Scenarios;

/// <summary>What a scenario takes from other files: extends, defaults.yaml, vars.</summary>
public sealed class CompositionTests : IDisposable
{
    private const string Base = "xen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 16, cmdline: quiet}\nexpect: {outcome: powered-off}\n";
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_it_does_not_say_comes_from_the_file_that_it_extends()
    {
        _folder.Write("_base.yaml", Base);
        Scenario read = Load("a.yaml", "extends: _base.yaml\nname: a\ndescription: d\nguest: {memory: 32}\n");
        Assert.Equal((32UL, "quiet"), (read.Session.Guest.MemoryMiB, read.Session.Guest.CommandLine));
        Assert.Single(read.Expectations);
    }

    [Fact]
    public void Of_several_the_later_counts_and_of_all_the_file_itself()
    {
        _folder.Write("x/_one.yaml", Base);
        _folder.Write("x/_two.yaml", "extends: ../y/_three.yaml\nguest: {memory: 64}\n");
        _folder.Write("y/_three.yaml", "guest: {memory: 128, name: three}\n");
        Scenario read = Load("a.yaml", "extends: [x/_one.yaml, x/_two.yaml]\nname: a\ndescription: d\nguest: {cmdline: loud}\n");
        Assert.Equal((64UL, "three", "loud"), (read.Session.Guest.MemoryMiB, read.Session.Guest.Name, read.Session.Guest.CommandLine));
    }

    [Fact]
    public void Defaults_hold_for_a_folder_and_those_below_and_are_no_scenarios()
    {
        _folder.Write("defaults.yaml", Base);
        _folder.Write("deep/defaults.yaml", "guest: {memory: 64}\n");
        _folder.Write("deep/a.yaml", "name: a\ndescription: d\n");
        _folder.Write("deep/gap/b.yaml", "name: b\ndescription: d\n");
        string[] files = [.. ScenarioFile.Find([_folder.Path]).Select(f => Path.GetRelativePath(_folder.Path, f))];
        Assert.Equal(["deep/a.yaml", "deep/gap/b.yaml"], files);
        Assert.Equal(64UL, ScenarioFile.Load(Path.Combine(_folder.Path, "deep/a.yaml"))[0].Session.Guest.MemoryMiB);

        // A folder without a defaults.yaml ends the chain.
        Refused("deep/gap/b.yaml:1:1: error: a scenario lacks the key \"xen\"", () => ScenarioFile.Load(Path.Combine(_folder.Path, "deep/gap/b.yaml")));
    }

    [Fact]
    public void A_variable_stands_for_its_value_anywhere_and_a_number_stays_one()
    {
        const string text = "name: ${who} has ${memory} MiB\ndescription: costs $${5}\nvars: {who: pv64, memory: 16}\nxen: \"4.17\"\npath: domu\nguest: {kernel: \"${who}\", memory: \"${memory}\"}\nexpect: {outcome: powered-off}\n";
        Scenario read = Load("a.yaml", text);
        Assert.Equal(("pv64 has 16 MiB", "costs ${5}", 16UL), (read.Name, read.Description, read.Session.Guest.MemoryMiB));
        Assert.Equal(64UL, ScenarioFile.Load(Path.Combine(_folder.Path, "a.yaml"), "vars.memory=64")[0].Session.Guest.MemoryMiB);
        IReadOnlyList<Scenario> both = ScenarioFile.Load(_folder.Write("m.yaml", text + "matrix: {vars.memory: [8, 9]}\n"));
        Assert.Equal([8UL, 9UL], both.Select(s => s.Session.Guest.MemoryMiB));
    }

    [Fact]
    public void A_mistake_is_shown_in_the_file_where_it_stands()
    {
        _folder.Write("x/_base.yaml", Base.Replace("memory: 16", "memory: lots", StringComparison.Ordinal));
        Refused("x/_base.yaml:3:31: error: expected a number from 1 to 65536, found \"lots\"", () => Load("a.yaml", "extends: x/_base.yaml\nname: a\ndescription: d\n"));
        Refused("a.yaml:1:10: error: \"x/_bse.yaml\": no such file; did you mean \"_base.yaml\"?", () => Load("a.yaml", "extends: x/_bse.yaml\nname: a\ndescription: d\n"));
        Refused("a.yaml:1:10: error: expected the name of a scenario file, found a mapping", () => Load("a.yaml", "extends: {a: b}\n"));
        Refused("a.yaml:2:7: error: there is no variable \"memry\"; did you mean \"memory\"?", () => Load("a.yaml", "vars: {memory: 8}\nname: ${memry}\n"));
        Refused("a.yaml:1:7: error: \"${\" without \"}\"; write $${ for the text ${", () => Load("a.yaml", "name: ${memry\n"));
        Refused("a.yaml:1:11: error: expected variables with values, as in {memory: 64}, found a list", () => Load("a.yaml", "vars: {a: [1]}\n"));
    }

    [Fact]
    public void Files_that_extend_each_other_and_endless_variables_end_in_an_error()
    {
        _folder.Write("_b.yaml", "extends: _c.yaml\n");
        _folder.Write("_c.yaml", "extends: _b.yaml\n");
        Refused("_b.yaml extends itself", () => Load("a.yaml", "extends: _b.yaml\nname: a\ndescription: d\n"));
        string large = new('x', 60_000);
        string uses = string.Concat(Enumerable.Range(0, 200).Select(_ => "${v} "));
        Refused("variables make the file longer than", () => Load("a.yaml", $"vars: {{v: {large}}}\nname: \"{uses}\"\n"));
        for (int i = 0; i < 20; i++)
            _folder.Write($"_n{i}.yaml", $"extends: _n{i + 1}.yaml\n");
        Refused("more than 16 files belong to one scenario", () => Load("a.yaml", "extends: _n0.yaml\n"));
    }

    /// <summary>Files in another folder are named relative to the file that names them.</summary>
    [Fact]
    public void A_kernel_is_looked_for_beside_the_file_that_names_it()
    {
        _folder.Write("x/_base.yaml", Base.Replace("pv64", "./own.elf", StringComparison.Ordinal));
        _folder.Write("x/own.elf", Encoding.ASCII.GetBytes("no kernel, but a file"));
        Assert.Equal("no kernel, but a file", Encoding.ASCII.GetString(Load("a.yaml", "extends: x/_base.yaml\nname: a\ndescription: d\n").Session.Guest.Kernel!.Bytes));
    }

    private Scenario Load(string name, string yaml) => ScenarioFile.Load(_folder.Write(name, yaml))[0];

    private static void Refused(string words, Action load) => Assert.Contains(words, Assert.Throws<InputException>(load).Message, StringComparison.Ordinal);
}
