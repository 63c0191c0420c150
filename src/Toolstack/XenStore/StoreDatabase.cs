using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.XenStore;

/// <summary>The records, what each domain owns of them, and the count of writes; knows no requests, permissions or watches.</summary>
/// <remarks>RELEASE-4.17.7 tools/xenstore/xenstored_core.c: do_tdb_write, do_tdb_delete; xenstored_domain.c: domain_entry_inc, domain_memory_add.</remarks>
internal sealed class StoreDatabase(XenRelease release)
{
    private readonly Dictionary<string, StoreNode> _nodes = [];
    private readonly Dictionary<uint, int> _owned = [];
    private readonly Dictionary<uint, long> _memory = [];

    /// <summary>Counts writes and starts of transactions.</summary>
    public ulong Generation { get; set; }

    public IEnumerable<string> Paths => _nodes.Keys;

    public StoreNode? Find(string path) => _nodes.GetValueOrDefault(path);

    /// <summary>nbentry: nodes that a domain owns.</summary>
    public int OwnedBy(uint domain) => _owned.GetValueOrDefault(domain);

    /// <summary>What is kept on account of a domain. Unit: bytes.</summary>
    public long MemoryOf(uint domain) => _memory.GetValueOrDefault(domain);

    public void AddMemory(uint domain, long bytes) => _memory[domain] = MemoryOf(domain) + bytes;

    /// <summary>What the record takes with its key. Unit: bytes.</summary>
    public int Account(string key, StoreNode node) => node.SizeIn(release) + key.Length;

    /// <summary>By how much the owner's account would grow.</summary>
    public long Growth(string path, StoreNode node) => Account(path, node) - (Find(path) is { } old && old.Owner == node.Owner ? Account(path, old) : 0);

    public void Set(string path, StoreNode node)
    {
        Forget(path);
        _nodes[path] = node;
        _owned[node.Owner] = OwnedBy(node.Owner) + 1;
        AddMemory(node.Owner, Account(path, node));
    }

    public void Delete(string path)
    {
        Forget(path);
        _nodes.Remove(path);
    }

    /// <summary>tdb_copy.</summary>
    public StoreDatabase Copy()
    {
        StoreDatabase copy = new(release) { Generation = Generation };
        foreach ((string path, StoreNode node) in _nodes)
            copy.Set(path, node);
        return copy;
    }

    private void Forget(string path)
    {
        if (!_nodes.TryGetValue(path, out StoreNode? old))
            return;
        _owned[old.Owner]--;
        AddMemory(old.Owner, -Account(path, old));
    }
}
