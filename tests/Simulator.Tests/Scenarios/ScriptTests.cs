using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tests.Debugging;

namespace XenSim.Simulator.Tests.Scenarios;

/// <summary>Steps of a script: what they say when they do not hold, and that they do what the tools and Xen do. That they hold is in scenarios/script.</summary>
public sealed class ScriptTests
{
    private const string Head = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\nexpect: {outcome: [OUTCOME]}\nscript:\n";

    /// <summary>The guest's data begins at 0x104000: its text of 0x3000 bytes at 1 MiB, then the hypercall page.</summary>
    [Theory]
    [InlineData("powered-off", "{wait: nobody says this, type: x}", "\"nobody says this\" never came, so its step \"type\" was not done", 8)]
    [InlineData("powered-off", "{after: 1s, do: pause}", "the session ended before its step \"pause\" was due", 8)]
    [InlineData("powered-off", "{inject: {port: 900}}", "port 900 of d1 is not bound to anything", 8)]
    [InlineData("powered-off", "{inject: {port: 1000000}}", "expected a number from 1 to 131072", 8)]
    [InlineData("powered-off", "{inject: {virq: VIRQ_DEBUG}}", "vCPU 0 of d1 has not bound VIRQ_DEBUG", 8)]
    [InlineData("powered-off", "{inject: {virq: VIRQ_TIMER, vcpu: 1}}", "d1 has no vCPU 1", 8)]
    [InlineData("powered-off", "{do: unpause}", "xl unpause failed with -3, EINVAL: Unpausing domain", 8)]
    [InlineData("destroyed", "{do: destroy}\n  - {do: pause}", "the session ended before its step \"pause\" was due", 9)]
    [InlineData("powered-off", "{snapshot: a, range: {virtual: 0x1000, bytes: 8}}", "d1 has nothing at virtual 0x1000", 8)]
    [InlineData("powered-off", "{snapshot: a, range: {physical: 0x10000000, bytes: 8}}", "d1 has nothing at physical 0x10000000", 8)]
    [InlineData("powered-off", "{wait: until then, snapshot: a, range: {virtual: 0xffffffff80104000, bytes: 0x2000}}\n  - {wait: woke me, compare: {snapshot: a, is: equal}}", "expected nothing changed since snapshot \"a\", d1 differs at virtual 0xffffffff8010", 9)]
    [InlineData("powered-off", "{snapshot: a, range: {virtual: 0xffffffff80100000, bytes: 0x3000}}\n  - {wait: woke me, compare: {snapshot: a, is: different}}", "expected a change since snapshot \"a\", nothing changed", 9)]
    [InlineData("powered-off", "{snapshot: a}\n  - {wait: woke me, compare: {snapshot: a, is: different, within: {physical: 0x104000, bytes: 0x2000}}}", "since snapshot \"a\" more changed than was expected: d1 differs at physical 0x", 9)]
    public void A_step_that_does_not_hold_says_why_and_where(string outcome, string script, string words, int line)
    {
        string yaml = Head.Replace("[OUTCOME]", outcome, StringComparison.Ordinal) + $"  - {script}\n";
        (string text, Mark? mark) = Wrong(yaml);
        Assert.Contains(words, text, StringComparison.Ordinal);
        Assert.Equal(line, mark?.Line);
    }

    [Fact]
    public void Exactly_the_bytes_that_differ_are_named()
    {
        SessionOptions options = Debugged.Options("pv64") with { Paused = true };
        using BootSession session = new(options, []);
        session.Run(CancellationToken.None);
        Domain domain = session.FindSubject()!;
        MemorySnapshots snapshots = new();
        Assert.Null(snapshots.Take("all", domain, null));
        Assert.Null(snapshots.Take("part", domain, new MemoryRange(false, 0x5ffe, 4)));
        Assert.Null(snapshots.Compare(new SnapshotComparison("all", true, []), session.Xen.FindDomain));

        Poke(session, domain, 0x5, 0xfff);
        Poke(session, domain, 0x6, 0x000);
        Poke(session, domain, 0x6, 0x100);
        Poke(session, domain, 0x6, 0x103);
        string? all = snapshots.Compare(new SnapshotComparison("all", true, []), session.Xen.FindDomain);
        Assert.Equal("expected nothing changed since snapshot \"all\", d1 differs at physical 0x5fff-0x6000, 0x6100-0x6103", all);
        string? part = snapshots.Compare(new SnapshotComparison("part", true, []), session.Xen.FindDomain);
        Assert.Equal("expected nothing changed since snapshot \"part\", d1 differs at physical 0x5fff-0x6000", part);

        // What lies between two changed bytes may be anywhere, they themselves may not.
        MemoryRange[] enough = [new(false, 0x5fff, 2), new(false, 0x6100, 1), new(false, 0x6103, 1)];
        Assert.Null(snapshots.Compare(new SnapshotComparison("all", false, enough), session.Xen.FindDomain));
        string? outside = snapshots.Compare(new SnapshotComparison("all", false, enough[..2]), session.Xen.FindDomain);
        Assert.Equal("since snapshot \"all\" more changed than was expected: d1 differs at physical 0x6103-0x6103", outside);
    }

    [Fact]
    public void A_scripted_session_goes_back_and_forth_like_any_other()
    {
        SessionOptions options = Debugged.Options("pv64") with
        {
            Script =
            [
                new ScriptStep { WaitFor = "due in 1 ms", Snapshot = "before" },
                new ScriptStep { Do = ToolAction.Pause },
                new ScriptStep { AfterNanoseconds = 3_000_000, Do = ToolAction.Unpause },
                new ScriptStep { WaitFor = "woke me", Compare = new SnapshotComparison("before", false, []) },
            ],
        };
        using DebugSession debug = new(options, new DebugSettings { Interval = 3_000 });
        Position end = debug.Go().Position;
        string digest = debug.StateDigest();
        debug.GoToInstruction(100);
        debug.GoToInstruction(end.Instruction - 500);
        debug.GoToInstruction(15_000);
        Assert.Equal(StopReason.Reached, debug.GoTo(end).Reason);
        Assert.Equal(digest, debug.StateDigest());
    }

    private static void Poke(BootSession session, Domain domain, ulong page, int offset) => session.Xen.Memory.Writable(GuestView.FrameOf(domain, page)!.Value.Value)[offset] ^= 0xFF;

    /// <summary>The first thing that is wrong with the file, or with its run.</summary>
    internal static (string Text, Mark? Mark) Wrong(string yaml)
    {
        try
        {
            Scenario scenario = ScenarioFile.Parse("test.yaml", Encoding.UTF8.GetBytes(yaml), _ => [])[0];
            IReadOnlyList<Mismatch> mismatches = ScenarioRunner.Run(scenario, TestContext.Current.CancellationToken).Mismatches;
            return mismatches.Count == 0 ? ("", null) : (mismatches[0].Text, mismatches[0].Mark);
        }
        catch (InputException e)
        {
            return (e.Diagnostics[0].ToString(), e.Diagnostics[0].Mark);
        }
    }
}
