using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>
/// libxl_domain_destroy (4.0.4), xl's only clean-up. Its order loses things: /vm/UUID and /vss/UUID are looked up below the domain's path
/// after that was removed, so they stay.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/libxl.c.</remarks>
internal static class Destroy40
{
    public static StageOutcome Enter(DomainBuild build)
    {
        uint domid = build.Guest.Domid;
        build.Current = build.Guest;
        XcReturn rc = build.Xc.GetDomainInfoList(domid, 1, out DomainInfo[] infos);

        // is_hvm gives -1 for a domain that does not exist, and that is true enough.
        bool known = !rc.Failed && infos.Length == 1 && infos[0].Domid == domid;
        bool deviceModel = known ? infos[0].IsHvm || build.Store.ReadOrNull($"/local/domain/{domid}/image/device-model-pid") is not null : true;
        if (deviceModel)
            build.Store.Write(0, $"/local/domain/0/device-model/{(int)domid}/command", "shutdown");
        return StageOutcome.Ok;
    }

    public static StageOutcome Pause(DomainBuild build)
    {
        XcReturn rc = build.Xc.DomainPause(build.Guest.Domid);
        if (!rc.Failed)
            return StageOutcome.Ok;
        string text = $"xc_domain_pause failed for {(int)build.Guest.Domid}";
        build.Log.XlLog40(0, "libxl.c", 726, "libxl_domain_destroy", text, (int)rc.Value);
        return StageOutcome.Fail(-1, rc.Errno, text);
    }

    public static StageOutcome RemovePaths(DomainBuild build)
    {
        uint domid = build.Guest.Domid;
        string path = $"/local/domain/{domid}";
        build.Store.Remove(0, $"/local/domain/0/backend/console/{domid}");
        if (build.Store.Remove(0, path) is var errno && errno != XenErrno.None)
            build.Log.XlLog40(0, "libxl.c", 736, "libxl_domain_destroy", $"xs_rm failed for {path}", (int)errno);
        build.Store.ReadOrNull($"{path}/vm");
        build.Store.ReadOrNull($"{path}/vss");
        if (build.Store.Remove(0, $"/xapi/{domid}") is var xapi && xapi != XenErrno.None)
            build.Log.XlLog40(0, "libxl.c", 751, "libxl_domain_destroy", $"xs_rm failed for /xapi/{domid}", (int)xapi);
        return StageOutcome.Ok;
    }

    public static StageOutcome Destroy(DomainBuild build)
    {
        XcReturn rc = build.Xc.DomainDestroy(build.Guest.Domid);
        build.Guest.Destroyed = !rc.Failed;
        if (!rc.Failed)
            return StageOutcome.Ok;
        string text = $"xc_domain_destroy failed for {build.Guest.Domid}";
        build.Log.XlLog40(0, "libxl.c", 757, "libxl_domain_destroy", text, (int)rc.Value);
        return StageOutcome.Fail(-1, rc.Errno, text);
    }
}
