using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>What xl and libxl of 4.17 ask Xen on the way. The answers decide nothing on a host of one CPU and one node.</summary>
/// <remarks>Order as in the recorded runs; source: stable-4.17 tools/xl/xl.c, xl_parse.c; tools/libs/light/libxl.c, libxl_numa.c.</remarks>
internal static class Queries417
{
    /// <summary>parse_global_config: libxl_get_version_info for auto_autoballoon, then libxl_cpu_bitmap_alloc.</summary>
    public static void GlobalConfig(DomainBuild build)
    {
        const uint buildIdLength = 4096 - 4;
        XenControl xc = build.Xc;
        xc.XenVersion(XenVersionCommand.version);
        xc.XenVersion(XenVersionCommand.extraversion, 16);
        xc.XenVersion(XenVersionCommand.compile_info, 64 + 16 + 32 + 32);
        xc.XenVersion(XenVersionCommand.capabilities, 1024);
        xc.XenVersion(XenVersionCommand.changeset, 64);
        xc.XenVersion(XenVersionCommand.platform_parameters, 8);
        xc.XenVersion(XenVersionCommand.pagesize);
        xc.XenVersion(XenVersionCommand.commandline, 1024);
        xc.XenVersion(XenVersionCommand.build_id, 4096, buildIdLength);
        xc.PhysInfo();
    }

    /// <summary>libxl_get_physinfo.</summary>
    public static XcReturn GetPhysinfo(DomainBuild build)
    {
        XcReturn rc = build.Xc.PhysInfo();
        if (rc.Failed)
            return rc;
        build.Xc.Sharing(MemoryOpCommand.get_sharing_freed_pages);
        build.Xc.Sharing(MemoryOpCommand.get_sharing_shared_pages);
        return rc;
    }

    /// <summary>parse_config_data and its parse_vnuma_config: both exit when they get no answer.</summary>
    public static StageOutcome ParseConfig(DomainBuild build)
    {
        for (int i = 0; i < 2; i++)
        {
            XcReturn rc = GetPhysinfo(build);
            if (!rc.Failed)
                continue;
            const string text = "libxl_get_physinfo failed";
            build.Log.Stderr(text);
            return StageOutcome.Fail(LibxlError.FAIL, rc.Errno, text);
        }

        return StageOutcome.Ok;
    }

    /// <summary>libxl__domain_config_setdefault and libxl__domain_build_info_setdefault.</summary>
    public static StageOutcome SetDefaults(DomainBuild build)
    {
        for (int i = 0; i < 2; i++)
        {
            XcReturn rc = GetPhysinfo(build);
            if (rc.Failed)
                return StageOutcome.Fail(LibxlError.FAIL, rc.Errno, "libxl_get_physinfo");
        }

        return StageOutcome.Ok;
    }

    /// <summary>numa_place_domain: with one node there is nothing to choose, which it has to find out.</summary>
    public static StageOutcome NumaPlaceDomain(DomainBuild build)
    {
        build.Xc.PhysInfo(); // xc_get_max_nodes for the map of nodes
        build.Xc.GetDomainInfoList(build.Current.Domid, 1, out _);
        build.Xc.CpupoolInfo();
        build.Xc.NumaInfo();
        build.Xc.CpuTopology();
        return StageOutcome.Ok;
    }

    /// <summary>libxl__set_domain_configuration: the names of its lock and of its file are made from the domain's handle.</summary>
    public static void StoreConfiguration(DomainBuild build)
    {
        const int lookUps = 4;
        for (int i = 0; i < lookUps; i++)
            build.Xc.GetDomainInfoList(build.Current.Domid, 1, out _);
    }
}
