using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios;

/// <summary>What is wanted of a run besides its verdict.</summary>
/// <param name="Report">Stages, console, memory and page for reports, and a digest of the trace.</param>
/// <param name="Trace">File for the trace; null: none.</param>
/// <param name="Update">Write the golden file anew.</param>
/// <param name="Memory">A digest of the domain's memory at the end.</param>
internal sealed record RunWishes(bool Report = false, string? Trace = null, bool Update = false, bool Memory = false);

/// <summary>Runs one scenario and says what did not hold.</summary>
public static class ScenarioRunner
{
    /// <param name="consumers">Further readers of the session's events (a view, a trace).</param>
    public static ScenarioResult Run(Scenario scenario, CancellationToken stop, params IReadOnlyList<IEventConsumer> consumers) => Run(scenario, new RunWishes(), stop, consumers);

    internal static ScenarioResult Run(Scenario scenario, RunWishes wishes, CancellationToken stop, params IReadOnlyList<IEventConsumer> consumers)
    {
        if (scenario.Skip is { } reason)
            return Left(scenario, $"skipped: {reason}");
        if (scenario.MissingGuest is { } missing)
            return Left(scenario, $"skipped: the real guest {missing} is not in {FetchedGuests.Folder}; scenarios/guests/get.sh fetches it");
        ScenarioResult result = RunIt(scenario, wishes, consumers, stop);
        return scenario.KnownIssue is { } issue && result.Verdict != ExitCode.Interrupted ? AsKnown(result, issue) : result;
    }

    private static ScenarioResult Left(Scenario scenario, string why)
        => new(scenario, new SessionOutcome(SessionEnd.Interrupted, why), ExitCode.Success, [], 0, 0) { Skipped = true };

    /// <summary>A failure is what was expected; a pass has to be noticed, or the mark stays for ever.</summary>
    private static ScenarioResult AsKnown(ScenarioResult result, string issue) => result.Verdict == ExitCode.Success
        ? result with { Verdict = ExitCode.Failure, Mismatches = [new Mismatch("known-issue", null, $"it passes, though it is marked as known to fail ({issue}): take the mark out")] }
        : result with { Verdict = ExitCode.Success, Skipped = true, Outcome = result.Outcome with { Detail = $"known issue: {issue} ({result.Outcome.Detail})" } };

    private static ScenarioResult RunIt(Scenario scenario, RunWishes wishes, IReadOnlyList<IEventConsumer> consumers, CancellationToken stop)
    {
        EventLog log = new([.. scenario.Expectations.SelectMany(e => e.Events), .. scenario.Golden?.Events ?? []]);
        using ScenarioTrace? trace = wishes.Report || wishes.Trace is not null ? new ScenarioTrace(wishes.Trace) : null;
        using BootSession session = new(scenario.Session, trace is null ? [log, .. consumers] : [log, trace, .. consumers]);
        Evidence evidence = new(session, log);
        List<Mismatch> mismatches = [];
        HashSet<string> entered = [];
        session.AtEntry = domain =>
        {
            if (domain is null)
                Check(scenario.Expectations, evidence, Moment.Entry, mismatches);
            else if (entered.Add(domain.Spec.Name))
                CheckOf(scenario, domain, new Evidence(session, log, domain), Moment.Entry, mismatches);
        };
        SessionOutcome outcome = session.Run(stop);
        if (evidence.Entry is null)
            Check(scenario.Expectations, evidence, Moment.Entry, mismatches);
        Check(scenario.Expectations, evidence, Moment.End, mismatches);
        foreach (SessionDomain domain in session.Domains.Where(d => scenario.Domains.Any(s => s.Name == d.Spec.Name)))
        {
            if (!entered.Contains(domain.Spec.Name))
                CheckOf(scenario, domain, new Evidence(session, log, domain), Moment.Entry, mismatches);
            CheckOf(scenario, domain, new Evidence(session, log, domain), Moment.End, mismatches);
        }

        mismatches.AddRange(UnfiredFaults(scenario, session));
        mismatches.AddRange(session.ScriptFailures.Select(f => new Mismatch("script", f.Step.Mark, f.Text)));
        mismatches.AddRange(session.NeverStarted.Select(d => new Mismatch("domains", d.Spec.After[0].Mark, $"{d.Spec.Name} was never created: it is not so that {string.Join(" and ", d.Spec.After)}")));
        if (scenario.Golden is { } golden && golden.Check(scenario.File, log, wishes.Update) is { } unlike)
            mismatches.Add(new Mismatch("golden", golden.Mark, unlike));
        ExitCode verdict = Verdict(scenario, outcome, mismatches);
        (string? Digest, IReadOnlyList<string> Divergence) traced = trace is null ? (null, []) : trace.Finish(verdict == ExitCode.Success);
        return new ScenarioResult(scenario, outcome, verdict, mismatches, session.Instructions, log.Events.Count)
        {
            Nanoseconds = session.Xen.VirtualNanoseconds,
            Digest = traced.Digest,
            Memory = wishes.Memory ? evidence.DigestMemory() : null,
            Failure = verdict == ExitCode.Success ? null : FailureExplanation.For(scenario, session, log, mismatches, traced.Divergence),
            Report = wishes.Report ? RunReporter.Report(session, log) : null,
        };
    }

