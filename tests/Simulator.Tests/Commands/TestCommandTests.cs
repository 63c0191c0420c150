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
    public void A_seed_decides_what_no_fault_decides_and_every_report_says_it()
    {
        using ScratchFolder folder = new();
        string file = folder.Write("s.yaml", Good.Replace("powered-off", "crashed", StringComparison.Ordinal) + "faults: [{hypercall: \"*\", errno: EPERM, one-in: 20}]\n");
        string results = Path.Combine(folder.Path, "r.jsonl"), junit = Path.Combine(folder.Path, "r.xml");
        string[] outputs = [.. new[] { 1, 1, 2, 3, 4, 5 }.Select(seed => ProgramRun.With("test", file, "--seed", $"{seed}", "--json", results, "--junit", junit).Output.Replace($"--seed {seed}", "", StringComparison.Ordinal))];
        Assert.Equal(outputs[0], outputs[1]);
        Assert.True(outputs.Distinct().Count() > 2, "all seeds strike alike");

        Assert.Contains("s.yaml --seed 5 --goto event:", ProgramRun.With("test", file, "--seed", "5").Output, StringComparison.Ordinal);
        Assert.EndsWith("the same again: --seed 5\n", ProgramRun.With("test", file, "--seed", "5").Output, StringComparison.Ordinal);
        Assert.Equal(5ul, JsonDocument.Parse(File.ReadLines(results).First()).RootElement.GetProperty("seed").GetUInt64());
        XElement property = XDocument.Load(junit).Descendants("property").Single();
        Assert.Equal(("seed", "5"), (property.Attribute("name")!.Value, property.Attribute("value")!.Value));

        string own = folder.Write("own.yaml", Good.Replace("powered-off", "crashed", StringComparison.Ordinal) + "seed: 5\nfaults: [{hypercall: \"*\", errno: EPERM, one-in: 20}]\n");
        Assert.Equal(Place(outputs[^1]), Place(ProgramRun.With("test", own).Output));
        ProgramRun.With("test", file, "--seed", "4", "--json", Path.Combine(folder.Path, "r4.jsonl"));
        ProgramRun.With("report", "merge", results, Path.Combine(folder.Path, "r4.jsonl")).MustRefuse("was run with seed 5 in one part and 4 in another");

        static string Place(string output) => output[output.IndexOf("--goto", StringComparison.Ordinal)..].Split('\n')[0];
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

    [Fact]
    public void The_JSON_lines_have_a_verdict_each()
    {
        string file = Path.Combine(_folder.Path, "results.jsonl");
        Test("--json", file, "--fail-fast", "--jobs", "1");
        JsonElement[] lines = [.. File.ReadAllLines(file).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Equal(["passed", "failed", "not-run", "not-run", "not-run", "not-run", "not-run"], lines.Select(l => l.GetProperty("verdict").GetString()!));
        Assert.Equal("outcome", lines[1].GetProperty("mismatches")[0].GetProperty("keyword").GetString());
    }

    [Fact]
    public void Every_run_of_a_scenario_has_the_same_events_and_whatever_runs_beside_it_too()
    {
        Assert.Equal(ExitCode.Success, Test("--filter", "many", "--repeat", "3").Exit);
        Assert.Equal(Json("--jobs", "1", "--filter", "many"), Json("--jobs", "4", "--filter", "many"));
        Assert.Contains("\"digest\":\"", Json("--filter", "good"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_an_earlier_run_measured_decides_the_shards()
    {
        Write("e.yaml", Good.Replace("good", "long", StringComparison.Ordinal).Replace("memory: 8", "memory: 8, tries: [domctl, unknown-hypercall]", StringComparison.Ordinal));
        string measured = Path.Combine(_folder.Path, "measured.jsonl");
        Test("--json", measured);
        string[][] shards = [.. Enumerable.Range(1, 3).Select(i => Names("--costs", measured, "--shard", $"{i}/3"))];
        Assert.Equal(Names().Order(StringComparer.Ordinal), shards.SelectMany(s => s).Order(StringComparer.Ordinal));
        Assert.Equal(shards, Enumerable.Range(1, 3).Select(i => Names("--costs", measured, "--shard", $"{i}/3")));

        // The dearest one comes first in its shard's share of the work: with as many shards as scenarios that run, it is alone.
        Assert.Equal(["long"], Enumerable.Range(1, 8).Select(i => Names("--costs", measured, "--shard", $"{i}/8")).Single(n => n.Contains("long")));
        Test("--shard", "9/9").MustRefuse("shard 9/9 of 8 scenarios has none");
        Test("--costs", Path.Combine(_folder.Path, "a.yaml")).MustRefuse("a.yaml:1:");
    }

    [Fact]
    public void A_failed_run_is_compared_with_the_last_one_that_passed()
    {
        string traces = Path.Combine(_folder.Path, "traces");
        Test("--filter", "good", "--trace", traces);
        string passed = Assert.Single(Directory.GetFiles(traces));
        Write("a.yaml", Good + "faults: [{hypercall: XEN_DOMCTL_max_vcpus, errno: ENOMEM}]\n");
        ProgramRun run = Test("--filter", "good", "--trace", traces);
        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("in create_domain › do_domain_create", run.Output, StringComparison.Ordinal);
        Assert.Contains("the toolstack's domctl/XEN_DOMCTL_max_vcpus returns -12", run.Output, StringComparison.Ordinal);
        Assert.Contains("to look at it: xensim debug", run.Output, StringComparison.Ordinal);

        string failed = Path.ChangeExtension(passed, ".failed.jsonl");
        ProgramRun diff = ProgramRun.With("diff", passed, failed);
        Assert.Equal(ExitCode.Failure, diff.Exit);
        Assert.Equal(ExitCode.Success, ProgramRun.With("diff", passed, passed).Exit);
        Assert.Equal(ExitCode.Success, ProgramRun.With("diff", passed, failed, "--only", "DomainCreated").Exit);
        ProgramRun.With("diff", passed, failed, "--only", "DomainCreate").MustRefuse("did you mean \"DomainCreated\"?");
        ProgramRun.With("diff", passed, Path.Combine(_folder.Path, "a.yaml")).MustRefuse("a.yaml:1:1");
    }

    [Fact]
    public void A_failure_says_what_came_before_it_and_how_to_get_there()
    {
        string output = Test("--filter", "bad").Output;
        Assert.Contains("the last events before:", output, StringComparison.Ordinal);
        Assert.Contains("DomainShutdown domain=1 reason=0", output, StringComparison.Ordinal);
        Assert.Matches("to look at it: xensim debug \\S+b.yaml --goto event:[0-9]+\n", output);
    }

    [Fact]
    public void Interrupted_before_the_end_it_still_leaves_whole_reports()
    {
        using CancellationTokenSource stop = new();
        stop.Cancel();
        string[] files = [.. new[] { "r.xml", "r.jsonl", "r.html" }.Select(f => Path.Combine(_folder.Path, f))];
        Assert.Equal(ExitCode.Interrupted, ProgramRun.With(stop.Token, "test", _folder.Path, "--junit", files[0], "--json", files[1], "--html", files[2]).Exit);
        Assert.Equal("7", XDocument.Load(files[0]).Root!.Attribute("errors")!.Value);
        Assert.All(File.ReadAllLines(files[1]), l => Assert.Equal("not-run", JsonDocument.Parse(l).RootElement.GetProperty("verdict").GetString()));
        Assert.EndsWith("</html>\n", File.ReadAllText(files[2]), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.part"));
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_found_before_anything_runs()
        => Test("--junit", Path.Combine(_folder.Path, "nosuch", "r.xml")).MustRefuse("cannot be written");

    private string Json(params string[] options)
    {
        string file = Path.Combine(_folder.Path, "out.json");
        Test([.. options, "--json", file]);
        return File.ReadAllText(file);
    }

    private string[] Names(params string[] options)
        => [.. Test([.. options, "--list"]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(" (/")[0])];

    private ProgramRun Test(params string[] options) => ProgramRun.With(["test", _folder.Path, .. options]);

    private void Write(string name, string yaml) => File.WriteAllText(Path.Combine(_folder.Path, name), yaml);
}
