namespace XenSim.Hypervisor.Public.Stages;

/// <summary>How a stage ended: success, or the code its real function returns.</summary>
/// <param name="Code">0 for success; else the function's own return value (-1, -2, -22 …).</param>
/// <param name="Errno">The errno behind a failure, if there is one.</param>
/// <param name="Message">What the real code prints or says; empty if it is silent.</param>
public readonly record struct StageOutcome(long Code, XenErrno Errno, string Message)
{
    public static readonly StageOutcome Ok = new(0, XenErrno.None, "");

    public bool Failed => Code != 0;

    /// <summary>A function that returns -errno (the hypervisor's convention).</summary>
    public static StageOutcome Fail(XenErrno errno, string message = "") => new(errno.ToResult(), errno, message);

    /// <summary>A function that returns its own code (the tools' convention: -1 with errno set, or ERROR_*).</summary>
    public static StageOutcome Fail(long code, XenErrno errno = XenErrno.None, string message = "") => new(code, errno, message);
}

/// <summary>
/// Declaration of a stage: a state named after the real function, nested as the calls nest. Entering it does the work
/// before its first callee, returning to it the work after its last one.
/// </summary>
/// <typeparam name="TContext">What the stages of one machine share.</typeparam>
public sealed record Stage<TContext>
{
    /// <summary>The real function's name, optionally with an instance after a colon: <c>xc_dom_alloc_segment:kernel</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Where it is: release, file (and function if the name differs).</summary>
    public required string Source { get; init; }

    /// <summary>Work before the first callee.</summary>
    public Func<TContext, StageOutcome>? Enter { get; init; }

    /// <summary>Work after the last callee.</summary>
    public Func<TContext, StageOutcome>? Return { get; init; }

    /// <summary>Whether the caller calls it at all, asked right before; null means always. <see cref="WhenText"/> says it in words.</summary>
    public Func<TContext, bool>? When { get; init; }

    public string? WhenText { get; init; }

    /// <summary>Callees in order.</summary>
    public IReadOnlyList<Stage<TContext>> Calls { get; init; } = [];

    /// <summary>What this function makes of a callee's failure. Null: passes the code on. Returning Ok: ignores it and goes on.</summary>
    public Func<TContext, StageOutcome, StageOutcome>? OnCalleeFailure { get; init; }

    /// <summary>
    /// What the caller makes of this very callee's failure, before its <see cref="OnCalleeFailure"/> is asked: the line it prints about
    /// this call, its own code, or Ok where the real code does not check the call.
    /// </summary>
    public Func<TContext, StageOutcome, StageOutcome>? FailureInCaller { get; init; }

    /// <summary>What runs when this stage fails, before the failure goes up (a rollback, where the real code has one). Its <see cref="When"/> is asked.</summary>
    public Stage<TContext>? Rollback { get; init; }
}
