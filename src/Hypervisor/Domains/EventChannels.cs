using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>State of a port; the values are those of EVTCHNOP_status.</summary>
public enum EventChannelState : byte
{
    Closed = 0,
    Unbound = 1,
    Interdomain = 2,
    Pirq = 3,
    Virq = 4,
    Ipi = 5,

    /// <summary>Port 0, which no domain may use.</summary>
    Reserved = 6,
}

/// <summary>One port of a domain.</summary>
public struct EventChannel
{
    public EventChannelState State;
    public DomainId RemoteDomain;
    public uint RemotePort;
    public int NotifyVcpu;

    /// <summary>VIRQ or PIRQ number.</summary>
    public uint Irq;

    /// <summary>FIFO ABI: queue of the next event, 0 first.</summary>
    public byte Priority;

    /// <summary>FIFO ABI: the queue that the port was last linked into (struct evtchn's fifo_lastq).</summary>
    public byte LastPriority;
    public ushort LastVcpu;

    /// <summary>FIFO ABI: raised before its event word existed.</summary>
    public bool PendingWithoutWord;

    /// <summary>Bound by a tool in dom0 through /dev/xen/evtchn: its pending bit is the tool's to take.</summary>
    public bool BoundByTools;
}

/// <summary>A domain's event channels. They begin with the two-level ABI; a guest of 4.17 may change to FIFO.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/event_channel.c, event_2l.c. Orders of checks as there.</remarks>
public sealed class EventChannels
{
    /// <summary>NR_VIRQS.</summary>
    public const uint VirqCount = 24;
    private const int Bucket = 128;

    private readonly Domain _domain;
    private EventChannel[] _channels = new EventChannel[Bucket];
    private FifoEvents? _fifo;

    internal EventChannels(Domain domain)
    {
        _domain = domain;
        _channels[0].State = EventChannelState.Reserved;
    }

    /// <summary>Ports that can be named, used or not.</summary>
    public int Count => _channels.Length;

    /// <summary>Highest usable port (createdomain's max_evtchn_port).</summary>
    public uint MaxPort { get; internal set; } = uint.MaxValue;

    public ref readonly EventChannel this[uint port] => ref _channels[port];

    public bool IsValid(uint port) => port < (uint)_channels.Length;

    /// <summary>evtchn_alloc_unbound.</summary>
    public XenErrno AllocUnbound(DomainId remote, bool byTools, out uint port)
    {
        XenErrno errno = GetFreePort(out port);
        if (errno != XenErrno.None)
            return errno;
        Bind(port, new EventChannel { State = EventChannelState.Unbound, RemoteDomain = remote, BoundByTools = byTools }, "alloc_unbound");
        return XenErrno.None;
    }

    /// <summary>evtchn_bind_interdomain, on the local domain.</summary>
    public XenErrno BindInterdomain(Domain remote, uint remotePort, bool byTools, out uint port)
    {
        XenErrno errno = GetFreePort(out port);
        if (errno != XenErrno.None)
            return errno;
        EventChannels theirs = remote.EventChannels;
        if (!theirs.IsValid(remotePort))
            return XenErrno.EINVAL;
        ref EventChannel r = ref theirs._channels[remotePort];
        if (r.State != EventChannelState.Unbound || r.RemoteDomain != _domain.Id)
            return XenErrno.EINVAL;
        Bind(port, new EventChannel { State = EventChannelState.Interdomain, RemoteDomain = remote.Id, RemotePort = remotePort, BoundByTools = byTools }, "bind_interdomain");
        r.State = EventChannelState.Interdomain;
        r.RemotePort = port;

        // A notification sent while the remote port was unbound is lost; one too many does no harm.
        SetPending(port);
        return XenErrno.None;
    }

