using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Scenarios;

/// <summary>Expectations on the event stream, frames, digests and golden files: each seen to hold, and seen to fail.</summary>
public sealed class ExpectationTests : IDisposable
{
    private const string Head = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\n";
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("events: [DomainCreated, {event: PageWritten, where: {what: hypercall page}}, GuestStarted, {event: DomainShutdown, where: {domain: 1, reason: 0}}]")]
    [InlineData("events: [{event: HypercallReturned, where: {subOperation: XEN_DOMCTL_hypercall_init, result: 0}}]")]
    [InlineData("events: {event: LogLine, where: {text: \"*setup_hypercall_page: vaddr=0x*\"}}")]
    [InlineData("events: [{event: StateChanged, where: {machine: d1, from: Constructed, to: Active}}, {event: StateChanged, where: {machine: d1, to: ShutDown}}]")]
    [InlineData("event-counts: {event: PrivilegedAccess, count: 0}")]
    [InlineData("no-events: [{event: StageFailed}, PageTypeRefused]")]
    [InlineData("event-counts: [{event: DomainCreated, count: 2}, {event: HypercallEntered, where: {issuer: Guest}, at-least: 10, at-most: 1000}]")]
    [InlineData("hypercall-counts: {update_descriptor: 0, xen_version: {at-least: 1}, sched_op: {at-least: 1, at-most: 9}}")]
    [InlineData("frames: {recount: true, types: {PGT_l4_page_table: 1}}")]
    [InlineData("frames: [{recount: true, when: entry}, {recount: true, when: end}]")]
    public void It_holds(string expectation) => Assert.Equal("", Wrong(expectation));

    [Theory]
    [InlineData("events: [GuestStarted, DomainCreated]", "DomainCreated was never seen after GuestStarted")]
    [InlineData("events: [{event: StateChanged, where: {machine: d1, to: Dead}}]", "StateChanged with machine=d1, to=Dead was never seen")]
    [InlineData("no-events: {event: StateChanged, where: {machine: d1}}", "StateChanged machine=d1 from=Constructed")]
    [InlineData("events: [{event: PageWritten, where: {what: nothing}}]", "PageWritten with what=nothing was never seen")]
    [InlineData("events: [{event: HypercallReturned, where: {subOperation: XEN_DOMCTL_hypercall_init, result: -EPERM}}]", "was never seen")]
    [InlineData("no-events: {event: DomainShutdown, where: {reason: 0}}", "DomainShutdown domain=1 reason=0")]
    [InlineData("event-counts: {event: DomainCreated, count: 1}", "expected 1 of DomainCreated, there were 2")]
    [InlineData("event-counts: {event: DomainCreated, at-least: 3}", "expected at least 3 of DomainCreated, there were 2")]
    [InlineData("event-counts: {event: DomainCreated, at-most: 1}", "expected at most 1 of DomainCreated, there were 2")]
    [InlineData("hypercall-counts: {update_descriptor: 1}", "the guest made update_descriptor 0 times, not 1")]
    [InlineData("hypercall-counts: {update_descriptor: {at-least: 1}}", "0 times, not at least 1")]
    [InlineData("hypercall-counts: {sched_op: {at-most: 0}}", "times, not at most 0")]
    [InlineData("hypercall-counts: {sched_op: {at-least: 20, at-most: 30}}", "times, not 20 to 30")]
    [InlineData("frames: {types: {PGT_l4_page_table: 7}}", "expected 7 frames of type PGT_l4_page_table, there are 1")]
    [InlineData("digest: {console: 0000000000000000000000000000000000000000000000000000000000000000}", "console: expected 0000")]
    [InlineData("digest: {events: 0000000000000000000000000000000000000000000000000000000000000000}", "events: expected 0000")]
    [InlineData("digest: {memory: 0000000000000000000000000000000000000000000000000000000000000000}", "memory: expected 0000")]
    public void It_does_not_hold(string expectation, string words) => Assert.Contains(words, Wrong(expectation), StringComparison.Ordinal);

    [Theory]
    [InlineData("events: [DomainCreatd]", "did you mean \"DomainCreated\"?")]
    [InlineData("events: [{event: DomainCreated, where: {domian: 1}}]", "expected a field of an event, found \"domian\"; did you mean \"domain\"?")]
    [InlineData("events: [{event: DomainCreated, where: {reason: 1}}]", "DomainCreated has no field \"reason\"; use one of: domain")]
    [InlineData("event-counts: [{event: DomainCreated}]", "needs \"count\", \"at-least\" or \"at-most\"")]
    [InlineData("hypercall-counts: {sched_op: {}}", "a range needs \"at-least\" or \"at-most\"")]
    [InlineData("frames: {recount: false}", "a frames expectation needs")]
    public void It_is_refused(string expectation, string words) => ProgramRun.With("run", Scenario(expectation)).MustRefuse(words);

    /// <summary>What a run printed before is what it prints again: the digests that it is told are those that it has.</summary>
    [Fact]
    public void A_digest_that_was_read_from_a_run_holds_for_the_next()
    {
        foreach (string what in new[] { "console", "events", "memory" })
        {
            string wrong = Wrong($"digest: {{{what}: 0000000000000000000000000000000000000000000000000000000000000000}}");
            string digest = wrong[(wrong.IndexOf("got ", StringComparison.Ordinal) + 4)..].Trim()[..64];
            Assert.Equal("", Wrong($"digest: {{{what}: {digest}}}"));
        }
    }

    [Fact]
    public void A_golden_file_is_written_compared_and_explained()
    {
        string scenario = _folder.Write("g.yaml", Head + "golden: g.golden.jsonl\n");
        Assert.Contains("xensim test --update writes it", ProgramRun.With("test", scenario).Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, ProgramRun.With("test", scenario, "--update").Exit);
        string golden = Path.Combine(_folder.Path, "g.golden.jsonl");
        byte[] recorded = File.ReadAllBytes(golden);
        Assert.Equal(ExitCode.Success, ProgramRun.With("test", scenario).Exit);

        string changed = File.ReadAllText(golden).Replace("\"subOperation\":\"XEN_DOMCTL_hypercall_init\",\"target\":1,\"result\":0", "\"subOperation\":\"XEN_DOMCTL_hypercall_init\",\"target\":1,\"result\":-1", StringComparison.Ordinal);
        File.WriteAllText(golden, changed);
        ProgramRun differs = ProgramRun.With("test", scenario);
        Assert.Equal(ExitCode.Failure, differs.Exit);
        Assert.Contains("- #? at ?: the toolstack's domctl/XEN_DOMCTL_hypercall_init returns -1", differs.Output, StringComparison.Ordinal);
        Assert.Contains("the toolstack's domctl/XEN_DOMCTL_hypercall_init returns 0", differs.Output, StringComparison.Ordinal);
        Assert.Contains("result: -1 → 0", differs.Output, StringComparison.Ordinal);

        Assert.Equal(ExitCode.Success, ProgramRun.With("test", scenario, "--update").Exit);
        Assert.Equal(recorded, File.ReadAllBytes(golden));
        File.WriteAllText(golden, "nonsense\n");
        Assert.Contains("g.golden.jsonl:1:1", ProgramRun.With("test", scenario).Output, StringComparison.Ordinal);
    }

    /// <summary>An extent of 2 MiB that is not to be had is tried again page by page (tools/libs/guest/xg_dom_x86.c: meminit_pv).</summary>
    [Theory]
    [InlineData("{allocation: \"*\"}", "outcome: build-failed, failure: {stage: xc_domain_populate_physmap}, domain: {exists: false}")]
    [InlineData("{allocation: order-9}", "outcome: powered-off, event-counts: {event: HypercallEntered, where: {subOperation: XENMEM_populate_physmap}, at-least: 2}")]
    [InlineData("{message: TRANSACTION_START, errno: EACCES}", "outcome: build-failed")]
    [InlineData("{hypercall: \"*\", errno: EPERM, every: 7}", "outcome: build-failed")]
    [InlineData("{stage: \"*\", errno: EIO, occurrence: 60}", "event-counts: {event: StageFailed, where: {injected: true}, count: 1}")]
    public void A_fault_strikes_where_and_when_it_is_told(string fault, string expectation)
    {
        ProgramRun run = ProgramRun.With("run", _folder.Write("f.yaml", Head + $"faults: [{fault}]\nexpect: {{{expectation}}}\n"));
        Assert.True(run.Exit == ExitCode.Success, run.Output);
    }

    [Fact]
    public void A_seed_chooses_always_the_same_and_another_seed_others()
    {
        string[] outputs = [.. new[] { 1, 1, 2, 3, 4, 5 }.Select(seed => ProgramRun.With("run", _folder.Write("f.yaml", Head + $"faults: [{{hypercall: \"*\", errno: EPERM, one-in: 20, seed: {seed}}}]\nexpect: {{console: [nosuch]}}\n")).Output)];
        Assert.Equal(outputs[0], outputs[1]);
        Assert.True(outputs.Distinct().Count() > 2, "all seeds strike alike");
    }

    /// <summary>A wrmsr that Xen emulates is an event that the log leaves out unless somebody asks for it.</summary>
    [Fact]
    public void An_access_is_found_and_an_event_has_the_number_that_it_has_in_a_trace()
    {
        string head = Head.Replace("memory: 8", "memory: 8, tries: [unknown-xen-msr]", StringComparison.Ordinal);
        string asks = _folder.Write("asks.yaml", head + "expect: {event-counts: {event: PrivilegedAccess, where: {kind: wrmsr, index: 0x40000001}, count: 1}}\n");
        Assert.Equal(ExitCode.Success, ProgramRun.With("run", asks).Exit);

        string fails = _folder.Write("fails.yaml", head + "expect: {outcome: crashed}\n");
        string trace = Path.Combine(_folder.Path, "trace.jsonl");
        ProgramRun.With("boot", "pv64", "--memory", "8", "--try", "unknown-xen-msr", "--trace", trace);
        long last = File.ReadLines(trace).LongCount() - 1;
        foreach (string[] options in (string[][])[[], ["--json", Path.Combine(_folder.Path, "r.jsonl")]])
            Assert.Contains($"--goto event:{last}\n", ProgramRun.With(["test", fails, .. options]).Output, StringComparison.Ordinal);
    }

    private string Scenario(string expectation) => _folder.Write("s.yaml", $"{Head}expect: {{{expectation}}}\n");

    /// <summary>What the run says is wrong; empty: nothing.</summary>
    private string Wrong(string expectation)
    {
        ProgramRun run = ProgramRun.With("run", Scenario(expectation));
        Assert.True(run.Exit is ExitCode.Success or ExitCode.Failure, run.Error + run.Output);
        return run.Exit == ExitCode.Success ? "" : string.Join('\n', run.Output.Split('\n').Where(l => l.Contains("s.yaml:", StringComparison.Ordinal)));
    }
}
