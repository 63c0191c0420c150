using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Simulator.Session;

/// <summary>A session's faults, counting how often each point was reached.</summary>
public sealed class FaultPlan(IReadOnlyList<Fault> faults)
{
    private readonly ulong[] _reached = new ulong[faults.Count];
    private readonly bool[] _fired = new bool[faults.Count];

    public IReadOnlyList<Fault> Unfired => [.. faults.Where((_, i) => !_fired[i])];

    /// <summary>The outcome that replaces a stage's work, or null. The tools return -1 and set errno, Xen returns -errno.</summary>
    public StageOutcome? AtStage(string stage, Side side)
    {
        if (Strike(f => f.Point == FaultPoint.Stage && f.Name == stage) is not { } fault)
            return null;
        long code = fault.Code ?? (side == Side.Hypervisor ? fault.Errno.ToResult() : -1);
        return StageOutcome.Fail(code, fault.Errno, "injected fault");
    }

    /// <summary>The errno that a hypercall or sub-operation is refused with, or null.</summary>
    public XenErrno? AtHypercall(string name) => Strike(f => f.Point == FaultPoint.Hypercall && f.Name == name && f.Domain is null)?.Errno;

    /// <summary>The domain that a domctl is about instead of its own, or null.</summary>
    public DomainId? AtDomctl(string name)
        => Strike(f => f.Point == FaultPoint.Hypercall && f.Name == name && f.Domain is not null) is { Domain: { } id } ? new DomainId(id) : null;

    private Fault? Strike(Func<Fault, bool> isAt)
    {
        Fault? struck = null;
        for (int i = 0; i < faults.Count; i++)
        {
            if (!isAt(faults[i]))
                continue;
            _reached[i]++;
            if (struck is not null || (faults[i].Occurrence is { } only && only != _reached[i]))
                continue;
            _fired[i] = true;
            struck = faults[i];
        }

        return struck;
    }
}
