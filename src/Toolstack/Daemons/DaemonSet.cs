using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Console;
using XenSim.Toolstack.Libxc;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Daemons;

/// <summary>What runs in dom0 beside the tools: xenstored and xenconsoled. Works only when called.</summary>
public sealed class DaemonSet
{
    private readonly XenRelease _release;
    private readonly IToolEvents _toolEvents;
    private readonly EventChannels _channels;
    private readonly XenStoreRings _rings;
    private readonly XenControl _xc;
    private uint? _domainEvents;

    public DaemonSet(XenRelease release, IHypercallChannel channel, IForeignMemory foreign, IToolEvents toolEvents, IEventSink events)
    {
        _release = release;
        _toolEvents = toolEvents;
        EventChannels channels = _channels = new EventChannels(channel);
        Store = new XenStored(release, events);
        _rings = new XenStoreRings(Store, channels, foreign, events);
        Store.Rings = _rings;
        Console = new XenConsoled(Store, channels, foreign, events);
        var options = new ToolstackOptions { Release = release, Channel = channel, Foreign = foreign, Store = new ToolStore(Store), Events = events };
        _xc = new XenControl(options, new ToolLog(events, release));
    }

    public XenStored Store { get; }

    public XenConsoled Console { get; }

    /// <summary>
    /// Writes the nodes that dom0's kernel (drivers/xen/manage.c: setup_shutdown_event, of the kernels of 4.17's time) and then its start
    /// scripts (xen-init-dom0) leave there.
    /// </summary>
    public void InitialiseDom0()
    {
        var tools = new ToolStore(Store);
        foreach (string feature in _release == XenRelease.V4_0 ? (string[])[] : ["poweroff", "reboot", "suspend"])
            tools.Write(0, $"/local/domain/0/control/feature-{feature}", "1");
        tools.Write(0, "/local/domain/0/domid", "0");
        tools.Write(0, "/local/domain/0/name", "Domain-0");
        tools.Write(0, "/local/pool/0/name", "Pool-0");
    }

    /// <summary>xenstored asks Xen to be told when a domain shuts down or dies (VIRQ_DOM_EXC).</summary>
    public void Start() => _domainEvents = _channels.BindVirq(Virq.DOM_EXC, out uint port) == XenErrno.None ? port : null;

    /// <summary>Handles every pending port of the daemons; to be called when vCPUs have run or the tools have done something.</summary>
    /// <returns>Whether anything was handled.</returns>
    public bool Poll()
    {
        bool any = Console.HandleWatches();
        while (_toolEvents.TryTakePending(out uint port))
            any |= port == _domainEvents ? CleanUpDomains() : _rings.HandlePort(port) || Console.HandlePort(port);
        _rings.Flush();
        return any;
    }

    /// <summary>domain_cleanup of xenstored; what xenconsoled makes of it follows.</summary>
    private bool CleanUpDomains()
    {
        Store.CleanUpDomains(id => _xc.GetDomainInfo(id.Value, out DomainInfo info).Failed || info.Domid != id.Value ? null : new DomainFate(info.IsShutDown, info.IsDying));
        Console.HandleWatches();
        return true;
    }
}
