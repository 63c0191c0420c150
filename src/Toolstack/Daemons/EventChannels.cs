using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Daemons;

/// <summary>/dev/xen/evtchn for the daemons in dom0: what its ioctls ask of the hypervisor.</summary>
internal sealed class EventChannels(IHypercallChannel channel)
{
    private readonly Scratch _memory = new();

    /// <summary>EVTCHNOP_bind_interdomain: a local port for the guest's <paramref name="remotePort"/>.</summary>
    public XenErrno BindInterdomain(DomainId domain, uint remotePort, out uint localPort)
    {
        var bind = new EvtchnBindInterdomain { RemoteDom = domain.Value, RemotePort = remotePort };
        XenErrno error = Call(EventChannelOp.bind_interdomain, ref bind);
        localPort = bind.LocalPort;
        return error;
    }

    /// <summary>EVTCHNOP_bind_virq, on CPU 0.</summary>
    public XenErrno BindVirq(Virq virq, out uint port)
    {
        var bind = new EvtchnBindVirq { Virq = (uint)virq };
        XenErrno error = Call(EventChannelOp.bind_virq, ref bind);
        port = bind.Port;
        return error;
    }

    /// <summary>EVTCHNOP_send.</summary>
    public XenErrno Notify(uint port)
    {
        var send = new EvtchnSend { Port = port };
        return Call(EventChannelOp.send, ref send);
    }

    /// <summary>EVTCHNOP_close.</summary>
    public XenErrno Close(uint port)
    {
        var close = new EvtchnClose { Port = port };
        return Call(EventChannelOp.close, ref close);
    }

    private XenErrno Call<T>(EventChannelOp operation, ref T argument)
        where T : unmanaged
    {
        Span<byte> buffer = _memory.Bytes;
        buffer.WriteStruct(argument);
        long result = channel.Hypercall(HypercallNumber.event_channel_op, _memory, (ulong)operation, Scratch.Address);
        argument = buffer.ReadStruct<T>();
        return result.ToErrno();
    }

    /// <summary>One hypercall buffer at a made-up address of the daemon's process.</summary>
    private sealed class Scratch : ICallerMemory
    {
        public const ulong Address = 0x7f00_0000_1000;

        private readonly byte[] _bytes = new byte[64];

        public Span<byte> Bytes => _bytes;

        public bool TryRead(VirtualAddress source, Span<byte> destination)
        {
            if (!TryOffset(source, destination.Length, out int at))
                return false;
            _bytes.AsSpan(at, destination.Length).CopyTo(destination);
            return true;
        }

        public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source)
        {
            if (!TryOffset(destination, source.Length, out int at))
                return false;
            source.CopyTo(_bytes.AsSpan(at));
            return true;
        }

        private bool TryOffset(VirtualAddress address, int length, out int offset)
        {
            ulong at = unchecked(address.Value - Address);
            offset = (int)Math.Min(at, (ulong)_bytes.Length);
            return at <= (ulong)_bytes.Length && length <= _bytes.Length - offset;
        }
    }
}
