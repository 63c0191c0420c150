using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The declarations of construct_dom0, top to bottom as it runs. Parts of its own body bear an instance after the colon.</summary>
internal static class ConstructDom0
{
    private const string Source40 = "RELEASE-4.0.4 xen/arch/x86/domain_build.c";
    private const string Source417 = "stable-4.17 xen/arch/x86/pv/dom0_build.c";
    private const string Elf = "xen/common/libelf/libelf-loader.c";

    public static Stage<BootContext> Tree(XenRelease release, bool host64)
        => release == XenRelease.V4_0 ? Tree40(host64) : Tree417();

    private static Stage<BootContext> Tree40(bool host64) => Step("construct_dom0", Source40, Dom0Parse.Begin) with
    {
        Calls =
        [
            Step("bzimage_parse", "RELEASE-4.0.4 xen/arch/x86/bzimage.c", Dom0BzImage.Parse),
            Step("elf_init", Elf, Dom0Parse.ElfInit),
            Step("elf_parse_binary", Elf, Dom0Parse.ElfParseBinary),
            Step("elf_xen_parse", "xen/common/libelf/libelf-dominfo.c", Dom0Parse.ElfXenParse),
            Step("construct_dom0:compatibility", Source40, Dom0Parse.Compatibility),
            Step("construct_dom0:compat32", Source40, Dom0Parse.SwitchCompat) with { When = IsCompat, WhenText = "32-bit kernel on 64-bit Xen" },
            Step("compute_dom0_nr_pages", Source40, Dom0Parse.ComputePages),
            Step("construct_dom0:layout", Source40, Dom0Parse.LayOut),
            Step("alloc_domheap_pages", "RELEASE-4.0.4 xen/common/page_alloc.c", Dom0Memory.Allocate).OrPanic(_ => "Not enough RAM for domain 0 allocation."),
            Step("construct_dom0:arrangement", Source40, Dom0Memory.PrintArrangement),
            Step("construct_dom0:range", Source40, Dom0Parse.CheckRange),
            Step("construct_dom0:page_tables", Source40, Dom0Load.BuildTables),
            Step("alloc_vcpu", "RELEASE-4.0.4 xen/common/domain.c", Dom0Load.AllocateVcpus),
            Step("write_ptbase", "RELEASE-4.0.4 xen/arch/x86/mm.c", Dom0Load.UpdateCr3),
            Step("elf_load_binary", Elf, Dom0Load.LoadBinary),
            Step("hypercall_page_initialise", $"RELEASE-4.0.4 xen/arch/x86/{(host64 ? "x86_64" : "x86_32")}/traps.c", Dom0Load.InstallHypercallPage)
                with { When = HasHypercallPage, WhenText = "note HYPERCALL_PAGE" },
            Step("construct_dom0:initrd", Source40, Dom0Load.CopyRamdisk) with { When = HasRamdisk, WhenText = "a second module" },
            Step("discard_initial_images", "RELEASE-4.0.4 xen/arch/x86/setup.c", BootMemory.DiscardImages),
            Step("construct_dom0:init_p2m", Source40, Dom0Memory.SetUpPhysmap) with { When = HasInitP2m, WhenText = "note INIT_P2M" },
            Step("construct_dom0:p2m", Source40, Dom0Memory.AddInitialPages),
            Step("alloc_chunk", Source40, Dom0Memory.AllocateRest).OrPanic(_ => "Not enough RAM for DOM0 reservation."),
            Step("set_gpfn_from_mfn", "RELEASE-4.0.4 xen/include/asm-x86/mm.h", Dom0Memory.WritePhysmap),
            Step("construct_dom0:start_info", Source40, Dom0Load.WriteStartInfo),
            Step("construct_dom0:registers", Source40, Dom0Load.SetRegisters),
            Step("construct_dom0:supervisor_mode", Source40, Dom0Load.CheckSupervisorMode),
            Step("construct_dom0:permissions", Source40, Dom0Load.SetPermissions),
            Step("iommu_dom0_init", "RELEASE-4.0.4 xen/drivers/passthrough/iommu.c"),
        ],
    };

