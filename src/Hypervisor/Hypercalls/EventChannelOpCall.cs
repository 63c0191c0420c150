using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>event_channel_op, and its old form whose only argument is {cmd, union}.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/event_channel.c: do_event_channel_op; compat.c: do_event_channel_op_compat.</remarks>
internal static class EventChannelOpCall
{
    /// <summary>Offset of the union in the old structure.</summary>
    private const ulong CompatUnion = 4;

    /// <summary>EVTCHNOP_reset_cont: how Xen continues a reset; nobody keeps a guest from naming it.</summary>
    private const EventChannelOp ResetContinued = (EventChannelOp)14;

    public static long Do(HypercallCall c) => Do(c, (EventChannelOp)c.A1, new VirtualAddress(c.A2));

    public static long DoCompat(HypercallCall c)
        => c.Memory.TryReadStruct(new VirtualAddress(c.A1), out uint cmd)
            ? cmd <= (uint)EventChannelOp.reset ? Do(c, (EventChannelOp)cmd, new VirtualAddress(c.A1 + CompatUnion)) : XenErrno.ENOSYS.ToResult()
            : XenErrno.EFAULT.ToResult();

    public static CallDescription About(HypercallCall c)
    {
        string name = XenNames.EventChannelOp((uint)c.A1);
        VirtualAddress arg = new(c.A2);
        switch ((EventChannelOp)c.A1)
        {
            case EventChannelOp.alloc_unbound when c.Memory.TryReadStruct(arg, out EvtchnAllocUnbound a):
                return Call(name, a.Dom, Arg("remote_dom", a.RemoteDom));
            case EventChannelOp.bind_interdomain when c.Memory.TryReadStruct(arg, out EvtchnBindInterdomain b):
                return Call(name, b.RemoteDom, Arg("remote_port", b.RemotePort));
            case EventChannelOp.bind_virq when c.Memory.TryReadStruct(arg, out EvtchnBindVirq v):
                return Call(name, Text("virq", XenNames.Of((Virq)v.Virq)), Arg("vcpu", v.Vcpu));
            case EventChannelOp.send or EventChannelOp.close or EventChannelOp.unmask or EventChannelOp.bind_vcpu when c.Memory.TryReadStruct(arg, out EvtchnSend s):
                return Call(name, Arg("port", s.Port));
            default:
                return Call(name);
        }
    }

    private static long Do(HypercallCall c, EventChannelOp op, VirtualAddress arg)
    {
        switch (op)
        {
            case EventChannelOp.alloc_unbound:
                return AllocUnbound(c, arg);
            case EventChannelOp.bind_interdomain:
                return BindInterdomain(c, arg);
            case EventChannelOp.bind_virq:
                return BindVirq(c, arg);
            case EventChannelOp.bind_ipi:
                return BindIpi(c, arg);
            case EventChannelOp.bind_pirq:
                return BindPirq(c, arg);
            case EventChannelOp.close:
                return c.Memory.TryReadStruct(arg, out EvtchnClose close) ? c.Caller.EventChannels.Close(close.Port).ToResult() : Fault;
            case EventChannelOp.send:
                return c.Memory.TryReadStruct(arg, out EvtchnSend send) ? c.Caller.EventChannels.Send(send.Port).ToResult() : Fault;
            case EventChannelOp.status:
                return Status(c, arg);
            case EventChannelOp.bind_vcpu:
                return c.Memory.TryReadStruct(arg, out EvtchnBindVcpu bind) ? c.Caller.EventChannels.BindVcpu(bind.Port, bind.Vcpu).ToResult() : Fault;
            case EventChannelOp.unmask:
                return c.Memory.TryReadStruct(arg, out EvtchnUnmask unmask) ? c.Caller.EventChannels.Unmask(unmask.Port).ToResult() : Fault;
            case EventChannelOp.reset:
            case ResetContinued when c.Xen.Profile.Release != XenRelease.V4_0:
                return Reset(c, arg);
            case EventChannelOp.init_control when c.Xen.Profile.Release != XenRelease.V4_0:
                return InitControl(c, arg);
            case EventChannelOp.expand_array when c.Xen.Profile.Release != XenRelease.V4_0:
                return c.Memory.TryReadStruct(arg, out EvtchnExpandArray expand) ? c.Caller.EventChannels.ExpandArray(new Gfn(expand.ArrayGfn)).ToResult() : Fault;
            case EventChannelOp.set_priority when c.Xen.Profile.Release != XenRelease.V4_0:
                return c.Memory.TryReadStruct(arg, out EvtchnSetPriority p) ? c.Caller.EventChannels.SetPriority(p.Port, p.Priority).ToResult() : Fault;
            default:
                c.Xen.NotImplemented(XenNames.Of(op), "Xen has no such event channel operation: -ENOSYS", ours: false);
                return XenErrno.ENOSYS.ToResult();
        }
    }

