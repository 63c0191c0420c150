using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack;

/// <summary>What the tools in dom0 stand on.</summary>
public sealed record ToolstackOptions
{
    public required XenRelease Release { get; init; }

    public required IHypercallChannel Channel { get; init; }

    public required IForeignMemory Foreign { get; init; }

    public IToolEvents? ToolEvents { get; init; }

    public required IToolStore Store { get; init; }

    public required IEventSink Events { get; init; }

    /// <summary>Asked with a stage's name before its work; a failed outcome replaces the work.</summary>
    public Func<string, StageOutcome?>? Faults { get; init; }

    /// <summary>CPUID as dom0's user space sees it (leaf, subleaf → EAX, EBX, ECX, EDX): 4.0's tools read the host's features with it.</summary>
    public Func<uint, uint, (uint A, uint B, uint C, uint D)> HostCpuid { get; init; } = static (_, _) => default;

    /// <summary>
    /// Opens the file for the core of the domain with this name, which the tools close; null: it cannot be opened. By default the core is made and nobody keeps it.
    /// </summary>
    public Func<string, Stream?> CoreFile { get; init; } = static _ => Stream.Null;

    /// <summary>gettimeofday of dom0, in microseconds since 1970: only <c>start_time</c> in xenstore shows it.</summary>
    public Func<ulong> MicrosecondsSince1970 { get; init; } = static () => 0;
}
