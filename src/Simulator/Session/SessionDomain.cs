using XenSim.Hypervisor.Public;
using XenSim.Toolstack;

namespace XenSim.Simulator.Session;

/// <summary>One of a session's domains: what it was made of, its number, and how it ended.</summary>
public sealed class SessionDomain(GuestSpec spec)
{
    public GuestSpec Spec { get; } = spec;

    /// <summary>Number of the domain, of the last one if xl created it again; <see cref="DomainId.Invalid"/> until it is built.</summary>
    public DomainId Id { get; internal set; } = DomainId.Invalid;

    /// <summary>Null while it runs.</summary>
    public SessionOutcome? Outcome { get; internal set; }

    /// <summary>How often xl has created it again.</summary>
    public ulong Restarts { get; internal set; }

    /// <summary>The run of xl create that made it; null for a dom0, and until it is built.</summary>
    internal DomainBuild? Build { get; set; }

    /// <summary>The xl that waits for its end; null: none does.</summary>
    internal DomainBuild? Waiting { get; set; }
}
