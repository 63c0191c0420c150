using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary>When an expectation is looked at.</summary>
public enum Moment
{
    /// <summary>The domain is built, its first instruction has not run.</summary>
    Entry,

    /// <summary>The session is over.</summary>
    End,
}

/// <summary>Something a scenario says will be so.</summary>
public interface IExpectation
{
    /// <summary>The keyword it was written under.</summary>
    string Keyword { get; }

    /// <summary>Where it stands in the scenario.</summary>
    Mark Mark { get; }

    Moment Moment { get; }

    /// <summary>Types of events that it has to find in the log.</summary>
    IReadOnlyList<string> Events => [];

    /// <summary>Null when it holds, else one line: what was expected and what came instead.</summary>
    string? Check(IEvidence evidence);
}

/// <summary>What expectations may look at.</summary>
public interface IEvidence
{
    IReadOnlyList<TimedEvent> Events { get; }

    /// <summary>Null while the session runs.</summary>
    SessionOutcome? Outcome { get; }

    /// <summary>Null when no guest instruction was ever about to run.</summary>
    GuestEntry? Entry { get; }

    /// <summary>In the order they were written.</summary>
    IReadOnlyList<WrittenHypercallPage> HypercallPages { get; }

    /// <summary>The domain the scenario is about; null if it never came into being.</summary>
    DomainId? Subject { get; }

    /// <summary>xenstore's name of the subject's uuid; null if it never came into being.</summary>
    Guid? Uuid { get; }

    /// <summary>A domain's life now: null when there is none or it is gone.</summary>
    RemainingDomain? FindDomain(DomainId? id);

    /// <summary>Reads memory as the subject's vCPU 0 sees it; false if it is not mapped.</summary>
    bool TryReadVirtual(VirtualAddress address, Span<byte> destination);

    /// <summary>Reads a pseudo-physical page of the subject; false if there is none.</summary>
    bool TryReadPhysical(ulong address, Span<byte> destination);

    /// <summary>A node of xenstore; null if it does not exist.</summary>
    string? ReadXenStore(string path);

    /// <summary>Every PV domain's frames against its page tables: the first that is wrong, in words; null: none.</summary>
    string? RecountFrames();

    /// <summary>How many of the subject's frames have this type; null: there is no subject.</summary>
    ulong? CountFrames(string type);

    /// <summary>SHA-256 of the subject's memory; null: there is no subject.</summary>
    string? DigestMemory();

    /// <summary>A snapshot of the script against memory now: what is not as wanted; null: all is.</summary>
    string? CompareSnapshot(SnapshotComparison wanted);
}

/// <summary>What is left of a domain.</summary>
/// <param name="Pages">Pages it owns.</param>
public sealed record RemainingDomain(bool Paused, bool ShutDown, ulong Pages);

/// <summary>An expectation made of a check and its place, so that a keyword is one function.</summary>
internal sealed class Expectation(string keyword, Mark mark, Moment moment, Func<IEvidence, string?> check, IReadOnlyList<string>? events = null) : IExpectation
{
    public IReadOnlyList<string> Events => events ?? [];

    public string Keyword => keyword;

    public Mark Mark => mark;

    public Moment Moment => moment;

    public string? Check(IEvidence evidence)
        => moment == Moment.Entry && evidence.Entry is null ? "no guest ever started" : check(evidence);
}
