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

    public Guid? Uuid => session.Uuid;

    public RemainingDomain? FindDomain(DomainId? id)
        => id is { } known && session.Xen.FindDomain(known) is { } d ? new RemainingDomain(d.PauseCount > 0, d.IsShutDown, d.TotPages) : null;

    public bool TryReadVirtual(VirtualAddress address, Span<byte> destination)
        => session.FindSubject() is { Vcpus.Count: > 0 } d && GuestView.TryReadVirtual(d, address.Value, destination);

    public bool TryReadPhysical(ulong address, Span<byte> destination)
        => session.FindSubject() is { } d && GuestView.TryReadPhysical(d, address, destination);

    public string? ReadXenStore(string path) => session.ReadXenStore(path);
}
