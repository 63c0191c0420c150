namespace XenSim.Architecture.Tests.Samples;

/// <summary>Makes this assembly refer to everything, so that the import rules have something to reject.</summary>
public static class KnowsEverything
{
    public static IReadOnlyList<Type> Types { get; } =
    [
        typeof(Guest.Cpu.VirtualCpu), typeof(Hypervisor.Public.XenErrno), typeof(Hypervisor.Xen), typeof(Toolstack.DomainBuild),
        typeof(Iced.Intel.Instruction), typeof(Simulator.Session.BootPath),
    ];
}
