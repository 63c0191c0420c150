using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Session;
using XenSim.Simulator.Sweeps;

namespace XenSim.Simulator.Tests.Sweeps;

/// <summary>Sweeps over the built-in 64-bit guest. What is checked and what is not, in the tools, is atlas 01's list for 4.17.</summary>
public sealed class SweepTests : IDisposable
{
    private const string Yaml = """
        name: swept
        description: d
        xen: "4.17"
        path: domu
        guest: {kernel: pv64, memory: 32}
        expect: {outcome: powered-off}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("sweep").FullName;

    private string File => Path.Combine(_folder, "swept.yaml");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Each_stage_fails_in_its_turn_and_what_nobody_checks_is_named()
    {
        (ExitCode code, string output) = Sweep("--kind", "stages");
        Assert.Equal(ExitCode.Success, code);
        Assert.Contains("Unnoticed", output, StringComparison.Ordinal);
        // xl ignores libxl_domain_unpause's answer, and Xen's tools that of xc_domain_set_memmap_limit.
        Assert.Contains("in xc_domain_set_memmap_limit", output, StringComparison.Ordinal);
        Assert.Contains("in libxl_domain_unpause: the guest was left paused", output, StringComparison.Ordinal);
        Assert.DoesNotContain("in setup_hypercall_page", output, StringComparison.Ordinal);
        Assert.Contains(" 0 of them faults of XenSim", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_sweep_finds_the_same_whatever_the_jobs()
        => Assert.Equal(Sweep("--kind", "garbled", "--cases", "60", "--jobs", "1"), Sweep("--kind", "garbled", "--cases", "60", "--jobs", "4"));

    [Fact]
    public void Garbled_calls_do_no_harm_to_Xen()
    {
        (ExitCode code, string output) = Sweep("--kind", "garbled", "--seeds", "1", "--seed", "7");
        Assert.True(code == ExitCode.Success, output);
    }

    [Fact]
    public void A_journal_goes_on_where_it_was_cut_off()
    {
        string journal = Path.Combine(_folder, "journal.jsonl");
        (_, string whole) = Sweep("--kind", "messages", "--journal", journal);
        string[] lines = System.IO.File.ReadAllLines(journal);
        System.IO.File.WriteAllText(journal, string.Join('\n', lines[..^5]) + "\n" + lines[^1][..10]);
        Assert.Equal(whole, Sweep("--kind", "messages", "--journal", journal).Output);
        Assert.Equal(lines.Order(), System.IO.File.ReadAllLines(journal).Order());
    }

    [Fact]
    public void A_journal_of_another_sweep_is_refused()
    {
        string journal = Path.Combine(_folder, "journal.jsonl");
        Sweep("--kind", "messages", "--cases", "2", "--journal", journal);
        (ExitCode code, string output) = Sweep("--kind", "messages", "--cases", "2", "--seed", "9", "--journal", journal);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains($"{journal}:1:1: error: the journal is of another sweep", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_finding_is_a_scenario_that_fails_as_found()
    {
        string findings = Path.Combine(_folder, "findings");
        Sweep("--kind", "stages", "--save", findings);
        string file = Assert.Single(Directory.GetFiles(findings, "*otherend-libxl_domain_unpause.yaml"));
        Scenario scenario = Assert.Single(ScenarioFile.Load(file));
        Assert.Equal("libxl_domain_unpause", Assert.Single(scenario.Session.Faults).Name);
        Assert.Equal(32ul, scenario.Session.Guest.MemoryMiB);
        ScenarioResult result = ScenarioRunner.Run(scenario, TestContext.Current.CancellationToken);
        Assert.Contains(result.Mismatches, m => m.Keyword == "outcome");
    }

    [Fact]
    public void A_pair_of_faults_is_made_smaller_when_one_of_them_is_enough()
    {
        SweepRun run = SweepRun.Start(ScenarioFile.Parse("swept.yaml", Encoding.UTF8.GetBytes(Yaml), _ => [])[0], TestContext.Current.CancellationToken);
        Fault enough = new(FaultPoint.Stage, "libxl_domain_unpause", XenErrno.EIO, null, 1), idle = new(FaultPoint.Stage, "xc_domain_set_memmap_limit", XenErrno.EIO, null, 1);
        using SweepJournal journal = SweepJournal.Open(null, new SweepHeader("", "", "", 0, 0, 1));
        Sweep sweep = new(run, [new SweepCase([enough, idle])], journal);
        sweep.Run(1, _ => { }, TestContext.Current.CancellationToken);
        SweepFinding finding = Assert.Single(sweep.Findings(TestContext.Current.CancellationToken));
        Assert.Equal(SweepEnding.OtherEnd, finding.Example.Ending);
        Assert.Equal(enough, Assert.Single(finding.Smallest.Faults));
    }

    [Theory]
    [InlineData("--kind", "stagse", "\"stages\"")]
    [InlineData("--errno", "EPREM", "\"EPERM\"")]
    public void A_wrong_word_is_refused_with_the_nearest_right_one(string option, string value, string nearest)
    {
        (ExitCode code, string output) = Sweep(option, value);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(nearest, output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scenario_that_fails_as_it_is_cannot_be_swept()
    {
        System.IO.File.WriteAllText(File, Yaml.Replace("powered-off", "crashed", StringComparison.Ordinal));
        (ExitCode code, string output) = Run("sweep", File);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("does not pass as it is", output, StringComparison.Ordinal);
    }

    private (ExitCode Code, string Output) Sweep(params string[] options)
    {
        System.IO.File.WriteAllText(File, Yaml);
        return Run(["sweep", File, .. options]);
    }

    private static (ExitCode Code, string Output) Run(params string[] args)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        ExitCode code = Application.Run(args, new Terminal(output, error, interactive: false, TestContext.Current.CancellationToken));
        return (code, Encoding.UTF8.GetString(output.ToArray()) + error);
    }
}
