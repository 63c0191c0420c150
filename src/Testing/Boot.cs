using System.Text;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;
using Xunit.v3;

namespace XenSim.Testing;

/// <summary>What happened in a boot that has ended.</summary>
public sealed class Boot
{
    private readonly EventLog _log;

    private Boot(ScenarioResult result, EventLog log)
    {
        _log = log;
        Outcome = result.Outcome;
        Instructions = result.Instructions;
    }

    /// <summary>How it ended.</summary>
    public SessionOutcome Outcome { get; }

    /// <summary>Guest instructions retired.</summary>
    public long Instructions { get; }

    /// <summary>Everything that happened, in order and in virtual time, port and MSR accesses excepted.</summary>
    public IReadOnlyList<TimedEvent> Events => _log.Events;

    /// <summary>The text of all guests' consoles in the order it came, as Latin-1.</summary>
    public string Console => string.Concat(EventsOf<ConsoleOutput>().Select(c => Encoding.Latin1.GetString(c.Bytes)));

    /// <summary>Names of the stages entered, in order: the functions of the boot path.</summary>
    public IEnumerable<string> Stages => EventsOf<StageEntered>().Select(s => s.Stage);

    /// <summary>Log lines of the tools and of Xen, as they print them.</summary>
    public IEnumerable<string> Log => EventsOf<LogLine>().Select(l => l.Rendered);

    /// <summary>The events of one kind.</summary>
    public IEnumerable<TEvent> EventsOf<TEvent>()
        where TEvent : XenEvent
        => _log.Events.Select(e => e.Event).OfType<TEvent>();

    /// <summary>Hypercalls that returned, in order.</summary>
    /// <param name="name">Xen's name of the call or sub-operation, as in <c>XEN_DOMCTL_hypercall_init</c>; null: all.</param>
    /// <param name="by">Who made them; null: anybody.</param>
    public IEnumerable<HypercallReturned> Hypercalls(string? name = null, Issuer? by = null)
        => EventsOf<HypercallReturned>().Where(h => (name is null || h.Name == name || h.SubOperation == name) && (by is null || h.Issuer == by));

    internal static Boot Run(Scenario scenario, CancellationToken stop)
    {
        EventLog log = new();
        ScenarioResult result = ScenarioRunner.Run(scenario, stop, log);
        Boot boot = new(result, log);
        if (result.Skipped)
            throw new SkippedException(result.Outcome.Detail);
        return result.Verdict == ExitCode.Success ? boot : throw new ScenarioFailedException(result, boot);
    }

    /// <summary>xunit takes an exception whose message begins so for a test that skipped itself.</summary>
    private sealed class SkippedException(string reason) : Exception(DynamicSkipToken.Value + reason);
}
