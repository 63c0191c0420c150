namespace XenSim.Toolstack.XenStore;

/// <summary>A limit on what an unprivileged domain may use, as <c>xenstore-control quota</c> shows and sets it.</summary>
internal sealed class StoreQuota(string name, int value, string description)
{
    public string Name { get; } = name;

    public int Value { get; set; } = value;

    public string Description { get; } = description;
}

/// <summary>What an unprivileged domain may use.</summary>
/// <remarks>RELEASE-4.17.7 tools/xenstore/xenstored_core.c: quota_*; xenstored_control.c: hard_quotas, soft_quotas. RELEASE-4.0.4: the first four of them.</remarks>
internal sealed class StoreQuotas
{
    /// <summary>XENSTORE_PAYLOAD_MAX. Unit: bytes.</summary>
    public const int Payload = 4096;

    public StoreQuotas()
    {
        Hard = [Nodes, Watches, Transactions, Outstanding, TransactionNodes, Memory, NodeSize, PathMax, Permissions];
        Soft = [MemoryWarning];
    }

    public StoreQuota Nodes { get; } = new("nodes", 1000, "Nodes per domain");

    public StoreQuota Watches { get; } = new("watches", 128, "Watches per domain");

    public StoreQuota Transactions { get; } = new("transactions", 10, "Transactions per domain");

    public StoreQuota Outstanding { get; } = new("outstanding", 20, "Outstanding requests per domain");

    public StoreQuota TransactionNodes { get; } = new("transaction-nodes", 1024, "Max. number of accessed nodes per transaction");

    /// <summary>Unit: bytes.</summary>
    public StoreQuota Memory { get; } = new("memory", (2 * 1024 * 1024) + (512 * 1024), "Total Xenstore memory per domain (error level)");

    /// <summary>Of the whole record with its permissions and children's names. Unit: bytes.</summary>
    public StoreQuota NodeSize { get; } = new("node-size", 2048, "Max. size of a node");

    /// <summary>Below a domain's home, or of an absolute path.</summary>
    public StoreQuota PathMax { get; } = new("path-max", StorePath.RelativeLimit, "Max. length of a node path");

    public StoreQuota Permissions { get; } = new("permissions", 5, "Max. number of permissions per node");

    /// <summary>Only a line in the log. Unit: bytes.</summary>
    public StoreQuota MemoryWarning { get; } = new("memory", 2 * 1024 * 1024, "Total Xenstore memory per domain (warning level)");

    public IReadOnlyList<StoreQuota> Hard { get; }

    public IReadOnlyList<StoreQuota> Soft { get; }
}
