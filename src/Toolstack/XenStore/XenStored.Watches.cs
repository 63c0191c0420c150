using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

// Watches and who is told of what.
public sealed partial class XenStored
{
    private StoreReply Watch(StoreConnection connection, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length != 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        string path = StorePath.Canonical(connection.Domain.Value, words[0]);
        if (StorePath.IsSpecial(path) ? path.Length > StorePath.RelativeLimit : !IsValidPath(path))
            return StoreReply.Fail(XenErrno.EINVAL);
        var watch = new StoreWatch(path, words[1], Relative: !words[0].StartsWith('/') && !StorePath.IsSpecial(words[0]));
        if (connection.Watches.Exists(w => w.Path == path && w.Token == watch.Token))
            return StoreReply.Fail(XenErrno.EEXIST);
        if (!connection.IsPrivileged && connection.Watches.Count > _quotas.Watches.Value)
            return StoreReply.Fail(XenErrno.E2BIG);
        uint account = connection.Domain.Value;
        if (!connection.IsPrivileged && _release != XenRelease.V4_0 && _store.MemoryOf(account) + watch.Account >= _quotas.Memory.Value)
            return StoreReply.Fail(XenErrno.ENOMEM);
        _store.AddMemory(account, watch.Account);
        connection.Watches.Add(watch);
        return StoreReply.Ok;
    }

    private StoreReply Unwatch(StoreConnection connection, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length != 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        string path = StorePath.Canonical(connection.Domain.Value, words[0]);
        int at = connection.Watches.FindIndex(w => w.Path == path && w.Token == words[1]);
        if (at < 0)
            return StoreReply.Fail(XenErrno.ENOENT);
        _store.AddMemory(connection.Domain.Value, -connection.Watches[at].Account);
        connection.Watches.RemoveAt(at);
        return StoreReply.Ok;
    }

    /// <summary>conn_delete_all_watches, conn_delete_all_transactions.</summary>
    internal void Reset(StoreConnection connection)
    {
        foreach (StoreTransaction transaction in connection.Transactions.Values)
            transaction.Drop();
        foreach (StoreWatch watch in connection.Watches)
            _store.AddMemory(connection.Domain.Value, -watch.Account);
        connection.Transactions.Clear();
        connection.Watches.Clear();
    }

    /// <summary>A new watch fires once, after its acknowledgement.</summary>
    private static void FireNewWatch(StoreConnection connection)
    {
        StoreWatch watch = connection.Watches[^1];
        connection.Deliver(EventPath(connection, watch, watch.Path), watch.Token);
    }

    /// <summary>A node has changed: told now, or at the transaction's end.</summary>
    /// <param name="node">As it is, or was when it is gone; null: look it up.</param>
    /// <param name="before">Its permissions before, which count too; null: they are the same.</param>
    private void Changed(StoreCall call, string path, bool exact, StoreNode? node, StoreNode? before, bool removed = false)
    {
        if (call.Transaction is { } transaction)
        {
            transaction.Queue(path, exact: _release == XenRelease.V4_0 ? !removed : exact);
            return;
        }

        Fire(path, exact, node, before, removed);
    }

    /// <summary>fire_watches. 4.0 tells of a removal who watches something below, whether it was there or not.</summary>
    private void Fire(string path, bool exact, StoreNode? node, StoreNode? before, bool removed)
    {
        bool whole = _release == XenRelease.V4_0;
        foreach (StoreConnection connection in _connections.ToArray())
        {
            if (!whole && !MaySee(connection, path, node, before))
                continue;
            foreach (StoreWatch watch in connection.Watches.ToArray())
            {
                if (!whole && exact ? watch.Path == path : StorePath.IsChild(path, watch.Path))
                    connection.Deliver(EventPath(connection, watch, path), watch.Token);
                else if (whole && removed && StorePath.IsChild(watch.Path, path))
                    connection.Deliver(EventPath(connection, watch, watch.Path), watch.Token);
            }
        }
    }

    /// <summary>watch_permitted: who may read the node, could before, or may read its parent.</summary>
    private bool MaySee(StoreConnection connection, string path, StoreNode? node, StoreNode? before)
    {
        if (before is not null && (AccessOf(connection, before) & Access.Read) != 0)
            return true;
        if (node is null)
            return false;
        return (AccessOf(connection, node) & Access.Read) != 0
            || (_store.Find(StorePath.Parent(path)) is { } parent && (AccessOf(connection, parent) & Access.Read) != 0);
    }

    private void FireSpecial(string name)
    {
        foreach (StoreConnection connection in _connections.ToArray())
        {
            // 4.17 asks the event's own permissions, dom0's alone unless set otherwise; in 4.0.4 everybody may watch.
            if (_release != XenRelease.V4_0 && (AccessOf(connection, _special[name]) & Access.Read) == 0)
                continue;
            foreach (StoreWatch watch in connection.Watches.ToArray())
            {
                if (watch.Path == name)
                    connection.Deliver(name, watch.Token);
            }
        }
    }

    private static string EventPath(StoreConnection connection, StoreWatch watch, string path)
    {
        string home = StorePath.Home(connection.Domain.Value) + "/";
        return watch.Relative && path.StartsWith(home, StringComparison.Ordinal) ? path[home.Length..] : path;
    }
}
