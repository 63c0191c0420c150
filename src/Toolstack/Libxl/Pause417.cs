using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl_domain_pause (4.17).</summary>
/// <remarks>Source: RELEASE-4.17.0 tools/libs/light/libxl_domain.c.</remarks>
internal static class Pause417
{
    private const string File = "libxl_domain.c";
    private const string Function = "libxl_domain_pause";

    public static StageOutcome Enter(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, File, 583, Function, $"ao {ToolLog.UserPointer}: create: how=(nil) callback=(nil) poller={ToolLog.UserPointer}", build.Current.Domid);
        return StageOutcome.Ok;
    }

    public static StageOutcome Pause(DomainBuild build) => build.Xc.DomainPause(build.Current.Domid).ToOutcome();

    public static StageOutcome Failed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno(File, 587, Function, "Pausing domain", failure.Errno, build.Current.Domid);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "Pausing domain");
    }

    /// <summary>The operation is complete before its caller is told that it is in progress.</summary>
    public static StageOutcome Complete(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2067, "libxl__ao_complete", $"ao {ToolLog.UserPointer}: complete, rc=0");
        build.Log.Libxl(LogLevel.Debug, File, 591, Function, $"ao {ToolLog.UserPointer}: inprogress: poller={ToolLog.UserPointer}, flags=ic", build.Current.Domid);
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2036, "libxl__ao__destroy", $"ao {ToolLog.UserPointer}: destroy");
        return StageOutcome.Ok;
    }
}
