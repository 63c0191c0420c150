using XenSim.Hypervisor.Public.Stages;
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
                Function(X86, "x86_compat"),
                Function(XcDomain, "xc_domain_claim_pages"),
                Function(XcDomain, "xc_domain_populate_physmap"),
                Function(XcDomain, "xc_domain_claim_pages:cancel")),
            Function(
                Core,
                "xc_dom_build_image",
                Function(Core, "xc_dom_alloc_segment:kernel"),
                Function(Elf, "xc_dom_load_elf_kernel"),
                Function(Core, "xc_dom_build_module:mapped"),
                Function(X86, "alloc_p2m_list:mapped"),
                Function(X86, "alloc_magic_pages_pv"),
                Function(X86, "alloc_pgtables_x86_64"),
                Function(X86, "alloc_pgtables_x86_32_pae"),
                Function(Core, "xc_dom_alloc_page:boot stack"),
                Function(Core, "xc_dom_alloc_pad"),
                Function(Core, "xc_dom_build_module:unmapped"),
                Function(X86, "alloc_p2m_list:at INIT_P2M")),
            Function(
                Boot,
                "xc_dom_boot_image",
                Function(X86, "bootearly"),
                Function(XcDomain, "xc_domain_getinfo"),
                Function(X86, "setup_pgtables_x86_64"),
                Function(X86, "setup_pgtables_x86_32_pae"),
                Function(X86, "start_info_x86_64"),
                Function(X86, "start_info_x86_32"),
                Function(Boot, "setup_hypercall_page", Function("stable-4.17 tools/libs/ctrl/xc_private.h", "do_domctl")),
                Function(Core, "xc_dom_log_memory_footprint"),
                Function(X86, "bootlate_pv", Function("stable-4.17 tools/libs/guest/xg_private.c", "pin_table"), Function(X86, "shared_info_x86")),
                Function(X86, "vcpu_x86_64"),
                Function(X86, "vcpu_x86_32"),
                Function(Core, "xc_dom_unmap_all")));

    public static Stage<DomainBuild> BuildHvmDom()
        => BuildDom(
            Function(X86, "meminit_hvm", Function(XcDomain, "xc_domain_claim_pages"), Function(XcDomain, "xc_domain_populate_physmap"), Function(XcDomain, "xc_domain_claim_pages:cancel")),
            Function(
                Core,
                "xc_dom_build_image",
                Function(Core, "xc_dom_alloc_segment:kernel"),
                Function(Elf, "xc_dom_load_elf_kernel"),
                Function(Core, "xc_dom_build_module:mapped"),
                Function(Core, "xc_dom_load_acpi"),
                Function(X86, "alloc_magic_pages_hvm")),
            Function(
                Boot,
                "xc_dom_boot_image",
                Function(X86, "bootearly"),
                Function(XcDomain, "xc_domain_getinfo"),
                Function(Core, "xc_dom_log_memory_footprint"),
                Function(X86, "bootlate_hvm"),
                Function(X86, "vcpu_hvm"),
                Function(Core, "xc_dom_unmap_all")));

    private static Stage<DomainBuild> BuildDom(Stage<DomainBuild> meminit, Stage<DomainBuild> buildImage, Stage<DomainBuild> bootImage)
        => Function(
            Libxl,
            "libxl__build_dom",
            Function(Boot, "xc_dom_boot_xen_init"),
            Function(Core, "xc_dom_parse_image", Function(Core, "xc_dom_find_loader"), Function(Elf, "xc_dom_parse_elf_kernel"), Function(Boot, "xc_dom_compat_check")),
            Function(Core, "xc_dom_mem_init"),
            Function(Boot, "xc_dom_boot_mem_init", meminit),
            Function(LibxlX86, "libxl__arch_domain_finalise_hw_description"),
            buildImage,
            bootImage,
            Function(Boot, "xc_dom_gnttab_init"));
}
