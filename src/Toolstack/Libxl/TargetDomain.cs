using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxc.Dom;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl_domain_build_state: ports and frames of the two rings. A failed, unchecked call leaves -1 in a port.</summary>
public sealed record BuildState(uint StorePort = uint.MaxValue, uint ConsolePort = uint.MaxValue, ulong StoreMfn = 0, ulong ConsoleMfn = 0);

/// <summary>One domain while libxl makes and builds it.</summary>
public sealed class TargetDomain(DomainConfiguration configuration)
{
    public DomainConfiguration Configuration { get; } = configuration;

    /// <summary>libxl's domid: a uint32 that holds -1 (4.0) or INVALID_DOMID (4.17) until the domain exists.</summary>
    public uint Domid { get; internal set; } = uint.MaxValue;

    public DomainId Id => new((ushort)Domid);

    /// <summary>Whether createdomain has succeeded (the domain may have been destroyed again since).</summary>
    public bool Created { get; internal set; }

    /// <summary>Whether xl destroyed the domain after a failure.</summary>
    public bool Destroyed { get; internal set; }

    public BuildState State { get; internal set; } = new();

    /// <summary>struct xc_dom_image; stays readable after xc_dom_release.</summary>
    public DomImage? Image { get; internal set; }

    /// <summary>The domain's path in xenstore, e.g. <c>/local/domain/1</c>.</summary>
    public string Path { get; internal set; } = "";

    internal string VmPath => $"/vm/{Configuration.Uuid:D}";

    internal uint Transaction { get; set; }

    internal bool IsHvm => Configuration.Type != DomainType.pv;
}
