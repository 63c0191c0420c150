using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Libxl;

/// <summary>The device model of an HVM guest (4.17): a process of dom0, of which only the traces in xenstore are here.</summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_dm.c: libxl__spawn_local_dm, libxl__destroy_device_model; libxl_exec.c: libxl__spawn_record_pid.</remarks>
internal static class DeviceModel417
{
    /// <summary>libxl__spawn_local_dm, the pid that its middle process records, and the state that qemu writes when it is ready.</summary>
    public static StageOutcome Spawn(DomainBuild build)
    {
        TargetDomain target = build.Current;
        string path = DeviceModelPath(target.Domid);
        build.Store.Write(0, $"{target.Path}/hvmloader/bios", "seabios");
        build.Store.Write(0, $"{target.Path}/hvmloader/allow-memory-relocate", "0");
        build.Store.MakeDirectory(0, path);
        build.Store.Write(0, $"{target.Path}/image/device-model-pid", "1");
        build.Store.Write(0, $"{path}/state", "running");
        return StageOutcome.Ok;
    }

    /// <summary>Called before the domain's own nodes go: the process ends, and its node with it.</summary>
    public static void Destroy(DomainBuild build, uint domid) => build.Store.CleanUpPath(0, DeviceModelPath(domid));

    private static string DeviceModelPath(uint domid) => $"/local/domain/0/device-model/{domid}";
}