    /// <summary>evtchn_bind_virq.</summary>
    public XenErrno BindVirq(uint virq, uint vcpu, bool byTools, out uint port)
    {
        port = 0;
        if (virq >= VirqCount || (IsGlobal(virq) && vcpu != 0))
            return XenErrno.EINVAL;
        if (_domain.FindVcpu(vcpu) is not { } v)
            return XenErrno.ENOENT;
        if (v.VirqToPort[virq] != 0)
            return XenErrno.EEXIST;
        XenErrno errno = GetFreePort(out port);
        if (errno != XenErrno.None)
            return errno;
        Bind(port, new EventChannel { State = EventChannelState.Virq, Irq = virq, NotifyVcpu = (int)vcpu, BoundByTools = byTools }, "bind_virq");
        v.VirqToPort[virq] = port;
        return XenErrno.None;
    }

    /// <summary>evtchn_bind_ipi.</summary>
    public XenErrno BindIpi(uint vcpu, out uint port)
    {
        port = 0;
        if (_domain.FindVcpu(vcpu) is null)
            return XenErrno.ENOENT;
        XenErrno errno = GetFreePort(out port);
        if (errno == XenErrno.None)
            Bind(port, new EventChannel { State = EventChannelState.Ipi, NotifyVcpu = (int)vcpu }, "bind_ipi");
        return errno;
    }

    /// <summary>evtchn_bind_pirq, after the caller's permission was checked.</summary>
    public XenErrno BindPirq(uint pirq, out uint port)
    {
        for (port = 0; port < _channels.Length; port++)
        {
            if (_channels[port].State == EventChannelState.Pirq && _channels[port].Irq == pirq)
                return XenErrno.EEXIST;
        }

        XenErrno errno = GetFreePort(out port);
        if (errno == XenErrno.None)
            Bind(port, new EventChannel { State = EventChannelState.Pirq, Irq = pirq }, "bind_pirq");
        return errno;
    }

    /// <summary>__evtchn_close: the other end of an interdomain pair goes back to unbound.</summary>
    public XenErrno Close(uint port)
    {
        if (!IsValid(port))
            return XenErrno.EINVAL;
        ref EventChannel c = ref _channels[port];
        switch (c.State)
        {
            case EventChannelState.Closed or EventChannelState.Reserved:
                return XenErrno.EINVAL;
            case EventChannelState.Virq:
                foreach (Vcpu v in _domain.Vcpus)
                {
                    if (v.VirqToPort[c.Irq] == port)
                        v.VirqToPort[c.Irq] = 0;
                }

                break;
            case EventChannelState.Pirq:
                _domain.Pirqs.Bind((int)c.Irq, bound: false);
                break;
            case EventChannelState.Interdomain when _domain.Xen.FindDomain(c.RemoteDomain) is { } remote:
                ref EventChannel other = ref remote.EventChannels._channels[c.RemotePort];
                other.State = EventChannelState.Unbound;
                other.RemoteDomain = _domain.Id;
                break;
        }

        ClearPending(port);
        c = new EventChannel { LastPriority = c.LastPriority, LastVcpu = c.LastVcpu };
        Report(port, "close");
        return XenErrno.None;
    }

    /// <summary>evtchn_send.</summary>
    public XenErrno Send(uint port)
    {
        if (!IsValid(port))
            return XenErrno.EINVAL;
        ref EventChannel c = ref _channels[port];
        switch (c.State)
        {
            case EventChannelState.Interdomain:
                Report(port, "send");
                _domain.Xen.FindDomain(c.RemoteDomain)?.EventChannels.SetPending(c.RemotePort);
                return XenErrno.None;
            case EventChannelState.Ipi:
                SetPending(port);
                return XenErrno.None;
            case EventChannelState.Unbound:
                return XenErrno.None;
            default:
                return XenErrno.EINVAL;
        }
    }

    /// <summary>evtchn_bind_vcpu.</summary>
    public XenErrno BindVcpu(uint port, uint vcpu)
    {
        if (_domain.FindVcpu(vcpu) is null)
            return XenErrno.ENOENT;
        if (!IsValid(port))
            return XenErrno.EINVAL;
        ref EventChannel c = ref _channels[port];
        bool movable = c.State switch
        {
            EventChannelState.Virq => IsGlobal(c.Irq),
            EventChannelState.Unbound or EventChannelState.Interdomain or EventChannelState.Pirq => true,
            _ => false,
        };
        if (!movable)
            return XenErrno.EINVAL;
        c.NotifyVcpu = (int)vcpu;
        return XenErrno.None;
    }

