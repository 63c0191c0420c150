using System.Security.Cryptography;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
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

    public string? RecountFrames()
    {
        foreach (Domain domain in session.Xen.Domains.Where(d => !d.IsHvm))
        {
            if (new PageCountAudit(domain).Check() is { } wrong)
                return $"{domain.Id}: {wrong}";
        }

        return null;
    }

    public ulong? CountFrames(string type)
    {
        PageType wanted = Enum.Parse<PageType>(type);
        return session.FindSubject() is { } domain ? (ulong)session.Xen.Frames.OwnedBy(domain).LongCount(f => session.Xen.Frames[f].Type == wanted) : null;
    }

    public string? DigestMemory()
    {
        if (session.FindSubject() is not { } domain)
            return null;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Mfn mfn in session.Xen.Frames.OwnedBy(domain).OrderBy(m => session.Xen.M2p.Get(m).Value).ThenBy(m => m.Value))
            hash.AppendData(session.Xen.Memory.Readable(mfn.Value));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
