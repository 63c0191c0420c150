using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;
using XenSim.Toolstack.Libxl;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>stable-4.17: xl create of a PV, PVH or HVM domain.</summary>
internal static class Path417
{
    private const string Xl = "stable-4.17 tools/xl/xl_vmcontrol.c";
    private const string Create = "stable-4.17 tools/libs/light/libxl_create.c";
    private const string Domain = "stable-4.17 tools/libs/light/libxl_domain.c";
    private const string Dom = "stable-4.17 tools/libs/light/libxl_dom.c";
    private const string X86 = "stable-4.17 tools/libs/light/libxl_x86.c";
    private const string XcDomain = "stable-4.17 tools/libs/ctrl/xc_domain.c";
    private const string Evtchn = "stable-4.17 tools/libs/ctrl/xc_evtchn.c";
    private const string Sched = "stable-4.17 tools/libs/light/libxl_sched.c";
    private const string Console = "stable-4.17 tools/libs/light/libxl_console.c";
    private const string Device = "stable-4.17 tools/libs/light/libxl_device.c";
    private const string DomCore = "stable-4.17 tools/libs/guest/xg_dom_core.c";

    public static Stage<DomainBuild> CreateDomain()
        => Function(
            Xl,
            "create_domain",
            Finish417.CreateDomain,
            Function(
                Create,
                "do_domain_create",
                Finish417.DoDomainCreate,
                Function(
                    Create,
                    "initiate_domain_create",
                    DomainMake().OrElse(DomainMake417.Failed),
                    Function(Create, "store_libxl_entry", DomainMake417.StoreDmVersion),
                    Function("stable-4.17 tools/libs/light/libxl_bootloader.c", "libxl__bootloader_run", Finish417.BootloaderRun)),
                Function(Create, "domcreate_bootloader_done", DomainBuild()).OrElse(Finish417.RebuildFailed),
                Function(
                    Create,
                    "domcreate_launch_dm",
                    Function(Console, "libxl__device_console_add", Finish417.ConsoleAdd),
                    Function("stable-4.17 tools/libs/light/libxl_dm.c", "libxl__spawn_local_dm", DeviceModel417.Spawn).OnlyIf("HVM", IsHvm)),
                Function(Create, "domcreate_complete", Finish417.DomcreateComplete))
                .Undo(DestroyByLibxl()),
            Unpause().Unchecked().OnlyIf("without -p", b => !b.Paused))
            .Then(Finish417.Exit)
            .OnFailure(Finish417.ExitWithFailure)
            .Undo(Function(Domain, "libxl_domain_destroy", Destroy417.AgainByXl).OnlyIf("the domain had been made", b => b.Current.Created));

    /// <summary>Where create_domain goes after the unpause: xl stays and waits for the domain's end.</summary>
    public static Stage<DomainBuild> WaitForDeath()
        => Function(Domain, "libxl_evenable_domain_death", DomainDeath417.Enable, Function(Domain, "domain_death_xswatch_callback", DomainDeath417.Look));

    /// <summary>What xl does when libxl reports the domain's end.</summary>
    public static Stage<DomainBuild> DomainDeath()
        => Function(
            Xl,
            "domain_wait_event",
            Function(Domain, "domain_death_xswatch_callback", DomainDeath417.Look),
            Function(
                Xl,
                "handle_domain_death",
                DomainDeath417.Handle,
                Function(
                    Domain,
                    "libxl_domain_core_dump",
                    DomainDeath417.CoreDump,
                    Function("stable-4.17 tools/libs/guest/xg_core.c", "xc_domain_dumpcore", DomainDeath417.DumpCore))
                    .Then(DomainDeath417.CoreDumped).OrElse(DomainDeath417.CoreDumpFailed).OnlyIf("coredump-destroy, coredump-restart", DomainDeath417.DumpsCore),
                DomainDestroy().Unchecked().OnlyIf("destroy, restart", DomainDeath417.Destroys))
                .OnlyIf("it shut down, and nobody destroyed it", b => !b.IsGone),
            Function(
                Xl,
                "preserve_domain",
                DomainDeath417.PreserveDomain,
                Function(Domain, "libxl_domain_preserve", DomainDeath417.Preserve)).OnlyIf("rename-restart", b => b.Restart == RestartType.Rename))
            .Then(DomainDeath417.Done);

