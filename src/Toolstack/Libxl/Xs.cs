using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl's small helpers around the store.</summary>
internal static class Xs
{
    /// <summary>A transaction that somebody else's change aborted is tried again; the store's clients end, so this many times is enough.</summary>
    private const int Attempts = 100;

    /// <summary>libxl__xs_writev / libxl_xs_writev: pairs below a directory, unchecked.</summary>
    public static void WriteAll(this IToolStore store, uint transaction, string directory, params ReadOnlySpan<(string Key, string Value)> entries)
    {
        foreach ((string key, string value) in entries)
            store.Write(transaction, $"{directory}/{key}", value);
    }

    /// <summary>libxl__xs_mknod: an empty write and its permissions (4.17).</summary>
    public static void MakeNode(this IToolStore store, uint transaction, string path, params NodePermission[] permissions)
    {
        store.Write(transaction, path, "");
        store.SetPermissions(transaction, path, permissions);
    }

    /// <summary>xs_mkdir and its permissions (4.0).</summary>
    public static void MakeDirectory(this IToolStore store, uint transaction, string path, params NodePermission[] permissions)
    {
        store.MakeDirectory(transaction, path);
        store.SetPermissions(transaction, path, permissions);
    }

    /// <summary>libxl__xs_path_cleanup: the node, and the directories above it that are empty then.</summary>
    public static void CleanUpPath(this IToolStore store, uint transaction, string path)
    {
        store.Remove(transaction, path);
        for (int slash = path.LastIndexOf('/'); slash > 0; slash = path.LastIndexOf('/'))
        {
            path = path[..slash];
            if (store.Read(transaction, path, out string value) != XenErrno.None || value.Length > 0
                || store.Directory(transaction, path, out IReadOnlyList<string> names) != XenErrno.None || names.Count > 0)
            {
                return;
            }

            store.Remove(transaction, path);
        }
    }

    public static string? ReadOrNull(this IToolStore store, string path) => store.Read(0, path, out string value) == XenErrno.None ? value : null;

    /// <summary>retry_transaction: the work again as long as the commit says EAGAIN.</summary>
    public static XenErrno Transaction(this IToolStore store, Action<uint> work)
    {
        XenErrno errno = XenErrno.EAGAIN;
        for (int i = 0; i < Attempts && errno == XenErrno.EAGAIN; i++)
        {
            uint transaction = store.TransactionStart();
            work(transaction);
            errno = store.TransactionEnd(transaction, abort: false);
        }

        return errno;
    }

    /// <summary>domid_to_name.</summary>
    public static string DomainName(this IToolStore store, uint domid) => store.ReadOrNull($"/local/domain/{domid}/name") ?? "";
}
