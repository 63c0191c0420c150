using Stateless.Reflection;
using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Tracing;
using XenSim.Toolstack.Profiles;

namespace XenSim.Simulator.Session;

/// <summary>The declared stages of each path, for listing and drawing.</summary>
public static class BootPaths
{
    public static bool IsKnown(string name) => name is "domu" or "stubdom" or "dom0" or "hvm";

    public static BootPath Parse(string name) => name switch
    {
        "domu" => BootPath.DomU,
        "stubdom" => BootPath.Stubdom,
        "dom0" => BootPath.Dom0,
        "hvm" => BootPath.Hvm,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such path"),
    };

    public static IEnumerable<StageInfo> Stages(BootPath path, XenRelease release) => path switch
    {
        BootPath.DomU => StageInfo.Flatten(CallPaths.CreateDomain(release), without: "HVM"),
        BootPath.Hvm => StageInfo.Flatten(CallPaths.CreateDomain(release), without: "PV"),
        BootPath.Stubdom => StageInfo.Flatten(CallPaths.CreateDomain(release)),
        BootPath.Dom0 => StageInfo.Flatten(StartXen.Tree(BootSession.XenOptionsFor(new SessionOptions { Release = release }, new EventStream(() => 0), new FaultPlan([])))),
        _ => throw new ArgumentOutOfRangeException(nameof(path), path, "no such path"),
    };

    /// <summary>The machine itself, not yet started: what it would do is what it shows.</summary>
    public static StateMachineInfo Declaration(BootPath path, XenRelease release)
    {
        using BootSession session = new(new SessionOptions { Release = release, Path = path }, []);
        return session.Declaration();
    }
}
