using Stateless;

namespace XenSim.Hypervisor.Domains;

/// <summary>Coarse life of a domain, in the words of struct domain's flags. Pause counts are counters beside it.</summary>
public enum DomainState
{
    /// <summary>Created; its builder has not unpaused it yet.</summary>
    Constructed,

    /// <summary>Unpaused at least once.</summary>
    Active,

    /// <summary>is_shutting_down: asked to, a vCPU has yet to stop.</summary>
    ShuttingDown,

    /// <summary>is_shut_down: all vCPUs are paused for shutdown; the tools clean up.</summary>
    ShutDown,

    /// <summary>DOMDYING_dying: domain_kill is giving its resources back.</summary>
    Dying,

    /// <summary>DOMDYING_dead: gone as soon as nobody holds a reference.</summary>
    Dead,
}

/// <summary>What moves a domain; named after the functions that do it.</summary>
public enum DomainTrigger
{
    domain_unpause_by_systemcontroller,
    domain_shutdown,
    vcpus_paused_for_shutdown,
    domain_resume,
    domain_kill,
    domain_relinquish_resources,
}

/// <summary>The declaration of the domain's coarse life: program, trace and picture at once.</summary>
public static class DomainLife
{
    public static StateMachine<DomainState, DomainTrigger> Declare(Func<DomainState> get, Action<DomainState> set)
    {
        StateMachine<DomainState, DomainTrigger> m = new(get, set);
        m.Configure(DomainState.Constructed)
            .Permit(DomainTrigger.domain_unpause_by_systemcontroller, DomainState.Active)
            .Permit(DomainTrigger.domain_shutdown, DomainState.ShuttingDown)
            .Permit(DomainTrigger.domain_kill, DomainState.Dying);
        m.Configure(DomainState.Active)
            .Permit(DomainTrigger.domain_shutdown, DomainState.ShuttingDown)
            .Permit(DomainTrigger.domain_kill, DomainState.Dying);
        m.Configure(DomainState.ShuttingDown)
            .Permit(DomainTrigger.vcpus_paused_for_shutdown, DomainState.ShutDown)
            .Permit(DomainTrigger.domain_resume, DomainState.Active)
            .Permit(DomainTrigger.domain_kill, DomainState.Dying);
        m.Configure(DomainState.ShutDown)
            .Permit(DomainTrigger.domain_resume, DomainState.Active)
            .Permit(DomainTrigger.domain_kill, DomainState.Dying);
        m.Configure(DomainState.Dying).Permit(DomainTrigger.domain_relinquish_resources, DomainState.Dead);
        return m;
    }
}
