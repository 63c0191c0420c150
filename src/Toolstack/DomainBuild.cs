using XenSim.Toolstack.Libxc;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack;

/// <summary>domain_restart_type of xl.</summary>
public enum RestartType
{
    None,
    Normal,

    /// <summary>The old domain stays, under another name.</summary>
    Rename,
}

/// <summary>
/// One run of <c>xl create</c>: what its stages share. The domains that it makes hold their own small records, see
/// <see cref="TargetDomain"/>; a run makes one domain, or two with a stub domain.
/// </summary>
public sealed class DomainBuild
{
    internal DomainBuild(ToolstackOptions options, DomainConfiguration configuration, bool paused)
    {
        Options = options;
        Paused = paused;
        Guest = new TargetDomain(configuration);
        Current = Guest;
        Log = new ToolLog(options.Events, options.Release);
        Xc = new XenControl(options, Log);
    }

    public ToolstackOptions Options { get; }

    /// <summary>xl create -p: the last step, the unpause, is left out.</summary>
    public bool Paused { get; }

    /// <summary>The domain that the configuration asks for.</summary>
    public TargetDomain Guest { get; }

    /// <summary>Its stub domain, once libxl_create_stubdom has been entered.</summary>
    public TargetDomain? StubDomain { get; internal set; }

    /// <summary>The domain whose make and build are running.</summary>
    public TargetDomain Current { get; internal set; }

    /// <summary>Exit code of xl; null while it runs.</summary>
    public int? ExitCode { get; internal set; }

    /// <summary>What xl does next, once the domain has ended.</summary>
    public RestartType Restart { get; internal set; }

    /// <summary>SHUTDOWN_* that libxl has read; null while the domain lives.</summary>
    internal uint? ShutdownReason { get; set; }

    /// <summary>Somebody else destroyed the domain: libxl's LIBXL_EVENT_TYPE_DOMAIN_DEATH.</summary>
    internal bool IsGone { get; set; }

    /// <summary>The action that the configuration has for this end.</summary>
    internal EndAction Action { get; set; }

    /// <summary>A failure that xl answers with exit() on the spot, skipping its clean-up (macro MUST in 4.0).</summary>
    internal bool ExitedByMust { get; set; }

    internal ToolLog Log { get; }

    internal XenControl Xc { get; }

    /// <summary>What is done next is about the guest, whatever was built last.</summary>
    internal DomainBuild OnGuest()
    {
        Current = Guest;
        return this;
    }

    internal IToolStore Store => Options.Store;
}
