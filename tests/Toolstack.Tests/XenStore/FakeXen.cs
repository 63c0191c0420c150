using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Tests.XenStore;

/// <summary>The hypervisor's side of the daemons: pages by frame number, and event channels that count their notifications.</summary>
internal sealed class FakeXen : IHypercallChannel, IForeignMemory, IToolEvents, IEventSink
{
    private readonly Dictionary<ulong, byte[]> _pages = [];
    private readonly Queue<uint> _pending = new();
    private uint _nextPort = 100;

    public List<XenEvent> Events { get; } = [];

    /// <summary>Local ports that were notified, in order.</summary>
    public List<uint> Notified { get; } = [];

    /// <summary>Local port by the guest's port.</summary>
    public Dictionary<(ushort Domain, uint Port), uint> Bound { get; } = [];

    public Abi ToolAbi => Abi.X64;

    public byte[] Page(ulong frame) => _pages.TryGetValue(frame, out byte[]? page) ? page : _pages[frame] = new byte[4096];

    /// <summary>The guest sends on its port.</summary>
    public void GuestNotifies(DomainId domain, uint port) => _pending.Enqueue(Bound[(domain.Value, port)]);

    public long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
    {
        Assert.Equal(HypercallNumber.event_channel_op, number);
        var at = new VirtualAddress(a2);
        switch ((EventChannelOp)a1)
        {
            case EventChannelOp.bind_interdomain:
                Assert.True(memory.TryReadStruct(at, out EvtchnBindInterdomain bind));
                bind.LocalPort = _nextPort++;
                Bound[(bind.RemoteDom, bind.RemotePort)] = bind.LocalPort;
                Assert.True(memory.TryWrite(at, WireMemory.AsBytes(ref bind)));
                return 0;
            case EventChannelOp.send:
                Assert.True(memory.TryReadStruct(at, out EvtchnSend send));
                Notified.Add(send.Port);
                return 0;
            case EventChannelOp.close:
                return 0;
            default:
                throw new InvalidOperationException($"unexpected event_channel_op {a1}");
        }
    }

    public IForeignMapping Map(DomainId domain, ReadOnlySpan<Gfn> gfns, bool writable) => new Mapping([.. gfns.ToArray().Select(g => Page(g.Value))]);

    public IForeignMapping MapResource(DomainId domain, uint type, uint id, ulong frame, uint count) => throw new NotSupportedException();

    public bool TryTakePending(out uint port) => _pending.TryDequeue(out port);

    public bool Wants<TEvent>()
        where TEvent : XenEvent => true;

    public void Emit(XenEvent e) => Events.Add(e);

    private sealed class Mapping(byte[][] pages) : IForeignMapping
    {
        public int Count => pages.Length;

        public XenErrno Error => XenErrno.None;

        public Span<byte> Page(int index) => pages[index];

        public void Write(ulong offset, ReadOnlySpan<byte> bytes) => throw new NotSupportedException();

        public void Read(ulong offset, Span<byte> bytes) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
