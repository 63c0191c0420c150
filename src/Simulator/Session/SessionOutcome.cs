namespace XenSim.Simulator.Session;

/// <summary>How a session ended.</summary>
public enum SessionEnd
{
    /// <summary>The domain shut down with reason poweroff.</summary>
    PoweredOff,
    Rebooted,
    Suspended,
    Crashed,

    /// <summary>The tools destroyed the domain.</summary>
    Destroyed,

    /// <summary>No vCPU can ever run again: halted for good.</summary>
    Halted,

    /// <summary>What <c>until</c> names was reached.</summary>
    UntilReached,

    /// <summary>The domain was built and left paused.</summary>
    Paused,

    /// <summary>The tools, or Xen before its dom0, gave up.</summary>
    BuildFailed,
    LimitReached,

    /// <summary>Something real Xen does and XenSim does not (yet), named in the detail.</summary>
    Unimplemented,

    /// <summary>The user pressed Ctrl-C.</summary>
    Interrupted,
}

/// <param name="Detail">One line for people; the name of what is unimplemented.</param>
/// <param name="ToolExitCode">Exit code of xl; null on the dom0 path.</param>
/// <param name="BadImage">The kernel image itself was refused: the user's input is at fault.</param>
public sealed record SessionOutcome(SessionEnd End, string Detail, int? ToolExitCode = null, bool BadImage = false);
