using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>failure: {stage: setup_hypercall_page, errno: EPERM, exit-code: 3}</c></summary>
internal static class FailureExpectation
{
    private sealed record Wanted(string? Stage, XenErrno? Errno, string? Message, long? Code, long? ExitCode);

    private static readonly ObjectShape<Wanted> s_shape = new("a failure", new Wanted(null, null, null, null, null),
    [
        Field<Wanted>.Of("stage", "The stage that fails; the innermost one if only this is given with others.", new TextShape("a stage's name"), (w, v) => w with { Stage = v }),
        Field<Wanted>.Of("errno", "The errno behind it.", XenShapes.Errno, (w, v) => w with { Errno = v }),
        Field<Wanted>.Of("message", "Part of what the real code prints.", new TextShape("a message"), (w, v) => w with { Message = v }),
        Field<Wanted>.Of("code", "The function's return value.", new ResultShape(), (w, v) => w with { Code = v }),
        Field<Wanted>.Of("exit-code", "Exit code of xl.", new ResultShape(), (w, v) => w with { ExitCode = v }),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Each(
        "failure", "A stage that fails, with its return value, errno and message.", s_shape, "failures", _ => Moment.End, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        if (wanted.ExitCode is { } exit && evidence.Outcome?.ToolExitCode != exit)
            return $"expected exit code {exit}, got {evidence.Outcome?.ToolExitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"}";
        if (wanted is { Stage: null, Errno: null, Message: null, Code: null })
            return null;
        List<StageFailed> failures = [.. evidence.Events.Select(e => e.Event).OfType<StageFailed>()];
        if (failures.Any(f => Matches(wanted, f)))
            return null;
        StageFailed? near = failures.FirstOrDefault(f => f.Stage == wanted.Stage) ?? failures.FirstOrDefault();
        return $"expected {Describe(wanted)}, got {(near is null ? "no failure" : Describe(near))}";
    }

    private static bool Matches(Wanted wanted, StageFailed failed)
        => (wanted.Stage is null || wanted.Stage == failed.Stage)
            && (wanted.Errno is null || wanted.Errno == failed.Errno)
            && (wanted.Code is null || wanted.Code == failed.Code)
            && (wanted.Message is null || failed.Message.Contains(wanted.Message, StringComparison.Ordinal));

    private static string Describe(Wanted w)
        => $"{w.Stage ?? "a stage"} to fail{(w.Code is { } c ? $" with {c}" : "")}{(w.Errno is { } e ? $", {e}" : "")}{(w.Message is null ? "" : $": {w.Message}")}";

    private static string Describe(StageFailed f) => $"{f.Stage} failed with {f.Code}, {f.Errno}: {f.Message}";
}
