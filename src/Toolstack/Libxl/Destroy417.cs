using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>
/// libxl_domain_destroy (4.17). After a failed creation libxl destroys the domain itself, and then xl does it again and finds nothing.
/// </summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_domain.c: libxl__destroy_domid and its callbacks; tools/xl/xl_vmcontrol.c.</remarks>
internal static class Destroy417
{
    private const string File = "libxl_domain.c";

    /// <summary>libxl__destroy_domid up to the point where devices are gone; libxl__destroy_device_model ends a qemu.</summary>
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
        if (build.Store.ReadOrNull($"/local/domain/{domid}/image/device-model-pid") is not null)
            DeviceModel417.Destroy(build, domid);
        return StageOutcome.Ok;
    }

    /// <summary>libxl__devices_destroy: consoles, the only kind of device here, go at once (libxl__device_destroy).</summary>
    public static StageOutcome DevicesDestroy(DomainBuild build)
    {
        uint domid = build.Current.Domid;
        string devices = $"/libxl/{domid}/device/console";
        if (build.Store.Directory(0, devices, out IReadOnlyList<string> names) != XenErrno.None)
            return StageOutcome.Ok;
        foreach (string name in names)
        {
            if (build.Store.ReadOrNull($"{devices}/{name}/backend") is not { } back)
                continue;
            string front = build.Store.ReadOrNull($"{devices}/{name}/frontend") ?? $"/local/domain/{domid}/console";
            build.Store.Transaction(t =>
            {
                build.Store.CleanUpPath(t, front);
                build.Store.CleanUpPath(t, $"{devices}/{name}");
                build.Store.CleanUpPath(t, back);
            });
        }

        return StageOutcome.Ok;
    }

    /// <summary>devices_destroy_cb: the trees of the domain go, /vm/UUID too.</summary>
    public static StageOutcome DevicesDestroyed(DomainBuild build)
    {
        TargetDomain target = build.Current;
        uint domid = target.Domid;
        string path = $"/local/domain/{domid}";
        if (build.Store.ReadOrNull($"{path}/vm") is { } vmPath)
            build.Store.Remove(0, vmPath);
        build.Store.Remove(0, path);
        build.Store.Remove(0, $"/libxl/{domid}");
        build.Log.Libxl(LogLevel.Debug, File, 1597, "devices_destroy_cb", "Forked pid <pid> for destroy of domain", domid);
        return StageOutcome.Ok;
    }

    /// <summary>do_domain_create hands over to its event loop, which waits for the child.</summary>
    public static StageOutcome DevicesDestroyedByCreate(DomainBuild build)
    {
        DevicesDestroyed(build);
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
        return rc.ToOutcome();
    }

    /// <summary>The same when a creation has failed: it completes as a failure whatever comes of this.</summary>
    public static StageOutcome DestroyDomainByCreate(DomainBuild build)
    {
        StageOutcome outcome = DestroyDomain(build);
        Finish417.AoComplete(build, LibxlError.FAIL);
        return outcome;
    }

    /// <summary>libxl_domain_destroy of a domain that is there.</summary>
    public static StageOutcome Enter(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, File, 1046, "libxl_domain_destroy", $"ao {ToolLog.UserPointer}: create: how=(nil) callback=(nil) poller={ToolLog.UserPointer}", build.Current.Domid);
        return StageOutcome.Ok;
    }

    public static StageOutcome Complete(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, File, 1055, "libxl_domain_destroy", $"ao {ToolLog.UserPointer}: inprogress: poller={ToolLog.UserPointer}, flags=i", build.Current.Domid);
        Finish417.AoComplete(build, 0);
        return StageOutcome.Ok;
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
