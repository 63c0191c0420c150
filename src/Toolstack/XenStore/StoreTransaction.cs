using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

/// <summary>What a transaction shows and collects, and what happens at its end.</summary>
internal abstract class StoreTransaction
{
    /// <summary>By how much each domain's number of nodes changes.</summary>
    public Dictionary<uint, int> Entries { get; } = [];

    /// <summary>A node was created: its end is subject to the quota.</summary>
    public bool NodeCreated { get; set; }

    /// <summary>Something went wrong that cannot be taken back: it ends with ENOMEM.</summary>
    public bool Failed { get; set; }

    /// <summary>read_node. ENOENT or ENOSPC when there is none.</summary>
    public abstract XenErrno Read(string path, out StoreNode? node);

    public abstract void Write(string path, StoreNode node);

    public abstract void Delete(string path);

    /// <summary>The change is told at the end.</summary>
    /// <param name="exact">4.17: only to who watches this very path. 4.0: not to who watches something below.</param>
    public abstract void Queue(string path, bool exact);

    /// <summary>Makes the store what the transaction made of it, or EAGAIN.</summary>
    /// <param name="fire">Tells one change: path, exact, the node as the transaction found it.</param>
    public abstract XenErrno Commit(ref StoreDatabase store, Action<string, bool, StoreNode?> fire);

    /// <summary>Gives back what it holds.</summary>
    public abstract void Drop();

    public void CountEntry(uint owner, int by) => Entries[owner] = Entries.GetValueOrDefault(owner) + by;
}

/// <summary>4.0: a copy of the whole store, which takes its place if nothing at all has changed there.</summary>
/// <remarks>RELEASE-4.0.4 tools/xenstore/xenstored_transaction.c: do_transaction_start, do_transaction_end, add_change_node.</remarks>
internal sealed class WholeStoreTransaction(StoreDatabase store) : StoreTransaction
{
    private readonly StoreDatabase _copy = store.Copy();
    private readonly ulong _start = store.Generation;

    /// <summary>In the order of each path's first change.</summary>
    private readonly List<(string Path, bool Exact)> _changes = [];

    public override XenErrno Read(string path, out StoreNode? node)
    {
        node = _copy.Find(path);
        return node is null ? XenErrno.ENOENT : XenErrno.None;
    }

    public override void Write(string path, StoreNode node) => _copy.Set(path, node);

    public override void Delete(string path) => _copy.Delete(path);

    public override void Queue(string path, bool exact)
    {
        if (!_changes.Exists(c => c.Path == path))
            _changes.Add((path, exact));
    }

    public override XenErrno Commit(ref StoreDatabase store, Action<string, bool, StoreNode?> fire)
    {
        if (store.Generation != _start)
            return XenErrno.EAGAIN;
        store = _copy;
        foreach ((string path, bool exact) in _changes)
            fire(path, exact, null);
        store.Generation++;
        return XenErrno.None;
    }

    public override void Drop()
    {
    }
}

/// <summary>4.17: each node is taken when the transaction first looks at it, and must be the same at the end.</summary>
/// <remarks>RELEASE-4.17.7 tools/xenstore/xenstored_transaction.c: access_node, queue_watches, finalize_transaction.</remarks>
internal sealed class NodeTransaction : StoreTransaction
{
    private readonly StoreDatabase _store;
    private readonly StoreConnection _connection;
    private readonly StoreQuotas _quotas;
    private readonly string _keyPrefix;
    private readonly Dictionary<string, Accessed> _byPath = [];
    private readonly List<Accessed> _accessed = [];

    public NodeTransaction(StoreDatabase store, StoreConnection connection, StoreQuotas quotas)
    {
        _store = store;
        _connection = connection;
        _quotas = quotas;
        _keyPrefix = $"{++store.Generation}/";
    }

    public override XenErrno Read(string path, out StoreNode? node)
    {
        if (_byPath.TryGetValue(path, out Accessed? known))
        {
            node = known.Node;
            return node is null ? XenErrno.ENOENT : XenErrno.None;
        }

        node = null;
        if (!_connection.IsPrivileged && _accessed.Count >= _quotas.TransactionNodes.Value)
        {
            Failed = true;
            return XenErrno.ENOSPC;
        }

        node = _store.Find(path);
        Accessed first = new(path, node);
        _byPath.Add(path, first);
        _accessed.Add(first);
        Put(first, node);
        return node is null ? XenErrno.ENOENT : XenErrno.None;
    }

    /// <summary>Every path that is written has been read before.</summary>
    public override void Write(string path, StoreNode node) => Change(path, node with { Generation = ++_store.Generation });

    public override void Delete(string path)
    {
        _store.Generation++;
        Change(path, null);
    }

    public override void Queue(string path, bool exact)
    {
        Accessed node = _byPath[path];
        node.Exact = exact && (node.Exact || !node.Fires);
        node.Fires = true;
    }

    public override XenErrno Commit(ref StoreDatabase store, Action<string, bool, StoreNode?> fire)
    {
        if (_accessed.Exists(a => a.Before?.Generation != _store.Find(a.Path)?.Generation))
            return XenErrno.EAGAIN;
        foreach (Accessed node in _accessed.Where(a => a.Modified))
        {
            if (node.Node is { } now)
                store.Set(node.Path, now with { Generation = ++store.Generation });
            else if (node.Before is not null)
                store.Delete(node.Path);
            if (node.Fires)
                fire(node.Path, node.Exact, node.Before);
        }

        return XenErrno.None;
    }

    /// <summary>Its own records are on the connection's account until it ends.</summary>
    public override void Drop()
    {
        foreach (Accessed node in _accessed)
            Put(node, null);
    }

    private void Change(string path, StoreNode? node)
    {
        Accessed accessed = _byPath[path];
        accessed.Modified = true;
        Put(accessed, node);
    }

    private void Put(Accessed accessed, StoreNode? node)
    {
        string key = _keyPrefix + accessed.Path;
        long now = node is null ? 0 : _store.Account(key, node);
        _store.AddMemory(_connection.Domain.Value, now - accessed.OnAccount);
        accessed.OnAccount = now;
        accessed.Node = node;
    }

    private sealed class Accessed(string path, StoreNode? before)
    {
        public string Path { get; } = path;

        /// <summary>As the transaction found it; null: it did not exist.</summary>
        public StoreNode? Before { get; } = before;

        /// <summary>As the transaction has it; null: it does not exist.</summary>
        public StoreNode? Node { get; set; }

        public bool Modified { get; set; }

        public bool Fires { get; set; }

        public bool Exact { get; set; }

        /// <summary>Unit: bytes.</summary>
        public long OnAccount { get; set; }
    }
}
