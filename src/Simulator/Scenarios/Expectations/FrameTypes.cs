using XenSim.Hypervisor.Memory;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary>Xen's names of the types that a frame can have.</summary>
internal static class FrameTypes
{
    public static IReadOnlyList<string> Names { get; } = Enum.GetNames<PageType>();
}
