using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl__build_pre and libxl__build_post (4.17).</summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_dom.c, libxl_x86.c, libxl_cpuid.c.</remarks>
internal static class BuildPre417
{
    private const string File = "libxl_dom.c";

    /// <summary>LIBXL_MAXMEM_CONSTANT. Unit: KiB.</summary>
    private const ulong MaxmemConstant = 1024;

    public static StageOutcome MaxVcpus(DomainBuild build) => build.Xc.MaxVcpus(build.Current.Domid, build.Current.Configuration.Vcpus).ToOutcome();

    public static StageOutcome MaxVcpusFailed(DomainBuild build, StageOutcome failure) => Said(build, 253, "Couldn't set max vcpu count", failure);

    /// <summary>The soft affinity of each vcpu becomes all CPUs of the node.</summary>
    public static StageOutcome SetVcpuAffinity(DomainBuild build)
    {
        for (uint vcpu = 0; vcpu < build.Current.Configuration.Vcpus; vcpu++)
        {
            XcReturn rc = build.Xc.SetSoftAffinity(build.Current.Domid, vcpu, [0x01]);
            if (rc.Failed)
                return rc.ToOutcome();
        }

        return StageOutcome.Ok;
    }

    public static StageOutcome SetNodeAffinity(DomainBuild build)
        => build.Xc.SetNodeAffinity(build.Current.Domid, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).ToOutcome();

    public static StageOutcome SetMaxMem(DomainBuild build)
        => build.Xc.SetMaxMem(build.Current.Domid, build.Current.Configuration.MemoryKiB + MaxmemConstant).ToOutcome();

