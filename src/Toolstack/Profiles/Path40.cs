using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;
using XenSim.Toolstack.Libxl;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>RELEASE-4.0.4: xl create, with the stub-domain branch below libxl_create_device_model.</summary>
internal static class Path40
{
    private const string Xl = "RELEASE-4.0.4 tools/libxl/xl_cmdimpl.c";
    private const string Libxl = "RELEASE-4.0.4 tools/libxl/libxl.c";
    private const string LibxlDom = "RELEASE-4.0.4 tools/libxl/libxl_dom.c";
    private const string DomCore = "RELEASE-4.0.4 tools/libxc/xc_dom_core.c";
    private const string Evtchn = "RELEASE-4.0.4 tools/libxc/xc_evtchn.c";
    private const string Xs = "RELEASE-4.0.4 tools/xenstore/xs.c";
    private const string XcDomain = "RELEASE-4.0.4 tools/libxc/xc_domain.c";

    public static Stage<DomainBuild> CreateDomain()
        => Function(
            Xl,
            "create_domain",
            Create40.Enter,
            DomainMake().OrElse(Create40.Says("cannot make domain")),
            Function(LibxlDom, "libxl_userdata_store", Create40.UserdataStore).OrElse(Create40.UserdataFailed),
            DomainBuild().OrElse(Create40.Says("cannot (re-)build domain")),
            DeviceModel().OnlyIf("HVM", IsHvm)
                .OrElse(Create40.Must(1061, "libxl_create_device_model(&ctx, &dm_info, disks, num_disks, vifs, num_vifs, &dm_starting)")),
            Function(Libxl, "libxl_device_vfb_add", Devices40.VfbAdd).Unchecked().OnlyIf("PV with a framebuffer", HasFramebuffer),
            Function(Libxl, "libxl_device_vkb_add", Devices40.VkbAdd).Unchecked().OnlyIf("PV with a framebuffer", HasFramebuffer),
            Function(Libxl, "libxl_device_console_add", Devices40.ConsoleAdd).Unchecked().OnlyIf("PV", IsPv),
            CreateXenpvQemu().Unchecked().OnlyIf("PV with a framebuffer", HasFramebuffer),
            Function(Libxl, "libxl_confirm_device_model_startup").OnlyIf("a device model is starting", b => IsHvm(b) || HasFramebuffer(b))
                .OrElse(Create40.Must(1080, "libxl_confirm_device_model_startup(&ctx, dm_starting)")),
            DomainUnpause().Unchecked().OnlyIf("without -p", b => !b.Paused))
            .Then(Create40.Exit)
            .OnFailure(Create40.ExitWithFailure)
            .Undo(Destroy());

    /// <summary>Where create_domain goes after the unpause: xl stays and waits for the domain's end.</summary>
    public static Stage<DomainBuild> WaitForDeath() => Function(Libxl, "libxl_wait_for_domain_death", DomainDeath40.Wait);

    /// <summary>What create_domain's loop does when xenstored says that a domain has ended.</summary>
    public static Stage<DomainBuild> DomainDeath()
        => Function(
            Libxl,
            "libxl_get_event",
            Function(Libxl, "libxl_event_get_domain_death_info", DomainDeath40.GetInfo),
            Destroy().Unchecked().OnlyIf("dying, or shut down for another reason than suspend", DomainDeath40.Destroys))
            .Then(DomainDeath40.Done);

    /// <summary>xl pause: nobody looks at the answer.</summary>
    public static Stage<DomainBuild> Pause()
        => Function(Libxl, "libxl_domain_pause", Function(XcDomain, "xc_domain_pause", Create40.Pause).Unchecked());

    /// <summary>xl unpause; xl create ends with it too.</summary>
    public static Stage<DomainBuild> DomainUnpause()
        => Function(Libxl, "libxl_domain_unpause", Create40.UnpauseEnter, Function(XcDomain, "xc_domain_unpause", Create40.Unpause).Unchecked());

    /// <summary>xl destroy, and what xl create does after a failure.</summary>
    public static Stage<DomainBuild> Destroy()
        => Function(
            Libxl,
            "libxl_domain_destroy",
            Destroy40.Enter,
            Function(XcDomain, "xc_domain_pause", Destroy40.Pause),
            Function(Libxl, "libxl_devices_destroy", Destroy40.RemovePaths),
            Function(XcDomain, "xc_domain_destroy", Destroy40.Destroy))
            .OnlyIf("unless MUST has exited", b => !b.ExitedByMust && b.Guest.Configuration.Type != DomainType.pvh);

    private static Stage<DomainBuild> DomainMake()
        => Function(
            Libxl,
            "libxl_domain_make",
            Function(XcDomain, "xc_domain_create", Create40.DomainCreate).OrElse(Create40.DomainCreateFailed),
            Function(Xs, "xs_transaction_start", Create40.StartTransaction),
            Function(Libxl, "libxl_domain_rename", Create40.Rename))
            .Then(Create40.Commit);

