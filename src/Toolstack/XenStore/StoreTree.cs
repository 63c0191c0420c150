using System.Collections.Immutable;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

/// <summary>What a change did to one path, for watches.</summary>
/// <param name="Before">The node as it was, null if it did not exist.</param>
internal readonly record struct StoreChange(string Path, StoreNode? Before, bool Removed);

/// <summary>A root and the operations on it; knows no permissions and no watches.</summary>
internal sealed class StoreTree(StoreNode root)
{
    private static readonly ImmutableArray<byte> NoValue = [];

    public StoreNode Root { get; private set; } = root;

    /// <summary>Counts changes; a node bears the number of its last one.</summary>
    public long Generation { get; private set; }

    public static StoreNode Empty(ImmutableArray<NodePermission> permissions) => new(NoValue, permissions, [], 0);

    public StoreTree Copy() => new(Root) { Generation = Generation };

    public StoreNode? Find(string path)
    {
        StoreNode? node = Root;
        foreach (string name in StorePath.Split(path))
        {
            node = node?.Child(name);
            if (node is null)
                return null;
        }

        return node;
    }

    /// <summary>The node or its nearest existing ancestor.</summary>
    public StoreNode Nearest(string path)
    {
        StoreNode node = Root;
        foreach (string name in StorePath.Split(path))
        {
            if (node.Child(name) is not { } child)
                break;
            node = child;
        }

        return node;
    }

    /// <summary>Paths that writing <paramref name="path"/> would create, outermost first.</summary>
    public int MissingLevels(string path)
    {
        string[] names = StorePath.Split(path);
        StoreNode? node = Root;
        int existing = 0;
        while (existing < names.Length && (node = node?.Child(names[existing])) is not null)
            existing++;
        return names.Length - existing;
    }

    /// <summary>Sets a value, creating the node and its missing ancestors. New nodes inherit permissions; a guest owns what it creates.</summary>
    /// <param name="owner">The guest, or null for the tools.</param>
    public void Write(string path, ImmutableArray<byte> value, uint? owner)
    {
        Generation++;
        Root = Write(Root, StorePath.Split(path), 0, value, owner);
    }

    public void SetPermissions(string path, ImmutableArray<NodePermission> permissions)
    {
        Generation++;
        Root = Update(Root, StorePath.Split(path), 0, n => n with { Permissions = permissions, Generation = Generation })!;
    }

    public void Remove(string path)
    {
        Generation++;
        Root = Update(Root, StorePath.Split(path), 0, _ => null)!;
    }

    private StoreNode Write(StoreNode node, string[] names, int level, ImmutableArray<byte> value, uint? owner)
    {
        if (level == names.Length)
            return node with { Value = value, Generation = Generation };
        StoreNode? child = node.Child(names[level]);
        bool isNew = child is null;
        child ??= new StoreNode(NoValue, Inherit(node.Permissions, owner), [], Generation);
        StoreNode changed = node.WithChild(names[level], Write(child, names, level + 1, value, owner));
        return isNew ? changed with { Generation = Generation } : changed;
    }

    private StoreNode? Update(StoreNode node, string[] names, int level, Func<StoreNode, StoreNode?> change)
    {
        if (level == names.Length)
            return change(node);
        if (node.Child(names[level]) is not { } child)
            return node;
        StoreNode? updated = Update(child, names, level + 1, change);
        StoreNode result = node.WithChild(names[level], updated);
        return updated is null ? result with { Generation = Generation } : result;
    }

    private static ImmutableArray<NodePermission> Inherit(ImmutableArray<NodePermission> parent, uint? owner)
        => owner is null ? parent : parent.SetItem(0, parent[0] with { Domain = owner.Value });
}
