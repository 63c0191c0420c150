using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>Stages as plain indented lines, for pipes and log files.</summary>
public sealed class StageLines(TextWriter output) : IEventConsumer
{
    public bool Wants(Type eventType) => eventType == typeof(StageEntered) || eventType == typeof(StageFailed);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case StageEntered entered:
                output.WriteLine($"{Indent(entered.Depth)}{entered.Stage}");
                break;
            case StageFailed failed:
                output.WriteLine($"{Indent(failed.Depth)}{failed.Stage} failed: {Describe(failed)}");
                break;
            default:
                throw new ArgumentException($"not asked for: {e.Event.GetType().Name}", nameof(e));
        }
    }

    /// <summary>Code, errno, message and whether it was injected.</summary>
    public static string Describe(StageFailed failed)
    {
        string errno = failed.Errno == Hypervisor.Public.XenErrno.None ? "" : $", {failed.Errno}";
        string message = failed.Message.Length == 0 ? "" : $": {failed.Message}";
        return $"{failed.Code}{errno}{message}{(failed.Injected ? " (injected)" : "")}";
    }

    private static string Indent(int depth) => new(' ', 2 * depth);
}
