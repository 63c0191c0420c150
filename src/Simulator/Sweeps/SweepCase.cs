using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Sweeps;

/// <summary>One boot of a sweep: the scenario with these faults.</summary>
internal sealed record SweepCase(IReadOnlyList<Fault> Faults)
{
    /// <summary>Unique in a sweep, and stable: a journal knows the case by it.</summary>
    public string Label => string.Join(" and ", Faults.Select(Describe));

    public static string Describe(Fault fault)
    {
        string which = fault switch
        {
            { Occurrence: { } only } => $", call {only}",
            { Every: { } every } => $", every {every}.",
            { OneIn: { } many } => $", one in {many}, seed {fault.Seed}",
            _ => "",
        };
        string what = fault.Point == FaultPoint.Garbled ? $" seed {fault.Seed}" : fault.Errno == XenErrno.None ? "" : $" {fault.Errno}";
        return $"{fault.Point.ToString().ToLowerInvariant()} {fault.Name}{which}{what}";
    }
}
