using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>hvm_op: parameters of translated domains.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/hvm/hvm.c: do_hvm_op, hvmop_set_param, hvm_allow_set_param.</remarks>
internal static class HvmOpCall
{
    public static long Do(HypercallCall c)
    {
        switch ((HvmOp)c.A1)
        {
            case HvmOp.set_param or HvmOp.get_param:
                return Param(c, set: (HvmOp)c.A1 == HvmOp.set_param);
            case HvmOp.flush_tlbs:
                if (c.A2 != 0)
                    return XenErrno.EINVAL.ToResult();
                c.Caller.FlushTlbs();
                return 0;
            case HvmOp.get_time:
                return c.Memory.TryWriteStruct(new VirtualAddress(c.A2), c.Xen.VirtualNanoseconds) ? 0 : XenErrno.EFAULT.ToResult();
            case HvmOp.pagetable_dying when !Is40(c):
                return PageTableDying(c);
            case HvmOp.xentrace when !Is40(c):
                return Trace(c);
            case HvmOp.get_mem_type when !Is40(c):
                return GetMemType(c);
            case HvmOp.set_evtchn_upcall_vector when !Is40(c):
                return SetUpcallVector(c).ToResult();
            case HvmOp.guest_request_vm_event when !Is40(c):
                return c.A2 == 0 ? 0 : XenErrno.EINVAL.ToResult();
            case HvmOp.altp2m when !Is40(c):
                return XenErrno.EOPNOTSUPP.ToResult();
            default:
                c.Xen.NotImplemented(XenNames.HvmOp((uint)c.A1), "hvm_op answers -ENOSYS", ours: false);
                return XenErrno.ENOSYS.ToResult();
        }
    }

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    /// <summary>HVMOP_pagetable_dying: of meaning with shadow page tables only, which no domain has.</summary>
    private static long PageTableDying(HypercallCall c)
    {
        if (!c.Memory.TryReadStruct(new VirtualAddress(c.A2), out ushort domain) || !c.Memory.TryRead(new VirtualAddress(c.A2), stackalloc byte[16]))
            return XenErrno.EFAULT.ToResult();
        return (c.DomainByAnyId(domain) is not { } d ? XenErrno.ESRCH : d != c.Caller ? XenErrno.EOPNOTSUPP : XenErrno.EINVAL).ToResult();
    }

    /// <summary>HVMOP_xentrace: struct xen_hvm_xentrace is u16 event, u16 extra_bytes, u8 extra[28]. Nobody reads the trace.</summary>
    private static long Trace(HypercallCall c)
    {
        Span<byte> record = stackalloc byte[32];
        const int mostExtra = 28, subclass = 0xF000;
        if (!c.Memory.TryRead(new VirtualAddress(c.A2), record))
            return XenErrno.EFAULT.ToResult();
        return record[2..].ReadStruct<ushort>() > mostExtra || (record.ReadStruct<ushort>() & subclass) != 0 ? XenErrno.EINVAL.ToResult() : 0;
    }

    private static long GetMemType(HypercallCall c)
    {
        if (!c.Memory.TryReadStruct(new VirtualAddress(c.A2), out ushort domain) || !c.Memory.TryRead(new VirtualAddress(c.A2), stackalloc byte[16]))
            return XenErrno.EFAULT.ToResult();
        if (c.DomainByAnyId(domain) is not { } d)
            return XenErrno.ESRCH.ToResult();
        if (d.IsHvm)
            c.Xen.NotImplemented("HVMOP_get_mem_type", "types of guest memory are not told: -EINVAL", ours: false);
        return XenErrno.EINVAL.ToResult();
    }

    public static CallDescription About(HypercallCall c)
        => (HvmOp)c.A1 is HvmOp.set_param or HvmOp.get_param && c.Memory.TryReadStruct(new VirtualAddress(c.A2), out HvmParamOp p)
            ? Call(XenNames.HvmOp((uint)c.A1), p.Domid, Text("index", ((HvmParam)p.Index).ToString()), Arg("value", p.Value))
            : Call(XenNames.HvmOp((uint)c.A1));

