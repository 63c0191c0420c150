using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;
using XenSim.Toolstack.Libxl;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>RELEASE-4.0.4: the domain builder of libxc below build_pv.</summary>
internal static class Dom40
{
    private const string Compat = "RELEASE-4.0.4 tools/libxc/xc_dom_compat_linux.c";
    private const string Core = "RELEASE-4.0.4 tools/libxc/xc_dom_core.c";
    private const string Boot = "RELEASE-4.0.4 tools/libxc/xc_dom_boot.c";
    private const string X86 = "RELEASE-4.0.4 tools/libxc/xc_dom_x86.c";
    private const string Elf = "RELEASE-4.0.4 tools/libxc/xc_dom_elfloader.c";

    public static Stage<DomainBuild> LinuxBuild()
        => Function(
            Compat,
            "xc_dom_linux_build",
            Function(Core, "xc_dom_kernel_file", XcDomCore.KernelFile),
            Function(Core, "xc_dom_ramdisk_file", XcDomCore.RamdiskFile).OnlyIf("a ramdisk is given", b => b.Current.Configuration.Ramdisk is not null),
            Function(
                Compat,
                "xc_linux_build_internal",
                Function(Boot, "xc_dom_boot_xen_init", XcDomCore.BootXenInit),
                Function(Core, "xc_dom_parse_image", XcDomCore.ParseImage, Function(Core, "xc_dom_find_loader", XcDomCore.FindLoader), Function(Elf, "xc_dom_parse_elf_kernel", XcDomCore.Parse)).Then(XcDomCore.CheckFeatures),
                Function(Core, "xc_dom_mem_init", XcDomCore.MemInit),
                BootMemInitStages(),
                BuildImageStages(),
                BootImageStages()).Then(Create40.StoreFrames));

    private static Stage<DomainBuild> BootMemInitStages()
        => Function(
            Boot,
            "xc_dom_boot_mem_init",
            BootMemInit.Enter,
            Function(
                X86,
                "arch_setup_meminit",
                Function(X86, "x86_compat", BootMemInit.X86Compat),
                Function(X86, "x86_shadow", BootMemInit.X86Shadow).OnlyIf("auto-translated", Translated),
                Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "xc_domain_memory_populate_physmap", BootMemInit.Populate40)))
            .OnFailure(BootMemInit.Failed);

    private static Stage<DomainBuild> BuildImageStages()
        => Function(
            Core,
            "xc_dom_build_image",
            BuildImage.Enter,
            Function(Core, "xc_dom_alloc_segment:kernel", BuildImage.AllocKernel),
            Function(Elf, "xc_dom_load_elf_kernel", BuildImage.LoadKernel),
            Function(Core, "xc_dom_alloc_segment:ramdisk", BuildImage.Ramdisk40).OnlyIf("a ramdisk is given", b => b.Current.Image!.RamdiskBlob is not null),
            Function(X86, "alloc_magic_pages", BuildImage.MagicPages40),
            Function(X86, "count_pgtables", BuildImage.CountPgtables40),
            Function(Core, "xc_dom_alloc_segment:page tables", BuildImage.AllocPageTables40),
            Function(Core, "xc_dom_alloc_page:boot stack", BuildImage.BootStack40));

    private static Stage<DomainBuild> BootImageStages()
        => Function(
            Boot,
            "xc_dom_boot_image",
            BootImage.Enter,
            Function(X86, "arch_setup_bootearly", BootImage.BootEarly),
            Function("RELEASE-4.0.4 tools/libxc/xc_private.h", "do_domctl:getdomaininfo", BootImage.GetDomainInfo),
            Function(Boot, "xc_dom_compat_check", XcDomCore.CompatCheck),
            Function(Core, "xc_dom_update_guest_p2m", P2mList.UpdateGuestP2m),
            Function(X86, "setup_pgtables_x86_64", SetupPageTables.X86_64Of40).OnlyIf("xen-3.0-x86_64", b => Levels(b) == 4),
            Function(X86, "setup_pgtables_x86_32_pae", SetupPageTables.PaeOf40).OnlyIf("xen-3.0-x86_32p", b => Levels(b) == 3),
            Function(X86, "setup_pgtables_x86_32", SetupPageTables.X86_32Of40).OnlyIf("xen-3.0-x86_32", b => Levels(b) == 2),
            Function(Boot, "clear_page:console", BootImage.ClearConsole),
            Function(Boot, "clear_page:xenstore", BootImage.ClearXenstore),
            Function(X86, "start_info_x86_64", StartOfDay.StartInfo64).Unchecked().OnlyIf("xen-3.0-x86_64", b => Levels(b) == 4),
            Function(X86, "start_info_x86_32", StartOfDay.StartInfo32).Unchecked().OnlyIf("a 32-bit guest", b => Levels(b) < 4),
            Function(Boot, "setup_hypercall_page", BootImage.SetupHypercallPage, DoDomctl()),
            Function(Core, "xc_dom_log_memory_footprint", XcDomCore.LogMemoryFootprint),
            Function(X86, "arch_setup_bootlate", BootImage.BootLate, PinTable(), Function(X86, "shared_info_x86", BootImage.SharedInfo)),
            Function(X86, "vcpu_x86_64", BootImage.Vcpu40).OnlyIf("xen-3.0-x86_64", b => Levels(b) == 4),
            Function(X86, "vcpu_x86_32", BootImage.Vcpu40).OnlyIf("a 32-bit guest", b => Levels(b) < 4),
            Function(Core, "xc_dom_unmap_all", XcDomCore.UnmapAll),
            Function(Boot, "launch_vm", BootImage.LaunchVm));

    private static Stage<DomainBuild> DoDomctl()
        => Function("RELEASE-4.0.4 tools/libxc/xc_private.h", "do_domctl", BootImage.HypercallInit)
            .OnlyIf("the image names a hypercall page", BootImage.WantsHypercallPage)
            .OrElse(BootImage.HypercallInitFailure);

    private static Stage<DomainBuild> PinTable()
        => Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "pin_table", BootImage.PinTable)
            .OnlyIf("not auto-translated", b => !Translated(b))
            .OrElse(BootImage.PinFailure);

    private static bool Translated(DomainBuild build) => build.Current.Image!.Translated;

    private static int Levels(DomainBuild build) => build.Current.Image!.Arch!.Levels;
}
