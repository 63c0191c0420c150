using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

/// <summary>A node as the data base holds it: its children are names only, their records are their own.</summary>
/// <param name="Children">In order of creation, as DIRECTORY lists them.</param>
/// <param name="Generation">Number of the write that made this record.</param>
internal sealed record StoreNode(ImmutableArray<byte> Value, ImmutableArray<NodePermission> Permissions, ImmutableArray<string> Children, ulong Generation)
{
    private const int PermissionSize = 8; // struct xs_permissions

    public uint Owner => Permissions[0].Domain;

    /// <summary>What the record takes, which the quota on entries looks at. Unit: bytes.</summary>
    /// <remarks>RELEASE-4.17.7 tools/xenstore/xenstored_core.h: struct xs_tdb_record_hdr, 24 bytes with its padding; 4.0.4's write_node has three words.</remarks>
    public int SizeIn(XenRelease release)
    {
        int size = (release == XenRelease.V4_0 ? 12 : 24) + (Permissions.Length * PermissionSize) + Value.Length;
        foreach (string child in Children)
            size += child.Length + 1;
        return size;
    }
}
