using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Daemons;

namespace XenSim.Toolstack.XenStore;

/// <summary>Guests' connections to xenstored: wire messages over <c>xenstore_domain_interface</c>.</summary>
/// <remarks>Source: stable-4.17 tools/xenstore/xenstored_domain.c; layout and rules: xen/include/public/io/xs_wire.h.</remarks>
internal sealed class XenStoreRings(XenStored store, EventChannels channels, IForeignMemory foreign, IEventSink events) : IStoreRings
{
    /// <summary>Hard limit on what is queued for a domain that does not read, as for all that is kept for it. Unit: bytes.</summary>
    private const int MostQueued = (2 * 1024 * 1024) + (512 * 1024);

    private readonly Dictionary<DomainId, Ring> _rings = [];

    public XenErrno Introduce(DomainId domain, Gfn frame, uint port)
    {
        if (_rings.TryGetValue(domain, out Ring? known))
        {
            // A second INTRODUCE renews the event channel and begins the connection anew (domain_conn_reset).
            channels.Close(known.Port);
            XenErrno again = channels.BindInterdomain(domain, port, out uint renewed);
            known.Port = again == XenErrno.None ? renewed : 0;
            store.Reset(known.Connection!);
            known.Reset();
            return XenErrno.None;
        }

        IForeignMapping mapping = foreign.Map(domain, [frame], writable: true);
        events.Emit(new ForeignMapped(domain, "xenstored ring", [frame], mapping.Error));
        if (mapping.Error != XenErrno.None)
        {
            XenErrno error = mapping.Error;
            mapping.Dispose();
            return error;
        }

        XenErrno bound = channels.BindInterdomain(domain, port, out uint local);
        if (bound != XenErrno.None)
        {
            mapping.Dispose();
            return bound;
        }

        var ring = new Ring(store, mapping, local);
        ring.Reset();
        ring.Connection = store.Connect(domain, ring.QueueEvent);
        _rings.Add(domain, ring);
        return XenErrno.None;
    }

    public void Release(DomainId domain)
    {
        if (!_rings.Remove(domain, out Ring? ring))
            return;
        store.Disconnect(ring.Connection!);
        channels.Close(ring.Port);
        ring.Mapping.Dispose();
    }

    /// <summary>Handles the ring behind a pending port. False: not ours.</summary>
    public bool HandlePort(uint port)
    {
        foreach (Ring ring in _rings.Values)
        {
            if (ring.Port == port)
            {
                Serve(ring);
                return true;
            }
        }

        return false;
    }

    /// <summary>Writes out what watches have queued since.</summary>
    public void Flush()
    {
        foreach (Ring ring in _rings.Values)
        {
            if (ring.HasOutput)
                Serve(ring);
        }
    }

    private void Serve(Ring ring)
    {
        bool moved = true;
        bool notify = false;
        while (moved && !ring.Ignored)
        {
            moved = ring.TakeOutput();
            while (!ring.HasOutput && ring.TryMessage(out XsdSockmsg header, out byte[] payload))
            {
                Answer(ring, header, payload);
                moved = true;
            }

            moved |= ring.PullInput();
            notify |= moved;
        }

        if (notify)
            channels.Notify(ring.Port);
    }

    private void Answer(Ring ring, XsdSockmsg header, byte[] payload)
    {
        ring.HoldEvents();
        StoreReply reply = store.Request(ring.Connection!, (XenStoreMessage)header.Type, header.TxId, payload);
        bool failed = reply.Error != XenErrno.None;
        byte[] body = failed ? [.. Encoding.Latin1.GetBytes(reply.Error.ToString()), 0] : reply.Payload;
        ring.Queue(failed ? XenStoreMessage.ERROR : (XenStoreMessage)header.Type, header.ReqId, header.TxId, body);
        ring.ReleaseEvents();
    }

    /// <summary>One guest's ring with what is half read and not yet written.</summary>
    private sealed class Ring(XenStored store, IForeignMapping mapping, uint port)
    {
        // XENSTORE_ERROR_*: xen/include/public/io/xs_wire.h.
        private const uint RingIndexError = 2;
        private const uint ProtocolError = 3;
        private const int ErrorAt = 2072;

        private const int HeaderSize = 16;
        private const int RingSize = 1024; // XENSTORE_RING_SIZE
        private const int ReqAt = 0;
        private const int RspAt = 1024;
        private const int ReqConsAt = 2048; // then req_prod, rsp_cons, rsp_prod

