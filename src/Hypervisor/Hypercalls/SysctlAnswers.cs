using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>Commands of sysctl about what the machine does not have, or about Xen's own books.</summary>
/// <remarks>Source: stable-4.17 xen/common/sysctl.c, xen/arch/x86/sysctl.c, xen/drivers/acpi/pmstat.c: do_get_pm_info; answers: oracle, dom0-calls.</remarks>
internal static class SysctlAnswers
{
    public static XenErrno Run417(HypercallCall c, SysctlCommand command, Span<byte> p)
    {
        switch (command)
        {
            case SysctlCommand.readconsole:
                return ReadConsole(c, p);
            case SysctlCommand.tbuf_op:
                // Op 0 asks; tracing was never switched on.
                return p.ReadStruct<uint>() == 0 ? XenErrno.None : Named(c, command, XenErrno.EINVAL);
            case SysctlCommand.getcpuinfo:
                return CpuInfo(c, p);
            case SysctlCommand.availheap:
                p[16..].WriteStruct(c.Xen.Frames.Allocator.FreeCount << 12);
                return XenErrno.None;
            case SysctlCommand.get_pmstat or SysctlCommand.psr_cmt_op or SysctlCommand.psr_alloc:
                return XenErrno.ENODEV;
            case SysctlCommand.cpu_hotplug:
                return CpuHotplug(p.ReadStruct<uint>(), p[4..].ReadStruct<uint>());
            case SysctlCommand.pm_op:
                c.Xen.Log(LogLevel.Info, "not defined sub-hypercall @ do_pm_op");
                return XenErrno.ENOSYS;
            case SysctlCommand.page_offline_op:
                return Named(c, command, XenErrno.EFAULT);
            case SysctlCommand.scheduler_op or SysctlCommand.pcitopoinfo or SysctlCommand.livepatch_op:
                return Named(c, command, XenErrno.EINVAL);
            case SysctlCommand.coverage_op:
                return XenErrno.EOPNOTSUPP;
            case SysctlCommand.get_cpu_levelling_caps:
                p[..4].Clear();
                return XenErrno.None;
            default:
                c.Xen.NotImplemented(XenNames.Of(command), "sysctl answers -ENOSYS", ours: false);
                return XenErrno.ENOSYS;
        }
    }

    /// <summary>struct xen_sysctl_readconsole: u8 clear, incremental, pad[2], u32 index, u32 count, handle buffer. What Xen logged goes to the event stream and is not kept.</summary>
    private static XenErrno ReadConsole(HypercallCall c, Span<byte> p)
    {
        uint count = p[8..].ReadStruct<uint>();
        p[8..].WriteStruct(0u);
        return count == 0 ? XenErrno.None : Named(c, SysctlCommand.readconsole, XenErrno.None);
    }

    /// <summary>struct xen_sysctl_getcpuinfo: u32 max_cpus, handle info, u32 nr_cpus; the record is the idle time in ns.</summary>
    private static XenErrno CpuInfo(HypercallCall c, Span<byte> p)
    {
        uint most = p.ReadStruct<uint>();
        if (most > 0 && !c.Memory.TryWriteStruct(new VirtualAddress(p[8..].ReadStruct<ulong>()), c.Xen.Scheduler.IdleNanoseconds))
            return XenErrno.EFAULT;
        p[16..].WriteStruct(Math.Min(most, 1));
        return XenErrno.None;
    }

    /// <summary>Processor 0, the only one, is there and stays.</summary>
    private static XenErrno CpuHotplug(uint cpu, uint op)
    {
        const uint online = 0, offline = 1, smtEnable = 2, smtDisable = 3;
        return op switch
        {
            online => cpu == 0 ? XenErrno.EEXIST : XenErrno.EINVAL,
            offline => XenErrno.EINVAL,
            smtEnable or smtDisable => XenErrno.EOPNOTSUPP,
            _ => XenErrno.EOPNOTSUPP,
        };
    }

    private static XenErrno Named(HypercallCall c, SysctlCommand command, XenErrno errno)
    {
        c.Xen.NotImplemented(XenNames.Of(command), errno == XenErrno.None ? "there is nothing to tell" : $"there is nothing behind it: -{errno}", ours: false);
        return errno;
    }
}
