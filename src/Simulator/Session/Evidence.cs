using System.Security.Cryptography;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>What expectations see of a session.</summary>
/// <param name="of">The domain that they are about; null: the one that the session is about.</param>
internal sealed class Evidence(BootSession session, EventLog log, SessionDomain? of = null) : IEvidence
{
    public IReadOnlyList<TimedEvent> Events => log.Events;

    public SessionOutcome? Outcome => of is null ? session.Outcome : of.Outcome;

    public GuestEntry? Entry => of is null ? session.Entry : session.EntryOf(of);

    public IReadOnlyList<WrittenHypercallPage> HypercallPages => session.HypercallPages;

    public DomainId? Subject => of is null ? session.Subject : of.Id == DomainId.Invalid ? null : of.Id;

    public Guid? Uuid => of is null ? session.Uuid : of.Build?.Guest.Configuration.Uuid;

    public RemainingDomain? FindDomain(DomainId? id)
        => id is { } known && session.Xen.FindDomain(known) is { } d ? new RemainingDomain(d.PauseCount > 0, d.IsShutDown, d.TotPages) : null;

    public bool TryReadVirtual(VirtualAddress address, Span<byte> destination)
        => FindSubject() is { Vcpus.Count: > 0 } d && GuestView.TryReadVirtual(d, address.Value, destination);

    public bool TryReadPhysical(ulong address, Span<byte> destination)
        => FindSubject() is { } d && GuestView.TryReadPhysical(d, address, destination);

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
        return FindSubject() is { } domain ? (ulong)session.Xen.Frames.OwnedBy(domain).LongCount(f => session.Xen.Frames[f].Type == wanted) : null;
    }

    public string? CompareSnapshot(SnapshotComparison wanted) => session.CompareSnapshot(wanted);

    public string? DigestMemory()
    {
        if (FindSubject() is not { } domain)
            return null;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Mfn mfn in session.Xen.Frames.OwnedBy(domain).OrderBy(m => session.Xen.M2p.Get(m).Value).ThenBy(m => m.Value))
            hash.AppendData(session.Xen.Memory.Readable(mfn.Value));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private Domain? FindSubject() => Subject is { } id ? session.Xen.FindDomain(id) : null;
}
