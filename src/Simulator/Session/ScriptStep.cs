using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Session;

/// <summary>What somebody in dom0 does to a domain by <c>xl</c>.</summary>
public enum ToolAction
{
    /// <summary><c>xl pause</c></summary>
    Pause,

    /// <summary><c>xl unpause</c></summary>
    Unpause,

    /// <summary><c>xl destroy</c></summary>
    Destroy,
}

/// <summary>An event from outside: of a port, or of a VIRQ that the vCPU has bound.</summary>
public sealed record Injection(Virq? Virq, uint? Port, uint Vcpu = 0);

/// <summary>Bytes of a domain's memory.</summary>
/// <param name="Virtual">As vCPU 0 sees them; else pseudo-physical (HVM: guest-physical).</param>
/// <param name="Length">Unit: bytes.</param>
public sealed record MemoryRange(bool Virtual, ulong Address, ulong Length)
{
    public override string ToString() => $"{(Virtual ? "virtual" : "physical")} 0x{Address:x}";
}

/// <summary>What must have become of memory since a snapshot.</summary>
/// <param name="Equal">Nothing has changed; false: something has.</param>
/// <param name="Within">Where it may have changed; empty: anywhere.</param>
public sealed record SnapshotComparison(string Snapshot, bool Equal, IReadOnlyList<MemoryRange> Within);

/// <summary>One step of a session's script: when, on which domain, and what is done. With nothing to be done it only waits.</summary>
public sealed record ScriptStep
{
    /// <summary>Console text to wait for, after that of the step before; empty: none.</summary>
    public string WaitFor { get; init; } = "";

    /// <summary>Time to let pass after the text, or after the step before. Unit: nanoseconds of virtual time.</summary>
    public ulong AfterNanoseconds { get; init; }

    /// <summary>Name of the domain; null: the one that the session is about.</summary>
    public string? Domain { get; init; }

    /// <summary>Typed at its console.</summary>
    public string? Type { get; init; }

    public ToolAction? Do { get; init; }

    public Injection? Inject { get; init; }

    /// <summary>Name under which memory is kept.</summary>
    public string? Snapshot { get; init; }

    /// <summary>What the snapshot is of; null: all of the domain's memory.</summary>
    public MemoryRange? Range { get; init; }

    public SnapshotComparison? Compare { get; init; }

    /// <summary>Where it stands in the scenario.</summary>
    public Mark? Mark { get; init; }

    /// <summary>Whether it is done by the tools of dom0.</summary>
    internal bool NeedsTools => Do is not null;

    public override string ToString() => this switch
    {
        { Type: not null } => "type",
        { Do: { } action } => action.ToString().ToLowerInvariant(),
        { Inject: not null } => "inject",
        { Snapshot: { } name } => $"snapshot {name}",
        { Compare: { } compare } => $"compare {compare.Snapshot}",
        _ => "wait",
    };
}

/// <summary>What went wrong with a step.</summary>
public sealed record ScriptFailure(ScriptStep Step, string Text);
