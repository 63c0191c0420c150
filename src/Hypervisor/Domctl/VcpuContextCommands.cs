using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_setvcpucontext, getvcpucontext, getvcpuinfo. The size of the context follows the target's width.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c.</remarks>
internal static class VcpuContextCommands
{
    public static XenErrno Set(DomctlContext d)
    {
        Domain domain = d.Target!;
        DomctlVcpuContext c = d.Payload<DomctlVcpuContext>();
        if (domain == d.Call.Caller || domain.FindVcpu(c.Vcpu) is not { } v)
            return XenErrno.EINVAL;
        if (c.Ctxt == 0)
        {
            DomainTeardown.DropVcpuReferences(domain, v);
            v.TakeDown();
            v.IsInitialised = false;
            return XenErrno.None;
        }

        return d.Call.Memory.TryReadRecord(new VirtualAddress(c.Ctxt), domain.Abi, out VcpuGuestContext context)
            ? VcpuContext.Set(v, context)
            : XenErrno.EFAULT;
    }

    public static XenErrno Get(DomctlContext d)
    {
        Domain domain = d.Target!;
        DomctlVcpuContext c = d.Payload<DomctlVcpuContext>();
        if (domain.FindVcpu(c.Vcpu) is not { } v)
            return d.Xen.Profile.Release == XenRelease.V4_0 ? XenErrno.ESRCH : XenErrno.EINVAL;
        if (v == d.Call.Vcpu && d.Xen.Profile.Release != XenRelease.V4_0)
            return XenErrno.EINVAL;
        if (!v.IsInitialised)
            return XenErrno.ENODATA;
        byte[] bytes = WireRecord.ToBytes(VcpuContext.Get(v), domain.Abi);
        d.CopyBack = true;
        return d.Call.Memory.TryWrite(new VirtualAddress(c.Ctxt), bytes) ? XenErrno.None : XenErrno.EFAULT;
    }

    public static XenErrno GetInfo(DomctlContext d)
    {
        ref DomctlGetVcpuInfo i = ref d.Payload<DomctlGetVcpuInfo>();
        if (i.Vcpu >= d.Target!.MaxVcpus)
            return XenErrno.EINVAL;
        if (d.Target.FindVcpu(i.Vcpu) is not { } v)
            return XenErrno.ESRCH;
        i.Online = (v.PauseFlags & PauseFlags.Down) == 0 ? (byte)1 : (byte)0;
        i.Blocked = (v.PauseFlags & PauseFlags.Blocked) != 0 ? (byte)1 : (byte)0;
        i.Running = v.State == VcpuState.Running ? (byte)1 : (byte)0;
        i.CpuTime = v.CpuTime;
        i.Cpu = 0;
        d.CopyBack = true;
        return XenErrno.None;
    }
}
