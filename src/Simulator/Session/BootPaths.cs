using Stateless.Reflection;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Profiles;

namespace XenSim.Simulator.Session;

/// <summary>The declared stages of each path, for listing and drawing.</summary>
public static class BootPaths
{
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
        _ => throw new Input.InputException("dom0", "the stages of __start_xen are not declared yet"),
    };

    public static StateMachineInfo Declaration(BootPath path, XenRelease release) => throw new Input.InputException(path.ToString(), $"the machine of {release} is not declared yet");
}
