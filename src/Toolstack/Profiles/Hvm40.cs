using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc.Dom;
using static XenSim.Toolstack.Profiles.Calls;

namespace XenSim.Toolstack.Profiles;

/// <summary>RELEASE-4.0.4: the HVM builder of libxc below build_hvm.</summary>
internal static class Hvm40
{
    private const string Build = "RELEASE-4.0.4 tools/libxc/xc_hvm_build.c";

    public static Stage<DomainBuild> BuildTargetMem()
        => Function(
            Build,
            "xc_hvm_build_target_mem",
            Function("RELEASE-4.0.4 tools/libxc/xg_private.c", "xc_read_image", HvmBuild40.ReadImage),
            Function(
                Build,
                "setup_guest",
                Function(Build, "elf_init", HvmBuild40.ElfInit),
                Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "xc_domain_memory_populate_physmap", HvmBuild40.Populate),
                Function(Build, "loadelfimage", HvmBuild40.LoadElfImage),
                Function(Build, "build_hvm_info", HvmBuild40.BuildHvmInfo),
                Function(Build, "xc_memory_op:add_to_physmap", HvmBuild40.MapSharedInfo),
                Function(Build, "xc_domain_memory_populate_physmap:special pages", HvmBuild40.SpecialPages),
                Function(Build, "xc_set_hvm_param", HvmBuild40.SetHvmParams)));
}
