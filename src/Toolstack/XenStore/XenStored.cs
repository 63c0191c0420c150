using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

/// <summary>Answer to a request: its payload, or the errno that an ERROR message names.</summary>
public readonly record struct StoreReply(XenErrno Error, byte[] Payload)
{
    public static readonly StoreReply Ok = new(XenErrno.None, [.. "OK\0"u8]);

    public static StoreReply Fail(XenErrno error) => new(error, []);

    /// <summary>The payload up to its NUL.</summary>
    public string Text => Encoding.Latin1.GetString(Payload).TrimEnd('\0');
}

/// <summary>xenstored: the tree, its transactions and watches. Requests are the wire's: type, transaction id, payload.</summary>
/// <remarks>Source: tools/xenstore/xenstored_*.c of both releases.</remarks>
public sealed partial class XenStored
{
    private readonly XenRelease _release;
    private readonly IEventSink _events;
    private readonly List<StoreConnection> _connections = [];
    private readonly HashSet<DomainId> _introduced = [];
    private readonly HashSet<DomainId> _shutDown = [];
    private readonly Dictionary<string, ImmutableArray<NodePermission>> _special = new()
    {
        ["@introduceDomain"] = [new NodePermission(0, 'n')],
        ["@releaseDomain"] = [new NodePermission(0, 'n')],
    };

    private readonly StoreQuotas _quotas = new();
    private StoreDatabase _store;

    public XenStored(XenRelease release, IEventSink events)
    {
        _release = release;
        _events = events;
        _store = new StoreDatabase(release);

        // setup_structure: the root and the daemon's own node.
        ImmutableArray<NodePermission> own = [new NodePermission(0, 'n')];
        _store.Set("/", new StoreNode([], own, ["tool"], 0));
        _store.Set("/tool", new StoreNode([], own, ["xenstored"], 0));
        _store.Set("/tool/xenstored", new StoreNode([], own, [], 0));
    }

    internal XenRelease Protocol => _release;

    /// <summary>Asked by INTRODUCE and RELEASE: the ring transport. Null: only the tree changes.</summary>
    internal IStoreRings? Rings { get; set; }

    /// <summary>A client in dom0; its watch events go to <paramref name="deliver"/> (path, token).</summary>
    public StoreConnection Connect(Action<string, string>? deliver = null) => Connect(DomainId.Dom0, deliver);

    internal StoreConnection Connect(DomainId domain, Action<string, string>? deliver, bool traced = true)
    {
        var connection = new StoreConnection(domain, deliver ?? ((_, _) => { })) { IsTraced = traced };
        _connections.Add(connection);
        return connection;
    }

    internal void Disconnect(StoreConnection connection)
    {
        Reset(connection);
        _connections.Remove(connection);
    }

    /// <summary>Everything in the store as <c>xenstore-ls -fp</c> prints it, one line per node.</summary>
    public IEnumerable<string> List()
    {
        var pending = new Stack<string>(["/"]);
        while (pending.TryPop(out string? path))
        {
            StoreNode node = _store.Find(path)!;
            if (path != "/")
                yield return $"{path} = \"{Encoding.Latin1.GetString([.. node.Value])}\"   ({string.Join(',', node.Permissions)})";
            foreach (string child in node.Children.Reverse())
                pending.Push(StorePath.Child(path, child));
        }
    }

    /// <summary>process_message: one request.</summary>
    public StoreReply Request(StoreConnection connection, XenStoreMessage type, uint transaction, ReadOnlySpan<byte> payload)
    {
        StoreReply reply = Dispatch(connection, type, transaction, payload);
        reply = reply with { Error = OnTheWire(reply.Error) };
        if (connection.IsTraced && _events.Wants<XenStoreRequest>())
        {
            string[] words = Strings(payload);
            string path = words.Length > 0 ? words[0] : "";
            _events.Emit(new XenStoreRequest(
                connection.Domain, type.ToString(), path, string.Join(' ', words.Skip(1)), reply.Error == XenErrno.None ? reply.Text.Replace('\0', ' ') : reply.Error.ToString()));
        }

        if (type == XenStoreMessage.WATCH && reply.Error == XenErrno.None)
            FireNewWatch(connection);
        return reply;
    }

