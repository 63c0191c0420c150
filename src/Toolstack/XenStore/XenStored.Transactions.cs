using System.Globalization;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

// Starts and ends of transactions.
public sealed partial class XenStored
{
    private StoreReply StartTransaction(StoreCall call)
    {
        if (call.Transaction is not null)
            return StoreReply.Fail(XenErrno.EBUSY);
        StoreConnection connection = call.Connection;
        if (!connection.IsPrivileged && connection.Transactions.Count > _quotas.Transactions.Value)
            return StoreReply.Fail(XenErrno.ENOSPC);
        uint id = connection.NextTransaction++;
        connection.Transactions[id] = _release == XenRelease.V4_0 ? new WholeStoreTransaction(_store) : new NodeTransaction(_store, connection, _quotas);
        return Reply(id.ToString(CultureInfo.InvariantCulture));
    }

    private StoreReply EndTransaction(StoreCall call, ReadOnlySpan<byte> payload)
    {
        string? how = OneArgument(payload);
        if (how is not ("T" or "F"))
            return StoreReply.Fail(XenErrno.EINVAL);
        if (call.Transaction is not { } transaction)
            return StoreReply.Fail(XenErrno.ENOENT);
        call.Connection.Transactions.Remove(call.Id);
        XenErrno error = how == "F" ? XenErrno.None : Commit(call.Connection, transaction);
        transaction.Drop();
        return error == XenErrno.None ? StoreReply.Ok : StoreReply.Fail(error);
    }

    private XenErrno Commit(StoreConnection connection, StoreTransaction transaction)
    {
        if (transaction.Failed && _release != XenRelease.V4_0)
            return XenErrno.ENOMEM;
        bool limited = _release != XenRelease.V4_0 && transaction.NodeCreated && !connection.IsPrivileged;
        if (limited && transaction.Entries.Any(e => _store.OwnedBy(e.Key) + e.Value >= _quotas.Nodes.Value))
            return XenErrno.ENOSPC; // transaction_fix_domains
        return transaction.Commit(ref _store, (path, exact, before) => Fire(path, exact, _release == XenRelease.V4_0 ? null : _store.Find(path), before, removed: !exact && _release == XenRelease.V4_0));
    }
}
