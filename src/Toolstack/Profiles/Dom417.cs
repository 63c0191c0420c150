using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;
using XenSim.Toolstack.Libxl;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>stable-4.17: the domain builder of libxenguest below libxl__build_pv and libxl__build_hvm.</summary>
internal static class Dom417
{
    private const string Libxl = "stable-4.17 tools/libs/light/libxl_dom.c";
    private const string LibxlX86 = "stable-4.17 tools/libs/light/libxl_x86.c";
    private const string Core = "stable-4.17 tools/libs/guest/xg_dom_core.c";
    private const string Boot = "stable-4.17 tools/libs/guest/xg_dom_boot.c";
    private const string X86 = "stable-4.17 tools/libs/guest/xg_dom_x86.c";
    private const string Elf = "stable-4.17 tools/libs/guest/xg_dom_elfloader.c";
    private const string XcDomain = "stable-4.17 tools/libs/ctrl/xc_domain.c";

    public static Stage<DomainBuild> BuildPvDom()
        => BuildDom(
            Function(
                X86,
                "meminit_pv",
                Function(X86, "x86_compat", BootMemInit.X86Compat),
                Function(XcDomain, "xc_domain_claim_pages", BootMemInit.Claim).OnlyIf("claim_mode", b => b.Current.Configuration.ClaimMode),
                Function(XcDomain, "xc_domain_populate_physmap", BootMemInit.Populate417),
                Function(XcDomain, "xc_domain_claim_pages:cancel", BootMemInit.CancelClaim).Unchecked()),
            Function(
                Core,
                "xc_dom_build_image",
                BuildImage.Enter,
                Function(Core, "xc_dom_alloc_segment:kernel", BuildImage.AllocKernel),
                Function(Elf, "xc_dom_load_elf_kernel", BuildImage.LoadKernel),
                Function(Core, "xc_dom_build_module:mapped", BuildImage.Module417).OnlyIf("a ramdisk that the initial page tables map", b => HasRamdisk(b) && !Unmapped(b)),
                Function(X86, "alloc_p2m_list:mapped", BuildImage.P2mList417).OnlyIf("no usable INIT_P2M", b => !BuildImage.P2mHasOwnBase(b)),
                Function(X86, "alloc_magic_pages_pv", BuildImage.MagicPagesPv417),
                Function(X86, "alloc_pgtables_x86_64", BuildImage.AllocPageTables417).OnlyIf("xen-3.0-x86_64", Is64Bit),
                Function(X86, "alloc_pgtables_x86_32_pae", BuildImage.AllocPageTables417).OnlyIf("xen-3.0-x86_32p", b => !Is64Bit(b)),
                Function(Core, "xc_dom_alloc_page:boot stack", BuildImage.BootStack417),
                Function(Core, "xc_dom_alloc_pad", BuildImage.PadToPgtabEnd),
                Function(Core, "xc_dom_build_module:unmapped", BuildImage.Module417).OnlyIf("a ramdisk and MOD_START_PFN", b => HasRamdisk(b) && Unmapped(b)),
                Function(X86, "alloc_p2m_list:at INIT_P2M", BuildImage.P2mListAtBase417).OnlyIf("a usable INIT_P2M", BuildImage.P2mHasOwnBase)),
            Function(
                Boot,
                "xc_dom_boot_image",
                BootImage.Enter,
                Function(X86, "bootearly", BootImage.BootEarly),
                Function(XcDomain, "xc_domain_getinfo", BootImage.GetDomainInfo),
                Function(X86, "setup_pgtables_x86_64", SetupPageTables.X86_64Of417).OnlyIf("xen-3.0-x86_64", Is64Bit),
                Function(X86, "setup_pgtables_x86_32_pae", SetupPageTables.PaeOf417).OnlyIf("xen-3.0-x86_32p", b => !Is64Bit(b)),
                Function(X86, "start_info_x86_64", StartOfDay.StartInfo64).OnlyIf("xen-3.0-x86_64", Is64Bit).Unchecked(),
                Function(X86, "start_info_x86_32", StartOfDay.StartInfo32).OnlyIf("xen-3.0-x86_32p", b => !Is64Bit(b)).Unchecked(),
                Function(
                    Boot,
                    "setup_hypercall_page",
                    BootImage.SetupHypercallPage,
                    Function("stable-4.17 tools/libs/ctrl/xc_private.h", "do_domctl", BootImage.HypercallInit)
                        .OnlyIf("the image names a hypercall page", BootImage.WantsHypercallPage).OrElse(BootImage.HypercallInitFailure)),
                Function(Core, "xc_dom_log_memory_footprint", XcDomCore.LogMemoryFootprint),
                Function(
                    X86,
                    "bootlate_pv",
                    BootImage.BootLate,
                    Function("stable-4.17 tools/libs/guest/xg_private.c", "pin_table", BootImage.PinTable).OrElse(BootImage.PinFailure),
                    Function(X86, "shared_info_x86", BootImage.SharedInfo)),
                Function(X86, "vcpu_x86_64", BootImage.Vcpu417).OnlyIf("xen-3.0-x86_64", Is64Bit),
                Function(X86, "vcpu_x86_32", BootImage.Vcpu417).OnlyIf("xen-3.0-x86_32p", b => !Is64Bit(b)),
                Function(Core, "xc_dom_unmap_all", XcDomCore.UnmapAll)));

