using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domctl;

/// <summary>
/// Commands whose answer is plain because what they are about is not there: an IOMMU, devices, monitors, a second release's parts. What would
/// do something for the target at hand is named.
/// </summary>
/// <remarks>
/// Source: stable-4.17 xen/common/domctl.c, xen/arch/x86/domctl.c, xen/drivers/passthrough/iommu.c: iommu_do_domctl; answers about a PV domain:
/// oracle, dom0-calls.
/// </remarks>
internal static class DomctlAnswers
{
    /// <summary>The most frames that memory_mapping takes.</summary>
    private const ulong MostMapped = 64;

    /// <summary>XEN_DOMCTL_soft_reset_cont, which the public header shows to Xen only: a caller has no business with it.</summary>
    private const DomctlCommand SoftResetContinued = (DomctlCommand)23;

    public static Func<DomctlContext, XenErrno>? For417(DomctlCommand command) => command switch
    {
        DomctlCommand.subscribe => Subscribe,
        DomctlCommand.sendtrigger => SendTrigger,
        DomctlCommand.assign_device or DomctlCommand.deassign_device or DomctlCommand.test_assign_device or DomctlCommand.get_device_group => static _ => XenErrno.EOPNOTSUPP,
        DomctlCommand.bind_pt_irq or DomctlCommand.unbind_pt_irq or SoftResetContinued => static _ => XenErrno.EINVAL,
        DomctlCommand.memory_mapping => MemoryMapping,
        DomctlCommand.ioport_mapping => IoPortMapping,
        DomctlCommand.get_ext_vcpucontext or DomctlCommand.set_ext_vcpucontext => static d => OfAnother(d, XenErrno.ESRCH, XenErrno.EOPNOTSUPP),
        DomctlCommand.debug_op or DomctlCommand.gethvmcontext_partial or DomctlCommand.set_broken_page_p2m => static d => OfHvm(d, XenErrno.EINVAL),
        DomctlCommand.vm_event_op => static d => OfAnother(d, XenErrno.EINVAL, XenErrno.EOPNOTSUPP),
        DomctlCommand.setvcpuextstate or DomctlCommand.getvcpuextstate or DomctlCommand.get_vcpu_msrs or DomctlCommand.set_vcpu_msrs
            => static d => OfAnother(d, XenErrno.EINVAL, XenErrno.EOPNOTSUPP),
        DomctlCommand.set_access_required => static d => d.Target == d.Call.Caller ? XenErrno.EPERM : XenErrno.None,
        DomctlCommand.monitor_op => static d => OfAnother(d, XenErrno.EPERM, XenErrno.EOPNOTSUPP),
        DomctlCommand.set_virq_handler or DomctlCommand.setvnumainfo or DomctlCommand.vmtrace_op => static d => Named(d, XenErrno.EINVAL),
        DomctlCommand.psr_cmt_op or DomctlCommand.psr_alloc => static _ => XenErrno.ENODEV,
        DomctlCommand.cacheflush or DomctlCommand.vuart_op or DomctlCommand.pin_mem_cacheattr or DomctlCommand.audit_p2m or DomctlCommand.mem_sharing_op => static _ => XenErrno.ENOSYS,
        _ => null,
    };

    /// <summary>A port of the domain's that is notified when it suspends itself.</summary>
    private static XenErrno Subscribe(DomctlContext d)
    {
        d.Target!.SuspendPort = d.Payload<uint>();
        return XenErrno.None;
    }

    /// <summary>struct xen_domctl_sendtrigger: u32 trigger, u32 vcpu. A PV guest can be sent an NMI and nothing else.</summary>
    private static XenErrno SendTrigger(DomctlContext d)
    {
        const uint nmi = 0;
        ulong payload = d.Payload<ulong>();
        uint vcpu = (uint)(payload >> 32);
        if (vcpu >= d.Target!.MaxVcpus)
            return XenErrno.EINVAL;
        if (d.Target.FindVcpu(vcpu) is not { } v)
            return XenErrno.ESRCH;
        if (d.Target.IsHvm)
            return Named(d, XenErrno.ENOSYS);
        if ((uint)payload != nmi)
            return XenErrno.EINVAL;
        v.NmiPending = true;
        v.Kick();
        return XenErrno.None;
    }

    /// <summary>struct xen_domctl_memory_mapping: u64 first_gfn, first_mfn, nr_mfns. A PV domain maps by itself what it may.</summary>
    private static XenErrno MemoryMapping(DomctlContext d)
    {
        ReadOnlySpan<byte> p = d.Request.Payload;
        ulong first = BitConverter.ToUInt64(p[8..]), count = BitConverter.ToUInt64(p[16..]);
        ulong firstGfn = BitConverter.ToUInt64(p);
        if (first + count - 1 < first || firstGfn + count - 1 < firstGfn || count == 0)
            return XenErrno.EINVAL;
        if (count > MostMapped)
            return XenErrno.E2BIG;
        if (!d.Call.Caller.Io.Frames.Contains(first, first + count - 1) || !d.Target!.Io.Frames.Contains(first, first + count - 1))
            return XenErrno.EPERM;
        return d.Target.IsHvm ? Named(d, XenErrno.EOPNOTSUPP) : XenErrno.None;
    }

    private static XenErrno IoPortMapping(DomctlContext d)
    {
        if (d.Target!.IsHvm)
            return Named(d, XenErrno.EOPNOTSUPP);
        d.Xen.Log(LogLevel.Error, "ioport_map against non-HVM domain");
        return XenErrno.EOPNOTSUPP;
    }

    /// <summary>What nobody may do to himself; of others it is not simulated.</summary>
    private static XenErrno OfAnother(DomctlContext d, XenErrno ofItself, XenErrno ofOthers) => d.Target == d.Call.Caller ? ofItself : Named(d, ofOthers);

    /// <summary>What PV domains do not have; of HVM domains it is not simulated.</summary>
    private static XenErrno OfHvm(DomctlContext d, XenErrno ofPv) => d.Target!.IsHvm ? Named(d, XenErrno.EOPNOTSUPP) : ofPv;

    private static XenErrno Named(DomctlContext d, XenErrno errno)
    {
        d.Xen.NotImplemented(XenNames.Of(d.Command), $"there is nothing behind it: -{errno}", ours: false);
        return errno;
    }
}
