using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>Something typed at the guest's console.</summary>
/// <param name="WaitFor">Typed when this has appeared after the text of the step before; empty: at once.</param>
public sealed record ConsoleStep(string WaitFor, string Type);

/// <summary>
/// Somebody at the guest's console: waits for texts and types. What is typed comes between two of the guest's instructions that its own
/// output decides, so the same script gives the same run.
/// </summary>
/// <param name="subject">The domain whose console it is.</param>
/// <param name="interrupt">Makes the run come back, so that there is an occasion to type.</param>
internal sealed class ConsoleScript(IReadOnlyList<ConsoleStep> steps, Func<DomainId?> subject, Action interrupt) : IEventConsumer
{
    private readonly StringBuilder _seen = new();
    private int _next;

    /// <summary>Steps that are still waiting for their text.</summary>
    public IEnumerable<ConsoleStep> Remaining => steps.Skip(_next);

    /// <summary>The bytes to type now; null: none.</summary>
    public byte[]? Due => _next < steps.Count && IsSeen(steps[_next].WaitFor) ? Encoding.UTF8.GetBytes(steps[_next].Type) : null;

    public bool Wants(Type eventType) => eventType == typeof(ConsoleOutput) && steps.Count > 0;

    public void On(in TimedEvent e)
    {
        if (e.Event is not ConsoleOutput output || output.Domain != subject() || _next == steps.Count)
            return;
        _seen.Append(Encoding.Latin1.GetString(output.Bytes));
        if (IsSeen(steps[_next].WaitFor))
            interrupt();
    }

    /// <summary>The bytes of <see cref="Due"/> have been typed: the next step looks at what comes after its text.</summary>
    public void Typed()
    {
        string text = steps[_next].WaitFor;
        _seen.Remove(0, text.Length == 0 ? 0 : _seen.ToString().IndexOf(text, StringComparison.Ordinal) + text.Length);
        _next++;
    }

    private bool IsSeen(string text) => text.Length == 0 || _seen.ToString().Contains(text, StringComparison.Ordinal);
}