    private static void CheckOf(Scenario scenario, SessionDomain domain, Evidence evidence, Moment moment, List<Mismatch> mismatches)
    {
        foreach (ScenarioDomain expected in scenario.Domains.Where(d => d.Name == domain.Spec.Name))
            Check(expected.Expectations, evidence, moment, mismatches, $"{expected.Name}: ");
    }

    private static void Check(IEnumerable<IExpectation> expectations, Evidence evidence, Moment moment, List<Mismatch> mismatches, string of = "")
    {
        foreach (IExpectation expectation in expectations.Where(e => e.Moment == moment))
        {
            if (expectation.Check(evidence) is { } wrong)
                mismatches.Add(new Mismatch(of + expectation.Keyword, expectation.Mark, wrong, moment));
        }
    }

    /// <summary>A fault that never struck proves nothing: most likely its name is wrong.</summary>
    private static IEnumerable<Mismatch> UnfiredFaults(Scenario scenario, BootSession session)
        => session.UnfiredFaults.Select(f => new Mismatch("faults", null, $"the {f.Point.ToString().ToLowerInvariant()} {f.Name} was never reached, so its fault never struck"));

    private static ExitCode Verdict(Scenario scenario, SessionOutcome outcome, List<Mismatch> mismatches) => outcome.End switch
    {
        SessionEnd.Interrupted => ExitCode.Interrupted,
        SessionEnd.Unimplemented => ExitCode.Unimplemented,
        SessionEnd.LimitReached when !scenario.Expectations.Any(e => e.Keyword == OutcomeExpectation.Word) => ExitCode.LimitReached,
        _ => mismatches.Count == 0 ? ExitCode.Success : ExitCode.Failure,
    };
}

/// <param name="Mark">Where the expectation stands in the scenario.</param>
/// <param name="Moment">When it was looked at.</param>
public sealed record Mismatch(string Keyword, Mark? Mark, string Text, Moment Moment = Moment.End);

/// <param name="Instructions">Guest instructions retired.</param>
public sealed record ScenarioResult(
    Scenario Scenario, SessionOutcome Outcome, ExitCode Verdict, IReadOnlyList<Mismatch> Mismatches, long Instructions, int Events)
{
    /// <summary>It was not run (a reason to skip it, a real guest that has not been fetched), or fails as is known.</summary>
    public bool Skipped { get; init; }

    /// <summary>Virtual time at the end. Unit: nanoseconds.</summary>
    public ulong Nanoseconds { get; init; }

    /// <summary>SHA-256 of the trace; null: nobody asked for it.</summary>
    public string? Digest { get; init; }

    /// <summary>SHA-256 of the domain's memory at the end; null: nobody asked for it, or there is no domain.</summary>
    public string? Memory { get; init; }

    /// <summary>Null: it did not fail.</summary>
    public FailureReport? Failure { get; init; }

    /// <summary>Null: nobody asked for it.</summary>
    public RunReport? Report { get; init; }
}
