using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxl;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>stable-4.17: xl create of a PV or PVH domain.</summary>
internal static class Path417
{
    private const string Xl = "stable-4.17 tools/xl/xl_vmcontrol.c";
    private const string Create = "stable-4.17 tools/libs/light/libxl_create.c";
    private const string Domain = "stable-4.17 tools/libs/light/libxl_domain.c";
    private const string Dom = "stable-4.17 tools/libs/light/libxl_dom.c";
    private const string X86 = "stable-4.17 tools/libs/light/libxl_x86.c";
    private const string XcDomain = "stable-4.17 tools/libs/ctrl/xc_domain.c";

    public static Stage<DomainBuild> CreateDomain()
        => Function(
            Xl,
            "create_domain",
            Function(
                Create,
                "do_domain_create",
                Function(Create, "initiate_domain_create", DomainMake(), Function("stable-4.17 tools/libs/light/libxl_bootloader.c", "libxl__bootloader_run")),
                Function(Create, "domcreate_bootloader_done", DomainBuild()),
                Function(Create, "domcreate_launch_dm", Function("stable-4.17 tools/libs/light/libxl_console.c", "libxl__device_console_add")),
                Function(Create, "domcreate_complete")),
            Function(Domain, "libxl_domain_unpause", Function(XcDomain, "xc_domain_unpause")).OnlyIf("without -p", b => !b.Paused));

    private static Stage<DomainBuild> DomainMake()
        => Function(
            Create,
            "libxl__domain_make",
            Function(XcDomain, "xc_domain_create"),
            Function("stable-4.17 tools/libs/store/xs.c", "xs_transaction_start"),
            Function(Domain, "libxl__domain_rename"));

    private static Stage<DomainBuild> DomainBuild()
        => Function(Create, "libxl__domain_build", BuildPre(), BuildPv().OnlyIf("PV", IsPv), BuildHvm().OnlyIf("PVH", IsPvh), BuildPost());

    private static Stage<DomainBuild> BuildPre()
        => Function(
            Dom,
            "libxl__build_pre",
            Function(XcDomain, "xc_domain_max_vcpus"),
            Function(Dom, "numa_place_domain"),
            Function("stable-4.17 tools/libs/light/libxl_sched.c", "libxl_set_vcpuaffinity_all"),
            Function("stable-4.17 tools/libs/light/libxl_sched.c", "libxl_domain_set_nodeaffinity"),
            Function(XcDomain, "xc_domain_setmaxmem"),
            Function("stable-4.17 tools/libs/ctrl/xc_evtchn.c", "xc_evtchn_alloc_unbound:store"),
            Function("stable-4.17 tools/libs/ctrl/xc_evtchn.c", "xc_evtchn_alloc_unbound:console"),
            Function(
                X86,
                "libxl__arch_domain_create",
                Function(X86, "hvm_set_conf_params").OnlyIf("PVH", IsPvh),
                Function(XcDomain, "xc_domain_set_memmap_limit").OnlyIf("PV", IsPv),
                Function(XcDomain, "xc_domain_set_tsc_info"),
                Function(Dom, "libxl__domain_set_paging_mempool_size").OnlyIf("PVH", IsPvh)),
            Function(
                "stable-4.17 tools/libs/light/libxl_cpuid.c",
                "libxl__cpuid_legacy",
                Function("stable-4.17 tools/libs/guest/xg_cpuid_x86.c", "xc_cpuid_apply_policy")));

    private static Stage<DomainBuild> BuildPv()
        => Function(
            Dom,
            "libxl__build_pv",
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_allocate"),
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_kernel_file"),
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_module_file").OnlyIf("a ramdisk is given", HasRamdisk),
            Dom417.BuildPvDom(),
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_release"));

    private static Stage<DomainBuild> BuildHvm()
        => Function(
            Dom,
            "libxl__build_hvm",
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_allocate"),
            Function(
                Dom,
                "libxl__domain_firmware",
                Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_kernel_file"),
                Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_module_file").OnlyIf("a ramdisk is given", HasRamdisk)),
            Dom417.BuildHvmDom(),
            Function(Dom, "hvm_build_set_params"),
            Function("stable-4.17 tools/libs/guest/xg_dom_core.c", "xc_dom_release"));

    private static Stage<DomainBuild> BuildPost()
        => Function(
            Dom,
            "libxl__build_post",
            Function("stable-4.17 tools/libs/light/libxl_sched.c", "libxl_domain_sched_params_set"),
            Function("stable-4.17 tools/libs/store/xs.c", "xs_introduce_domain"));

    private static bool IsPv(DomainBuild build) => build.Current.Configuration.Type == DomainType.pv;

    private static bool IsPvh(DomainBuild build) => build.Current.Configuration.Type == DomainType.pvh;

    private static bool HasRamdisk(DomainBuild build) => build.Current.Configuration.Ramdisk is not null;
}
