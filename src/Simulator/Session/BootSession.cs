using XenSim.Hypervisor;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Scheduling;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>
/// One boot: event stream, Xen, the tools, their daemons and run control. The only owner of state; the same options give the same
/// events, to the instruction.
/// </summary>
public sealed class BootSession : IDisposable
{
    /// <summary>How long Ctrl-C may have to wait. Unit: guest instructions.</summary>
    private const long Slice = 50_000_000;

    private readonly SessionOptions _options;
    private readonly FaultPlan _faults;
    private readonly GuestWatch _watch;

    public BootSession(SessionOptions options, IReadOnlyList<IEventConsumer> consumers)
    {
        _options = options;
        _faults = new FaultPlan(options.Faults);
        _watch = new GuestWatch(options);
        Xen? xen = null;
        Events = new EventStream(() => xen?.VirtualNanoseconds ?? 0);
        Events.Add(_watch);
        foreach (IEventConsumer consumer in consumers)
            Events.Add(consumer);
        Xen = xen = new Xen(XenOptionsFor(options));
        _watch.Xen = Xen;
    }

    public EventStream Events { get; }

    public Xen Xen { get; }

    /// <summary>Called when a guest is about to run its first instruction.</summary>
    public Action? AtEntry
    {
        get => _watch.AtEntry;
        set => _watch.AtEntry = value;
    }

    /// <summary>Guest instructions retired.</summary>
    public long Instructions => Xen.Instructions;

    /// <summary>The domain the session is about.</summary>
    public DomainId? Subject => _watch.Subject;

    public GuestEntry? Entry => _watch.Entry;

    public IReadOnlyList<WrittenHypercallPage> HypercallPages => _watch.Pages;

    public IReadOnlyList<Fault> UnfiredFaults => _faults.Unfired;

    /// <summary>Null while it runs.</summary>
    public SessionOutcome? Outcome { get; private set; }

    public SessionOutcome Run(CancellationToken stop) => Outcome = Build(stop) ?? RunGuest(stop);

    /// <summary>What is left of the subject; null when it is gone.</summary>
    public Domain? FindSubject() => Subject is { } id ? Xen.FindDomain(id) : null;

    public void Dispose() => Xen.Dispose();

    private SessionOutcome? Build(CancellationToken stop) => stop.IsCancellationRequested ? Ended(SessionEnd.Interrupted, "interrupted") : null;

    private SessionOutcome RunGuest(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            long left = _options.Limits.Instructions - Xen.Instructions;
            RunStop reason = Xen.Run(new RunLimits
            {
                Instructions = Math.Min(Slice, left),
                UntilNanoseconds = _options.Limits.VirtualNanoseconds == ulong.MaxValue ? null : _options.Limits.VirtualNanoseconds,
            });
            if (OutcomeOf(reason) is { } outcome)
                return outcome;
        }

        return Ended(SessionEnd.Interrupted, "interrupted");
    }

    /// <returns>Null: the run goes on.</returns>
    private SessionOutcome? OutcomeOf(RunStop stop) => stop.Reason switch
    {
        RunStopReason.Idle => Ended(SessionEnd.Halted, "the guest halted for good"),
        RunStopReason.DomainShutdown => stop.Domain == Subject ? ShutDown() : null,
        RunStopReason.InstructionLimit when Xen.Instructions >= _options.Limits.Instructions
            => Ended(SessionEnd.LimitReached, $"the limit of {_options.Limits.Instructions} instructions was reached"),
        RunStopReason.InstructionLimit => null,
        RunStopReason.TimeLimit => Ended(SessionEnd.LimitReached, $"the limit of {_options.Limits.VirtualNanoseconds / 1_000_000} ms of virtual time was reached"),
        RunStopReason.Requested => _watch.Reached ? Ended(SessionEnd.UntilReached, $"reached {_options.Until}") : null,
        RunStopReason.Unimplemented => Ended(SessionEnd.Unimplemented, $"not implemented: {stop.Text}"),
        _ => throw new InvalidOperationException($"a run stopped for {stop.Reason}, which nobody asked for"),
    };

    // Reasons: stable-4.17 xen/include/public/sched.h, SHUTDOWN_*.
    private SessionOutcome ShutDown() => _watch.ShutdownReason switch
    {
        0 => Ended(SessionEnd.PoweredOff, "the guest powered off"),
        1 => Ended(SessionEnd.Rebooted, "the guest asked for a reboot"),
        2 => Ended(SessionEnd.Suspended, "the guest suspended itself"),
        { } reason => Ended(SessionEnd.Crashed, $"the guest crashed (shutdown reason {reason})"),
        null => throw new InvalidOperationException("a shutdown without a reason"),
    };

    private static SessionOutcome Ended(SessionEnd end, string detail) => new(end, detail);

    private XenOptions XenOptionsFor(SessionOptions options) => new()
    {
        Release = options.Release,
        Host = HostFor(options.Host),
        Host64 = options.Host.Bits == 64,
        SupervisorModeKernel = options.Host.SupervisorModeKernel,
        Pv32 = options.Host.Pv32,
        MemoryMiB = options.Host.MemoryMiB,
        CommandLine = options.Host.CommandLine,
        HypercallEntry = options.Host.HypercallEntry,
        Events = Events,
        StageFaults = stage => _faults.AtStage(stage, Side.Hypervisor),
        CallFaults = options.Faults.Any(f => f.Point == FaultPoint.Hypercall) ? _faults.AtHypercall : null,
    };

    private static HostModel HostFor(HostSpec host)
    {
        HostModel model = host.Model is { } name ? HostModels.Find(name)! : HostModels.Default(host.Vendor, host.Bits == 64);
        return host.Msrs.Aggregate(model, (m, msr) => m.WithMsr(msr.Index, msr.Value));
    }
}