    private static Stage<BootContext> Tree417() => new()
    {
        Name = "construct_dom0",
        Source = "stable-4.17 xen/arch/x86/dom0_build.c",
        Calls =
        [
            Step("dom0_construct_pv", Source417, Dom0Parse.Begin) with
            {
                Calls =
                [
                    Step("bzimage_parse", "stable-4.17 xen/arch/x86/bzimage.c", Dom0BzImage.Parse),
                    Step("elf_init", Elf, Dom0Parse.ElfInit),
                    Step("elf_parse_binary", Elf, Dom0Parse.ElfParseBinary),
                    Step("elf_xen_parse", "xen/common/libelf/libelf-dominfo.c", Dom0Parse.ElfXenParse),
                    Step("dom0_construct_pv:compatibility", Source417, Dom0Parse.Compatibility),
                    Step("switch_compat", "stable-4.17 xen/arch/x86/pv/domain.c", Dom0Parse.SwitchCompat) with { When = IsCompat, WhenText = "32-bit kernel" },
                    Step("dom0_compute_nr_pages", "stable-4.17 xen/arch/x86/dom0_build.c", Dom0Parse.ComputePages),
                    Step("dom0_construct_pv:layout", Source417, Dom0Parse.LayOut),
                    Step("alloc_domheap_pages", "stable-4.17 xen/common/page_alloc.c", Dom0Memory.Allocate).OrPanic(_ => "Not enough RAM for domain 0 allocation"),
                    Step("dom0_construct_pv:arrangement", Source417, Dom0Memory.PrintArrangement),
                    Step("dom0_construct_pv:range", Source417, Dom0Parse.CheckRange),
                    Step("mark_pv_pt_pages_rdonly", Source417, Dom0Load.BuildTables),
                    Step("sched_setup_dom0_vcpus", "stable-4.17 xen/common/sched/core.c", Dom0Load.AllocateVcpus),
                    Step("switch_cr3_cr4", "stable-4.17 xen/arch/x86/flushtlb.c", Dom0Load.UpdateCr3),
                    Step("elf_load_binary", Elf, Dom0Load.LoadBinary),
                    Step("init_hypercall_page", "stable-4.17 xen/arch/x86/domain.c", Dom0Load.InstallHypercallPage)
                        with { When = HasHypercallPage, WhenText = "note HYPERCALL_PAGE" },
                    Step("discard_initial_images", "stable-4.17 xen/arch/x86/setup.c", BootMemory.DiscardImages),
                    Step("setup_pv_physmap", Source417, Dom0Memory.SetUpPhysmap) with { When = HasInitP2m, WhenText = "note INIT_P2M" },
                    Step("dom0_construct_pv:p2m", Source417, Dom0Memory.AddInitialPages),
                    Step("alloc_chunk", Source417, Dom0Memory.AllocateRest).OrPanic(_ => "Not enough RAM for DOM0 reservation"),
                    Step("dom0_update_physmap", Source417, Dom0Memory.WritePhysmap),
                    Step("dom0_construct_pv:start_info", Source417, Dom0Load.WriteStartInfo),
                    Step("dom0_construct_pv:registers", Source417, Dom0Load.SetRegisters),
                    Step("dom0_setup_permissions", "stable-4.17 xen/arch/x86/dom0_build.c", Dom0Load.SetPermissions),
                ],
            },
        ],
    };

    private static bool IsCompat(BootContext c) => c.Build?.Parsed?.Kind == Dom0Kind.Compat;

    private static bool HasHypercallPage(BootContext c) => c.Build?.Parsed?.Parameters.HasHypercallPage == true;

    private static bool HasInitP2m(BootContext c) => c.Build?.Parsed?.Parameters.HasInitP2m == true;

    private static bool HasRamdisk(BootContext c) => c.Image?.Ramdisk.Length > 0;

    private static Stage<BootContext> Step(string name, string source, Func<BootContext, StageOutcome>? work = null)
        => new() { Name = name, Source = source, Enter = work };
}
