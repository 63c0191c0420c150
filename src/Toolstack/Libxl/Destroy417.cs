using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>
/// What happens after a failed creation (4.17): libxl destroys the domain itself, and then xl does it again and finds nothing.
/// </summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_domain.c: libxl__destroy_domid and its callbacks; tools/xl/xl_vmcontrol.c.</remarks>
internal static class Destroy417
{
    private const string File = "libxl_domain.c";

    /// <summary>libxl__destroy_domid up to the point where devices are gone.</summary>
    public static StageOutcome Pause(DomainBuild build)
    {
        TargetDomain target = build.Current;
        uint domid = target.Domid;
        build.Xc.GetDomainInfoList(domid, 1, out _);
        if (build.Store.Read(0, $"/libxl/{domid}/type", out _) is var errno && errno != XenErrno.None)
        {
            string path = $"/libxl/{domid}/type";
            build.Log.LibxlErrno("libxl_xshelp.c", 206, "libxl__xs_read_mandatory", $"xenstore read failed: `{path}'", errno);
            build.Log.Libxl(LogLevel.Warn, "libxl_dom.c", 49, "libxl__domain_type", $"unable to get domain type for domid={domid}, assuming HVM");
        }

        XcReturn rc = build.Xc.DomainPause(domid);
        if (rc.Failed)
            build.Log.LibxlErrno(File, 1218, "libxl__destroy_domid", "xc_domain_pause failed", rc.Errno, domid);
        return StageOutcome.Ok;
    }

    /// <summary>devices_destroy_cb: the trees of the domain go, /vm/UUID too.</summary>
    public static StageOutcome DevicesDestroyed(DomainBuild build)
    {
        TargetDomain target = build.Current;
        uint domid = target.Domid;
        string path = $"/local/domain/{domid}";
        build.Store.Remove(0, $"/local/domain/0/backend/console/{domid}");
        if (build.Store.ReadOrNull($"{path}/vm") is { } vmPath)
            build.Store.Remove(0, vmPath);
        build.Store.Remove(0, path);
        build.Store.Remove(0, $"/libxl/{domid}");
        build.Log.Libxl(LogLevel.Debug, File, 1597, "devices_destroy_cb", "Forked pid <pid> for destroy of domain", domid);
        build.Log.Libxl(LogLevel.Debug, "libxl_create.c", 2120, "do_domain_create", $"ao {ToolLog.UserPointer}: inprogress: poller={ToolLog.UserPointer}, flags=i");
        return StageOutcome.Ok;
    }

    /// <summary>The forked child's xc_domain_destroy.</summary>
    public static StageOutcome DestroyDomain(DomainBuild build)
    {
        XcReturn rc = build.Xc.DomainDestroy(build.Current.Domid);
        build.Current.Destroyed = !rc.Failed;
        if (rc.Failed)
            build.Log.LibxlErrno(File, 1626, "domain_destroy_domid_cb", "xc_domain_destroy failed", rc.Errno, build.Current.Domid);
        Finish417.AoComplete(build, LibxlError.FAIL);
        return rc.ToOutcome();
    }

    /// <summary>xl's own libxl_domain_destroy of the domid it still holds: the domain is gone.</summary>
    public static StageOutcome AgainByXl(DomainBuild build)
    {
        uint domid = build.Current.Domid;
        build.Log.Libxl(LogLevel.Debug, File, 1046, "libxl_domain_destroy", $"ao {ToolLog.UserPointer}: create: how=(nil) callback=(nil) poller={ToolLog.UserPointer}", domid);
        build.Xc.GetDomainInfoList(domid, 1, out DomainInfo[] infos);
        if (infos.Length > 0 && infos[0].Domid == domid)
            return StageOutcome.Ok;
        build.Log.Libxl(LogLevel.Error, File, 1183, "libxl__destroy_domid", "Non-existant domain", domid);
        build.Log.Libxl(LogLevel.Error, File, 1137, "domain_destroy_callback", "Unable to destroy guest", domid);
        build.Log.Libxl(LogLevel.Error, File, 1064, "domain_destroy_cb", "Destruction of domain failed", domid);
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2067, "libxl__ao_complete", $"ao {ToolLog.UserPointer}: complete, rc={LibxlError.DOMAIN_NOTFOUND}");
        build.Log.Libxl(LogLevel.Debug, File, 1055, "libxl_domain_destroy", $"ao {ToolLog.UserPointer}: inprogress: poller={ToolLog.UserPointer}, flags=ic", domid);
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2036, "libxl__ao__destroy", $"ao {ToolLog.UserPointer}: destroy");
        return StageOutcome.Ok;
    }
}