    public static StageOutcome SetMaxMemFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno(File, 364, "libxl__build_pre", "Couldn't set max memory", failure.Errno);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "Couldn't set max memory");
    }

    /// <summary>The domains of the daemons come from xenstore; without entries both are dom0. Neither port is checked.</summary>
    public static StageOutcome AllocStorePort(DomainBuild build)
    {
        build.Store.ReadOrNull("/tool/xenstored/domid");
        build.Store.ReadOrNull("/tool/xenconsoled/domid");
        XcReturn rc = build.Xc.EvtchnAllocUnbound(build.Current.Domid, 0);
        build.Current.State = build.Current.State with { StorePort = (uint)rc.Value };
        return rc.ToOutcome();
    }

    public static StageOutcome AllocConsolePort(DomainBuild build)
    {
        XcReturn rc = build.Xc.EvtchnAllocUnbound(build.Current.Domid, 0);
        build.Current.State = build.Current.State with { ConsolePort = (uint)rc.Value };
        return rc.ToOutcome();
    }

    /// <summary>hvm_set_conf_params: HPET and timer alignment of an HVM domain, then timer mode and altp2m of both kinds.</summary>
    public static StageOutcome HvmSetConfParams(DomainBuild build)
    {
        const string source = "libxl_x86.c";
        XcReturn rc;
        if (build.Current.Configuration.Type == DomainType.hvm)
        {
            rc = build.Xc.HvmParamSet(build.Current.Domid, HvmParam.HPET_ENABLED, 1);
            if (rc.Failed)
                return Failed(build, source, 427, "hvm_set_conf_params", "Couldn't set HVM_PARAM_HPET_ENABLED", rc.Errno);
            rc = build.Xc.HvmParamSet(build.Current.Domid, HvmParam.VPT_ALIGN, 1);
            if (rc.Failed)
                return Failed(build, source, 432, "hvm_set_conf_params", "Couldn't set HVM_PARAM_VPT_ALIGN", rc.Errno);
        }

        rc = build.Xc.HvmParamSet(build.Current.Domid, HvmParam.TIMER_MODE, 1);
        if (rc.Failed)
            return Failed(build, source, 444, "hvm_set_conf_params", "Couldn't set HVM_PARAM_TIMER_MODE", rc.Errno);
        rc = build.Xc.HvmParamSet(build.Current.Domid, HvmParam.ALTP2M, 0);
        return rc.Failed
            ? Failed(build, source, 448, "hvm_set_conf_params", "Couldn't set HVM_PARAM_ALTP2M", rc.Errno)
            : StageOutcome.Ok;
    }

    public static StageOutcome SetMemmapLimit(DomainBuild build)
        => build.Xc.SetMemoryMap(
            build.Current.Domid, [new E820Entry { Addr = 0, Size = build.Current.Configuration.EffectiveMaximumKiB << 10, Type = (uint)E820Type.RAM }]).ToOutcome();

    public static StageOutcome SetTscInfo(DomainBuild build) => build.Xc.SetTscInfo(build.Current.Domid, (uint)build.Current.Configuration.TscMode).ToOutcome();

    public static StageOutcome SetTscInfoFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno("libxl_x86.c", 582, "libxl__arch_domain_create", "xc_domain_set_tsc_info() failed", failure.Errno);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "xc_domain_set_tsc_info() failed");
    }

    /// <summary>libxl__domain_set_paging_mempool_size: shadow_memkb, which xl leaves to libxl__get_required_paging_memory.</summary>
    public static StageOutcome SetPagingMempoolSize(DomainBuild build)
    {
        DomainConfiguration config = build.Current.Configuration;
        ulong kiB = PagingMempoolKiB(config.EffectiveMaximumKiB, config.Vcpus);
        XcReturn rc = build.Xc.SetPagingMempoolSize(build.Current.Domid, kiB << 10);
        return rc.Failed
            ? Failed(build, File, 1462, "libxl__domain_set_paging_mempool_size", $"Failed to set paging mempool size to {kiB << 10}", rc.Errno)
            : StageOutcome.Ok;
    }

    /// <summary>libxl__get_required_paging_memory with HAP: 256 pages per vcpu and one page per MiB for the p2m.</summary>
    internal static ulong PagingMempoolKiB(ulong memoryKiB, uint vcpus) => 4 * ((256UL * vcpus) + (memoryKiB / 1024));

    public static StageOutcome CpuidApplyPolicy(DomainBuild build) => CpuPolicy417.Apply(build);

    public static StageOutcome CpuidFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno("libxl_cpuid.c", 540, "libxl__cpuid_legacy", "Failed to apply CPUID policy", failure.Errno, build.Current.Domid);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "Failed to apply CPUID policy");
    }

    /// <summary>libxl_domain_sched_params_set: credit2's parameters are read and written back.</summary>
    public static StageOutcome SchedParamsSet(DomainBuild build)
    {
        build.Xc.GetDomainInfoList(build.Current.Domid, 1, out _);
        build.Xc.CpupoolInfo();
        build.Xc.GetDomainInfoList(build.Current.Domid, 1, out _);
        DomctlSchedCredit2 parameters = default;
        XcReturn rc = build.Xc.SchedCredit2(build.Current.Domid, put: false, ref parameters);
        if (rc.Failed)
            return Failed(build, "libxl_sched.c", 573, "sched_credit2_domain_set", "Getting domain sched credit2", rc.Errno);
        rc = build.Xc.SchedCredit2(build.Current.Domid, put: true, ref parameters);
        return rc.Failed
            ? Failed(build, "libxl_sched.c", 594, "sched_credit2_domain_set", "Setting domain sched credit2", rc.Errno)
            : StageOutcome.Ok;
    }

    /// <summary>build_post's transaction and INTRODUCE; nothing of it is checked.</summary>
    public static StageOutcome Introduce(DomainBuild build)
    {
        TargetDomain target = build.Current;
        build.Store.GetDomainPath(target.Domid, out string path);
        build.Store.Read(0, $"{path}/vm", out string vmPath);
        build.Store.Transaction(t => BuildEntries.Write(build, t, path, vmPath));
        build.Store.Introduce(target.Domid, target.State.StoreMfn, target.State.StorePort);
        return StageOutcome.Ok;
    }

    internal static StageOutcome Failed(DomainBuild build, string file, int line, string function, string text, XenErrno errno)
    {
        build.Log.LibxlErrno(file, line, function, text, errno);
        return StageOutcome.Fail(LibxlError.FAIL, errno, text);
    }

    private static StageOutcome Said(DomainBuild build, int line, string text, StageOutcome failure)
    {
        build.Log.Libxl(LogLevel.Error, File, line, "libxl__build_pre", text);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, text);
    }
}