    /// <summary>send_error: the errno's name, or EINVAL where the wire has no word for it.</summary>
    private XenErrno OnTheWire(XenErrno error) => error == XenErrno.EBADF || (_release == XenRelease.V4_0 && error is XenErrno.E2BIG or XenErrno.EPERM) ? XenErrno.EINVAL : error;

    private StoreReply Dispatch(StoreConnection connection, XenStoreMessage type, uint id, ReadOnlySpan<byte> payload)
    {
        if (IsPrivileged(type) && !connection.IsPrivileged)
            return StoreReply.Fail(XenErrno.EACCES);
        StoreTransaction? transaction = null;
        if (id != 0 && type is not (XenStoreMessage.WATCH or XenStoreMessage.UNWATCH) && !connection.Transactions.TryGetValue(id, out transaction))
            return StoreReply.Fail(XenErrno.ENOENT);
        var call = new StoreCall(connection, transaction, id);
        return type switch
        {
            XenStoreMessage.DIRECTORY => Directory(call, payload),
            XenStoreMessage.READ => Read(call, payload),
            XenStoreMessage.GET_PERMS => GetPermissions(call, payload),
            XenStoreMessage.WRITE => Write(call, payload),
            XenStoreMessage.MKDIR => MakeDirectory(call, payload),
            XenStoreMessage.RM => Remove(call, payload),
            XenStoreMessage.SET_PERMS => SetPermissions(call, payload),
            XenStoreMessage.WATCH => Watch(connection, payload),
            XenStoreMessage.UNWATCH => Unwatch(connection, payload),
            XenStoreMessage.TRANSACTION_START => StartTransaction(call),
            XenStoreMessage.TRANSACTION_END => EndTransaction(call, payload),
            XenStoreMessage.GET_DOMAIN_PATH => GetDomainPath(payload),
            XenStoreMessage.INTRODUCE => Introduce(payload),
            XenStoreMessage.RELEASE => Release(payload),
            XenStoreMessage.IS_DOMAIN_INTRODUCED => IsIntroduced(payload),
            XenStoreMessage.SET_TARGET => SetTarget(payload),
            XenStoreMessage.RESET_WATCHES when _release != XenRelease.V4_0 => ResetWatches(connection),
            XenStoreMessage.RESUME => Resume(payload),
            XenStoreMessage.DIRECTORY_PART when _release != XenRelease.V4_0 => DirectoryPart(call, payload),
            XenStoreMessage.CONTROL => Control(payload),
            _ => StoreReply.Fail(XenErrno.ENOSYS),
        };
    }

    /// <summary>Real xenstored has an answer; this one says by name that it does not.</summary>
    private StoreReply Missing(string request)
    {
        _events.Emit(new NotImplementedHere(request, "xenstored request", Ours: true));
        return StoreReply.Fail(XenErrno.ENOSYS);
    }

    private static bool IsPrivileged(XenStoreMessage type) => type is XenStoreMessage.CONTROL or XenStoreMessage.INTRODUCE or XenStoreMessage.RELEASE
        or XenStoreMessage.IS_DOMAIN_INTRODUCED or XenStoreMessage.RESUME or XenStoreMessage.SET_TARGET;

    private static StoreReply GetDomainPath(ReadOnlySpan<byte> payload)
        => OneArgument(payload) is { } text ? Reply(StorePath.Home(Number(text))) : StoreReply.Fail(XenErrno.EINVAL);

