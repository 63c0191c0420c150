using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>What expectations see of a session.</summary>
internal sealed class Evidence(BootSession session, EventLog log) : IEvidence
{
    public IReadOnlyList<TimedEvent> Events => log.Events;

    public SessionOutcome? Outcome => session.Outcome;

    public GuestEntry? Entry => session.Entry;

    public IReadOnlyList<WrittenHypercallPage> HypercallPages => session.HypercallPages;

    public DomainId? Subject => session.Subject;

    public DomainState? Domain => session.Subject is { } d ? session.StateOf(d) : null;

    public bool TryReadVirtual(VirtualAddress address, Span<byte> destination) => session.TryReadVirtual(address, destination);

    public bool TryReadPhysical(ulong address, Span<byte> destination) => session.TryReadPhysical(address, destination);

    public string? ReadXenStore(string path) => session.ReadXenStore(path);
}
