using System.Collections.Frozen;
using Stateless.Reflection;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Scheduling;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Tracing;
using XenSim.Toolstack;

namespace XenSim.Simulator.Session;

/// <summary>
/// One boot: event stream, Xen, the tools, their daemons and run control. The only owner of state; the same options give the same
/// events, to the instruction.
/// </summary>
public sealed partial class BootSession : IDisposable
{
    /// <summary>A failure here is the image's own. Sources: xc_dom_core.c, xc_hvm_build.c, xen/arch/x86/domain_build.c and pv/dom0_build.c.</summary>
    private static readonly FrozenSet<string> ImageStages = FrozenSet.ToFrozenSet(
    [
        "xc_dom_kernel_file", "xc_dom_module_file", "xc_dom_ramdisk_file", "xc_dom_find_loader", "xc_dom_parse_elf_kernel", "xc_dom_parse_image", "xc_read_image",
        "elf_init", "bzimage_parse", "elf_parse_binary", "elf_xen_parse",

        // What a packed kernel says of its size decides whether there is room for it.
        "__start_xen:relocate", "move_memory",
    ]);

    private readonly SessionOptions _options;
    private readonly FaultPlan _faults;
    private readonly GuestWatch _watch;
    private readonly SessionScript _script;
    private readonly DomainStarts _starts;
    private readonly MemorySnapshots _snapshots = new();
    private readonly List<SessionDomain> _domains = [];
    private ToolBoot? _tools;

    public BootSession(SessionOptions options, IReadOnlyList<IEventConsumer> consumers)
    {
        _options = options;
        _faults = new FaultPlan(options.Faults, options.Seed);
        _watch = new GuestWatch(options);
        Xen? xen = null;
        Events = new EventStream(() => xen?.VirtualNanoseconds ?? 0, () => xen?.Instructions ?? 0);
        Events.Add(_watch);
        _script = new SessionScript(options.Script, IdOf, () => xen?.RequestStop("the script has something to do"));
        Events.Add(_script);
        _starts = new DomainStarts(options.Others, IdOf, () => xen?.RequestStop("a domain can be started"));
        Events.Add(_starts);
        foreach (IEventConsumer consumer in consumers)
            Events.Add(consumer);
        Xen = xen = new Xen(XenOptionsFor(options, Events, _faults));
        _watch.Xen = Xen;
        _watch.AtEntry = BeginAtEntry;
    }

    public EventStream Events { get; }

    public Xen Xen { get; }

    /// <summary>Called when a domain is about to run its first instruction; with null for the one the session is about.</summary>
    public Action<SessionDomain?>? AtEntry { get; set; }

    /// <summary>The domains of the session in order of creation, the first is the one it is about; dom0 only on its own path.</summary>
    public IReadOnlyList<SessionDomain> Domains => _domains;

    /// <summary>Guest instructions retired.</summary>
    public long Instructions => Xen.Instructions;

    /// <summary>The domain the session is about.</summary>
    public DomainId? Subject => _watch.Subject;

    public GuestEntry? Entry => _watch.Entry;

    /// <summary>What a domain found at its first instruction; null: it never ran.</summary>
    public GuestEntry? EntryOf(SessionDomain domain) => _watch.EntryOf(domain.Id);

    public IReadOnlyList<WrittenHypercallPage> HypercallPages => _watch.Pages;

    public IReadOnlyList<Fault> UnfiredFaults => _faults.Unfired;

    /// <summary>What went wrong with the script, and its first step that was never due.</summary>
    public IEnumerable<ScriptFailure> ScriptFailures => _script.Failures;

    /// <summary>Domains that were never created, for what they come after did not happen.</summary>
    public IEnumerable<SessionDomain> NeverStarted => Outcome is { End: SessionEnd.BuildFailed } ? [] : _domains.Where(d => d.Build is null && d.Spec.After.Count > 0);

    /// <summary>Null while it runs.</summary>
    public SessionOutcome? Outcome { get; private set; }

    public SessionOutcome Run(CancellationToken stop) => Ending(() => Build(stop) ?? RunGuest(stop));

    /// <summary>Goes on from a state in which a guest is running: one that a debugger has captured and put back.</summary>
    internal SessionOutcome Resume(CancellationToken stop) => Ending(() => RunGuest(stop, resumed: true));

