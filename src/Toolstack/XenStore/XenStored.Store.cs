using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

// The store as a request sees it: itself, or what its transaction makes of it.
public sealed partial class XenStored
{
    /// <summary>read_node.</summary>
    private XenErrno ReadNode(StoreCall call, string path, out StoreNode? node)
    {
        if (call.Transaction is { } transaction)
            return transaction.Read(path, out node);
        node = _store.Find(path);
        return node is null ? XenErrno.ENOENT : XenErrno.None;
    }

    /// <summary>write_node: the quotas on the record's size and on what the owner has in the store.</summary>
    private XenErrno WriteNode(StoreCall call, string path, StoreNode node, bool checkQuota = true)
    {
        bool limited = checkQuota && !call.Connection.IsPrivileged;
        XenErrno error = XenErrno.None;
        if (limited && node.SizeIn(_release) >= _quotas.NodeSize.Value)
            error = XenErrno.ENOSPC;
        else if (limited && IsOverMemory(call, path, node))
            error = XenErrno.EIO; // domain_memory_add says ENOMEM, write_node_raw EIO
        if (error != XenErrno.None)
        {
            if (call.Transaction is { } failed && _release != XenRelease.V4_0)
                failed.Failed = true;
            return error;
        }

        if (call.Transaction is { } transaction)
            transaction.Write(path, node);
        else
            _store.Set(path, node with { Generation = ++_store.Generation });
        return XenErrno.None;
    }

    private void DeleteNode(StoreCall call, string path)
    {
        if (call.Transaction is { } transaction)
        {
            transaction.Delete(path);
            return;
        }

        _store.Generation++;
        _store.Delete(path);
    }

    private bool IsOverMemory(StoreCall call, string path, StoreNode node)
    {
        if (_release == XenRelease.V4_0)
            return false;
        uint account = call.Transaction is null ? node.Owner : call.Connection.Domain.Value;
        return account != DomainId.Dom0.Value && _store.MemoryOf(account) + _store.Growth(path, node) >= _quotas.Memory.Value;
    }

    /// <summary>domain_entry_inc, domain_entry_dec: outside a transaction the store counts by itself.</summary>
    private static void CountEntry(StoreCall call, StoreNode node, int by) => call.Transaction?.CountEntry(node.Owner, by);

    /// <summary>create_node: the node, and those above it that are missing.</summary>
    /// <remarks>4.0.4 asks the quota on the way down, and answers with the errno that is left from looking for the node.</remarks>
    private XenErrno CreateNode(StoreCall call, string path, ImmutableArray<byte> value)
    {
        List<string> missing = [path];
        StoreNode? existing;
        while (true)
        {
            XenErrno error = ReadNode(call, StorePath.Parent(missing[^1]), out existing);
            if (existing is not null)
                break;
            if (error != XenErrno.ENOENT)
                return error;
            missing.Add(StorePath.Parent(missing[^1]));
        }

        if (call.Transaction is { } transaction)
            transaction.NodeCreated = true;
        bool limited = !call.Connection.IsPrivileged;
        int owned = _store.OwnedBy(call.Connection.Domain.Value);
        if (limited && _release == XenRelease.V4_0 && (call.Transaction is null ? owned + missing.Count > _quotas.Nodes.Value : owned >= _quotas.Nodes.Value))
            return XenErrno.ENOENT;
        List<(string Path, StoreNode Node)> nodes = Construct(call.Connection, existing, missing, value);
        for (int i = 0; i < nodes.Count; i++)
        {
            bool isNew = i < missing.Count;
            XenErrno error = isNew && limited && _release != XenRelease.V4_0 && _store.OwnedBy(call.Connection.Domain.Value) >= _quotas.Nodes.Value
                ? XenErrno.ENOSPC
                : WriteNode(call, nodes[i].Path, nodes[i].Node);
            if (error != XenErrno.None)
            {
                for (int j = 0; j < i; j++)
                    TakeBack(call, nodes[j]);
                return error;
            }

            if (isNew)
                CountEntry(call, nodes[i].Node, 1);
        }

        return XenErrno.None;
    }

    /// <summary>destroy_node: a transaction cannot take it back, so it must not succeed.</summary>
    private void TakeBack(StoreCall call, (string Path, StoreNode Node) created)
    {
        DeleteNode(call, created.Path);
        CountEntry(call, created.Node, -1);
        if (call.Transaction is { } transaction)
            transaction.Failed = true;
    }

    /// <summary>construct_node: innermost first, last the existing one with its new child. New nodes inherit permissions; a guest owns what it creates.</summary>
    /// <param name="missing">Paths, innermost first.</param>
    private static List<(string Path, StoreNode Node)> Construct(StoreConnection connection, StoreNode existing, List<string> missing, ImmutableArray<byte> value)
    {
        ImmutableArray<NodePermission> permissions = existing.Permissions;
        if (!connection.IsPrivileged)
            permissions = permissions.SetItem(0, permissions[0] with { Domain = connection.Domain.Value });
        List<(string, StoreNode)> nodes = [(missing[0], new StoreNode(value, permissions, [], 0))];
        for (int i = 1; i < missing.Count; i++)
            nodes.Add((missing[i], new StoreNode([], permissions, [StorePath.Name(missing[i - 1])], 0)));
        nodes.Add((StorePath.Parent(missing[^1]), existing with { Children = existing.Children.Add(StorePath.Name(missing[^1])) }));
        return nodes;
    }

    /// <summary>rm_node: what is below first, then the node, then its name in the parent.</summary>
    private XenErrno RemoveNode(StoreCall call, string path)
    {
        string parentPath = StorePath.Parent(path);
        XenErrno error = ReadNode(call, parentPath, out StoreNode? parent);
        if (parent is null)
            return error == XenErrno.ENOSPC ? error : XenErrno.EINVAL;
        if (_release == XenRelease.V4_0)
        {
            // _rm: the parent's entry first, and one event that tells of everything below.
            WriteNode(call, parentPath, parent with { Children = parent.Children.Remove(StorePath.Name(path)) }, checkQuota: false);
            DeleteBelow(call, path, tell: false);
            Changed(call, path, exact: false, null, null, removed: true);
            return XenErrno.None;
        }

        return DeleteBelow(call, path, tell: true)
            ? WriteNode(call, parentPath, parent with { Children = parent.Children.Remove(StorePath.Name(path)) }, checkQuota: false)
            : XenErrno.EIO;
    }

    /// <summary>walk_node_tree with delnode_sub: each node after those below it. Watches see a node that is below the removed one only by its very path.</summary>
    /// <returns>False when a node could not be read: the transaction has looked at too many.</returns>
    private bool DeleteBelow(StoreCall call, string root, bool tell)
    {
        Stack<(string Path, StoreNode Node, int Next)> walk = new();
        ReadNode(call, root, out StoreNode? first);
        walk.Push((root, first!, 0));
        while (walk.TryPop(out (string Path, StoreNode Node, int Next) at))
        {
            if (at.Next < at.Node.Children.Length)
            {
                string child = StorePath.Child(at.Path, at.Node.Children[at.Next]);
                walk.Push(at with { Next = at.Next + 1 });
                ReadNode(call, child, out StoreNode? node);
                if (node is null)
                    return false;
                walk.Push((child, node, 0));
                continue;
            }

            DeleteNode(call, at.Path);
            if (tell)
                Changed(call, at.Path, exact: at.Path != root, at.Node, null);
            CountEntry(call, at.Node, -1);
        }

        return true;
    }
}
