using System.Collections.Immutable;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

// Requests on nodes: reading, writing, permissions.
public sealed partial class XenStored
{
    [Flags]
    private enum Access
    {
        None = 0,
        Read = 1,
        Write = 2,
        Owner = 4,
    }

    private StoreReply Directory(StoreCall call, ReadOnlySpan<byte> payload)
    {
        StoreNode? node = GetNode(call, OneArgument(payload), Access.Read, out _, out XenErrno error);
        if (node is null)
            return StoreReply.Fail(error);
        byte[] names = Encoding.Latin1.GetBytes(string.Concat(node.Children.Select(c => c + "\0")));
        return names.Length > StoreQuotas.Payload && _release != XenRelease.V4_0 ? StoreReply.Fail(XenErrno.E2BIG) : new StoreReply(XenErrno.None, names);
    }

    /// <summary>send_directory_part: the node's generation, then names from an offset on; a last empty name when these were all.</summary>
    private StoreReply DirectoryPart(StoreCall call, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (payload.IsEmpty || payload[^1] != 0 || words.Length != 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        StoreNode? node = GetNode(call, words[0], Access.Read, out _, out XenErrno error);
        if (node is null)
            return StoreReply.Fail(error);
        byte[] generation = Encoding.Latin1.GetBytes($"{node.Generation}\0");
        byte[] names = Encoding.Latin1.GetBytes(string.Concat(node.Children.Select(c => c + "\0")));
        uint offset = Number(words[1]);
        if (offset >= names.Length)
            return new StoreReply(XenErrno.None, [.. generation, 0]);
        int most = StoreQuotas.Payload - generation.Length - 1;
        int end = (int)offset;
        while (end < names.Length)
        {
            int length = names.AsSpan(end).IndexOf((byte)0);
            if (end - (int)offset + length >= most)
                break;
            end += length + 1;
        }

        byte[] part = [.. generation, .. names[(int)offset..end]];
        return new StoreReply(XenErrno.None, end == names.Length ? [.. part, 0] : part);
    }

    private StoreReply Read(StoreCall call, ReadOnlySpan<byte> payload)
    {
        StoreNode? node = GetNode(call, OneArgument(payload), Access.Read, out _, out XenErrno error);
        return node is null ? StoreReply.Fail(error) : new StoreReply(XenErrno.None, [.. node.Value]);
    }

    private StoreReply GetPermissions(StoreCall call, ReadOnlySpan<byte> payload)
    {
        if (_release != XenRelease.V4_0 && OneArgument(payload) is { } name && StorePath.IsSpecial(name))
        {
            return _special.TryGetValue(name, out ImmutableArray<NodePermission> special)
                ? new StoreReply(XenErrno.None, Encoding.Latin1.GetBytes(string.Concat(special.Select(p => p + "\0"))))
                : StoreReply.Fail(XenErrno.EINVAL);
        }

        StoreNode? node = GetNode(call, OneArgument(payload), Access.Read, out _, out XenErrno error);
        return node is null
            ? StoreReply.Fail(error)
            : new StoreReply(XenErrno.None, Encoding.Latin1.GetBytes(string.Concat(node.Permissions.Select(p => p + "\0"))));
    }

    private StoreReply Write(StoreCall call, ReadOnlySpan<byte> payload)
    {
        int end = payload.IndexOf((byte)0);
        if (end < 0)
            return StoreReply.Fail(XenErrno.EINVAL);
        return Put(call, Encoding.Latin1.GetString(payload[..end]), [.. payload[(end + 1)..]], overwrite: true);
    }

    private StoreReply MakeDirectory(StoreCall call, ReadOnlySpan<byte> payload) => Put(call, OneArgument(payload), [], overwrite: false);

    private StoreReply Put(StoreCall call, string? name, ImmutableArray<byte> value, bool overwrite)
    {
        StoreNode? node = GetNode(call, name, Access.Write, out string path, out XenErrno error);
        if (node is null && error != XenErrno.ENOENT)
            return StoreReply.Fail(error);
        if (node is not null && !overwrite)
            return StoreReply.Ok;
        StoreNode? written = node is null ? null : node with { Value = value };
        error = written is null ? CreateNode(call, path, value) : WriteNode(call, path, written);
        if (error != XenErrno.None)
            return StoreReply.Fail(error);
        Changed(call, path, exact: false, written ?? _store.Find(path), null);
        return StoreReply.Ok;
    }

    private StoreReply Remove(StoreCall call, ReadOnlySpan<byte> payload)
    {
        StoreNode? node = GetNode(call, OneArgument(payload), Access.Write, out string path, out XenErrno error);
        if (node is null)
        {
            // Removing what is not there is fine as long as its parent is there.
            return error == XenErrno.ENOENT && (error = ReadNode(call, StorePath.Parent(path), out _)) == XenErrno.None ? StoreReply.Ok : StoreReply.Fail(error);
        }

        error = path == "/" ? XenErrno.EINVAL : RemoveNode(call, path);
        return error == XenErrno.None ? StoreReply.Ok : StoreReply.Fail(error);
    }

    private StoreReply SetPermissions(StoreCall call, ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length < 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        if (!call.Connection.IsPrivileged && _release != XenRelease.V4_0 && words.Length - 1 > _quotas.Permissions.Value)
            return StoreReply.Fail(XenErrno.ENOSPC);
        var permissions = ImmutableArray.CreateBuilder<NodePermission>();
        foreach (string word in words.Skip(1))
        {
            if (word.Length < 2 || !"nrwb".Contains(word[0], StringComparison.Ordinal) || !word[1..].All(char.IsAsciiDigit))
                return StoreReply.Fail(XenErrno.EINVAL);
            permissions.Add(new NodePermission(Number(word[1..]), word[0]));
        }

        if (_release != XenRelease.V4_0 && StorePath.IsSpecial(words[0]))
            return SetSpecialPermissions(call.Connection, words[0], permissions.ToImmutable());
        StoreNode? node = GetNode(call, words[0], Access.Write | Access.Owner, out string path, out XenErrno error);
        if (node is null)
            return StoreReply.Fail(error);
        ImmutableArray<NodePermission> wanted = permissions.ToImmutable();
        if (!call.Connection.IsPrivileged && wanted[0].Domain != node.Permissions[0].Domain)
            return StoreReply.Fail(XenErrno.EPERM);
        StoreNode changed = node with { Permissions = wanted };
        error = WriteNode(call, path, changed);
        if (error != XenErrno.None)
            return StoreReply.Fail(error);
        CountEntry(call, node, -1);
        CountEntry(call, changed, 1);
        Changed(call, path, exact: false, changed, node);
        return StoreReply.Ok;
    }

    /// <summary>set_perms_special: who may watch @introduceDomain and @releaseDomain.</summary>
    private StoreReply SetSpecialPermissions(StoreConnection connection, string name, ImmutableArray<NodePermission> wanted)
    {
        const Access needed = Access.Write | Access.Owner;
        if (!_special.TryGetValue(name, out ImmutableArray<NodePermission> current))
            return StoreReply.Fail(XenErrno.EINVAL);
        if ((AccessOf(connection, current) & needed) != needed)
            return StoreReply.Fail(XenErrno.EACCES);
        _special[name] = wanted;
        return StoreReply.Ok;
    }

    /// <summary>get_node: the node if the caller may do that to it; else why not, without telling what it may not know.</summary>
    private StoreNode? GetNode(StoreCall call, string? name, Access wanted, out string path, out XenErrno error)
    {
        path = name is null ? "" : StorePath.Canonical(call.Connection.Domain.Value, name);
        if (name is null || !IsValidPath(path))
        {
            error = XenErrno.EINVAL;
            return null;
        }

        error = ReadNode(call, path, out StoreNode? node);
        if (node is not null && (AccessOf(call.Connection, node) & wanted) == wanted)
            return node;
        if (node is not null)
            error = XenErrno.EACCES;
        else if (error != XenErrno.ENOENT)
            return null;
        error = AskParents(call, path, wanted, error);
        return null;
    }

    /// <summary>errno_from_parents: who may do nothing to the nearest node above is not told more.</summary>
    private XenErrno AskParents(StoreCall call, string path, Access wanted, XenErrno error)
    {
        StoreNode? node;
        do
        {
            path = StorePath.Parent(path);
            XenErrno read = ReadNode(call, path, out node);
            if (node is null && read != XenErrno.ENOENT)
                return read;
        }
        while (node is null);
        return (AccessOf(call.Connection, node) & wanted) != 0 ? error : XenErrno.EACCES;
    }

    private bool IsValidPath(string path) => StorePath.IsValid(_release, path, _quotas.PathMax.Value);

    private static Access AccessOf(StoreConnection connection, StoreNode node) => AccessOf(connection, node.Permissions);

    /// <summary>perm_for_conn.</summary>
    private static Access AccessOf(StoreConnection connection, ImmutableArray<NodePermission> permissions)
    {
        const Access all = Access.Read | Access.Write | Access.Owner;
        uint caller = connection.Domain.Value;
        uint? target = connection.Target?.Value;
        NodePermission owner = permissions[0];
        if (connection.IsPrivileged || owner.Domain == caller || owner.Domain == target)
            return all;
        foreach (NodePermission permission in permissions.AsSpan()[1..])
        {
            if (permission.Domain == caller || permission.Domain == target)
                return Letter(permission.Access);
        }

        return Letter(owner.Access);
    }

    private static Access Letter(char letter) => letter switch
    {
        'r' => Access.Read,
        'w' => Access.Write,
        'b' => Access.Read | Access.Write,
        _ => Access.None,
    };
}
