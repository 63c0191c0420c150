using Stateless;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Public.Stages;

/// <summary>What moves a stage machine.</summary>
public enum StageTrigger
{
    /// <summary>The current function calls its next callee.</summary>
    Call,

    /// <summary>The current function returns to its caller.</summary>
    Return,

    /// <summary>The current function fails; its code goes to its caller.</summary>
    Fail,

    /// <summary>The caller ignores the callee's failure and calls its next callee.</summary>
    Ignore,

    /// <summary>The failing function undoes what the real one undoes.</summary>
    Rollback,
}

/// <summary>
/// A tree of <see cref="Stage{TContext}"/> as a Stateless machine. The declaration alone decides the order; each
/// <see cref="Step"/> is one transition, so a debugger can stop between any two.
/// </summary>
/// <typeparam name="TContext">What the stages share.</typeparam>
public sealed class StageMachine<TContext>
{
    public const string InitialState = "(start)";
    public const string DoneState = "(done)";
    public const string FailedState = "(failed)";

    private TContext _context;
    private readonly IEventSink _events;
    private readonly Side _side;
    private readonly Func<string, StageOutcome?>? _faults;
    private readonly StateMachine<string, StageTrigger> _machine;
    private readonly Dictionary<string, (StageNode<TContext> Node, Action<StageNode<TContext>> Work)> _states = [];
    private readonly Dictionary<StageNode<TContext>, StageOutcome> _failures = [];
    private string _state = InitialState;
    private StageTrigger _next = StageTrigger.Call;

    /// <param name="faults">Asked with a stage's name before its work; a failed outcome replaces the work (fault injection).</param>
    public StageMachine(Stage<TContext> root, TContext context, Side side, IEventSink events, Func<string, StageOutcome?>? faults = null)
    {
        Name = root.Name;
        _context = context;
        _side = side;
        _events = events;
        _faults = faults;
        _machine = new StateMachine<string, StageTrigger>(() => _state, s => _state = s);
        StageNode<TContext> tree = StageNode<TContext>.Build(root);
        _machine.Configure(InitialState).Permit(StageTrigger.Call, tree.Entered);
        foreach (StageNode<TContext> node in tree.SelfAndBelow())
            Declare(node);
        _machine.OnTransitioned(t => _events.Emit(new StateChanged(Name, t.Source, t.Trigger.ToString(), t.Destination)));
    }

    /// <summary>Back to the start for another run, which is cheaper than another machine.</summary>
    public void Restart(TContext context)
    {
        _context = context;
        _state = InitialState;
        _next = StageTrigger.Call;
        _failures.Clear();
        Outcome = StageOutcome.Ok;
    }

    /// <summary>Name of the outermost stage.</summary>
    public string Name { get; }

    /// <summary>Path of the current stage, or <see cref="InitialState"/>, <see cref="DoneState"/>, <see cref="FailedState"/>.</summary>
    public string State => _state;

    public bool Finished => _state is DoneState or FailedState;

    /// <summary>The outermost function's return value: Ok while it runs and after success.</summary>
    public StageOutcome Outcome { get; private set; } = StageOutcome.Ok;

    /// <summary>The live declaration, for the exports of <c>xensim graph</c>.</summary>
    public StateMachine<string, StageTrigger> Declaration => _machine;

    /// <summary>Takes one transition and does the work of the state it leads to. False when nothing is left to do.</summary>
    public bool Step()
    {
        if (Finished)
            return false;
        _machine.Fire(_next);
        if (_states.TryGetValue(_state, out (StageNode<TContext> Node, Action<StageNode<TContext>> Work) current))
            current.Work(current.Node);
        return !Finished;
    }

    /// <summary>Steps to the end.</summary>
    public StageOutcome Run()
    {
        while (Step())
        {
        }

        return Outcome;
    }

    private void Enter(StageNode<TContext> node)
    {
        _events.Emit(new StageEntered(_side, Name, node.Stage.Name, node.Depth));
        StageOutcome? injected = _faults?.Invoke(node.Stage.Name);
        StageOutcome outcome = injected ?? node.Stage.Enter?.Invoke(_context) ?? StageOutcome.Ok;
        if (outcome.Failed)
            Fail(node, outcome, injected is not null);
        else if (node.Calls.Count > 0)
            _next = FirstCalled(node.Calls) is null ? StageTrigger.Return : StageTrigger.Call;
        else
            Finish(node);
    }

    private void Return(StageNode<TContext> node)
    {
        StageOutcome outcome = node.Stage.Return?.Invoke(_context) ?? StageOutcome.Ok;
        if (outcome.Failed)
            Fail(node, outcome, injected: false);
        else
            Finish(node);
    }

    private void Finish(StageNode<TContext> node)
    {
        _events.Emit(new StageReturned(_side, Name, node.Stage.Name, node.Depth));
        _next = FirstCalled(node.Following()) is null ? StageTrigger.Return : StageTrigger.Call;
    }

