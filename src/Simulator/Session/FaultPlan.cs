using System.Globalization;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Simulator.Session;

/// <summary>A session's faults, counting how often each point was reached.</summary>
/// <param name="seed">Of faults that have none of their own.</param>
public sealed class FaultPlan(IReadOnlyList<Fault> faults, ulong seed = 0)
{
    private readonly ulong[] _reached = new ulong[faults.Count];
    private readonly bool[] _fired = new bool[faults.Count];

    public IReadOnlyList<Fault> Unfired => [.. faults.Where((_, i) => !_fired[i])];

    /// <summary>The outcome that replaces a stage's work, or null. The tools return -1 and set errno, Xen returns -errno.</summary>
    public StageOutcome? AtStage(string stage, Side side)
    {
        if (Strike(FaultPoint.Stage, stage) is not { } fault)
            return null;
        long code = fault.Code ?? (side == Side.Hypervisor ? fault.Errno.ToResult() : -1);
        return StageOutcome.Fail(code, fault.Errno, "injected fault");
    }

    /// <summary>The errno that a hypercall or sub-operation is refused with, or null.</summary>
    public XenErrno? AtHypercall(string name) => Strike(FaultPoint.Hypercall, name)?.Errno;

    /// <summary>The domain that a domctl is about instead of its own, or null.</summary>
    public DomainId? AtDomctl(string name) => Strike(FaultPoint.Hypercall, name, redirects: true) is { Domain: { } id } ? new DomainId(id) : null;

    /// <summary>Whether an allocation of 2^<paramref name="order"/> frames finds none.</summary>
    public bool AtAllocation(int order) => Strike(FaultPoint.Allocation, string.Create(CultureInfo.InvariantCulture, $"order-{order}")) is not null;

    /// <summary>The error that xenstored answers a request of the tools with, or null.</summary>
    public XenErrno? AtMessage(XenStoreMessage type) => Strike(FaultPoint.Message, type.ToString())?.Errno;

    /// <summary>What decides how the bytes of a hypercall of the tools are changed; null: they are not.</summary>
    public ulong? AtGarbled(string name) => Strike(FaultPoint.Garbled, name) is { } fault ? SplitMix.Mix(fault.Seed ?? seed, 0) : null;

    /// <summary>Whether some fault waits at such a point: nobody else need ask.</summary>
    public bool Has(FaultPoint point) => faults.Any(f => f.Point == point);

    /// <param name="redirects">Only faults that give the call another domain; false: only others.</param>
    private Fault? Strike(FaultPoint point, string name, bool redirects = false)
    {
        Fault? struck = null;
        for (int i = 0; i < faults.Count; i++)
        {
            if (faults[i].Point != point || faults[i].Domain is not null != redirects || (faults[i].Name != name && faults[i].Name != Fault.Any))
                continue;
            _reached[i]++;
            if (struck is not null || !IsDue(faults[i], _reached[i]))
                continue;
            _fired[i] = true;
            struck = faults[i];
        }

        return struck;
    }

    private bool IsDue(Fault fault, ulong call)
        => (fault.Occurrence is not { } only || only == call)
            && (fault.Every is not { } every || call % every == 0)
            && (fault.OneIn is not { } many || SplitMix.Mix(fault.Seed ?? seed, call) % many == 0);
}