    private SessionOutcome Ending(Func<SessionOutcome> run)
    {
        try
        {
            return Outcome = run();
        }
        catch (NotSupportedException e)
        {
            // What is declared but not written says so by this exception, with its name.
            return Outcome = Ended(SessionEnd.Unimplemented, $"not implemented: {e.Message}");
        }
    }

    /// <summary>The declaration of the path's machine. For a session that is not going to run.</summary>
    public StateMachineInfo Declaration()
    {
        if (_options.Path == BootPath.Dom0)
            return Xen.Boot(null).Declaration.GetInfo();
        Xen.CreateControlDomain();
        return new ToolBoot(_options, Xen, Events, _faults).Create().Machine.Declaration.GetInfo();
    }

    /// <summary>Why Xen gave the guest up, in words; empty when it did not.</summary>
    /// <param name="symbols">Of the guest's kernel, beside those in its own image.</param>
    public IReadOnlyList<string> ExplainCrash(Symbols? symbols = null)
        => FindSubject() is { CrashedVcpu: not null } subject ? CrashExplanation.For(Xen, subject, GuestSymbols.Of(_options).With(symbols ?? Symbols.None)) : [];

    /// <summary>What is left of the subject; null when it is gone.</summary>
    public Domain? FindSubject() => Subject is { } id ? Xen.FindDomain(id) : null;

    /// <summary>The uuid that the tools give the guest; null on the dom0 path.</summary>
    public Guid? Uuid => _tools?.Configuration.Uuid;

    /// <summary>A node of xenstore; null when there is none, or no xenstored (dom0 path).</summary>
    public string? ReadXenStore(string path) => _tools?.ReadStore(path);

    /// <summary>Every node of xenstore as <c>xenstore-ls -fp</c> prints it; empty on the dom0 path.</summary>
    public IEnumerable<string> ListXenStore() => _tools?.Daemons.Store.List() ?? [];

    public void Dispose() => Xen.Dispose();

    /// <returns>Null: a domain is built and may run.</returns>
    private SessionOutcome? Build(CancellationToken stop)
    {
        Dom0Image? dom0 = null;
        if (_options.Path == BootPath.Dom0)
        {
            dom0 = BootLoader.Load(_options.Guest, _options.Release, out string? refused);
            if (refused is not null)
                return new SessionOutcome(SessionEnd.BuildFailed, $"{_options.Guest.Kernel!.Name}: {refused}", BadImage: true);
        }

        StageMachine<BootContext> boot = Xen.Boot(dom0);
        if (Drive(boot.Step, stop) is { } stopped)
            return stopped;
        if (boot.Outcome.Failed)
            return Refused(boot.Outcome, null);
        if (_options.Path == BootPath.Dom0)
            _domains.Add(new SessionDomain(_options.Guest) { Id = DomainId.Dom0 });
        return _options.Path == BootPath.Dom0 && _options.Others.Count == 0 ? null : BuildByTools(stop);
    }

    /// <summary>xl create for each domain in turn, in dom0, of which on the dom0 path a guest makes the kernel.</summary>
    private SessionOutcome? BuildByTools(CancellationToken stop)
    {
        _tools = new ToolBoot(_options, Xen, Events, _faults);
        if (_options.Path != BootPath.Dom0)
            _domains.Add(new SessionDomain(_options.Guest));
        _domains.AddRange(_options.Others.Select(o => new SessionDomain(o)));
        if (_options.Path != BootPath.Dom0 && CreateDomain(_tools, _domains[0], stop) is { } failed)
            return failed;
        if (StartDomains(stop) is { } stopped)
            return stopped;
        return _options.Paused ? new SessionOutcome(SessionEnd.Paused, _domains.Count == 1 ? "the domain is built and paused" : "the domains are built and paused", 0) : null;
    }

    /// <summary>xl create of each domain that need not wait any more, in the order of the list.</summary>
    private SessionOutcome? StartDomains(CancellationToken stop)
    {
        if (_tools is not { } tools || _options.Others.Count == 0)
            return null;
        while (_domains.Find(d => d.Id == DomainId.Invalid && d.Outcome is null && _starts.MayStart(d.Spec, _domains)) is { } next)
        {
            if (CreateDomain(tools, next, stop) is { } stopped)
                return stopped;
        }

        return null;
    }