        private readonly List<byte> _input = [];
        private readonly List<(string Path, string Token)> _held = [];
        private readonly List<byte> _output = [];
        private bool _holding;

        public IForeignMapping Mapping => mapping;

        public uint Port { get; set; } = port;

        public StoreConnection? Connection { get; set; }

        /// <summary>A guest that broke the protocol is not served any more (4.17: its connection is ignored).</summary>
        public bool Ignored { get; private set; }

        public bool HasOutput => _output.Count > 0;

        public void QueueEvent(string path, string token)
        {
            if (_holding)
                _held.Add((path, token));
            else
                Queue(XenStoreMessage.WATCH_EVENT, 0, 0, [.. Encoding.Latin1.GetBytes($"{path}\0{token}\0")]);
        }

        /// <summary>domain_conn_reset: nothing half read, nothing queued, both rings empty.</summary>
        public void Reset()
        {
            _input.Clear();
            _held.Clear();
            _output.Clear();
            mapping.Page(0).Slice(ReqConsAt, 4 * sizeof(uint)).Clear();
        }

        /// <summary>Events that a request causes come after its reply.</summary>
        public void HoldEvents() => _holding = true;

        public void ReleaseEvents()
        {
            _holding = false;
            foreach ((string path, string token) in _held)
                QueueEvent(path, token);
            _held.Clear();
        }

        public void Queue(XenStoreMessage type, uint request, uint transaction, byte[] body)
        {
            if (_output.Count + HeaderSize + body.Length > MostQueued)
            {
                Ignore(ProtocolError);
                return;
            }

            var header = new XsdSockmsg { Type = (uint)type, ReqId = request, TxId = transaction, Len = (uint)body.Length };
            _output.AddRange(WireMemory.AsBytes(ref header));
            _output.AddRange(body);
        }

        /// <summary>Reads what the guest has put into the request ring, at most one message's worth.</summary>
        public bool PullInput()
        {
            Span<byte> page = mapping.Page(0);
            ref uint cons = ref page[ReqConsAt..].AsStruct<uint>();
            uint prod = page[(ReqConsAt + 4)..].ReadStruct<uint>();
            uint available = unchecked(prod - cons);
            if (available > RingSize)
            {
                Ignore(RingIndexError);
                return false;
            }

            uint room = (uint)Math.Max(0, HeaderSize + StoreQuotas.Payload - _input.Count);
            uint count = Math.Min(available, room);
            for (uint i = 0; i < count; i++)
                _input.Add(page[ReqAt + (int)(unchecked(cons + i) % RingSize)]);
            cons = unchecked(cons + count);
            return count > 0;
        }

        public bool TryMessage(out XsdSockmsg header, out byte[] payload)
        {
            header = default;
            payload = [];
            if (_input.Count < HeaderSize)
                return false;
            header = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_input).ReadStruct<XsdSockmsg>();
            if (header.Len > StoreQuotas.Payload)
            {
                Ignore(ProtocolError);
                return false;
            }

            int whole = HeaderSize + (int)header.Len;
            if (_input.Count < whole)
                return false;
            payload = [.. _input.GetRange(HeaderSize, (int)header.Len)];
            _input.RemoveRange(0, whole);
            return true;
        }

        /// <summary>Writes queued bytes into the response ring as far as there is room.</summary>
        public bool TakeOutput()
        {
            if (_output.Count == 0)
                return false;
            Span<byte> page = mapping.Page(0);
            uint cons = page[(ReqConsAt + 8)..].ReadStruct<uint>();
            ref uint prod = ref page[(ReqConsAt + 12)..].AsStruct<uint>();
            uint used = unchecked(prod - cons);
            if (used > RingSize)
            {
                Ignore(RingIndexError);
                return false;
            }

            int count = Math.Min(_output.Count, RingSize - (int)used);
            for (int i = 0; i < count; i++)
                page[RspAt + (int)(unchecked(prod + (uint)i) % RingSize)] = _output[i];
            _output.RemoveRange(0, count);
            prod = unchecked(prod + (uint)count);
            return count > 0;
        }

        /// <summary>ignore_connection.</summary>
        private void Ignore(uint error)
        {
            Ignored = true;
            if (Connection is not null)
                store.Reset(Connection);
            _input.Clear();
            if (store.Protocol != XenRelease.V4_0) // 4.17: the guest is told why
                mapping.Page(0)[ErrorAt..].WriteStruct(error);
        }
    }
}