    private static long Fault => XenErrno.EFAULT.ToResult();

    private static bool ByTools(HypercallCall c) => c.Issuer == Issuer.Toolstack;

    private static long AllocUnbound(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnAllocUnbound a))
            return Fault;
        XenErrno errno = c.TargetDomain(a.Dom, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        DomainId remote = a.RemoteDom == DomainId.Self.Value ? c.Caller.Id : new DomainId(a.RemoteDom);
        errno = d.EventChannels.AllocUnbound(remote, d == c.Caller && ByTools(c), out uint port);
        a.Port = port;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, a) ? 0 : Fault;
    }

    private static long BindInterdomain(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnBindInterdomain b))
            return Fault;
        if (c.DomainByAnyId(b.RemoteDom) is not { } remote)
            return XenErrno.ESRCH.ToResult();
        XenErrno errno = c.Caller.EventChannels.BindInterdomain(remote, b.RemotePort, ByTools(c), out uint port);
        b.LocalPort = port;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, b) ? 0 : Fault;
    }

    private static long BindVirq(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnBindVirq b))
            return Fault;
        XenErrno errno = c.Caller.EventChannels.BindVirq(b.Virq, b.Vcpu, ByTools(c), out uint port);
        b.Port = port;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, b) ? 0 : Fault;
    }

    private static long BindIpi(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnBindIpi b))
            return Fault;
        XenErrno errno = c.Caller.EventChannels.BindIpi(b.Vcpu, out uint port);
        b.Port = port;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, b) ? 0 : Fault;
    }

    private static long BindPirq(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnBindPirq b))
            return Fault;
        if (b.Pirq >= c.Caller.Pirqs.Count)
            return XenErrno.EINVAL.ToResult();
        if (!c.Caller.HasDeviceAccess || (c.Xen.Profile.Release != XenRelease.V4_0 && !c.Caller.Pirqs.IsMapped((int)b.Pirq)))
            return XenErrno.EPERM.ToResult();
        XenErrno errno = c.Caller.EventChannels.BindPirq(b.Pirq, out uint port);
        b.Port = port;
        if (errno == XenErrno.None)
        {
            c.Caller.Pirqs.Know((int)b.Pirq);
            c.Caller.Pirqs.Bind((int)b.Pirq, bound: true);
        }

        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, b) ? 0 : Fault;
    }

    private static long Status(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnStatus s))
            return Fault;
        XenErrno errno = c.TargetDomain(s.Dom, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        if (!d.EventChannels.IsValid(s.Port))
            return XenErrno.EINVAL.ToResult();
        EventChannel channel = d.EventChannels[s.Port];
        s.Status = channel.State == EventChannelState.Reserved ? 0 : (uint)channel.State;
        s.Vcpu = (uint)channel.NotifyVcpu;
        switch (channel.State)
        {
            case EventChannelState.Unbound:
                s.UnboundDom = channel.RemoteDomain.Value;
                break;
            case EventChannelState.Interdomain:
                s.InterdomainDom = channel.RemoteDomain.Value;
                s.InterdomainPort = channel.RemotePort;
                break;
            case EventChannelState.Pirq or EventChannelState.Virq:
                s.Virq = channel.Irq;
                break;
        }

        return c.Memory.TryWriteStruct(arg, s) ? 0 : Fault;
    }

    private static long InitControl(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnInitControl i))
            return Fault;
        XenErrno errno = c.Caller.EventChannels.InitControl(i.Vcpu, new Gfn(i.ControlGfn), i.Offset);
        i.LinkBits = XenConstants.EVTCHN_FIFO_LINK_BITS;
        return errno != XenErrno.None ? errno.ToResult() : c.Memory.TryWriteStruct(arg, i) ? 0 : Fault;
    }

    private static long Reset(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out EvtchnReset r))
            return Fault;
        XenErrno errno = c.TargetDomain(r.Dom, out Domain d);
        if (errno == XenErrno.None)
            d.EventChannels.Reset();
        return errno.ToResult();
    }
}