    /// <summary>xl create, up to where it begins to wait for the domain's end.</summary>
    /// <returns>Null: the domain may run.</returns>
    private SessionOutcome? CreateDomain(ToolBoot tools, SessionDomain domain, CancellationToken stop)
    {
        bool isGuest = domain == _domains[0] && _options.Path != BootPath.Dom0;
        DomainCreation creation = isGuest ? tools.Create() : tools.Create(domain.Spec);
        domain.Build = creation.Build;
        _building = domain;
        if (Drive(creation.Machine.Step, stop) is { } stopped)
            return stopped with { ToolExitCode = creation.Build.ExitCode };
        if (creation.Machine.Outcome.Failed || creation.Build.ExitCode is > 0)
            return Refused(creation.Machine.Outcome, creation.Build.ExitCode);
        _building = null;
        domain.Id = isGuest && Subject is { } subject ? subject : creation.Build.Guest.Id;
        if (_options.Paused || !(isGuest ? _options.XlWaits : domain.Spec.XlWaits))
            return null;
        domain.Waiting = creation.Build;
        return Drive(tools.Xl.WaitForDeath(creation.Build).Step, stop);
    }

    /// <summary>Takes a machine to its end, stage by stage, with the daemons at work between stages.</summary>
    /// <returns>Null: it came to its end, good or bad.</returns>
    private SessionOutcome? Drive(Func<bool> step, CancellationToken stop)
    {
        bool more;
        do
        {
            more = step();
            _tools?.Daemons.Poll();
            if (_watch.Unimplemented is { } missing)
                return Ended(SessionEnd.Unimplemented, $"not implemented: {missing}");
            if (_watch.Reached)
                return Ended(SessionEnd.UntilReached, $"reached {_options.Until}");
            if (stop.IsCancellationRequested)
                return Ended(SessionEnd.Interrupted, "interrupted");
        }
        while (more);
        return null;
    }

    private SessionOutcome Refused(StageOutcome outcome, int? exitCode)
    {
        StageFailed? first = _watch.FirstFailure;
        string said = first is { Message.Length: > 0 } ? first.Message : outcome.Message;
        string where = first is null ? "" : $"{first.Stage} failed with {StageRecord.Describe(first)}";
        return new SessionOutcome(SessionEnd.BuildFailed, where.Length > 0 ? where : $"the build failed: {said}", exitCode, first is not null && ImageStages.Contains(first.Stage));
    }

    /// <param name="resumed">In the midst of a run of Xen: there is no occasion to type before its end.</param>
    private SessionOutcome RunGuest(CancellationToken stop, bool resumed = false)
    {
        while (!stop.IsCancellationRequested)
        {
            if (!resumed && (StartDomains(stop) ?? PlayScript(stop)) is { } ended)
                return ended;
            resumed = false;
            long left = _options.Limits.Instructions - Xen.Instructions;
            RunStop reason = Xen.Run(new RunLimits
            {
                Instructions = left,
                Interrupted = () => stop.IsCancellationRequested,
                ToolPortPending = () => _tools?.Daemons.Poll(),
                WakeNanoseconds = _script.WakeNanoseconds,
                UntilNanoseconds = _options.Limits.VirtualNanoseconds == ulong.MaxValue ? null : _options.Limits.VirtualNanoseconds,
            });
            if (OutcomeOf(reason, stop) is { } outcome)
                return outcome;
        }

        return Ended(SessionEnd.Interrupted, "interrupted");
    }

    /// <returns>Null: the run goes on.</returns>
    private SessionOutcome? OutcomeOf(RunStop stop, CancellationToken token) => stop.Reason switch
    {
        RunStopReason.Idle => Idle(),
        RunStopReason.Woken => null,
        RunStopReason.DomainShutdown => _domains.Find(d => d.Id == stop.Domain) is { Outcome: null } domain ? AfterShutdown(domain, token) : null,
        RunStopReason.MachineEnded => AfterMachine(),
        RunStopReason.InstructionLimit => Ended(SessionEnd.LimitReached, $"the limit of {_options.Limits.Instructions} instructions was reached"),
        RunStopReason.Interrupted => null,
        RunStopReason.TimeLimit => Ended(SessionEnd.LimitReached, $"the limit of {_options.Limits.VirtualNanoseconds / 1_000_000} ms of virtual time was reached"),
        RunStopReason.Requested => _watch.Reached ? Ended(SessionEnd.UntilReached, $"reached {_options.Until}") : null,
        RunStopReason.Unimplemented => Ended(SessionEnd.Unimplemented, $"not implemented: {stop.Text}"),
        _ => throw new InvalidOperationException($"a run stopped for {stop.Reason}, which nobody asked for"),
    };

