namespace XenSim.Simulator;

/// <summary>What the program's exit codes mean; documented in every command's help.</summary>
public enum ExitCode
{
    Success = 0,

    /// <summary>run: an expectation failed. boot, create: the guest crashed or was refused.</summary>
    Failure = 1,

    /// <summary>The user's input is wrong.</summary>
    BadInput = 2,

    /// <summary>Stopped at something that is not implemented, which is named.</summary>
    Unimplemented = 3,

    LimitReached = 4,

    /// <summary>A bug in XenSim (EX_SOFTWARE of sysexits.h).</summary>
    InternalError = 70,

    /// <summary>Ctrl-C (128 + SIGINT, as shells count).</summary>
    Interrupted = 130,
}