    private void Fail(StageNode<TContext> node, StageOutcome outcome, bool injected)
    {
        _failures[node] = outcome;
        _events.Emit(new StageFailed(_side, Name, node.Stage.Name, node.Depth, outcome.Code, outcome.Errno, outcome.Message, injected));
        _next = StageTrigger.Fail;
    }

    private void HandleFailure(StageNode<TContext> node)
    {
        if (FirstCalled(node.Rollback is null ? [] : [node.Rollback]) is null)
            PassFailureOn(node);
        else
            _next = StageTrigger.Rollback;
    }

    /// <summary>The caller of a failed function passes its code on, maps it, or ignores it.</summary>
    private void PassFailureOn(StageNode<TContext> node)
    {
        StageOutcome failure = _failures[node];
        if (node.IsRollback)
        {
            _next = StageTrigger.Return;
        }
        else if (node.Parent is null)
        {
            Outcome = failure;
            _next = StageTrigger.Fail;
        }
        else
        {
            StageOutcome mapped = node.Stage.FailureInCaller?.Invoke(_context, failure) ?? failure;
            if (mapped.Failed)
                mapped = node.Parent.Stage.OnCalleeFailure?.Invoke(_context, mapped) ?? mapped;
            if (mapped.Failed)
                Fail(node.Parent, mapped, injected: false);
            else
                _next = FirstCalled(node.Following()) is null ? StageTrigger.Return : StageTrigger.Ignore;
        }
    }

    private void Declare(StageNode<TContext> node)
    {
        StateMachine<string, StageTrigger>.StateConfiguration entered = StateOf(node, node.Entered, Enter);
        entered.Permit(StageTrigger.Fail, node.Failing);
        if (node.Calls.Count > 0)
        {
            PermitCalls(entered, node.Calls, StageTrigger.Call, node.Returning);
            StateMachine<string, StageTrigger>.StateConfiguration returning = StateOf(node, node.Returning, Return);
            returning.Permit(StageTrigger.Fail, node.Failing);
            PermitNext(returning, node);
        }
        else
        {
            PermitNext(entered, node);
        }

        StateMachine<string, StageTrigger>.StateConfiguration failing = StateOf(node, node.Failing, HandleFailure);
        if (node.Rollback is null)
        {
            PermitFailure(failing, node);
        }
        else
        {
            failing.Permit(StageTrigger.Rollback, node.Rollback.Entered);
            if (node.Rollback.Stage.When is not null)
                PermitFailure(failing, node);
            PermitFailure(StateOf(node, node.RolledBack, PassFailureOn), node);
        }
    }

    private StateMachine<string, StageTrigger>.StateConfiguration StateOf(StageNode<TContext> node, string state, Action<StageNode<TContext>> work)
    {
        _states.Add(state, (node, work));
        StateMachine<string, StageTrigger>.StateConfiguration configuration = _machine.Configure(state);
        if (state != node.Entered)
            configuration.SubstateOf(node.Entered);
        else if (node.Parent is not null)
            configuration.SubstateOf(node.Parent.Entered);
        return configuration;
    }

    /// <summary>Where a function goes that is over.</summary>
    private void PermitNext(StateMachine<string, StageTrigger>.StateConfiguration state, StageNode<TContext> node)
        => PermitCalls(state, node.Following(), StageTrigger.Call, AfterLast(node));

    /// <summary>Where a function goes that has failed.</summary>
    private void PermitFailure(StateMachine<string, StageTrigger>.StateConfiguration state, StageNode<TContext> node)
    {
        if (node.IsRollback)
        {
            state.Permit(StageTrigger.Return, AfterLast(node));
            return;
        }

        state.Permit(StageTrigger.Fail, node.Parent?.Failing ?? FailedState);
        if (node.Parent is not null && (node.Stage.FailureInCaller is not null || node.Parent.Stage.OnCalleeFailure is not null))
            PermitCalls(state, node.Following(), StageTrigger.Ignore, AfterLast(node));
    }

    private static string AfterLast(StageNode<TContext> node)
        => node.Parent is null ? DoneState : node.IsRollback ? node.Parent.RolledBack : node.Parent.Returning;

    /// <summary>Permits the call of whichever callee is the first that is called at all, or the return if none is.</summary>
    private void PermitCalls(
        StateMachine<string, StageTrigger>.StateConfiguration state, IEnumerable<StageNode<TContext>> callees, StageTrigger trigger, string afterLast)
    {
        StageNode<TContext>[] calls = [.. callees];
        foreach (StageNode<TContext> callee in calls)
        {
            state.PermitIf(trigger, callee.Entered, () => FirstCalled(calls) == callee, callee.Stage.WhenText);
            if (callee.Stage.When is null)
                return;
        }

        state.PermitIf(StageTrigger.Return, afterLast, () => FirstCalled(calls) is null);
    }

    private StageNode<TContext>? FirstCalled(IEnumerable<StageNode<TContext>> callees)
        => callees.FirstOrDefault(c => c.Stage.When is null || c.Stage.When(_context));
}
