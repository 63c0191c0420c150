namespace XenSim.Hypervisor.Public.Boundary;

/// <summary>Dom0's side of event channels, as /dev/xen/evtchn shows it to the daemons.</summary>
public interface IToolEvents
{
    /// <summary>Takes one pending port that the tools in dom0 have bound, lowest first; its pending bit is cleared.</summary>
    bool TryTakePending(out uint port);
}
