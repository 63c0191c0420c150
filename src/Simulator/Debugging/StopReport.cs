using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

public enum StopReason
{
    /// <summary>The session has not begun.</summary>
    Start,

    /// <summary>A step is done.</summary>
    Step,
    Breakpoint,
    Watchpoint,

    /// <summary>What was gone to has been reached.</summary>
    Reached,

    /// <summary>Backwards, and there is nothing before this.</summary>
    BeginOfHistory,

    /// <summary>The session is over: <see cref="StopReport.Outcome"/>. One can still go back.</summary>
    EndOfHistory,

    /// <summary>The user asked for it.</summary>
    Interrupted,
}

/// <summary>A vCPU by name.</summary>
public readonly record struct VcpuId(DomainId Domain, int Vcpu)
{
    public override string ToString() => $"{Domain}v{Vcpu}";
}

/// <summary>What a watchpoint saw.</summary>
/// <param name="Old">The bytes when it was last looked at, or before the access.</param>
/// <param name="New">The bytes now.</param>
/// <param name="By">Who did it, in words: a guest instruction by address, or a stage.</param>
public sealed record WatchReport(ulong Address, bool Write, byte[] Old, byte[] New, string By);

/// <summary>Where a run stopped and why: data for every front.</summary>
public sealed record StopReport(StopReason Reason, Position Position)
{
    /// <summary>The event that is being told, when the position is in one.</summary>
    public XenEvent? Event { get; init; }

    /// <summary>The stages and hypercalls that are open, innermost first; null: none.</summary>
    public CallFrame? Stack { get; init; }

    /// <summary>The vCPU that is running or whose exit is being handled.</summary>
    public VcpuId? Vcpu { get; init; }

    /// <summary>RIP of that vCPU, whatever its mode.</summary>
    public ulong? InstructionPointer { get; init; }

    /// <summary>The breakpoints and watchpoints that stopped it.</summary>
    public IReadOnlyList<Breakpoint> Hit { get; init; } = [];

    public WatchReport? Watch { get; init; }

    /// <summary>How the session ended; null while it goes on.</summary>
    public SessionOutcome? Outcome { get; init; }
}