    /// <summary>evtchn_unmask.</summary>
    public XenErrno Unmask(uint port)
    {
        if (!IsValid(port))
            return XenErrno.EINVAL;
        if (_fifo is not null)
        {
            if (_fifo.Unmask(port))
                SetPending(port);
        }
        else if (_domain.SharedInfo.TryUnmask(port) && _domain.SharedInfo.IsPending(port))
        {
            MarkVcpu(port);
        }

        return XenErrno.None;
    }

    /// <summary>evtchn_reset, of 4.17 also back to the two-level ABI.</summary>
    public void Reset()
    {
        for (uint port = 0; port < _channels.Length; port++)
            Close(port);
        _fifo?.Destroy();
        _fifo = null;
    }

    /// <summary>evtchn_fifo_init_control: the first control block changes the ABI.</summary>
    public XenErrno InitControl(uint vcpu, Gfn gfn, uint offset)
    {
        if (_domain.FindVcpu(vcpu) is null)
            return XenErrno.ENOENT;
        if (!FifoEvents.IsPlaceForBlock(offset))
            return XenErrno.EINVAL;
        FifoEvents fifo = _fifo ?? new FifoEvents(_domain);
        XenErrno errno = fifo.MapControlBlock((int)vcpu, gfn, offset);
        if (errno != XenErrno.None || _fifo is not null)
            return errno;
        for (uint port = 1; port < _channels.Length; port++)
            _channels[port].PendingWithoutWord = _domain.SharedInfo.IsPending(port);
        _fifo = fifo;
        return XenErrno.None;
    }

    /// <summary>evtchn_fifo_expand_array: one more page of event words; what waited for its word is raised.</summary>
    public XenErrno ExpandArray(Gfn gfn)
    {
        if (_fifo is null)
            return XenErrno.EOPNOTSUPP;
        XenErrno errno = _fifo.AddArrayPage(gfn, out uint first);
        for (uint port = first; errno == XenErrno.None && port < _channels.Length && _fifo.HasWord(port); port++)
        {
            if (_channels[port].PendingWithoutWord)
                SetPending(port);
        }

        return errno;
    }

    /// <summary>evtchn_set_priority: for the next event of the port.</summary>
    public XenErrno SetPriority(uint port, uint priority)
    {
        if (!IsValid(port))
            return XenErrno.EINVAL;
        if (_fifo is null)
            return XenErrno.ENOSYS;
        if (_channels[port].State is EventChannelState.Closed or EventChannelState.Reserved)
            return XenErrno.EACCES;
        if (!FifoEvents.IsPriority(priority))
            return XenErrno.EINVAL;
        _channels[port].Priority = (byte)priority;
        return XenErrno.None;
    }

    /// <summary>evtchn_port_is_pending.</summary>
    public bool IsPending(uint port) => _fifo?.IsPending(port) ?? _domain.SharedInfo.IsPending(port);

    /// <summary>The port's mask bit is set.</summary>
    public bool IsMasked(uint port) => _fifo?.IsMasked(port) ?? _domain.SharedInfo.IsMasked(port);

    /// <summary>send_guest_vcpu_virq and send_guest_global_virq: nothing happens if the guest did not bind it.</summary>
    public void RaiseVirq(Vcpu vcpu, Virq virq)
    {
        uint port = vcpu.VirqToPort[(uint)virq];
        if (port != 0)
            SetPending(port);
    }

    /// <summary>The port to which a vCPU has bound a VIRQ; 0: none.</summary>
    public static uint PortOfVirq(Vcpu vcpu, Virq virq) => vcpu.VirqToPort[(uint)virq];

