using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>xl and a domain's end (4.0.4). This xl reads no on_* setting: it destroys, and creates the domain again after a reboot.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/xl_cmdimpl.c: create_domain; tools/libxl/libxl.c: libxl_event_get_domain_death_info.</remarks>
internal static class DomainDeath40
{
    public static StageOutcome Wait(DomainBuild build)
    {
        build.Log.Stderr($"Waiting for domain {build.Guest.Configuration.Name} (domid {build.Guest.Domid}) to die [pid <pid>]");
        return StageOutcome.Ok;
    }

    public static StageOutcome GetInfo(DomainBuild build)
    {
        uint domid = build.Guest.Domid;
        XcReturn rc = build.Xc.GetDomainInfoList(domid, 1, out DomainInfo[] infos);
        build.Log.Stderr($"Domain {domid} is dead");
        if (rc.Failed || infos.Length == 0 || infos[0].Domid != domid)
            return StageOutcome.Ok;
        DomainInfo info = infos[0];
        if (info.IsShutDown)
            build.ShutdownReason = info.ShutdownReason;
        if (!info.IsDying && (!info.IsShutDown || (ShutdownReason)info.ShutdownReason == ShutdownReason.suspend))
            return StageOutcome.Ok;
        build.Action = (ShutdownReason?)build.ShutdownReason == ShutdownReason.reboot ? EndAction.restart : EndAction.destroy;
        build.Restart = build.Action == EndAction.restart ? RestartType.Normal : RestartType.None;
        build.Log.Stderr($"Domain {domid} needs to be clean: destroying the domain");
        return StageOutcome.Ok;
    }

    public static bool Destroys(DomainBuild build) => (ShutdownReason?)build.ShutdownReason is not (null or ShutdownReason.suspend);

    /// <summary>The last line comes after every end but a reboot: there is no else before it.</summary>
    public static StageOutcome Done(DomainBuild build)
    {
        if (build.Restart == RestartType.Normal)
        {
            build.Log.Stderr("Done. Rebooting now");
            return StageOutcome.Ok;
        }

        if (Destroys(build))
            build.Log.Stderr("Done. Exiting now");
        build.Log.Stderr($"Domain {build.Guest.Domid} does not need to be clean, exiting now");
        return StageOutcome.Ok;
    }
}
