using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>The guest's console, byte for byte, as it comes.</summary>
/// <param name="domain">Whose console; null: everybody's.</param>
public sealed class ConsoleCopy(Stream output, Func<DomainId?> domain) : IEventConsumer
{
    public bool Wants(Type eventType) => eventType == typeof(ConsoleOutput);

    public void On(in TimedEvent e)
    {
        if (e.Event is not ConsoleOutput console || (domain() is { } wanted && wanted != console.Domain))
            return;
        output.Write(console.Bytes);
        output.Flush();
    }
}