    private static long Param(HypercallCall c, bool set)
    {
        VirtualAddress arg = new(c.A2);
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (!c.Memory.TryReadStruct(arg, out HvmParamOp p))
            return XenErrno.EFAULT.ToResult();
        if (p.Index >= c.Xen.Profile.HvmParamCount)
            return XenErrno.EINVAL.ToResult();
        XenErrno errno = c.TargetDomain(p.Domid, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        if (!d.IsHvm)
            return XenErrno.EINVAL.ToResult();
        if (!v40)
        {
            errno = Allowed((HvmParam)p.Index, d == c.Caller && !c.Caller.IsPrivileged, set, d.HvmParams[p.Index], p.Value);
            if (errno != XenErrno.None)
                return errno.ToResult();
        }

        if (set && (HvmParam)p.Index == HvmParam.CALLBACK_IRQ)
        {
            d.HvmParams[p.Index] = p.Value;
            if (c.Vcpu is { } caller)
                HvmVcpuState.LatchSharedInfoSize(d, caller);
            HvmInterrupts.SetCallbackVia(d);
            return 0;
        }

        if (set)
            return HvmParams.Set(c, d, (HvmParam)p.Index, p.Value).ToResult();
        p.Value = HvmParams.Get(d, (HvmParam)p.Index);
        return c.Memory.TryWriteStruct(arg, p) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static XenErrno SetUpcallVector(HypercallCall c)
    {
        const byte firstVector = 0x10;
        if (!c.Caller.IsHvm)
            return XenErrno.EINVAL;
        if (!c.Memory.TryReadStruct(new VirtualAddress(c.A2), out HvmEvtchnUpcallVector op))
            return XenErrno.EFAULT;
        if (op.Vector < firstVector)
            return XenErrno.EINVAL;
        if (c.Caller.FindVcpu(op.Vcpu) is not { } v)
            return XenErrno.ENOENT;
        c.Xen.Log(LogLevel.Info, $"d{c.Caller.Id.Value}v{v.Id}: upcall vector {op.Vector:x2}");
        v.EvtchnUpcallVector = op.Vector;
        HvmInterrupts.AssertEventChannel(v);
        return XenErrno.None;
    }

    /// <summary>hvm_allow_set_param, hvm_allow_get_param of 4.17.</summary>
    private static XenErrno Allowed(HvmParam index, bool bySelf, bool set, ulong old, ulong value)
    {
        if (index is HvmParam.PAE_ENABLED or HvmParam.DM_DOMAIN or HvmParam.BUFIOREQ_EVTCHN
            or (>= HvmParam.MEMORY_EVENT_CR0 and <= HvmParam.MEMORY_EVENT_SINGLE_STEP) or HvmParam.MEMORY_EVENT_MSR or HvmParam.NESTEDHVM)
            return XenErrno.EINVAL;
        if (bySelf)
        {
            bool own = index is HvmParam.CALLBACK_IRQ or HvmParam.STORE_EVTCHN or HvmParam.VM86_TSS or HvmParam.CONSOLE_EVTCHN
                or HvmParam.ACPI_IOPORTS_LOCATION or HvmParam.VM_GENERATION_ID_ADDR or HvmParam.X87_FIP_WIDTH or HvmParam.VM86_TSS_SIZED;
            bool readable = own || index is HvmParam.STORE_PFN or HvmParam.CONSOLE_PFN or HvmParam.ALTP2M;
            if (!(set ? own : readable))
                return XenErrno.EPERM;
        }

        bool once = index is HvmParam.IOREQ_PFN or HvmParam.BUFIOREQ_PFN or HvmParam.VIRIDIAN or HvmParam.IOREQ_SERVER_PFN
            or HvmParam.NR_IOREQ_SERVER_PAGES or HvmParam.ALTP2M or HvmParam.MCA_CAP;
        return set && once && old != 0 && value != old ? XenErrno.EEXIST : XenErrno.None;
    }
}
