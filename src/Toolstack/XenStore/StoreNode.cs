using System.Collections.Immutable;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

/// <summary>A node of the store. Immutable, so that a transaction or a snapshot is a reference to a root.</summary>
/// <param name="Generation">Number of the change that last touched this node.</param>
/// <param name="Children">In order of creation, as DIRECTORY lists them.</param>
internal sealed record StoreNode(
    ImmutableArray<byte> Value, ImmutableArray<NodePermission> Permissions, ImmutableArray<KeyValuePair<string, StoreNode>> Children, long Generation)
{
    public StoreNode? Child(string name)
    {
        foreach ((string key, StoreNode node) in Children)
        {
            if (key == name)
                return node;
        }

        return null;
    }

    /// <summary>This node with a child added, replaced, or (null) removed.</summary>
    public StoreNode WithChild(string name, StoreNode? node)
    {
        for (int i = 0; i < Children.Length; i++)
        {
            if (Children[i].Key == name)
                return this with { Children = node is null ? Children.RemoveAt(i) : Children.SetItem(i, new(name, node)) };
        }

        return node is null ? this : this with { Children = Children.Add(new(name, node)) };
    }
}
