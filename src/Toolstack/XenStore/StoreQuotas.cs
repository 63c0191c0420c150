namespace XenSim.Toolstack.XenStore;

/// <summary>What an unprivileged domain may use. Source: tools/xenstore/xenstored_core.c of both releases (quota_*).</summary>
internal static class StoreQuotas
{
    public const int NodesPerDomain = 1000;
    public const int WatchesPerDomain = 128;
    public const int EntrySize = 2048;
    public const int Transactions = 10;
    public const int PermissionsPerNode = 5;
    public const int TransactionNodes = 1024;

    /// <summary>Hard limit on what is queued for a domain that does not read. Unit: bytes.</summary>
    public const int QueuedBytes = (2 * 1024 * 1024) + (512 * 1024);

    /// <summary>XENSTORE_PAYLOAD_MAX. Unit: bytes.</summary>
    public const int Payload = 4096;
}
