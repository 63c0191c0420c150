using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Domctl;

/// <summary>Which command is done by what. A folder listing of Domctl/ is the list of what is modelled.</summary>
internal static class DomctlCommands
{
    /// <summary>Commands that common code hands to arch_do_domctl.</summary>
    public static bool IsArch(DomctlCommand command, XenRelease release) => command switch
    {
        DomctlCommand.hypercall_init or DomctlCommand.set_address_size or DomctlCommand.get_address_size or DomctlCommand.gethvmcontext
            or DomctlCommand.sethvmcontext or DomctlCommand.gettscinfo or DomctlCommand.settscinfo or DomctlCommand.shadow_op
            or DomctlCommand.ioport_permission or DomctlCommand.getpageframeinfo3 or DomctlCommand.sendtrigger or DomctlCommand.gethvmcontext_partial => true,
        DomctlCommand.set_cpuid => release == XenRelease.V4_0,
        DomctlCommand.get_cpu_policy or DomctlCommand.set_cpu_policy => release != XenRelease.V4_0,
        _ => false,
    };

    public static bool Exists(DomctlCommand command, XenRelease release) => Handler(command, release) is not null;

    public static StageOutcome Run(DomctlContext d)
    {
        if (Handler(d.Command, d.Xen.Profile.Release) is { } handler)
            return d.Finish(handler(d));
        d.Xen.NotImplemented(XenNames.Of(d.Command), "domctl answers -ENOSYS, as for an unknown command", ours: false);
        return d.Finish(XenErrno.ENOSYS);
    }

    private static Func<DomctlContext, XenErrno>? Handler(DomctlCommand command, XenRelease release)
    {
        bool v40 = release == XenRelease.V4_0;
        return command switch
        {
            DomctlCommand.createdomain => v40 ? CreateDomain.Do40 : CreateDomain.Do417,
            DomctlCommand.destroydomain => DomainControl.Destroy,
            DomctlCommand.pausedomain => DomainControl.Pause,
            DomctlCommand.unpausedomain => DomainControl.Unpause,
            DomctlCommand.resumedomain => DomainControl.Resume,
            DomctlCommand.getdomaininfo => GetDomainInfo.Do,
            DomctlCommand.max_mem => DomainControl.MaxMem,
            DomctlCommand.max_vcpus => v40 ? MaxVcpus.Do40 : MaxVcpus.Do417,
            DomctlCommand.setvcpucontext => VcpuContextCommands.Set,
            DomctlCommand.getvcpucontext => VcpuContextCommands.Get,
            DomctlCommand.getvcpuinfo => VcpuContextCommands.GetInfo,
            DomctlCommand.hypercall_init => HypercallInit.Do,
            DomctlCommand.set_address_size => AddressSize.Set,
            DomctlCommand.get_address_size => AddressSize.Get,
            DomctlCommand.scheduler_op => SchedulerOp.Do,
            DomctlCommand.setvcpuaffinity or DomctlCommand.getvcpuaffinity => SchedulerOp.VcpuAffinity,
            DomctlCommand.setnodeaffinity or DomctlCommand.getnodeaffinity when !v40 => SchedulerOp.NodeAffinity,
            DomctlCommand.set_cpuid when v40 => CpuPolicyCommands.SetCpuid,
            DomctlCommand.set_cpu_policy when !v40 => CpuPolicyCommands.Set,
            DomctlCommand.get_cpu_policy when !v40 => CpuPolicyCommands.Get,
            DomctlCommand.settscinfo => TscInfoCommands.Set,
            DomctlCommand.gettscinfo => TscInfoCommands.Get,
            DomctlCommand.settimeoffset => TscInfoCommands.SetTimeOffset,
            DomctlCommand.setdomainhandle => DomainControl.SetHandle,
            DomctlCommand.set_target => DomainControl.SetTarget,
            DomctlCommand.setdebugging => DomainControl.SetDebugging,
            DomctlCommand.ioport_permission => IoPermissions.Ports,
            DomctlCommand.iomem_permission => IoPermissions.Frames,
            DomctlCommand.irq_permission => IoPermissions.Irq,
            DomctlCommand.shadow_op => PagingMempool.ShadowOp,
            DomctlCommand.get_paging_mempool_size when !v40 => PagingMempool.Get,
            DomctlCommand.set_paging_mempool_size when !v40 => PagingMempool.Set,
            DomctlCommand.gethvmcontext => HvmContext.Get,
            DomctlCommand.sethvmcontext => HvmContext.Set,
            DomctlCommand.getpageframeinfo3 => GetPageFrameInfo.Do,
            _ => v40 ? null : DomctlAnswers.For417(command),
        };
    }
}
