using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>Builds <see cref="CallDescription"/>s: only when an event consumer or a fault wants them.</summary>
internal static class Describe
{
    public static CallDescription Call(string? subOperation, params Argument[] arguments) => new(subOperation, null, arguments);

    public static CallDescription Call(string? subOperation, ushort target, params Argument[] arguments)
        => new(subOperation, new DomainId(target), arguments);

    public static Argument Arg(string name, ulong value) => new(name, value);

    public static Argument Text(string name, string text) => new(name, 0, text);
}
