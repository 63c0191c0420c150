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

    public long Instructions => 0;

    public GuestEntry? Entry { get; private set; }

    public DomainId? Subject { get; private set; }

    public IReadOnlyList<Fault> UnfiredFaults => _faults.Unfired;

    public SessionOutcome Run(CancellationToken stop) => new(SessionEnd.Unimplemented, $"path {_options.Path}");

    public SessionOutcome? Outcome { get; private set; }
    public IReadOnlyList<WrittenHypercallPage> HypercallPages => [];
    public Scenarios.Expectations.DomainState? StateOf(DomainId d) => null;
    public bool TryReadVirtual(VirtualAddress address, Span<byte> destination) => false;
    public bool TryReadPhysical(ulong address, Span<byte> destination) => false;
    public string? ReadXenStore(string path) => null;

    public void Dispose()
    {
    }
}
