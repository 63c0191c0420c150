using System.Runtime.ExceptionServices;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Scheduling;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// One run of a session, which can be held in any event and before any instruction. The session runs on a thread of its own, so that it can be
/// held in the midst of a hypercall or a stage; never do both threads run at once.
/// </summary>
internal sealed class Execution : IEventConsumer, IRunProbe, IOutsideHistory, IDisposable
{
    private const int StackBytes = 16 << 20;
    private readonly Journal _journal;
    private readonly SemaphoreSlim _go = new(0);
    private readonly SemaphoreSlim _held = new(0);
    private readonly CancellationTokenSource _over = new();
    private readonly Thread _thread;
    private Func<SessionOutcome>? _work;
    private IRunGoal _goal = Nowhere.Instance;
    private IRunGoal? _trapsFor;
    private bool _abandoned;
    private bool _disposed;
    private bool _putBack;
    private ExceptionDispatchInfo? _failure;

    public Execution(SessionOptions options, Journal journal)
    {
        _journal = journal;
        Session = new BootSession(options, [this]);
        Session.Xen.Probe = this;
        _thread = new Thread(Work, StackBytes) { IsBackground = true, Name = "session" };
        _thread.Start();
    }

    /// <summary>Null only while it is being made.</summary>
    public BootSession Session { get; }

    public Position Position { get; private set; } = Position.Start;

    /// <summary>It has begun and is not over: its thread stands in the midst of it.</summary>
    public bool IsHeld { get; private set; }

    public SessionOutcome? Outcome { get; private set; }

    /// <summary>The addresses before which, and the ranges on whose access a goal wants to be shown a vCPU. Asked when a vCPU first runs towards the goal.</summary>
    public Func<(IReadOnlyList<ulong> Addresses, IReadOnlyList<WatchedRange> Ranges)>? Traps { get; set; }

    /// <summary>Asked where a vCPU is about to run, before anybody holds: what comes in from outside, and captures.</summary>
    public IBoundaryWork? Boundary { get; set; }

    /// <summary>The vCPU that runs, or whose exit is being handled.</summary>
    public Vcpu? Vcpu => Session.Xen.Scheduler.Running;

    /// <summary>Runs on until the goal holds it or it is over: from where it is held, from the beginning, or from the state that was put back.</summary>
    public void Run(IRunGoal goal)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _goal = goal;
        _trapsFor = null;
        if (!IsHeld)
            _work = _putBack ? () => Session.Resume(_over.Token) : () => Session.Run(_over.Token);
        _putBack = false;
        HandOver();
        _failure?.Throw();
    }

    /// <summary>Its objects have been put back to a state in which a vCPU is about to run.</summary>
    public void PutBack(Position position)
    {
        Position = position;
        Outcome = null;
        _putBack = true;
    }

    /// <summary>Leaves the run where it is held. Afterwards only putting a captured state back makes sense.</summary>
    public void Abandon()
    {
        if (!IsHeld)
            return;
        _abandoned = true;
        HandOver();
        _abandoned = false;
        _failure = null;
    }

    public bool Wants(Type eventType) => true;

    public void On(in TimedEvent e)
    {
        // What is unwound may still say something, and Xen does while it is made.
        if (_abandoned || Session is null)
            return;
        Position = Now(e.Sequence + 1, inEvent: true);
        Vcpu? vcpu = Vcpu;
        JournalEntry entry = _journal.Note(e, Position, vcpu is null ? null : new VcpuId(vcpu.Domain.Id, vcpu.Id));
        if (_goal.HoldsInEvent(entry))
            Hold();
    }

    long IRunProbe.Before(Vcpu vcpu, long budget)
    {
        Position = Now(Session.Events.Count, inEvent: false);
        if (Boundary?.At(this) == true)
            return 0;
        TakeOnTraps();
        DebugTraps traps = Session.Xen.Memory.Traps;
        while (_goal.HoldsBefore(vcpu, Position, traps.Hits))
        {
            traps.ClearHits();
            Hold();
            if (Boundary?.At(this) == true)
                return 0;
            TakeOnTraps();
        }

        traps.ClearHits();
        vcpu.Cpu.PassBreakpoint();
        long next = Math.Min(_goal.NextTick, Boundary?.NextTick ?? long.MaxValue);
        return Math.Min(budget, Math.Max(1, next - Position.Tick));
    }

    void IRunProbe.After(Vcpu vcpu, in CpuExit exit)
    {
        // What is to be seen is seen when it is about to run again.
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Abandon();
        _work = null;
        _go.Release();
        _thread.Join();
        Session.Dispose();
        _over.Dispose();
        _go.Dispose();
        _held.Dispose();
    }

    private Position Now(long events, bool inEvent)
    {
        Scheduler scheduler = Session.Xen.Scheduler;
        return new Position(scheduler.Retired, scheduler.Exits, events, inEvent);
    }

    private void TakeOnTraps()
    {
        if (_trapsFor == _goal)
            return;
        _trapsFor = _goal;
        (IReadOnlyList<ulong> addresses, IReadOnlyList<WatchedRange> ranges) = _goal.WantsTraps && Traps is { } wanted ? wanted() : ([], []);
        Session.Xen.Memory.Traps.SetBreakpoints(addresses);
        Session.Xen.Memory.Traps.SetWatchpoints(ranges);
    }

    /// <summary>Lets the session's thread run until it is held or done.</summary>
    private void HandOver()
    {
        _go.Release();
        _held.Wait();
    }

    /// <summary>On the session's thread: waits to be let on.</summary>
    private void Hold()
    {
        IsHeld = true;
        _held.Release();
        _go.Wait();
        IsHeld = false;
        if (_abandoned)
            throw new AbandonedException();
    }

    private void Work()
    {
        while (true)
        {
            _go.Wait();
            if (_work is not { } work)
                return;
            try
            {
                Outcome = work();
                Position = Now(Session.Events.Count, inEvent: false);
            }
            catch (AbandonedException)
            {
                // Nothing of this run is needed any more.
            }
            catch (Exception e)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
            }

            _held.Release();
        }
    }

    /// <summary>Unwinds a run that is left.</summary>
    private sealed class AbandonedException : Exception;

    private sealed class Nowhere : IRunGoal
    {
        public static readonly Nowhere Instance = new();

        public long NextTick => long.MaxValue;

        public bool WantsTraps => false;

        public bool HoldsInEvent(JournalEntry entry) => false;

        public bool HoldsBefore(Vcpu vcpu, Position position, IReadOnlyList<WatchedAccess> accesses) => false;
    }
}

/// <summary>Work to be done where a vCPU is about to run, in the order of the session itself.</summary>
internal interface IBoundaryWork
{
    /// <summary>The tick at which it is due; <see cref="long.MaxValue"/>: never.</summary>
    long NextTick { get; }

    /// <summary>Called on the session's thread each time, before anybody holds and after whoever held lets go.</summary>
    /// <returns>Whether something came in from outside, for which the slice has to end.</returns>
    bool At(Execution execution);
}

/// <summary>Not part of a session's state: the debugger itself, and what reads the events for it.</summary>
internal interface IOutsideHistory;
