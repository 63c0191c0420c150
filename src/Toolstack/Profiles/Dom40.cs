using XenSim.Hypervisor.Public.Stages;
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
            Function(Core, "xc_dom_kernel_file"),
            Function(Core, "xc_dom_ramdisk_file").OnlyIf("a ramdisk is given", b => b.Current.Configuration.Ramdisk is not null),
            Function(
                Compat,
                "xc_linux_build_internal",
                Function(Boot, "xc_dom_boot_xen_init"),
                Function(Core, "xc_dom_parse_image", Function(Core, "xc_dom_find_loader"), Function(Elf, "xc_dom_parse_elf_kernel")),
                Function(Core, "xc_dom_mem_init"),
                BootMemInit(),
                BuildImage(),
                BootImage()));

    private static Stage<DomainBuild> BootMemInit()
        => Function(
            Boot,
            "xc_dom_boot_mem_init",
            Function(
                X86,
                "arch_setup_meminit",
                Function(X86, "x86_compat"),
                Function(X86, "x86_shadow"),
                Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "xc_domain_memory_populate_physmap")));

    private static Stage<DomainBuild> BuildImage()
        => Function(
            Core,
            "xc_dom_build_image",
            Function(Core, "xc_dom_alloc_segment:kernel"),
            Function(Elf, "xc_dom_load_elf_kernel"),
            Function(Core, "xc_dom_alloc_segment:ramdisk"),
            Function(X86, "alloc_magic_pages"),
            Function(X86, "count_pgtables"),
            Function(Core, "xc_dom_alloc_segment:page tables"),
            Function(Core, "xc_dom_alloc_page:boot stack"));

    private static Stage<DomainBuild> BootImage()
        => Function(
            Boot,
            "xc_dom_boot_image",
            Function(X86, "arch_setup_bootearly"),
            Function("RELEASE-4.0.4 tools/libxc/xc_private.h", "do_domctl:getdomaininfo"),
            Function(Boot, "xc_dom_compat_check"),
            Function(Core, "xc_dom_update_guest_p2m"),
            Function(X86, "setup_pgtables_x86_64"),
            Function(X86, "setup_pgtables_x86_32_pae"),
            Function(X86, "setup_pgtables_x86_32"),
            Function(Boot, "clear_page:console"),
            Function(Boot, "clear_page:xenstore"),
            Function(X86, "start_info_x86_64"),
            Function(X86, "start_info_x86_32"),
            Function(Boot, "setup_hypercall_page", Function("RELEASE-4.0.4 tools/libxc/xc_private.h", "do_domctl")),
            Function(Core, "xc_dom_log_memory_footprint"),
            Function(X86, "arch_setup_bootlate", Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "pin_table"), Function(X86, "shared_info_x86")),
            Function(X86, "vcpu_x86_64"),
            Function(X86, "vcpu_x86_32"),
            Function(Core, "xc_dom_unmap_all"),
            Function(Boot, "launch_vm"));
}
