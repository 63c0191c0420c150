using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;

namespace XenSim.Toolstack.Libxl;

/// <summary>What libxl__build_pv, libxl__build_hvm and libxl__build_dom say and keep (4.17).</summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_dom.c.</remarks>
internal static class BuildDom417
{
    private const string File = "libxl_dom.c";

    /// <summary>LOGE and ERROR_FAIL. The errno shown is what the failing call left, as in the original.</summary>
    public static Func<DomainBuild, StageOutcome, StageOutcome> Failed(int line, string function, string text) => (build, failure) =>
    {
        build.Log.LibxlErrno(File, line, function, text, failure.Errno);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, failure.Message.Length > 0 ? failure.Message : text);
    };

    /// <summary>LOG without errno.</summary>
    public static StageOutcome ParseFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.Libxl(LogLevel.Error, File, 571, "libxl__build_dom", "xc_dom_parse_image failed");
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, failure.Message);
    }

    public static StageOutcome FirmwareFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.Libxl(LogLevel.Error, File, 1075, "libxl__build_hvm", "initializing domain firmware failed");
        return failure;
    }

    public static StageOutcome KernelFilePv(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, File, 633, "libxl__build_pv", $"pv kernel mapped 0 path {build.Current.Configuration.Kernel?.Name}");
        return XcDomCore.KernelFile(build);
    }

    /// <summary>The rings' frames go into the build state, then the image object is released.</summary>
    public static StageOutcome StoreFrames(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        build.Current.State = build.Current.State with
        {
            ConsoleMfn = dom.P2m(dom.Layout.ConsolePfn).Value,
            StoreMfn = dom.P2m(dom.Layout.XenstorePfn).Value,
        };
        return XcDomCore.Release(build);
    }
}
