using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>From a number to its handler, the same way for guests, multicalls and dom0's tools.</summary>
public sealed class HypercallDispatcher
{
    private readonly Xen _xen;

    internal HypercallDispatcher(Xen xen)
    {
        _xen = xen;
        Table = HypercallTable.For(xen.Options.Release, xen.Options.Host64);
    }

    public HypercallTable Table { get; }

    /// <summary>Does the call; unknown numbers and holes are -ENOSYS.</summary>
    internal long Dispatch(HypercallCall call)
    {
        HypercallRow? row = call.Number < HypercallTable.Count ? Table[call.Number] : null;
        HypercallHandler? handler = row?.Handlers[(int)call.Kind];
        bool enteredWanted = _xen.Events.Wants<HypercallEntered>();
        bool returnedWanted = _xen.Events.Wants<HypercallReturned>();
        string name = row?.Name ?? "unknown";
        CallDescription about = default;
        if (handler is not null && (enteredWanted || returnedWanted || _xen.Options.CallFaults is not null))
            about = row!.Describe(call);
        if (enteredWanted)
        {
            _xen.Events.Emit(new HypercallEntered(
                call.Issuer, call.Caller.Id, call.Vcpu?.Id ?? 0, call.Number, name, about.SubOperation, about.Target, about.Arguments ?? [], call.InstructionPointer));
        }

        XenErrno? injected = _xen.Options.CallFaults?.Invoke(about.SubOperation ?? name);
        long result;
        if (injected is { } errno)
            result = errno.ToResult();
        else if (handler is null)
            result = Missing(call, name);
        else
            result = handler(call);
        if (returnedWanted)
            _xen.Events.Emit(new HypercallReturned(call.Issuer, call.Caller.Id, call.Vcpu?.Id ?? 0, call.Number, name, about.SubOperation, about.Target, result, call.IsPreempted));
        return result;
    }

    private long Missing(HypercallCall call, string name)
    {
        _xen.NotImplemented($"hypercall {call.Number} ({name}) for {call.Kind}", "Xen has no such call for this caller: -ENOSYS", ours: false);
        return XenErrno.ENOSYS.ToResult();
    }
}
