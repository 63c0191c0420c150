using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Console;

/// <summary>xenconsoled: serves the guests' console rings as xenstore announces them.</summary>
/// <remarks>Source: tools/console/daemon/io.c of both releases.</remarks>
public sealed class XenConsoled
{
    private const string Token = "xenconsoled";

    private readonly XenStored _store;
    private readonly StoreConnection _connection;
    private readonly EventChannels _channels;
    private readonly IForeignMemory _foreign;
    private readonly IEventSink _events;
    private readonly Dictionary<DomainId, ConsoleRing> _rings = [];
    private readonly HashSet<DomainId> _watched = [];
    private readonly Queue<string> _seen = new();

    internal XenConsoled(XenStored store, EventChannels channels, IForeignMemory foreign, IEventSink events)
    {
        _store = store;
        _channels = channels;
        _foreign = foreign;
        _events = events;
        _connection = store.Connect(DomainId.Dom0, (path, _) => _seen.Enqueue(path), traced: false);
        Request(XenStoreMessage.WATCH, $"@introduceDomain\0{Token}\0");
        Request(XenStoreMessage.WATCH, $"@releaseDomain\0{Token}\0");
    }

    /// <summary>Domains whose console is served.</summary>
    public IReadOnlyCollection<DomainId> Domains => _rings.Keys;

    /// <summary>Types into a guest's console. What does not fit into its ring waits until the guest reads.</summary>
    /// <returns>False: this domain has no console here.</returns>
    public bool Type(DomainId domain, ReadOnlySpan<byte> bytes)
    {
        if (!_rings.TryGetValue(domain, out ConsoleRing? ring))
            return false;
        ring.Type(bytes);
        Serve(domain, ring);
        return true;
    }

    /// <summary>Handles the console behind a pending port. False: not ours.</summary>
    internal bool HandlePort(uint port)
    {
        foreach ((DomainId domain, ConsoleRing ring) in _rings)
        {
            if (ring.Port == port)
            {
                Serve(domain, ring);
                return true;
            }
        }

        return false;
    }

    /// <summary>The daemon is a process of its own: it sees what xenstore told it when it runs, not within somebody's request.</summary>
    /// <returns>Whether there was anything to do.</returns>
    internal bool HandleWatches()
    {
        bool any = false;
        while (_seen.TryDequeue(out string? path))
        {
            Handle(path);
            any = true;
        }

        return any;
    }

    private void Handle(string path)
    {
        const string prefix = "/local/domain/";
        if (path == "@releaseDomain")
        {
            foreach (DomainId domain in _watched.Where(d => !IsIntroduced(d)).ToArray())
                Drop(domain);
        }
        else if (path == "@introduceDomain")
        {
            foreach (string name in Children("/local/domain"))
                Follow(name);
        }
        else if (path.StartsWith(prefix, StringComparison.Ordinal))
        {
            Follow(path[prefix.Length..].Split('/')[0]);
        }
    }

    /// <summary>Watches a domain's console directory from its introduction on and attaches when its ring is known.</summary>
    private void Follow(string name)
    {
        if (!ushort.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number) || number == 0)
            return;
        var domain = new DomainId(number);
        if (!IsIntroduced(domain))
            return;
        if (_watched.Add(domain))
            Request(XenStoreMessage.WATCH, $"{ConsolePath(domain)}\0{Token}\0"); // fires once, and so attaches
        else
            Attach(domain);
    }

    private void Attach(DomainId domain)
    {
        string at = ConsolePath(domain);
        if (_rings.ContainsKey(domain)
            || !TryNumber($"{at}/ring-ref", out ulong frame) || !TryNumber($"{at}/port", out ulong port)
            || Read($"{at}/type") is not (null or "xenconsoled"))
        {
            return;
        }

        IForeignMapping mapping = _foreign.Map(domain, [new Gfn(frame)], writable: true);
        _events.Emit(new ForeignMapped(domain, "xenconsoled ring", [new Gfn(frame)], mapping.Error));
        if (mapping.Error != XenErrno.None || _channels.BindInterdomain(domain, (uint)port, out uint local) != XenErrno.None)
        {
            mapping.Dispose();
            return;
        }

        var ring = new ConsoleRing(mapping, local);
        _rings.Add(domain, ring);

        // The session is the terminal; this is what a real daemon's first pseudo terminal would be called.
        Request(XenStoreMessage.WRITE, $"{at}/tty\0/dev/pts/{_rings.Count - 1}");
        Serve(domain, ring);
    }

    private void Drop(DomainId domain)
    {
        _watched.Remove(domain);
        Request(XenStoreMessage.UNWATCH, $"{ConsolePath(domain)}\0{Token}\0");
        if (!_rings.Remove(domain, out ConsoleRing? ring))
            return;
        _channels.Close(ring.Port);
        ring.Mapping.Dispose();
    }

    private void Serve(DomainId domain, ConsoleRing ring)
    {
        byte[] output = ring.TakeOutput();
        if (output.Length > 0)
            _events.Emit(new ConsoleOutput(domain, "ring", output));
        bool typed = ring.PutInput();
        if (output.Length > 0 || typed)
            _channels.Notify(ring.Port);
    }

    private static string ConsolePath(DomainId domain) => $"{StorePath.Home(domain.Value)}/console";

    private bool IsIntroduced(DomainId domain)
        => Request(XenStoreMessage.IS_DOMAIN_INTRODUCED, domain.Value.ToString(CultureInfo.InvariantCulture) + "\0").Text == "T";

    private string[] Children(string path)
    {
        StoreReply reply = Request(XenStoreMessage.DIRECTORY, path + "\0");
        return reply.Error != XenErrno.None || reply.Payload.Length == 0 ? [] : reply.Text.Split('\0');
    }

    private string? Read(string path)
    {
        StoreReply reply = Request(XenStoreMessage.READ, path + "\0");
        return reply.Error == XenErrno.None ? reply.Text : null;
    }

    private bool TryNumber(string path, out ulong value)
    {
        value = 0;
        return Read(path) is { } text && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private StoreReply Request(XenStoreMessage type, string payload) => _store.Request(_connection, type, 0, Encoding.Latin1.GetBytes(payload));
}
