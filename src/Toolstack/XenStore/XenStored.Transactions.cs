using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

// Transactions and watches.
public sealed partial class XenStored
{
    private StoreReply StartTransaction(StoreCall call)
    {
        if (call.Transaction is not null)
            return StoreReply.Fail(XenErrno.EBUSY);
        StoreConnection connection = call.Connection;
        if (!connection.IsPrivileged && connection.Transactions.Count > StoreQuotas.Transactions)
            return StoreReply.Fail(XenErrno.ENOSPC);
        uint id = connection.NextTransaction++;
        connection.Transactions[id] = new StoreTransaction(_tree.Copy());
        return Reply(id.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private StoreReply EndTransaction(StoreCall call, ReadOnlySpan<byte> payload)
    {
        string? how = OneArgument(payload);
        if (how is not ("T" or "F"))
            return StoreReply.Fail(XenErrno.EINVAL);
        if (call.Transaction is not { } transaction)
            return StoreReply.Fail(XenErrno.ENOENT);
        call.Connection.Transactions.Remove(call.Id);
        if (how == "F")
            return StoreReply.Ok;
        if (Conflicts(transaction))
            return StoreReply.Fail(XenErrno.EAGAIN);
        foreach ((Action<StoreTree> apply, _) in transaction.Changes)
            apply(_tree);
        foreach ((_, StoreChange change) in transaction.Changes)
            Fire(change);
        return StoreReply.Ok;
    }

    /// <summary>4.0.4: any change since the start. 4.17: a change to a node that the transaction has looked at.</summary>
    private bool Conflicts(StoreTransaction transaction)
        => _release == XenRelease.V4_0
            ? transaction.Start != _tree.Generation
            : transaction.Seen.Any(s => s.Value != (_tree.Find(s.Key)?.Generation ?? -1));

    private static void Note(StoreCall call, string path)
    {
        if (call.Transaction is { } transaction && !transaction.Seen.ContainsKey(path))
            transaction.Seen.Add(path, transaction.Base.Find(path)?.Generation ?? -1);
    }

    private void Change(StoreCall call, Action<StoreTree> apply, StoreChange change)
    {
        apply(TreeOf(call));
        if (call.Transaction is { } transaction)
            transaction.Changes.Add((apply, change));
        else
            Fire(change);
    }

    private StoreReply Watch(StoreConnection connection, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length != 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        string path = StorePath.Canonical(connection.Domain.Value, words[0]);
        if (!StorePath.IsSpecial(path) && !StorePath.IsValid(_release, path))
            return StoreReply.Fail(XenErrno.EINVAL);
        var watch = new StoreWatch(path, words[1], Relative: !words[0].StartsWith('/') && !StorePath.IsSpecial(words[0]));
        if (connection.Watches.Exists(w => w.Path == path && w.Token == watch.Token))
            return StoreReply.Fail(XenErrno.EEXIST);
        if (!connection.IsPrivileged && connection.Watches.Count > StoreQuotas.WatchesPerDomain)
            return StoreReply.Fail(XenErrno.E2BIG);
        connection.Watches.Add(watch);
        return StoreReply.Ok;
    }

    private static StoreReply Unwatch(StoreConnection connection, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length != 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        string path = StorePath.Canonical(connection.Domain.Value, words[0]);
        return connection.Watches.RemoveAll(w => w.Path == path && w.Token == words[1]) > 0 ? StoreReply.Ok : StoreReply.Fail(XenErrno.ENOENT);
    }

    /// <summary>A new watch fires once, after its acknowledgement.</summary>
    private static void FireNewWatch(StoreConnection connection)
    {
        StoreWatch watch = connection.Watches[^1];
        connection.Deliver(EventPath(connection, watch, watch.Path), watch.Token);
    }

    /// <summary>fire_watches; a removal also tells who watches something below.</summary>
    private void Fire(StoreChange change)
    {
        foreach (StoreConnection connection in _connections.ToArray())
        {
            if (!MaySee(connection, change))
                continue;
            foreach (StoreWatch watch in connection.Watches.ToArray())
            {
                if (StorePath.IsChild(change.Path, watch.Path))
                    connection.Deliver(EventPath(connection, watch, change.Path), watch.Token);
                else if (change.Removed && StorePath.IsChild(watch.Path, change.Path))
                    connection.Deliver(EventPath(connection, watch, watch.Path), watch.Token);
            }
        }
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

    private bool MaySee(StoreConnection connection, StoreChange change)
    {
        if (connection.IsPrivileged || _release == XenRelease.V4_0)
            return true;
        return new[] { _tree.Find(change.Path), change.Before, _tree.Find(StorePath.Parent(change.Path)) }
            .Any(n => n is not null && (AccessOf(connection, n) & Access.Read) != 0);
    }

    private static string EventPath(StoreConnection connection, StoreWatch watch, string path)
    {
        string home = StorePath.Home(connection.Domain.Value) + "/";
        return watch.Relative && path.StartsWith(home, StringComparison.Ordinal) ? path[home.Length..] : path;
    }
}
