using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Toolstack.Console;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Daemons;

/// <summary>What runs in dom0 beside the tools: xenstored and xenconsoled. Works only when called.</summary>
public sealed class DaemonSet
{
    private readonly XenRelease _release;
    private readonly IToolEvents _toolEvents;
    private readonly XenStoreRings _rings;

    public DaemonSet(XenRelease release, IHypercallChannel channel, IForeignMemory foreign, IToolEvents toolEvents, IEventSink events)
    {
        _release = release;
        _toolEvents = toolEvents;
        var channels = new EventChannels(channel);
        Store = new XenStored(release, events);
        _rings = new XenStoreRings(Store, channels, foreign, events);
        Store.Rings = _rings;
        Console = new XenConsoled(Store, channels, foreign, events);
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

    /// <summary>Handles every pending port of the daemons; to be called when vCPUs have run or the tools have done something.</summary>
    /// <returns>Whether anything was handled.</returns>
    public bool Poll()
    {
        bool any = Console.HandleWatches();
        while (_toolEvents.TryTakePending(out uint port))
            any |= _rings.HandlePort(port) || Console.HandlePort(port);
        _rings.Flush();
        return any;
    }

    /// <summary>A domain is gone or has shut down for good (VIRQ_DOM_EXC): its rings are dropped.</summary>
    public void DomainGone(DomainId domain)
    {
        Store.Forget(domain);
        Console.HandleWatches();
    }
}
