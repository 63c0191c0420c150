using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack;

namespace XenSim.Simulator.Session;

/// <content>What the script does to the domains, between two runs of Xen.</content>
public sealed partial class BootSession
{
    /// <summary>The domain that xl is creating now.</summary>
    private SessionDomain? _building;

    /// <summary>What a step's name stands for; null: the domain the session is about.</summary>
    private SessionDomain? Named(string? name) => name is null ? _domains.FirstOrDefault() : _domains.Find(d => d.Spec.Name == name);

    private DomainId? IdOf(string? name) => name is null ? Subject : Named(name) is { } domain && domain.Id != DomainId.Invalid ? domain.Id : null;

    private void BeginAtEntry(DomainId id)
    {
        if (id == Subject)
        {
            AtEntry?.Invoke(null);
            return;
        }

        // Its number is known to us only when xl is done, and its first instruction is about to run before that.
        if (_building is not { Build: { } build } domain || build.Guest.Id != id)
            return;
        domain.Id = id;
        AtEntry?.Invoke(domain);
    }

    /// <returns>The end of the session, if a step makes one.</returns>
    private SessionOutcome? PlayScript(CancellationToken stop)
    {
        while (_script.Due(Xen.VirtualNanoseconds) is { } step)
        {
            if (step.Type is { } text && !Type(IdOf(step.Domain), Encoding.UTF8.GetBytes(text)))
                return null; // nobody takes it now
            SessionOutcome? outcome = step.Do is { } action ? Act(step, action, stop) : Look(step);
            _script.Done(Xen.VirtualNanoseconds);
            if (outcome is not null)
                return outcome;
        }

        return null;
    }

    /// <summary>Types into the ring that xenconsoled serves, or, for dom0, on Xen's serial line. False: nobody takes it now.</summary>
    internal bool Type(byte[] bytes) => Type(Subject, bytes);

    private bool Type(DomainId? to, byte[] bytes)
    {
        if (to is not { } domain)
            return false;
        if (_tools is not null && domain != DomainId.Dom0)
            return _tools.Daemons.Console.Type(domain, bytes);
        Xen.TypeOnConsole(bytes);
        return true;
    }

    /// <summary>What has become of memory since a snapshot; null: what is wanted.</summary>
    internal string? CompareSnapshot(SnapshotComparison wanted) => _snapshots.Compare(wanted, Xen.FindDomain);

    /// <summary>What changes nothing but perhaps a pending bit.</summary>
    private SessionOutcome? Look(ScriptStep step)
    {
        if (step is { Inject: null, Snapshot: null, Compare: null })
            return null;
        Domain? domain = IdOf(step.Domain) is { } id ? Xen.FindDomain(id) : null;
        string? wrong = step switch
        {
            { Compare: { } compare } => _snapshots.Compare(compare, Xen.FindDomain),
            _ when domain is null => $"the domain {step.Domain ?? _options.Guest.Name} does not exist",
            { Snapshot: { } name } => _snapshots.Take(name, domain, step.Range),
            { Inject: { } injection } => Inject(domain, injection),
            _ => null,
        };
        if (wrong is not null)
            _script.Fail(step, wrong);
        return null;
    }

    private static string? Inject(Domain domain, Injection injection)
    {
        if (injection.Port is { } port)
            return domain.EventChannels.TryRaise(port) ? null : $"port {port} of {domain.Id} is not bound to anything";
        if (domain.FindVcpu(injection.Vcpu) is not { } vcpu)
            return $"{domain.Id} has no vCPU {injection.Vcpu}";
        Virq virq = injection.Virq!.Value;
        return domain.EventChannels.TryRaise(EventChannels.PortOfVirq(vcpu, virq)) ? null : $"vCPU {vcpu.Id} of {domain.Id} has not bound VIRQ_{virq}";
    }

    /// <summary>xl pause, unpause or destroy, by a second xl in dom0.</summary>
    private SessionOutcome? Act(ScriptStep step, ToolAction action, CancellationToken stop)
    {
        if (_tools is not { } tools || Named(step.Domain) is not { Build: { } build, Outcome: null } domain)
        {
            _script.Fail(step, $"the domain {step.Domain ?? _options.Guest.Name} is not there for xl {step}");
            return null;
        }

        StageMachine<DomainBuild> xl = action switch
        {
            ToolAction.Pause => tools.Xl.Pause(build),
            ToolAction.Unpause => tools.Xl.Unpause(build),
            _ => tools.Xl.Destroy(build),
        };
        if (Drive(xl.Step, stop) is { } stopped)
            return stopped;
        if (xl.Outcome.Failed)
            _script.Fail(step, $"xl {step} failed with {xl.Outcome.Code}{(xl.Outcome.Errno == XenErrno.None ? "" : $", {xl.Outcome.Errno}")}{(xl.Outcome.Message.Length > 0 ? $": {xl.Outcome.Message}" : "")}");
        return action == ToolAction.Destroy && !xl.Outcome.Failed ? AfterDestruction(tools, domain, stop) : null;
    }

    /// <summary>The xl that waits hears of it, finds no such domain, and ends.</summary>
    private SessionOutcome? AfterDestruction(ToolBoot tools, SessionDomain domain, CancellationToken stop)
    {
        domain.Outcome = Ended(SessionEnd.Destroyed, "xl destroyed the domain");
        tools.Daemons.Poll();
        tools.DomainReleased = false;
        if (domain.Waiting is { } waiting)
        {
            domain.Waiting = null;
            if (Drive(tools.Xl.DomainDeath(waiting).Step, stop) is { } stopped)
                return stopped;
        }

        return AfterEnd(domain);
    }
}