    private static Stage<DomainBuild> DomainBuild()
        => Function(Libxl, "libxl_domain_build", BuildPre(), BuildPv().OnlyIf("PV", IsPv), BuildHvm().OnlyIf("HVM", IsHvm), BuildPost());

    /// <summary>None of its calls is checked.</summary>
    private static Stage<DomainBuild> BuildPre()
        => Function(
            LibxlDom,
            "build_pre",
            Function(XcDomain, "xc_domain_max_vcpus", Create40.MaxVcpus).Unchecked(),
            Function(XcDomain, "xc_domain_setmaxmem", Create40.SetMaxMem).Unchecked(),
            Function(XcDomain, "xc_domain_set_memmap_limit", Create40.SetMemmapLimit).Unchecked(),
            Function(XcDomain, "xc_domain_set_tsc_info", Create40.SetTscInfo).Unchecked(),
            Function(XcDomain, "xc_shadow_control", Create40.ShadowAllocation).Unchecked().OnlyIf("HVM", IsHvm),
            Function(Evtchn, "xc_evtchn_alloc_unbound:store", Create40.AllocStorePort).Unchecked(),
            Function(Evtchn, "xc_evtchn_alloc_unbound:console", Create40.AllocConsolePort).Unchecked());

    private static Stage<DomainBuild> BuildPv()
        => Function(
            LibxlDom,
            "build_pv",
            Function(DomCore, "xc_dom_allocate", XcDomCore.Allocate).OrElse(Create40.AllocateFailed),
            Dom40.LinuxBuild().OrElse(Create40.LinuxBuildFailed),
            Function(DomCore, "xc_dom_release", XcDomCore.Release))
            .Undo(Function(DomCore, "xc_dom_release:after a failure", XcDomCore.Release));

    private static Stage<DomainBuild> BuildHvm()
        => Function(LibxlDom, "build_hvm", Hvm40.BuildTargetMem(), Function("RELEASE-4.0.4 tools/libxl/xenguest.c", "hvm_build_set_params", HvmBuild40.SetParams))
            .OnFailure(HvmBuild40.Failed);

    private static Stage<DomainBuild> BuildPost()
        => Function(
            LibxlDom,
            "build_post",
            Function("RELEASE-4.0.4 tools/libxc/xc_cpuid_x86.c", "xc_cpuid_apply_policy", CpuidPolicy40.Apply).Unchecked(),
            Function(Xs, "xs_introduce_domain", Create40.Introduce).Unchecked());

    private static Stage<DomainBuild> DeviceModel()
        => Function(
            Libxl,
            "libxl_create_device_model",
            CreateStubdom(),
            Function(Libxl, "libxl_spawn_spawn", b => { Devices40.DeviceModelPath(b); return Devices40.SpawnQemu(b); }).OnlyIf("no stub domain", b => !IsStubdom(b)));

    /// <summary>A failure leaves the half-made stub domain; dmargs, target and the store's writes are not checked.</summary>
    private static Stage<DomainBuild> CreateStubdom()
        => Function(
            Libxl,
            "libxl_create_stubdom",
            Devices40.CreateStubdom,
            DomainMake(),
            DomainBuild(),
            Function(Libxl, "libxl_write_dmargs", Devices40.WriteDmargs).Unchecked(),
            Function(XcDomain, "xc_domain_set_target", Devices40.SetTarget).Unchecked(),
            Function(Xs, "xs_set_target", Devices40.XsSetTarget).Unchecked(),
            Function(Libxl, "libxl_device_vfb_add", Devices40.VfbAdd),
            Function(Libxl, "libxl_device_vkb_add", Devices40.VkbAdd),
            Function(Libxl, "libxl_device_console_add", Devices40.ConsoleAdd),
            CreateXenpvQemu(),
            Function(Libxl, "libxl_confirm_device_model_startup"),
            DomainUnpause().Unchecked())
            .Then(Devices40.StubdomDone)
            .OnlyIf("device_model contains stubdom-dm", IsStubdom);

    /// <summary>The qemu of a PV domain is always a process, and its start's result is ignored: always 0.</summary>
    private static Stage<DomainBuild> CreateXenpvQemu()
        => Function(
            Libxl,
            "libxl_create_xenpv_qemu",
            Function(Libxl, "libxl_create_device_model", Devices40.DeviceModelPath, Function(Libxl, "libxl_spawn_spawn", Devices40.SpawnQemu)).Unchecked());

    private static bool IsHvm(DomainBuild build) => build.Current.IsHvm;

    private static bool IsPv(DomainBuild build) => !build.Current.IsHvm;

    private static bool HasFramebuffer(DomainBuild build) => IsPv(build) && build.Current.Configuration.Framebuffers > 0;

    private static bool IsStubdom(DomainBuild build) => build.Guest.Configuration.DeviceModel?.Contains("stubdom-dm", StringComparison.Ordinal) == true;
}
