using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Profiles;

/// <summary>The declared call path of <c>xl create</c> for each release.</summary>
public static class CallPaths
{
    /// <summary>xl, having created the domain, begins to wait for its end.</summary>
    public static Stage<DomainBuild> WaitForDeath(XenRelease release) => release == XenRelease.V4_0 ? Path40.WaitForDeath() : Path417.WaitForDeath();

    /// <summary>What xl does with a domain that has ended.</summary>
    public static Stage<DomainBuild> DomainDeath(XenRelease release) => release == XenRelease.V4_0 ? Path40.DomainDeath() : Path417.DomainDeath();

    /// <summary>xl pause.</summary>
    public static Stage<DomainBuild> Pause(XenRelease release) => release == XenRelease.V4_0 ? Path40.Pause() : Path417.Pause();

    /// <summary>xl unpause.</summary>
    public static Stage<DomainBuild> Unpause(XenRelease release) => release == XenRelease.V4_0 ? Path40.DomainUnpause() : Path417.Unpause();

    /// <summary>xl destroy.</summary>
    public static Stage<DomainBuild> Destroy(XenRelease release) => release == XenRelease.V4_0 ? Path40.Destroy() : Path417.DomainDestroy();

    /// <summary>The whole tree, conditional branches included: PV, HVM and stub domain in 4.0; PV and PVH in 4.17.</summary>
    public static Stage<DomainBuild> CreateDomain(XenRelease release) => release switch
    {
        XenRelease.V4_0 => Path40.CreateDomain(),
        XenRelease.V4_17 => Path417.CreateDomain(),
        _ => throw new ArgumentOutOfRangeException(nameof(release), release, "no call path declared"),
    };
}