    public static Stage<DomainBuild> BuildHvmDom()
        => BuildDom(
            Function(
                X86,
                "meminit_hvm",
                HvmBuild417.MeminitEnter,
                Function(XcDomain, "xc_domain_claim_pages", HvmBuild417.Claim).OnlyIf("claim_mode", b => b.Current.Configuration.ClaimMode).OrElse(HvmBuild417.ClaimFailed),
                Function(XcDomain, "xc_domain_populate_physmap", HvmBuild417.Populate),
                Function(XcDomain, "xc_domain_claim_pages:cancel", BootMemInit.CancelClaim).Unchecked())
                .Undo(Function(XcDomain, "xc_domain_claim_pages:cancel after a failure", BootMemInit.CancelClaim)),
            Function(
                Core,
                "xc_dom_build_image",
                BuildImage.Enter,
                Function(Core, "xc_dom_alloc_segment:kernel", BuildImage.AllocKernel),
                Function(Elf, "xc_dom_load_elf_kernel", BuildImage.LoadKernel),
                Function(Core, "xc_dom_build_module:mapped", BuildImage.Module417).OnlyIf("a ramdisk without MOD_START_PFN", b => HasRamdisk(b) && !Unmapped(b)),
                Function(Core, "xc_dom_load_acpi", HvmBuild417.LoadAcpi).OnlyIf("PVH", b => !b.Current.Image!.DeviceModel),
                Function(X86, "alloc_magic_pages_hvm", HvmBuild417.AllocMagicPages),
                Function(Core, "xc_dom_alloc_pad", BuildImage.PadToPgtabEnd),
                Function(Core, "xc_dom_build_module:unmapped", BuildImage.Module417).OnlyIf("a ramdisk and MOD_START_PFN", b => HasRamdisk(b) && Unmapped(b))),
            Function(
                Boot,
                "xc_dom_boot_image",
                BootImage.Enter,
                Function(X86, "bootearly", BootImage.BootEarly),
                Function(XcDomain, "xc_domain_getinfo", BootImage.GetDomainInfo),
                Function(Core, "xc_dom_log_memory_footprint", XcDomCore.LogMemoryFootprint),
                Function(X86, "bootlate_hvm", HvmBuild417.BootLate),
                Function(X86, "vcpu_hvm", HvmVcpu417.Vcpu),
                Function(Core, "xc_dom_unmap_all", XcDomCore.UnmapAll)));

    private static Stage<DomainBuild> BuildDom(Stage<DomainBuild> meminit, Stage<DomainBuild> buildImage, Stage<DomainBuild> bootImage)
        => Function(
            Libxl,
            "libxl__build_dom",
            Function(Boot, "xc_dom_boot_xen_init", XcDomCore.BootXenInit).OrElse(BuildDom417.Failed(561, "libxl__build_dom", "xc_dom_boot_xen_init failed")),
            Function(
                Core,
                "xc_dom_parse_image",
                XcDomCore.ParseImage,
                Function(Core, "xc_dom_find_loader", XcDomCore.FindLoader),
                Function(Elf, "xc_dom_parse_elf_kernel", XcDomCore.Parse),
                Function(Boot, "xc_dom_compat_check", XcDomCore.CompatCheck))
                .Then(XcDomCore.CheckFeatures).OrElse(BuildDom417.ParseFailed),
            Function(Core, "xc_dom_mem_init", XcDomCore.MemInit).OrElse(BuildDom417.Failed(582, "libxl__build_dom", "xc_dom_mem_init failed")),
            Function(Boot, "xc_dom_boot_mem_init", BootMemInit.Enter, meminit).OnFailure(BootMemInit.Failed)
                .OrElse(BuildDom417.Failed(586, "libxl__build_dom", "xc_dom_boot_mem_init failed")),
            Function(LibxlX86, "libxl__arch_domain_finalise_hw_description", HvmBuild417.FinaliseHwDescription)
                .OnlyIf("PVH or HVM", b => b.Current.IsHvm)
                .OrElse(BuildDom417.Failed(590, "libxl__build_dom", "libxl__arch_domain_finalise_hw_description failed")),
            buildImage.OrElse(BuildDom417.Failed(594, "libxl__build_dom", "xc_dom_build_image failed")),
            bootImage.OrElse(BuildDom417.Failed(598, "libxl__build_dom", "xc_dom_boot_image failed")),
            Function(Boot, "xc_dom_gnttab_init", BootImage.GnttabInit).OrElse(BuildDom417.Failed(602, "libxl__build_dom", "xc_dom_gnttab_init failed")));

    private static bool Is64Bit(DomainBuild build) => build.Current.Image!.Arch!.Is64Bit;

    private static bool HasRamdisk(DomainBuild build) => build.Current.Image!.RamdiskBlob is not null;

    private static bool Unmapped(DomainBuild build) => build.Current.Image!.Parms.UnmappedInitrd;
}
