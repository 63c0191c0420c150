using XenSim.Hypervisor.Public.Stages;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>RELEASE-4.0.4: xl create, with the stub-domain branch below libxl_create_device_model.</summary>
internal static class Path40
{
    private const string Xl = "RELEASE-4.0.4 tools/libxl/xl_cmdimpl.c";
    private const string Libxl = "RELEASE-4.0.4 tools/libxl/libxl.c";
    private const string LibxlDom = "RELEASE-4.0.4 tools/libxl/libxl_dom.c";
    private const string XcDomain = "RELEASE-4.0.4 tools/libxc/xc_domain.c";

    public static Stage<DomainBuild> CreateDomain()
        => Function(
            Xl,
            "create_domain",
            DomainMake(),
            Function(LibxlDom, "libxl_userdata_store"),
            DomainBuild(),
            Function(Libxl, "libxl_create_device_model", CreateStubdom(), Function(Libxl, "libxl_spawn_spawn").OnlyIf("no stub domain", IsProcess))
                .OnlyIf("HVM", IsHvm),
            Function(Libxl, "libxl_device_vfb_add").OnlyIf("PV with a framebuffer", HasFramebuffer),
            Function(Libxl, "libxl_device_console_add").OnlyIf("PV", IsPv),
            CreateXenpvQemu().OnlyIf("PV with a framebuffer", HasFramebuffer),
            Function(Libxl, "libxl_confirm_device_model_startup").OnlyIf("a device model is starting", b => IsHvm(b) || HasFramebuffer(b)),
            DomainUnpause().OnlyIf("without -p", b => !b.Paused));

    private static Stage<DomainBuild> DomainMake()
        => Function(
            Libxl,
            "libxl_domain_make",
            Function(XcDomain, "xc_domain_create"),
            Function(Libxl, "xs_transaction_start"),
            Function(Libxl, "libxl_domain_rename"));

    private static Stage<DomainBuild> DomainBuild()
        => Function(Libxl, "libxl_domain_build", BuildPre(), BuildPv().OnlyIf("PV", IsPv), BuildHvm().OnlyIf("HVM", IsHvm), BuildPost());

    private static Stage<DomainBuild> BuildPre()
        => Function(
            LibxlDom,
            "build_pre",
            Function(XcDomain, "xc_domain_max_vcpus"),
            Function(XcDomain, "xc_domain_setmaxmem"),
            Function(XcDomain, "xc_domain_set_memmap_limit"),
            Function(XcDomain, "xc_domain_set_tsc_info"),
            Function(XcDomain, "xc_shadow_control").OnlyIf("HVM", IsHvm),
            Function("RELEASE-4.0.4 tools/libxc/xc_evtchn.c", "xc_evtchn_alloc_unbound:store"),
            Function("RELEASE-4.0.4 tools/libxc/xc_evtchn.c", "xc_evtchn_alloc_unbound:console"));

    private static Stage<DomainBuild> BuildPv()
        => Function(
            LibxlDom,
            "build_pv",
            Function("RELEASE-4.0.4 tools/libxc/xc_dom_core.c", "xc_dom_allocate"),
            Dom40.LinuxBuild(),
            Function("RELEASE-4.0.4 tools/libxc/xc_dom_core.c", "xc_dom_release"));

    private static Stage<DomainBuild> BuildHvm()
        => Function(LibxlDom, "build_hvm", Hvm40.BuildTargetMem(), Function(LibxlDom, "hvm_build_set_params"));

    private static Stage<DomainBuild> BuildPost()
        => Function(
            LibxlDom,
            "build_post",
            Function("RELEASE-4.0.4 tools/libxc/xc_cpuid_x86.c", "xc_cpuid_apply_policy"),
            Function("RELEASE-4.0.4 tools/xenstore/xs.c", "xs_introduce_domain"));

    private static Stage<DomainBuild> CreateStubdom()
        => Function(
            Libxl,
            "libxl_create_stubdom",
            DomainMake(),
            DomainBuild(),
            Function(Libxl, "libxl_write_dmargs"),
            Function(XcDomain, "xc_domain_set_target"),
            Function("RELEASE-4.0.4 tools/xenstore/xs.c", "xs_set_target"),
            Function(Libxl, "libxl_device_vfb_add"),
            Function(Libxl, "libxl_device_vkb_add"),
            Function(Libxl, "libxl_device_console_add"),
            CreateXenpvQemu(),
            Function(Libxl, "libxl_confirm_device_model_startup"),
            DomainUnpause())
            .OnlyIf("device_model contains stubdom-dm", IsStubdom);

    private static Stage<DomainBuild> CreateXenpvQemu()
        => Function(
            Libxl,
            "libxl_create_xenpv_qemu",
            Function(Libxl, "libxl_build_xenpv_qemu_args"),
            Function(Libxl, "libxl_create_device_model", Function(Libxl, "libxl_spawn_spawn")));

    private static Stage<DomainBuild> DomainUnpause() => Function(Libxl, "libxl_domain_unpause", Function(XcDomain, "xc_domain_unpause"));

    private static bool IsHvm(DomainBuild build) => build.Current.IsHvm;

    private static bool IsPv(DomainBuild build) => !build.Current.IsHvm;

    private static bool HasFramebuffer(DomainBuild build) => IsPv(build) && build.Current.Configuration.Framebuffers > 0;

    private static bool IsStubdom(DomainBuild build) => build.Guest.Configuration.DeviceModel?.Contains("stubdom-dm", StringComparison.Ordinal) == true;

    private static bool IsProcess(DomainBuild build) => !IsStubdom(build);
}
