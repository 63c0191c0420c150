using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Scheduling;

/// <summary>Looks on, and may hold up a run between two instructions of a guest. Being asked changes nothing of the machine.</summary>
public interface IRunProbe
{
    /// <summary>A vCPU is about to run.</summary>
    /// <param name="budget">Instructions left of its slice, at least 1.</param>
    /// <returns>Instructions after which to ask again, at most <paramref name="budget"/>; 0 ends the slice.</returns>
    long Before(Vcpu vcpu, long budget);

    /// <summary>It ran as long as was said, or came to a place in <see cref="DebugTraps"/>. Exits that concern Xen are not told.</summary>
    void After(Vcpu vcpu, in CpuExit exit);
}