    /// <summary>xl hears of the end by xenstored's watch, does what the configuration says, and perhaps creates the domain again.</summary>
    /// <returns>Null: the domain has been created again and runs, or others still run.</returns>
    private SessionOutcome? AfterShutdown(SessionDomain domain, CancellationToken stop)
    {
        domain.Outcome = ShutDown(Xen.FindDomain(domain.Id)?.ShutdownReason);
        if (_tools is { } tools && domain.Waiting is { } xl)
        {
            tools.Daemons.Poll();
            if (!tools.DomainReleased)
                throw new InvalidOperationException("a domain shut down and xenstored did not say so");
            tools.DomainReleased = false;
            StageMachine<DomainBuild> death = tools.Xl.DomainDeath(xl);
            if (Drive(death.Step, stop) is { } stopped)
                return stopped;
            if (!death.Outcome.Failed && xl.Restart != RestartType.None && domain.Restarts < _options.Limits.Restarts)
            {
                domain.Restarts++;
                domain.Outcome = null;
                if (domain.Id == Subject)
                    _watch.ExpectAnother();
                return CreateDomain(tools, domain, stop);
            }
        }

        return AfterEnd(domain);
    }

    /// <summary>dom0 ended with the machine, without having shut down.</summary>
    private SessionOutcome AfterMachine()
    {
        SessionOutcome outcome = Xen.Ended == MachineEnd.PowerOff ? Ended(SessionEnd.PoweredOff, "the machine powered off") : Ended(SessionEnd.Rebooted, "the machine was reset");
        if (_domains.Find(d => d.Id == DomainId.Dom0) is { } dom0)
            dom0.Outcome = outcome;
        return outcome;
    }

    /// <summary>dom0's end is the machine's.</summary>
    private SessionOutcome? AfterEnd(SessionDomain domain)
        => domain.Id == DomainId.Dom0 || _domains.TrueForAll(d => d.Outcome is not null) ? _domains[0].Outcome ?? domain.Outcome : null;

    /// <summary>Nothing can run any more: each domain has ended, halted, waits, or was left paused.</summary>
    private SessionOutcome Idle() => _domains.Count > 0 && _domains[0].Outcome is { } ended ? ended
        : Ended(SessionEnd.Halted, FindSubject() is { PauseCount: > 0 } ? "the guest was left paused, and nothing else can run" : "the guest halted for good");

    // Reasons: stable-4.17 xen/include/public/sched.h, SHUTDOWN_*.
    private static SessionOutcome ShutDown(uint? reason) => reason switch
    {
        0 => Ended(SessionEnd.PoweredOff, "the guest powered off"),
        1 => Ended(SessionEnd.Rebooted, "the guest asked for a reboot"),
        2 => Ended(SessionEnd.Suspended, "the guest suspended itself"),
        { } other => Ended(SessionEnd.Crashed, $"the guest crashed (shutdown reason {other})"),
        null => throw new InvalidOperationException("a shutdown without a reason"),
    };

    private static SessionOutcome Ended(SessionEnd end, string detail) => new(end, detail);

    internal static XenOptions XenOptionsFor(SessionOptions options, EventStream events, FaultPlan faults) => new()
    {
        Release = options.Release,
        Host = HostFor(options.Host),
        Host64 = options.Host.Bits == 64,
        SupervisorModeKernel = options.Host.SupervisorModeKernel,
        Pv32 = options.Host.Pv32,
        MemoryMiB = options.Host.MemoryMiB,
        CommandLine = options.Host.CommandLine,
        HypercallEntry = options.Host.HypercallEntry,
        Events = events,
        StageFaults = stage => faults.AtStage(stage, Side.Hypervisor),
        CallFaults = options.Faults.Any(f => f.Point == FaultPoint.Hypercall) ? faults.AtHypercall : null,
        DomctlFaults = options.Faults.Any(f => f.Domain is not null) ? faults.AtDomctl : null,
        AllocationFaults = faults.Has(FaultPoint.Allocation) ? faults.AtAllocation : null,
    };

    private static HostModel HostFor(HostSpec host)
    {
        HostModel model = host.Model is { } name ? HostModels.Find(name)! : HostModels.Default(host.Vendor, host.Bits == 64);
        return host.Msrs.Aggregate(model, (m, msr) => m.WithMsr(msr.Index, msr.Value)) with { Cpus = host.Cpus, CpuMsrs = host.CpuMsrs };
    }
}
