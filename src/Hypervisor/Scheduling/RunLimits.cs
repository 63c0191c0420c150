namespace XenSim.Hypervisor.Scheduling;

/// <summary>When <see cref="Xen.Run"/> comes back at the latest, and what it asks on the way.</summary>
public sealed record RunLimits
{
    /// <summary>Guest instructions of this run, all vCPUs together; null = no limit.</summary>
    public long? Instructions { get; init; }

    /// <summary>Absolute virtual time. Unit: ns; null = no limit.</summary>
    public ulong? UntilNanoseconds { get; init; }

    /// <summary>Absolute virtual time at which somebody outside has something to do: a machine that is idle waits for it. Unit: ns; null = never.</summary>
    public ulong? WakeNanoseconds { get; init; }

    /// <summary>Asked after every exit of a vCPU to Xen: true stops. Events may also call <see cref="Xen.RequestStop"/>.</summary>
    public Func<bool>? Until { get; init; }

    /// <summary>Asked between slices, at least every 30 million instructions: true ends the run. It has no part in what is scheduled when.</summary>
    public Func<bool>? Interrupted { get; init; }

    /// <summary>Called when a port that the tools bound became pending, so that the daemons can serve it before the guest goes on.</summary>
    public Action? ToolPortPending { get; init; }
}

/// <summary>Why <see cref="Xen.Run"/> came back.</summary>
public enum RunStopReason
{
    /// <summary>No vCPU can ever run again without outside help.</summary>
    Idle,

    /// <summary>A domain shut down: <see cref="RunStop.Domain"/>, reason in its ShutdownReason.</summary>
    DomainShutdown,

    /// <summary>The machine is off: <see cref="Xen.Ended"/>.</summary>
    MachineEnded,
    InstructionLimit,
    TimeLimit,

    /// <summary><see cref="RunLimits.WakeNanoseconds"/> has come.</summary>
    Woken,

    /// <summary>The session asked.</summary>
    Requested,

    /// <summary><see cref="RunLimits.Interrupted"/> said so.</summary>
    Interrupted,

    /// <summary>Something that real hardware or Xen has and XenSim lacks; <see cref="RunStop.Text"/> names it.</summary>
    Unimplemented,
}

/// <summary>How a run ended.</summary>
public sealed record RunStop(RunStopReason Reason, Public.DomainId? Domain = null, int? Vcpu = null, string Text = "");
