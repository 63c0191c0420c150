using XenSim.Hypervisor.Public.Stages;
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
            Function("RELEASE-4.0.4 tools/libxc/xg_private.c", "xc_read_image"),
            Function(
                Build,
                "setup_guest",
                Function(Build, "elf_init"),
                Function("RELEASE-4.0.4 tools/libxc/xc_domain.c", "xc_domain_memory_populate_physmap"),
                Function(Build, "loadelfimage"),
                Function(Build, "build_hvm_info"),
                Function(Build, "xc_memory_op:add_to_physmap"),
                Function(Build, "xc_domain_memory_populate_physmap:special pages"),
                Function(Build, "xc_set_hvm_param")));
}
