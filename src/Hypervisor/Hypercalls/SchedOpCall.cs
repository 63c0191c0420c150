using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>sched_op and its old form; set_timer_op.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/schedule.c (sched/core.c): do_sched_op, do_poll, do_set_timer_op.</remarks>
internal static class SchedOpCall
{
    private const uint MaxPolledPorts = 128;

    /// <summary>Unit: ns.</summary>
    private const ulong HugeTimeout = 100_000_000;

    public static long Do(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        switch ((SchedOp)c.A1)
        {
            case SchedOp.yield:
                c.Xen.SchedulePending = true;
                return 0;
            case SchedOp.block:
                return Block(c);
            case SchedOp.shutdown:
                if (!c.Memory.TryReadStruct(arg, out SchedShutdown shutdown))
                    return XenErrno.EFAULT.ToResult();
                c.Caller.Shutdown(shutdown.Reason);
                return 0;
            case SchedOp.shutdown_code:
                if (!c.Memory.TryReadStruct(arg, out SchedShutdown announced))
                    return XenErrno.EFAULT.ToResult();
                c.Caller.ShutdownCode ??= (byte)announced.Reason;
                return 0;
            case SchedOp.poll:
                return Poll(c, arg);
            case SchedOp.remote_shutdown:
                return RemoteShutdown(c, arg);
            case SchedOp.watchdog when c.Xen.Profile.Release != XenRelease.V4_0:
                return c.Memory.TryReadStruct(arg, out SchedWatchdog w) ? c.Caller.Watchdogs.Set(w.Id, w.Timeout, c.Xen.VirtualNanoseconds) : XenErrno.EFAULT.ToResult();
            case SchedOp.pin_override when c.Xen.Profile.Release != XenRelease.V4_0:
                return PinOverride(c, arg).ToResult();
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    /// <summary>do_sched_op_compat: the argument is a number, and blocking does not unmask events first in 4.0.4 either.</summary>
    public static long DoCompat(HypercallCall c)
    {
        switch ((SchedOp)c.A1)
        {
            case SchedOp.yield:
                c.Xen.SchedulePending = true;
                return 0;
            case SchedOp.block:
                return Block(c);
            case SchedOp.shutdown:
                c.Caller.Shutdown((uint)c.A2);
                return 0;
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    public static CallDescription About(HypercallCall c)
    {
        string name = XenNames.SchedOp((uint)c.A1);
        return (SchedOp)c.A1 is SchedOp.shutdown && c.Memory.TryReadStruct(new VirtualAddress(c.A2), out SchedShutdown s)
            ? Call(name, Text("reason", ((ShutdownReason)s.Reason).ToString()))
            : Call(name);
    }

    /// <summary>do_set_timer_op: 0 stops the timer; a deadline in the past fires at once.</summary>
    public static long SetTimer(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        ulong timeout = c.Abi == Abi.X64 ? c.A1 : c.A1 | (c.A2 << 32);
        v.SingleshotTimer = timeout == 0 ? null : IsHuge(timeout, c.Xen.VirtualNanoseconds) ? c.Xen.VirtualNanoseconds + HugeTimeout : timeout;
        c.Xen.SchedulePending |= timeout != 0;
        return 0;
    }

    /// <summary>Negative, or 13 days away: what Linux asks for when it has nothing to wait for, or its clock wrapped. It is called soon.</summary>
    private static bool IsHuge(ulong timeout, ulong now)
    {
        long offset = (long)(timeout - now);
        return (long)timeout < 0 || (offset > 0 && (uint)(offset >> 50) != 0);
    }

    /// <summary>vcpu_temporary_affinity: to the one processor there is, or back (a negative number).</summary>
    private static XenErrno PinOverride(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Caller.IsHardwareDomain)
            return XenErrno.EPERM;
        if (!c.Memory.TryReadStruct(arg, out int cpu))
            return XenErrno.EFAULT;
        return cpu > 0 ? XenErrno.EINVAL : XenErrno.None;
    }

    public static CallDescription AboutTimer(HypercallCall c) => Call(null, Arg("timeout", c.Abi == Abi.X64 ? c.A1 : c.A1 | (c.A2 << 32)));

    private static long Block(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        VcpuInfo info = v.VcpuInfo;
        info.UpcallMask = false;
        if (!info.UpcallPending)
            v.Block();
        return 0;
    }

    private static long Poll(HypercallCall c, VirtualAddress arg)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        if (!c.Memory.TryReadRecord(arg, c.Abi, out SchedPoll poll))
            return XenErrno.EFAULT.ToResult();
        if (poll.NrPorts > MaxPolledPorts)
            return XenErrno.EINVAL.ToResult();
        uint only = 0;
        for (uint i = 0; i < poll.NrPorts; i++)
        {
            if (!c.Memory.TryReadStruct(new VirtualAddress(poll.Ports + (i * 4)), out uint port))
                return XenErrno.EFAULT.ToResult();
            if (!c.Caller.EventChannels.IsValid(port))
                return XenErrno.EINVAL.ToResult();
            if (c.Caller.EventChannels.IsPending(port))
                return 0;
            only = poll.NrPorts == 1 ? port : 0;
        }

        v.Poll(only, poll.Timeout == 0 ? null : poll.Timeout);
        return 0;
    }

    private static long RemoteShutdown(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out SchedRemoteShutdown r))
            return XenErrno.EFAULT.ToResult();
        if (c.Xen.FindDomain(new DomainId(r.DomainId)) is not { } d)
            return XenErrno.ESRCH.ToResult();
        if (!c.Caller.IsPrivilegedFor(d))
            return XenErrno.EPERM.ToResult();
        d.Shutdown(r.Reason);
        return 0;
    }
}
