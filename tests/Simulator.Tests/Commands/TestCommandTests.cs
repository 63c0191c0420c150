using System.Text.Json;
using System.Xml.Linq;

namespace XenSim.Simulator.Tests.Commands;

public sealed class TestCommandTests : IDisposable
{
    private const string Good = "name: good\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\ntags: [quick, small]\nexpect: {outcome: powered-off}\n";
    private readonly ScratchFolder _folder = new();

    public TestCommandTests()
    {
        Write("a.yaml", Good);
        Write("b.yaml", Good.Replace("good", "bad", StringComparison.Ordinal).Replace("quick", "slow", StringComparison.Ordinal).Replace("powered-off", "crashed", StringComparison.Ordinal));
        Write("c.yaml", Good.Replace("good", "many", StringComparison.Ordinal) + "matrix: {guest.memory: [8, 9, 10, 11]}\n");
        Write("d.yaml", Good.Replace("good", "left", StringComparison.Ordinal) + "skip: not today\n");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_worst_verdict_is_the_exit_code_and_skipping_is_none()
    {
        ProgramRun run = Test();
        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.EndsWith("5 of 7 scenarios passed, 1 FAILED, 1 skipped\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("expected crashed, got powered-off", run.Output, StringComparison.Ordinal);
        Assert.Contains("skipped: not today", run.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, Test("--filter", "good", "--filter", "left").Exit);
    }

    [Fact]
    public void The_output_is_the_same_for_any_number_of_jobs() => Assert.Equal(Test("--jobs", "1").Output, Test("--jobs", "4").Output);

    [Fact]
    public void Shards_do_not_overlap_and_make_up_the_suite()
    {
        string[] shards = [.. Enumerable.Range(1, 3).SelectMany(i => Names("--shard", $"{i}/3"))];
        Assert.Equal(Names().Order(StringComparer.Ordinal), shards.Order(StringComparer.Ordinal));
        Assert.Equal(ExitCode.BadInput, Test("--shard", "4/3").Exit);
    }

    [Fact]
    public void Scenarios_are_chosen_by_name_file_and_tag()
    {
        Assert.Equal(4, Names("--filter", "MANY").Length);
        Assert.Equal(2, Names("--filter", "a.yaml", "--filter", "b.yaml").Length);
        Assert.Equal(["bad"], Names("--tag", "slow"));
        Assert.DoesNotContain("bad", Names("--tag", "small", "--tag", "!slow"));
        ProgramRun none = Test("--tag", "nosuch");
        Assert.Equal(ExitCode.BadInput, none.Exit);
        Assert.Contains("none of 7 scenarios is chosen", none.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_more_is_started_after_a_failure_with_fail_fast()
        => Assert.EndsWith("1 of 7 scenarios passed, 1 FAILED, 5 not run\n", Test("--fail-fast", "--jobs", "1").Output, StringComparison.Ordinal);

    [Fact]
    public void A_known_issue_that_passes_is_a_failure_and_one_that_fails_is_not()
    {
        Write("b.yaml", File.ReadAllText(Path.Combine(_folder.Path, "b.yaml")) + "known-issue: to be found\n");
        ProgramRun known = Test("--filter", "bad");
        Assert.Equal(ExitCode.Success, known.Exit);
        Assert.Contains("known issue: to be found", known.Output, StringComparison.Ordinal);
        Write("a.yaml", Good + "known-issue: long gone\n");
        ProgramRun passes = Test("--filter", "good");
        Assert.Equal(ExitCode.Failure, passes.Exit);
        Assert.Contains("it passes, though it is marked as known to fail (long gone)", passes.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_holds_for_every_scenario()
        => Assert.Contains("expected 0x800, got 0x1000", Test("--filter", "good", "--set", "guest.memory=16", "--set", "expect={start-info: {nr_pages: 2048}}").Output, StringComparison.Ordinal);

    // The form that the common readers take: github.com/testmoapp/junitxml.
    [Fact]
    public void The_JUnit_report_counts_and_explains()
    {
        string file = Path.Combine(_folder.Path, "results.xml");
        Test("--junit", file);
        XElement suites = XDocument.Load(file).Root!;
        Assert.Equal(("testsuites", "7", "1", "0", "1"), (suites.Name.LocalName, suites.Attribute("tests")!.Value, suites.Attribute("failures")!.Value, suites.Attribute("errors")!.Value, suites.Attribute("skipped")!.Value));
        XElement[] cases = [.. suites.Elements("testsuite").Elements("testcase")];
        Assert.Equal(7, cases.Length);
        Assert.Contains("expected crashed, got powered-off", cases.Single(c => c.Attribute("name")!.Value == "bad").Element("failure")!.Attribute("message")!.Value, StringComparison.Ordinal);
        Assert.Equal("skipped: not today", cases.Single(c => c.Attribute("name")!.Value == "left").Element("skipped")!.Attribute("message")!.Value);
        Assert.Empty(cases.Single(c => c.Attribute("name")!.Value == "good").Elements());
    }

    [Fact]
    public void The_JSON_lines_have_a_verdict_each()
    {
        string file = Path.Combine(_folder.Path, "results.jsonl");
        Test("--json", file, "--fail-fast", "--jobs", "1");
        JsonElement[] lines = [.. File.ReadAllLines(file).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Equal(["passed", "failed", "not-run", "not-run", "not-run", "not-run", "not-run"], lines.Select(l => l.GetProperty("verdict").GetString()!));
        Assert.Equal("outcome", lines[1].GetProperty("mismatches")[0].GetProperty("keyword").GetString());
    }

    private string[] Names(params string[] options)
        => [.. Test([.. options, "--list"]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(" (/")[0])];

    private ProgramRun Test(params string[] options) => ProgramRun.With(["test", _folder.Path, .. options]);

    private void Write(string name, string yaml) => File.WriteAllText(Path.Combine(_folder.Path, name), yaml);
}
