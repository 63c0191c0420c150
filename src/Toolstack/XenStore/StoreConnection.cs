using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

/// <summary>A watch: events go to the connection with this token.</summary>
/// <param name="Relative">The client gave a path relative to its home and gets relative ones.</param>
internal sealed record StoreWatch(string Path, string Token, bool Relative)
{
    /// <summary>What it counts for in the domain's memory. Unit: bytes.</summary>
    public int Account => Path.Length + Token.Length;
}

/// <summary>A client of xenstored: the tools' socket or a guest's ring.</summary>
public sealed class StoreConnection
{
    private readonly Action<string, string> _deliver;

    internal StoreConnection(DomainId domain, Action<string, string> deliver)
    {
        Domain = domain;
        _deliver = deliver;
    }

    public DomainId Domain { get; }

    /// <summary>SET_TARGET: a stub domain acts with the rights of its guest.</summary>
    public DomainId? Target { get; internal set; }

    /// <summary>Whether its requests become events; a daemon's own do not, they would hide those of the tools.</summary>
    internal bool IsTraced { get; init; } = true;

    internal List<StoreWatch> Watches { get; } = [];

    internal Dictionary<uint, StoreTransaction> Transactions { get; } = [];

    internal uint NextTransaction { get; set; } = 1;

    internal bool IsPrivileged => Domain == DomainId.Dom0;

    internal void Deliver(string path, string token) => _deliver(path, token);
}
