using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

/// <summary>A watch: events go to the connection with this token.</summary>
/// <param name="Relative">The client gave a path relative to its home and gets relative ones.</param>
internal sealed record StoreWatch(string Path, string Token, bool Relative);

/// <summary>A transaction: its own tree, what it did, and the generations of the nodes it saw.</summary>
internal sealed class StoreTransaction(StoreTree tree)
{
    public StoreTree Tree { get; } = tree;

    /// <summary>The store's generation when it started (4.0.4 compares only that).</summary>
    public long Start { get; } = tree.Generation;

    /// <summary>The tree as it was then: a node's generation is taken from here, whatever the transaction has done around it since.</summary>
    public StoreTree Base { get; } = tree.Copy();

    /// <summary>Generation of each node at its first access; -1: did not exist.</summary>
    public Dictionary<string, long> Seen { get; } = [];

    /// <summary>Changes to repeat on the live tree at the end, with the paths whose watches fire.</summary>
    public List<(Action<StoreTree> Apply, StoreChange Change)> Changes { get; } = [];

    public int Created { get; set; }
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

    /// <summary>conn_delete_all_watches, conn_delete_all_transactions.</summary>
    internal void Reset()
    {
        Transactions.Clear();
        Watches.Clear();
    }
}