    /// <summary>xl pause.</summary>
    public static Stage<DomainBuild> Pause()
        => Function(Domain, "libxl_domain_pause", Pause417.Enter, Function(XcDomain, "xc_domain_pause", Pause417.Pause).OrElse(Pause417.Failed)).Then(Pause417.Complete);

    /// <summary>xl unpause; xl create ends with it too.</summary>
    public static Stage<DomainBuild> Unpause()
        => Function(Domain, "libxl_domain_unpause", Function(XcDomain, "xc_domain_unpause", Finish417.Unpause).OrElse(Finish417.UnpauseFailed));

    /// <summary>xl destroy.</summary>
    public static Stage<DomainBuild> DomainDestroy()
        => Function(
            Domain,
            "libxl_domain_destroy",
            Destroy417.Enter,
            Function(Domain, "libxl__destroy_domid", Destroy417.Pause),
            Function(Device, "libxl__devices_destroy", Destroy417.DevicesDestroy),
            Function(Domain, "devices_destroy_cb", Destroy417.DevicesDestroyed),
            Function(XcDomain, "xc_domain_destroy", Destroy417.DestroyDomain))
            .Then(Destroy417.Complete);

    private static Stage<DomainBuild> DestroyByLibxl()
        => Function(
            Domain,
            "libxl__domain_destroy",
            Function(Domain, "libxl__destroy_domid", Destroy417.Pause),
            Function(Device, "libxl__devices_destroy", Destroy417.DevicesDestroy),
            Function(Domain, "devices_destroy_cb", Destroy417.DevicesDestroyedByCreate),
            Function(XcDomain, "xc_domain_destroy", Destroy417.DestroyDomainByCreate))
            .OnlyIf("the domain had been made", b => b.Current.Created);

    private static Stage<DomainBuild> DomainMake()
        => Function(
            Create,
            "libxl__domain_make",
            DomainMake417.Enter,
            Function(XcDomain, "xc_domain_create", DomainMake417.DomainCreate).OrElse(DomainMake417.CreateFailed),
            Function("stable-4.17 tools/libs/store/xs.c", "xs_transaction_start", DomainMake417.StartTransaction),
            Function(Domain, "libxl__domain_rename", DomainMake417.Rename).OrElse(DomainMake417.RenameFailed))
            .Then(DomainMake417.Commit);

    private static Stage<DomainBuild> DomainBuild()
        => Function(Create, "libxl__domain_build", BuildPre(), BuildPv().OnlyIf("PV", IsPv), BuildHvm().OnlyIf("PVH or HVM", IsHvmContainer), BuildPost());

    private static Stage<DomainBuild> BuildPre()
        => Function(
            Dom,
            "libxl__build_pre",
            Function(XcDomain, "xc_domain_max_vcpus", BuildPre417.MaxVcpus).OrElse(BuildPre417.MaxVcpusFailed),
            Function(Dom, "numa_place_domain", Queries417.NumaPlaceDomain),
            Function(Sched, "libxl_set_vcpuaffinity_all", BuildPre417.SetVcpuAffinity).Unchecked(),
            Function(Sched, "libxl_domain_set_nodeaffinity", BuildPre417.SetNodeAffinity).Unchecked(),
            Function(XcDomain, "xc_domain_setmaxmem", BuildPre417.SetMaxMem).OrElse(BuildPre417.SetMaxMemFailed),
            Function(Evtchn, "xc_evtchn_alloc_unbound:store", BuildPre417.AllocStorePort).Unchecked(),
            Function(Evtchn, "xc_evtchn_alloc_unbound:console", BuildPre417.AllocConsolePort).Unchecked(),
            Function(
                X86,
                "libxl__arch_domain_create",
                Function(X86, "hvm_set_conf_params", BuildPre417.HvmSetConfParams).OnlyIf("PVH or HVM", IsHvmContainer),
                Function(XcDomain, "xc_domain_set_memmap_limit", BuildPre417.SetMemmapLimit).Unchecked().OnlyIf("PV", IsPv),
                Function(XcDomain, "xc_domain_set_tsc_info", BuildPre417.SetTscInfo).OrElse(BuildPre417.SetTscInfoFailed),
                Function(Dom, "libxl__domain_set_paging_mempool_size", BuildPre417.SetPagingMempoolSize).OnlyIf("PVH or HVM", IsHvmContainer)),
            Function(
                "stable-4.17 tools/libs/light/libxl_cpuid.c",
                "libxl__cpuid_legacy",
                Function("stable-4.17 tools/libs/guest/xg_cpuid_x86.c", "xc_cpuid_apply_policy", BuildPre417.CpuidApplyPolicy).OrElse(BuildPre417.CpuidFailed)));

