using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging;

/// <summary>What the guest prints, as it prints it.</summary>
public sealed partial class DebugSession
{
    private long _shown;

    /// <summary>
    /// Told what the guest that the session is about prints: while it runs, on the session's thread, with the caller's waiting. What was told once is not told again
    /// when the session comes by another time.
    /// </summary>
    public Action<byte[]>? GuestPrints { get; set; }

    /// <summary>What is printed after now is told again: somebody sees the session for the first time.</summary>
    public void ShowConsoleAgain() => _shown = Position.Event;

    private void Follow(JournalEntry entry)
    {
        if (entry.Event is not ConsoleOutput output || entry.Position.Event <= _shown || output.Domain != Inspect.Session.Subject)
            return;
        _shown = entry.Position.Event;
        GuestPrints?.Invoke(output.Bytes);
    }
}
