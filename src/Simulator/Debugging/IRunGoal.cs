using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging;

/// <summary>Until where a session is to run. Asked on the session's thread while the debugger's waits.</summary>
internal interface IRunGoal
{
    /// <summary>The tick at which a vCPU that is about to run has to be shown at the latest; <see cref="long.MaxValue"/>: none in particular.</summary>
    long NextTick { get; }

    /// <summary>Addresses before which, and ranges on whose access, it has to be shown too.</summary>
    bool WantsTraps { get; }

    /// <summary>Whether to hold the session in this event.</summary>
    bool HoldsInEvent(JournalEntry entry);

    /// <summary>Whether to hold it here, where a vCPU is about to run.</summary>
    /// <param name="accesses">Watched accesses since the last time, by ranges of <see cref="DebugTraps.Ranges"/>.</param>
    bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses);
}
