using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_scheduler_op and the affinities. There is one physical CPU, so an affinity must contain it.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/schedule.c (sched/core.c): sched_adjust, vcpu_affinity_domctl.</remarks>
internal static class SchedulerOp
{
    public static XenErrno Do(DomctlContext d)
    {
        d.CopyBack = true;
        return d.Xen.Profile.Release == XenRelease.V4_0 ? Do40(d) : Do417(d);
    }

    public static XenErrno VcpuAffinity(DomctlContext d)
    {
        bool v40 = d.Xen.Profile.Release == XenRelease.V4_0;
        bool set = d.Command == DomctlCommand.setvcpuaffinity;
        uint vcpu = v40 ? d.Payload<DomctlVcpuAffinityV40>().Vcpu : d.Payload<DomctlVcpuAffinityV417>().Vcpu;
        if (vcpu >= d.Target!.MaxVcpus)
            return XenErrno.EINVAL;
        if (d.Target.FindVcpu(vcpu) is null)
            return XenErrno.ESRCH;
        if (v40)
        {
            XenctlCpumap map = d.Payload<DomctlVcpuAffinityV40>().Cpumap;
            return Bitmap(d, map.Bitmap, map.NrCpus, set);
        }

        DomctlVcpuAffinityV417 a = d.Payload<DomctlVcpuAffinityV417>();
        VcpuAffinityFlags flags = (VcpuAffinityFlags)a.Flags;
        if ((flags & (VcpuAffinityFlags.HARD | VcpuAffinityFlags.SOFT)) == 0)
            return XenErrno.EINVAL;
        d.CopyBack = !set;
        XenErrno errno = (flags & VcpuAffinityFlags.HARD) != 0 ? Bitmap(d, a.CpumapHard.Bitmap, a.CpumapHard.NrBits, set) : XenErrno.None;
        return errno == XenErrno.None && (flags & VcpuAffinityFlags.SOFT) != 0 ? Bitmap(d, a.CpumapSoft.Bitmap, a.CpumapSoft.NrBits, set) : errno;
    }

    public static XenErrno NodeAffinity(DomctlContext d)
    {
        XenctlBitmap map = d.Payload<DomctlNodeAffinity>().Nodemap;
        return Bitmap(d, map.Bitmap, map.NrBits, d.Command == DomctlCommand.setnodeaffinity);
    }

    private static XenErrno Do40(DomctlContext d)
    {
        ref DomctlSchedulerOpV40 op = ref d.Payload<DomctlSchedulerOpV40>();
        return op.SchedId == (uint)SchedulerId.CREDIT ? Adjust(d, op.Cmd, ref op.Credit.Weight, ref op.Credit.Cap) : XenErrno.EINVAL;
    }

    private static XenErrno Do417(DomctlContext d)
    {
        ref DomctlSchedulerOpV417 op = ref d.Payload<DomctlSchedulerOpV417>();
        return op.SchedId == (uint)SchedulerId.CREDIT2 ? Adjust(d, op.Cmd, ref op.Credit2.Weight, ref op.Credit2.Cap) : XenErrno.EINVAL;
    }

    private static XenErrno Adjust(DomctlContext d, uint command, ref ushort weight, ref ushort cap)
    {
        SchedulerParameters now = d.Target!.Scheduler;
        switch ((DomctlSchedOp)command)
        {
            case DomctlSchedOp.getinfo:
                weight = now.Weight;
                cap = now.Cap;
                return XenErrno.None;
            case DomctlSchedOp.putinfo:
                d.Target.Scheduler = new SchedulerParameters(weight == 0 ? now.Weight : weight, cap == ushort.MaxValue ? now.Cap : cap);
                return XenErrno.None;
            default:
                return XenErrno.EINVAL;
        }
    }

    /// <summary>A bitmap of CPUs or nodes: reads one that must contain number 0, or writes the one that only has it.</summary>
    private static XenErrno Bitmap(DomctlContext d, ulong handle, uint bits, bool set)
    {
        byte one = 1;
        if (!set && bits == 0)
            return XenErrno.None;
        if (!set)
            return d.Call.Memory.TryWriteStruct(new VirtualAddress(handle), one) ? XenErrno.None : XenErrno.EFAULT;
        if (bits == 0)
            return XenErrno.EINVAL;
        if (!d.Call.Memory.TryReadStruct(new VirtualAddress(handle), out one))
            return XenErrno.EFAULT;
        return (one & 1) != 0 ? XenErrno.None : XenErrno.EINVAL;
    }
}