    /// <summary>An event that nobody of the machine sends: evtchn_port_set_pending by whoever stands outside.</summary>
    /// <returns>False: the port is not bound to anything, nothing happens.</returns>
    public bool TryRaise(uint port)
    {
        if (!IsValid(port) || _channels[port].State is EventChannelState.Closed or EventChannelState.Reserved or EventChannelState.Unbound)
            return false;
        SetPending(port);
        return true;
    }

    /// <summary>evtchn_set_pending: the bits the guest looks at, and the wake-up of the vCPU that is told.</summary>
    internal void SetPending(uint port)
    {
        if (_fifo is not null)
        {
            SetPendingFifo(_fifo, port);
            return;
        }

        if (!_domain.SharedInfo.TrySetPending(port))
            return;
        Delivered(port);
        if (!_domain.SharedInfo.IsMasked(port))
            MarkVcpu(port);
        WakePollers(port);
    }

    private void SetPendingFifo(FifoEvents fifo, uint port)
    {
        ref EventChannel c = ref _channels[port];
        c.PendingWithoutWord = !fifo.HasWord(port);
        if (c.PendingWithoutWord)
            return;
        fifo.SetPending(ref c, port, out bool wasPending);
        if (wasPending)
            return;
        Delivered(port);
        WakePollers(port);
    }

    private void Delivered(uint port)
    {
        Report(port, "deliver");
        if (_channels[port].BoundByTools)
            _domain.Xen.ToolPortPending = true;
    }

    /// <summary>evtchn_check_pollers.</summary>
    private void WakePollers(uint port)
    {
        foreach (Vcpu v in _domain.Vcpus)
            v.WakeIfPolling(port);
    }

    private void ClearPending(uint port)
    {
        if (_fifo is not null)
            _fifo.ClearPending(port);
        else
            _domain.SharedInfo.ClearPending(port);
    }

    /// <summary>Lowest pending port of a tool's, taken: pending bit cleared.</summary>
    internal bool TryTakeForTools(out uint port)
    {
        for (port = 1; port < _channels.Length; port++)
        {
            if (_channels[port].BoundByTools && (IsPending(port) || _channels[port].PendingWithoutWord))
            {
                ClearPending(port);
                _channels[port].PendingWithoutWord = false;
                return true;
            }
        }

        return false;
    }

    private void MarkVcpu(uint port)
    {
        if (_domain.FindVcpu((uint)_channels[port].NotifyVcpu) is { VcpuInfo.Exists: true } v && v.VcpuInfo.SetSelector(_domain.SharedInfo.Layout, port))
            v.MarkEventsPending();
    }

    private XenErrno GetFreePort(out uint port)
    {
        port = 0;
        if (_domain.IsDying)
            return XenErrno.EINVAL;
        long ports = _fifo is null ? _domain.SharedInfo.Layout.EventChannels : XenConstants.EVTCHN_FIFO_NR_CHANNELS;
        uint limit = (uint)Math.Min(ports, (long)MaxPort + 1);
        for (port = 1; port < limit; port++)
        {
            if (port == _channels.Length)
                Array.Resize(ref _channels, _channels.Length + Bucket);
            if (_channels[port].State == EventChannelState.Closed)
                return XenErrno.None;
        }

        return XenErrno.ENOSPC;
    }

    private void Bind(uint port, EventChannel channel, string what)
    {
        // evtchn_port_init: where the port was queued last stays, its word may still be linked there.
        ref readonly EventChannel before = ref _channels[port];
        _channels[port] = channel with { Priority = XenConstants.EVTCHN_FIFO_PRIORITY_DEFAULT, LastPriority = before.LastPriority, LastVcpu = before.LastVcpu };
        Report(port, what);
    }

    private void Report(uint port, string what)
    {
        if (_domain.Xen.Events.Wants<EventChannelChanged>())
            _domain.Xen.Events.Emit(new EventChannelChanged(_domain.Id, port, what));
    }

    private static bool IsGlobal(uint virq) => (Virq)virq is not (Virq.TIMER or Virq.DEBUG or Virq.XENOPROF or Virq.XENPMU);
}
