using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Sweeps;

/// <summary>Boots a scenario with faults and says what came of it.</summary>
internal sealed partial class SweepRun
{
    private readonly Scenario _scenario;

    private SweepRun(Scenario scenario, SessionEnd clean, IReadOnlyList<XenEvent> events) => (_scenario, CleanEnd, CleanEvents) = (scenario, clean, events);

    /// <summary>How the boot ends without faults.</summary>
    public SessionEnd CleanEnd { get; }

    /// <summary>What happens without faults.</summary>
    public IReadOnlyList<XenEvent> CleanEvents { get; }

    /// <exception cref="InputException">The scenario does not pass as it is: nothing can be said of faults then.</exception>
    public static SweepRun Start(Scenario scenario, CancellationToken stop)
    {
        ScenarioResult asItIs = ScenarioRunner.Run(scenario, stop);
        if (asItIs.Skipped || asItIs.Verdict is not ExitCode.Success)
            throw new InputException(scenario.File, $"\"{scenario.Name}\" does not pass as it is: {asItIs.Outcome.Detail}", "a sweep starts from a scenario that passes");
        Probe probe = new();
        ScenarioResult clean = ScenarioRunner.Run(scenario with { Expectations = [probe], Domains = [], Golden = null, Session = scenario.Session with { Faults = [] } }, stop);
        return new SweepRun(scenario, clean.Outcome.End, probe.Events);
    }

    public SweepResult Run(SweepCase sweepCase, CancellationToken stop)
    {
        Probe probe = new();
        Scenario scenario = _scenario with { Expectations = [probe], Domains = [], Golden = null, Session = _scenario.Session with { Faults = sweepCase.Faults } };
        try
        {
            ScenarioResult result = ScenarioRunner.Run(scenario, stop);
            SweepEnding ending = Judge(result, probe);
            return new SweepResult(sweepCase.Label, ending, probe.Stage, Cause(ending, result, probe));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return new SweepResult(sweepCase.Label, SweepEnding.Bug, probe.Stage, $"{e.GetType().Name}: {WithoutNumbers(e.Message.Split('\n')[0])}");
        }
    }

    private SweepEnding Judge(ScenarioResult result, Probe probe) => result.Outcome.End switch
    {
        _ when probe.Miscount is not null => SweepEnding.Miscounted,
        SessionEnd.Unimplemented => SweepEnding.Unimplemented,
        SessionEnd.LimitReached when CleanEnd != SessionEnd.LimitReached => SweepEnding.Hung,
        _ when result.Mismatches.Any(m => m.Keyword == "faults") => SweepEnding.NotReached,
        SessionEnd.BuildFailed => probe.DomainLeft ? SweepEnding.LeftBehind : SweepEnding.Refused,
        SessionEnd end => end == CleanEnd ? SweepEnding.Unnoticed : SweepEnding.OtherEnd,
    };

    private static string Cause(SweepEnding ending, ScenarioResult result, Probe probe) => ending switch
    {
        SweepEnding.Miscounted => WithoutNumbers(probe.Miscount!),
        SweepEnding.Refused or SweepEnding.LeftBehind => probe.Message,
        SweepEnding.Unnoticed or SweepEnding.NotReached => "",
        _ => WithoutNumbers(result.Outcome.Detail),
    };

    /// <summary>Addresses and counts differ from case to case although the cause is the same.</summary>
    internal static string WithoutNumbers(string text) => Numbers().Replace(text, "#");

    [GeneratedRegex("0x[0-9a-fA-F]+|[0-9a-f]{8,}|[0-9]+")]
    private static partial Regex Numbers();

    /// <summary>Looks at the session when it is over, in the place of the scenario's own expectations.</summary>
    private sealed class Probe : IExpectation
    {
        public string Keyword => OutcomeExpectation.Word + "-seen";

        public Mark Mark => new(1, 1);

        public Moment Moment => Moment.End;

        public IReadOnlyList<XenEvent> Events { get; private set; } = [];

        public bool DomainLeft { get; private set; }

        public string? Miscount { get; private set; }

        public string Stage { get; private set; } = "";

        public string Message { get; private set; } = "";

        public string? Check(IEvidence evidence)
        {
            Events = [.. evidence.Events.Select(e => e.Event)];
            DomainLeft = evidence.FindDomain(evidence.Subject) is not null;
            Miscount = evidence.RecountFrames();
            StageFailed? failed = Events.OfType<StageFailed>().FirstOrDefault(f => !f.Injected) ?? Events.OfType<StageFailed>().FirstOrDefault();
            (Stage, Message) = failed is null ? ("", "") : (failed.Stage, WithoutNumbers(failed.Message));
            return null;
        }
    }
}
