using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>How a caller gets into Xen: a column of the hypercall table.</summary>
public enum CallerKind
{
    Pv32,
    Pv64,
    Hvm32,
    Hvm64,
}

/// <summary>One hypercall in flight: who calls, in which ABI, with which arguments. Reused by its vCPU, never allocated per call.</summary>
public sealed class HypercallCall
{
    internal HypercallCall(Xen xen, Domain caller)
    {
        Xen = xen;
        Caller = caller;
    }

    public Xen Xen { get; }

    /// <summary>current-&gt;domain.</summary>
    public Domain Caller { get; }

    /// <summary>current; null for the tools, which are processes of dom0.</summary>
    public Vcpu? Vcpu { get; init; }

    /// <summary>What guest handles point into.</summary>
    public required ICallerMemory Memory { get; set; }

    public Issuer Issuer { get; init; } = Issuer.Guest;

    public CallerKind Kind { get; internal set; }

    public Abi Abi => Kind is CallerKind.Pv32 or CallerKind.Hvm32 ? Abi.X32 : Abi.X64;

    public uint Number { get; internal set; }

    public ulong A1 { get; internal set; }

    public ulong A2 { get; internal set; }

    public ulong A3 { get; internal set; }

    public ulong A4 { get; internal set; }

    public ulong A5 { get; internal set; }

    /// <summary>Address of the trapping instruction; 0 for the tools.</summary>
    public ulong InstructionPointer { get; internal set; }

    /// <summary>The call set the registers itself (iret): nothing goes into the result register, nothing is clobbered.</summary>
    public bool LeavesRegisters { get; internal set; }

    /// <summary>The call stopped and goes on when the guest makes it again with these arguments.</summary>
    internal Continuation Continuation;

    public bool IsPreempted => Continuation.Count != 0;

    /// <summary>hypercall_preempt_check. The tools' calls are not interrupted.</summary>
    internal bool ShouldPreempt => Vcpu is { } v && Continuation.IsDue(v);

    /// <summary>hypercall_create_continuation: the new values of the first arguments, which are not empty. Its answer is the call's.</summary>
    internal long Continue(ReadOnlySpan<ulong> arguments)
    {
        Continuation.Set(arguments);
        return Number;
    }

    /// <summary>A guest handle argument.</summary>
    public static VirtualAddress Handle(ulong value) => new(value);

    internal void Set(uint number, CallerKind kind, ulong a1, ulong a2, ulong a3, ulong a4, ulong a5, ulong rip)
    {
        Number = number;
        Kind = kind;
        (A1, A2, A3, A4, A5) = (a1, a2, a3, a4, a5);
        InstructionPointer = rip;
        LeavesRegisters = false;
        Continuation.Clear();
    }

    /// <summary>rcu_lock_domain_by_any_id / rcu_lock_target_domain_by_id without its permission check.</summary>
    internal Domain? DomainByAnyId(ushort id) => id == DomainId.Self.Value ? Caller : Xen.FindDomain(new DomainId(id));

    /// <summary>rcu_lock_target_domain_by_id: -ESRCH unknown, -EPERM not privileged over it.</summary>
    internal XenErrno TargetDomain(ushort id, out Domain target)
    {
        target = Caller;
        if (id == DomainId.Self.Value)
            return XenErrno.None;
        if (Xen.FindDomain(new DomainId(id)) is not { } d)
            return XenErrno.ESRCH;
        target = d;
        return Caller == d || Caller.IsPrivilegedFor(d) ? XenErrno.None : XenErrno.EPERM;
    }
}

/// <summary>What a call is about, in the names of the wire: for events and faults only.</summary>
/// <param name="SubOperation">Xen's name of the sub-operation; null if the call has none.</param>
public readonly record struct CallDescription(string? SubOperation, DomainId? Target, IReadOnlyList<Argument> Arguments)
{
    public static readonly CallDescription None = new(null, null, []);
}
