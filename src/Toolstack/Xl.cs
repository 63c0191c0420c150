using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.Profiles;

namespace XenSim.Toolstack;

/// <summary>The program <c>xl</c> in dom0, standing on libxl and libxc of one release.</summary>
public sealed class Xl(ToolstackOptions options)
{
    /// <summary>
    /// <c>xl create</c> as a machine of stages; nothing has happened before its first step. A stub domain is made when the configuration's
    /// device model is one (4.0).
    /// </summary>
    /// <param name="paused">-p: without the unpause at the end.</param>
    public DomainCreation CreateDomain(DomainConfiguration configuration, bool paused)
    {
        DomainBuild build = new(options, configuration, paused);
        return new DomainCreation(build, Machine(CallPaths.CreateDomain(options.Release), build));
    }

    /// <summary>The same xl, which stays to see the domain's end (without -e).</summary>
    public StageMachine<DomainBuild> WaitForDeath(DomainBuild build) => Machine(CallPaths.WaitForDeath(options.Release), build);

    /// <summary>What that xl does when the domain has ended; then <see cref="DomainBuild.Restart"/> says whether it creates it again.</summary>
    public StageMachine<DomainBuild> DomainDeath(DomainBuild build) => Machine(CallPaths.DomainDeath(options.Release), build);

    /// <summary><c>xl pause</c> of the domain that this run of xl create has made.</summary>
    public StageMachine<DomainBuild> Pause(DomainBuild build) => Machine(CallPaths.Pause(options.Release), build.OnGuest());

    /// <summary><c>xl unpause</c>.</summary>
    public StageMachine<DomainBuild> Unpause(DomainBuild build) => Machine(CallPaths.Unpause(options.Release), build.OnGuest());

    /// <summary><c>xl destroy</c>.</summary>
    public StageMachine<DomainBuild> Destroy(DomainBuild build) => Machine(CallPaths.Destroy(options.Release), build.OnGuest());

    private StageMachine<DomainBuild> Machine(Stage<DomainBuild> root, DomainBuild build) => new(root, build, Side.Toolstack, options.Events, options.Faults);
}

/// <summary>A run of xl create: its state and the machine that drives it.</summary>
public sealed record DomainCreation(DomainBuild Build, StageMachine<DomainBuild> Machine);