    private static Stage<DomainBuild> BuildPv()
        => Function(
            Dom,
            "libxl__build_pv",
            Function(DomCore, "xc_dom_allocate", XcDomCore.Allocate).OrElse(BuildDom417.Failed(627, "libxl__build_pv", "xc_dom_allocate failed")),
            Function(DomCore, "xc_dom_kernel_file", BuildDom417.KernelFilePv).OrElse(BuildDom417.Failed(646, "libxl__build_pv", "xc_dom_kernel_file failed")),
            Function(DomCore, "xc_dom_module_file", XcDomCore.RamdiskFile).OnlyIf("a ramdisk is given", HasRamdisk)
                .OrElse(BuildDom417.Failed(659, "libxl__build_pv", "xc_dom_ramdisk_file failed")),
            Dom417.BuildPvDom(),
            Function(DomCore, "xc_dom_release", BuildDom417.StoreFrames))
            .Undo(Function(DomCore, "xc_dom_release:after a failure", XcDomCore.Release));

    private static Stage<DomainBuild> BuildHvm()
        => Function(
            Dom,
            "libxl__build_hvm",
            Function(DomCore, "xc_dom_allocate", XcDomCore.Allocate).OrElse(BuildDom417.Failed(1050, "libxl__build_hvm", "xc_dom_allocate failed")),
            Function(
                Dom,
                "libxl__domain_firmware",
                Function(DomCore, "xc_dom_kernel_file", XcDomCore.KernelFile).OrElse(BuildDom417.Failed(909, "libxl__domain_firmware", "xc_dom_kernel_file failed")),
                Function(DomCore, "xc_dom_module_file", XcDomCore.RamdiskFile).OnlyIf("PVH with a ramdisk", b => IsPvh(b) && HasRamdisk(b))
                    .OrElse(BuildDom417.Failed(926, "libxl__domain_firmware", "xc_dom_ramdisk_file failed")))
                .OrElse(BuildDom417.FirmwareFailed),
            Dom417.BuildHvmDom(),
            Function(DomCore, "xc_dom_release", BuildDom417.StoreFrames))
            .Undo(Function(DomCore, "xc_dom_release:after a failure", XcDomCore.Release));

    private static Stage<DomainBuild> BuildPost()
        => Function(
            Dom,
            "libxl__build_post",
            Function(Sched, "libxl_domain_sched_params_set", BuildPre417.SchedParamsSet),
            Function("stable-4.17 tools/libs/store/xs.c", "xs_introduce_domain", BuildPre417.Introduce).Unchecked());

    private static bool IsPv(DomainBuild build) => build.Current.Configuration.Type == DomainType.pv;

    private static bool IsPvh(DomainBuild build) => build.Current.Configuration.Type == DomainType.pvh;

    private static bool IsHvm(DomainBuild build) => build.Current.Configuration.Type == DomainType.hvm;

    private static bool IsHvmContainer(DomainBuild build) => build.Current.IsHvm;

    private static bool HasRamdisk(DomainBuild build) => build.Current.Configuration.Ramdisk is not null;
}
