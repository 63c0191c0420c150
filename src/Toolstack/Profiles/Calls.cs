using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Profiles;

/// <summary>Shorthand in which the call paths are declared: a function, where it is, and what it calls, top to bottom.</summary>
internal static class Calls
{
    public static Stage<DomainBuild> Function(string source, string name, params Stage<DomainBuild>[] calls)
        => new() { Name = name, Source = source, Calls = calls };

    public static Stage<DomainBuild> Function(string source, string name, Func<DomainBuild, StageOutcome> work, params Stage<DomainBuild>[] calls)
        => new() { Name = name, Source = source, Enter = work, Calls = calls };

    /// <summary>Work after the last callee.</summary>
    public static Stage<DomainBuild> Then(this Stage<DomainBuild> stage, Func<DomainBuild, StageOutcome> work) => stage with { Return = work };

    public static Stage<DomainBuild> OnlyIf(this Stage<DomainBuild> stage, string text, Func<DomainBuild, bool> condition)
        => stage with { When = condition, WhenText = text };

    /// <summary>The caller drops this call's result.</summary>
    public static Stage<DomainBuild> Unchecked(this Stage<DomainBuild> stage) => stage with { FailureInCaller = static (_, _) => StageOutcome.Ok };

    /// <summary>What the caller says and returns when this call fails.</summary>
    public static Stage<DomainBuild> OrElse(this Stage<DomainBuild> stage, Func<DomainBuild, StageOutcome, StageOutcome> failure)
        => stage with { FailureInCaller = failure };

    public static Stage<DomainBuild> OnFailure(this Stage<DomainBuild> stage, Func<DomainBuild, StageOutcome, StageOutcome> mapping)
        => stage with { OnCalleeFailure = mapping };

    public static Stage<DomainBuild> Undo(this Stage<DomainBuild> stage, Stage<DomainBuild> rollback) => stage with { Rollback = rollback };
}
