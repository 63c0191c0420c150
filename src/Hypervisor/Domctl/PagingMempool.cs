using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>The pool a translated domain's p2m comes from: shadow_op's allocation (4.0) and the paging mempool (4.17).</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/mm/paging.c: paging_domctl; stable-4.17 the same: arch_set_paging_mempool_size.</remarks>
internal static class PagingMempool
{
    public static XenErrno Get(DomctlContext d)
    {
        if (!d.Target!.IsHvm)
            return XenErrno.EOPNOTSUPP;
        d.Payload<DomctlPagingMempool>().Size = d.Target.PagingMempoolSize;
        d.CopyBack = true;
        return XenErrno.None;
    }

    public static XenErrno Set(DomctlContext d)
    {
        ulong size = d.Payload<DomctlPagingMempool>().Size;
        if (!d.Target!.IsHvm)
            return XenErrno.EOPNOTSUPP;
        if ((size & 0xFFF) != 0)
            return XenErrno.EINVAL;
        d.Target.PagingMempoolSize = size;
        return XenErrno.None;
    }

    public static XenErrno ShadowOp(DomctlContext d)
    {
        ref DomctlShadowOp op = ref d.Payload<DomctlShadowOp>();
        d.CopyBack = true;
        switch ((ShadowOp)op.Op)
        {
            case Public.Numbers.ShadowOp.SET_ALLOCATION when d.Target!.IsHvm:
                d.Target.PagingMempoolSize = (ulong)op.Mb << 20;
                return XenErrno.None;
            case Public.Numbers.ShadowOp.GET_ALLOCATION:
                op.Mb = (uint)(d.Target!.PagingMempoolSize >> 20);
                return XenErrno.None;
            case Public.Numbers.ShadowOp.OFF when d.Target == d.Call.Caller:
                return XenErrno.EINVAL;
            case Public.Numbers.ShadowOp.OFF:
                return XenErrno.None;
            default:
                d.Xen.NotImplemented($"XEN_DOMCTL_SHADOW_OP_{(ShadowOp)op.Op}", "shadow mode and log-dirty: -EINVAL", ours: false);
                return XenErrno.EINVAL;
        }
    }
}
