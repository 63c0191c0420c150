using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Libxl;

/// <summary>One entry of a node's permissions: the first names the owner and everybody else's access.</summary>
/// <param name="Access">xenstore's letter: n none, r read, w write, b both.</param>
public readonly record struct NodePermission(uint Domain, char Access)
{
    public override string ToString() => $"{Access}{Domain}";
}

/// <summary>xl's connection to xenstored, in libxenstore's words. Transaction 0 is XBT_NULL.</summary>
public interface IToolStore
{
    uint TransactionStart();

    /// <summary>EAGAIN: somebody else changed what the transaction saw; try again.</summary>
    XenErrno TransactionEnd(uint transaction, bool abort);

    XenErrno Read(uint transaction, string path, out string value);

    XenErrno Directory(uint transaction, string path, out IReadOnlyList<string> names);

    XenErrno Write(uint transaction, string path, string value);

    XenErrno MakeDirectory(uint transaction, string path);

    /// <summary>Removes a node with all below it; ENOENT when there is none.</summary>
    XenErrno Remove(uint transaction, string path);

    XenErrno SetPermissions(uint transaction, string path, IReadOnlyList<NodePermission> permissions);

    XenErrno GetDomainPath(uint domain, out string path);

    XenErrno Introduce(uint domain, ulong gfn, uint port);

    XenErrno SetTarget(uint domain, uint target);
}