    private StoreReply Introduce(ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length < 3 || !ulong.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong frame))
            return StoreReply.Fail(XenErrno.EINVAL);
        var domain = new DomainId((ushort)Number(words[0]));
        uint port = Number(words[2]);
        if (port is 0 or > int.MaxValue)
            return StoreReply.Fail(XenErrno.EINVAL);
        XenErrno error = Rings?.Introduce(domain, new Gfn(frame), port) ?? XenErrno.None;
        if (error != XenErrno.None)
            return StoreReply.Fail(error);
        if (_introduced.Add(domain))
            FireSpecial("@introduceDomain");
        return StoreReply.Ok;
    }

    private StoreReply Release(ReadOnlySpan<byte> payload)
    {
        XenErrno error = OneDomain(payload, out DomainId domain);
        if (error == XenErrno.None)
            Forget(domain);
        return error == XenErrno.None ? StoreReply.Ok : StoreReply.Fail(error);
    }

    /// <summary>The domain has been resumed after a shutdown; its next one is told of again.</summary>
    private StoreReply Resume(ReadOnlySpan<byte> payload)
    {
        XenErrno error = OneDomain(payload, out DomainId domain);
        if (error != XenErrno.None)
            return StoreReply.Fail(error);
        _shutDown.Remove(domain);
        return StoreReply.Ok;
    }

    /// <summary>onearg_domain: a number other than 0, of a domain that is connected.</summary>
    private XenErrno OneDomain(ReadOnlySpan<byte> payload, out DomainId domain)
    {
        domain = default;
        if (OneArgument(payload) is not { } text || Number(text) == 0)
            return XenErrno.EINVAL;
        domain = new DomainId((ushort)Number(text));
        return _introduced.Contains(domain) ? XenErrno.None : XenErrno.ENOENT;
    }

    /// <summary>A domain is gone: drops its ring and watches and tells who watches <c>@releaseDomain</c>.</summary>
    /// <returns>False when it was not introduced.</returns>
    public bool Forget(DomainId domain)
    {
        if (!_introduced.Remove(domain))
            return false;
        _shutDown.Remove(domain);
        Rings?.Release(domain);
        FireSpecial("@releaseDomain");
        return true;
    }

    /// <summary>domain_cleanup: drops domains that are gone or dying, and tells once that a domain has shut down.</summary>
    /// <param name="fateOf">What Xen says about a domain; null: it knows none of that number.</param>
    public void CleanUpDomains(Func<DomainId, DomainFate?> fateOf)
    {
        bool notify = false;
        foreach (DomainId domain in _introduced.ToArray())
        {
            DomainFate? fate = fateOf(domain);
            if (fate is { ShutDown: true } && _shutDown.Add(domain))
                notify = true;
            if (fate is { Dying: false })
                continue;
            Forget(domain); // tells by itself
            notify = false;
        }

        if (notify)
            FireSpecial("@releaseDomain");
    }

    private StoreReply IsIntroduced(ReadOnlySpan<byte> payload)
    {
        if (OneArgument(payload) is not { } text)
            return StoreReply.Fail(XenErrno.EINVAL);
        var domain = new DomainId((ushort)Number(text));
        return Reply(domain == DomainId.Self || domain == DomainId.Dom0 || _introduced.Contains(domain) ? "T" : "F");
    }

    private StoreReply SetTarget(ReadOnlySpan<byte> payload)
    {
        string[] words = Strings(payload);
        if (words.Length < 2)
            return StoreReply.Fail(XenErrno.EINVAL);
        StoreConnection? domain = _connections.Find(c => c.Domain.Value == Number(words[0]));
        var target = new DomainId((ushort)Number(words[1]));
        if (domain is null || !_introduced.Contains(domain.Domain) || !_introduced.Contains(target))
            return StoreReply.Fail(XenErrno.ENOENT);
        domain.Target = target;
        return StoreReply.Ok;
    }

    private StoreReply ResetWatches(StoreConnection connection)
    {
        Reset(connection);
        return StoreReply.Ok;
    }

    private static StoreReply Reply(string text) => new(XenErrno.None, [.. Encoding.Latin1.GetBytes(text), 0]);

    /// <summary>onearg: the payload must be one string with its NUL at the end.</summary>
    private static string? OneArgument(ReadOnlySpan<byte> payload)
        => payload.Length > 0 && payload.IndexOf((byte)0) == payload.Length - 1 ? Encoding.Latin1.GetString(payload[..^1]) : null;

    private static string[] Strings(ReadOnlySpan<byte> payload)
        => payload.IsEmpty ? [] : Encoding.Latin1.GetString(payload[^1] == 0 ? payload[..^1] : payload).Split('\0');

    /// <summary>atoi.</summary>
    private static uint Number(string text) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value) ? value : 0;
}

/// <summary>What has become of a domain that xenstored serves.</summary>
public readonly record struct DomainFate(bool ShutDown, bool Dying);

/// <summary>Who asks, and in which transaction.</summary>
internal readonly record struct StoreCall(StoreConnection Connection, StoreTransaction? Transaction, uint Id);

/// <summary>The ring transport as the store sees it.</summary>
internal interface IStoreRings
{
    XenErrno Introduce(DomainId domain, Gfn frame, uint port);

    void Release(DomainId domain);
}
