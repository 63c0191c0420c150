using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Tests.Stages;

/// <summary>The machine that both boot paths run on: expected orders are written out by hand from the declared call trees.</summary>
public sealed class StageMachineTests
{
    [Fact]
    public void Work_before_the_first_callee_and_after_the_last_one_nests_as_calls_nest()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Stage("b", [Leaf("c"), Leaf("d")]), Leaf("e")]);

        StageOutcome outcome = Machine(root, log).Run();

        Assert.False(outcome.Failed);
        Assert.Equal(["a", "b", "c", "d", "/b", "e", "/a"], log.Work);
        Assert.Equal(["+a", "+b", "+c", "-c", "+d", "-d", "-b", "+e", "-e", "-a"], log.Events);
    }

    [Fact]
    public void A_callee_whose_condition_does_not_hold_is_not_called()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Leaf("b") with { When = _ => false, WhenText = "never" }, Leaf("c"), Leaf("d") with { When = _ => false }]);

        Machine(root, log).Run();

        Assert.Equal(["a", "c", "/a"], log.Work);
    }

    [Fact]
    public void A_failure_goes_up_with_its_code_and_nothing_after_it_runs()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Stage("b", [Failing("c", XenErrno.EACCES), Leaf("d")]), Leaf("e")]);

        StageMachine<Recorder> machine = Machine(root, log);
        StageOutcome outcome = machine.Run();

        Assert.Equal(StageMachine<Recorder>.FailedState, machine.State);
        Assert.Equal(-13, outcome.Code);
        Assert.Equal(["a", "b"], log.Work);
        Assert.Equal(["+a", "+b", "+c", "!c -13", "!b -13", "!a -13"], log.Events);
    }

    [Fact]
    public void A_caller_can_map_a_failure_to_its_own_code()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Stage("build_pv", [Failing("xc_dom_linux_build", XenErrno.ENOMEM)]) with { OnCalleeFailure = (_, _) => StageOutcome.Fail(-2) }]);

        Assert.Equal(-2, Machine(root, log).Run().Code);
    }

    [Fact]
    public void A_caller_can_ignore_a_failure_and_goes_on_with_its_next_callee()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Failing("b", XenErrno.EINVAL), Leaf("c")]) with { OnCalleeFailure = (_, _) => StageOutcome.Ok };

        Assert.False(Machine(root, log).Run().Failed);
        Assert.Equal(["a", "c", "/a"], log.Work);
    }

    [Fact]
    public void An_ignored_failure_of_the_last_callee_returns()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Failing("b", XenErrno.EINVAL)]) with { OnCalleeFailure = (_, _) => StageOutcome.Ok };

        Assert.False(Machine(root, log).Run().Failed);
        Assert.Equal(["a", "/a"], log.Work);
    }

    [Fact]
    public void A_caller_can_leave_one_call_unchecked_and_still_check_the_next()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Failing("b", XenErrno.EINVAL) with { FailureInCaller = (_, _) => StageOutcome.Ok }, Failing("c", XenErrno.ENOMEM)]);

        Assert.Equal(-12, Machine(root, log).Run().Code);
        Assert.Equal(["+a", "+b", "!b -22", "+c", "!c -12", "!a -12"], log.Events);
    }

    [Fact]
    public void A_rollback_whose_condition_does_not_hold_is_left_out()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Failing("b", XenErrno.EINVAL)]) with { Rollback = Leaf("undo") with { When = _ => false } };

        Assert.Equal(-22, Machine(root, log).Run().Code);
        Assert.Equal(["a"], log.Work);
    }

    [Fact]
    public void A_rollback_runs_before_the_failure_goes_up_and_cannot_change_its_code()
    {
        Recorder log = new();
        Stage<Recorder> undo = Stage("error_out", [Leaf("pause"), Failing("destroy", XenErrno.EBUSY)]);
        Stage<Recorder> root = Stage("main", [Stage("create_domain", [Failing("b", XenErrno.ENOMEM)]) with { Rollback = undo }]);

        StageOutcome outcome = Machine(root, log).Run();

        Assert.Equal(XenErrno.ENOMEM, outcome.Errno);
        Assert.Equal(
            ["+main", "+create_domain", "+b", "!b -12", "!create_domain -12", "+error_out", "+pause", "-pause", "+destroy", "!destroy -16", "!error_out -16", "!main -12"],
            log.Events);
    }

    [Fact]
    public void Failing_work_after_the_last_callee_fails_the_stage()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Leaf("b")]) with { Return = _ => StageOutcome.Fail(XenErrno.EFAULT) };

        Assert.Equal(XenErrno.EFAULT, Machine(root, log).Run().Errno);
    }

    [Fact]
    public void An_injected_fault_replaces_the_work_and_is_marked()
    {
        Recorder log = new();
        Stage<Recorder> root = Stage("a", [Leaf("b")]);
        StageMachine<Recorder> machine = new(root, log, Side.Toolstack, log, s => s == "b" ? StageOutcome.Fail(XenErrno.EIO) : null);

        Assert.Equal(XenErrno.EIO, machine.Run().Errno);
        Assert.Equal(["a"], log.Work);
        Assert.True(log.Failures[0].Injected);
    }

    [Fact]
    public void Each_step_takes_one_transition_and_the_path_names_the_state()
    {
        Recorder log = new();
        StageMachine<Recorder> machine = Machine(Stage("a", [Leaf("b")]), log);
        List<string> states = [];
        do
        {
            states.Add(machine.State);
        }
        while (machine.Step());
        states.Add(machine.State);

        Assert.Equal(["(start)", "a", "a/b", "a (return)", "(done)"], states);
    }

    private static StageMachine<Recorder> Machine(Stage<Recorder> root, Recorder log) => new(root, log, Side.Toolstack, log);

    private static Stage<Recorder> Leaf(string name) => new() { Name = name, Source = "test", Enter = r => r.Did(name) };

    private static Stage<Recorder> Failing(string name, XenErrno errno) => new() { Name = name, Source = "test", Enter = _ => StageOutcome.Fail(errno) };

    private static Stage<Recorder> Stage(string name, Stage<Recorder>[] calls)
        => new() { Name = name, Source = "test", Enter = r => r.Did(name), Return = r => r.Did("/" + name), Calls = calls };

    private sealed class Recorder : IEventSink
    {
        public List<string> Work { get; } = [];

        public List<string> Events { get; } = [];

        public List<StageFailed> Failures { get; } = [];

        public StageOutcome Did(string what)
        {
            Work.Add(what);
            return StageOutcome.Ok;
        }

        public bool Wants<TEvent>()
            where TEvent : XenEvent => true;

        public void Emit(XenEvent e)
        {
            switch (e)
            {
                case StageEntered s: Events.Add("+" + s.Stage); break;
                case StageReturned s: Events.Add("-" + s.Stage); break;
                case StageFailed s: Events.Add($"!{s.Stage} {s.Code}"); Failures.Add(s); break;
            }
        }
    }
}
