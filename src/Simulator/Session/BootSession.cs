using XenSim.Hypervisor.Public;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>
/// One boot: event stream, Xen, the tools, their daemons and run control. The only owner of state; the same options give the same
/// events, to the instruction.
/// </summary>
public sealed class BootSession : IDisposable
{
    private readonly SessionOptions _options;
    private readonly FaultPlan _faults;

    public BootSession(SessionOptions options, IReadOnlyList<IEventConsumer> consumers)
    {
        _options = options;
        _faults = new FaultPlan(options.Faults);
        Events = new EventStream(() => 0);
        foreach (IEventConsumer consumer in consumers)
            Events.Add(consumer);
    }

    public EventStream Events { get; }

    /// <summary>Called when a guest is about to run its first instruction.</summary>
    public Action? AtEntry { get; set; }

    public long Instructions { get; private set; }

    public GuestEntry? Entry { get; private set; }

    public DomainId? Subject { get; private set; }

    public SessionOutcome? Outcome { get; private set; }

    public IReadOnlyList<WrittenHypercallPage> HypercallPages { get; } = [];

    public IReadOnlyList<Fault> UnfiredFaults => _faults.Unfired;

    public SessionOutcome Run(CancellationToken stop)
        => Outcome = new SessionOutcome(stop.IsCancellationRequested ? SessionEnd.Interrupted : SessionEnd.Unimplemented, $"the hypervisor is not connected yet (path {_options.Path})");

    public Scenarios.Expectations.DomainState? StateOf(DomainId domain) => throw new NotSupportedException($"{domain}: the hypervisor is not connected yet");

    public bool TryReadVirtual(VirtualAddress address, Span<byte> destination) => throw new NotSupportedException($"{address}: the hypervisor is not connected yet");

    public bool TryReadPhysical(ulong address, Span<byte> destination) => throw new NotSupportedException($"{address}: the hypervisor is not connected yet");

    public string? ReadXenStore(string path) => throw new NotSupportedException($"{path}: xenstored is not connected yet");

    public void Dispose()
    {
    }
}
