using System.Globalization;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Libxl;

/// <summary>Console, framebuffer, device model and stub domain (4.0.4). A qemu is a process of dom0: here only its traces in xenstore.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/libxl.c, libxl_device.c.</remarks>
internal static class Devices40
{
    private const string ConsoleLimit = "1048576";
    private const ulong StubdomKiB = 32 * 1024;

    public static StageOutcome ConsoleAdd(DomainBuild build)
    {
        TargetDomain target = build.Current;
        string type = target == build.StubDomain || target.Configuration.Framebuffers > 0 ? "ioemu" : "xenconsoled";
        build.Store.Transaction(t => build.Store.WriteAll(
            t,
            target.Path,
            ("console/port", Number(target.State.ConsolePort)),
            ("console/ring-ref", Number(target.State.ConsoleMfn)),
            ("console/limit", ConsoleLimit),
            ("console/type", type)));
        GenericAdd(
            build,
            "console",
            [("frontend-id", Number(target.Domid)), ("online", "1"), ("state", "1"), ("domain", build.Store.DomainName(target.Domid)), ("protocol", "vt100")],
            [("backend-id", "0"), ("state", "1"), ("limit", ConsoleLimit), ("protocol", "vt100"), ("type", type)]);
        return StageOutcome.Ok;
    }

    public static StageOutcome VfbAdd(DomainBuild build)
    {
        GenericAdd(
            build,
            "vfb",
            [.. Backend(build), ("vnc", "0"), ("vncdisplay", "0"), ("vncunused", "0"), ("sdl", "0"), ("opengl", "0")],
            [("backend-id", "0"), ("state", "1")]);
        return StageOutcome.Ok;
    }

    public static StageOutcome VkbAdd(DomainBuild build)
    {
        GenericAdd(build, "vkbd", Backend(build), [("backend-id", "0"), ("state", "1")]);
        return StageOutcome.Ok;
    }

    /// <summary>From here on the stages work on the stub domain, which is a PV domain of 32 MiB with the guest's uuid.</summary>
    public static StageOutcome CreateStubdom(DomainBuild build)
    {
        DomainConfiguration guest = build.Guest.Configuration;
        build.StubDomain = new TargetDomain(new DomainConfiguration
        {
            Name = $"{build.Store.DomainName(build.Guest.Domid)}-dm",
            Uuid = guest.Uuid,
            MemoryKiB = StubdomKiB,
            Kernel = guest.StubdomKernel,
            CommandLine = $" -d {build.Guest.Domid}",
            RamdiskName = "",
        });
        build.Current = build.StubDomain;
        return StageOutcome.Ok;
    }

    /// <summary>The stub domain runs; the guest is current again.</summary>
    public static StageOutcome StubdomDone(DomainBuild build)
    {
        build.Current = build.Guest;
        return StageOutcome.Ok;
    }

    public static StageOutcome WriteDmargs(DomainBuild build)
    {
        TargetDomain stub = build.Current;
        string path = $"{build.Guest.VmPath}/image/dmargs";
        NodePermission[] readOnly = [new(0, 'n'), new(stub.Domid, 'r')];
        build.Store.Transaction(t =>
        {
            build.Store.Write(t, path, $" -d {build.Guest.Domid} -domain-name {build.Guest.Configuration.Name} -vcpus {build.Guest.Configuration.Vcpus}");
            build.Store.SetPermissions(t, path, readOnly);
            build.Store.SetPermissions(t, $"{build.Guest.VmPath}/rtc/timeoffset", readOnly);
        });
        build.Store.Write(0, $"{build.Guest.Path}/image/device-model-domid", Number(stub.Domid));
        build.Store.Write(0, $"{stub.Path}/target", Number(build.Guest.Domid));
        return StageOutcome.Ok;
    }

    public static StageOutcome SetTarget(DomainBuild build) => build.Xc.SetTarget(build.Current.Domid, build.Guest.Domid).ToOutcome();

    public static StageOutcome XsSetTarget(DomainBuild build)
    {
        TargetDomain stub = build.Current;
        build.Store.SetTarget(stub.Domid, build.Guest.Domid);
        NodePermission[] permissions = [new(stub.Domid, 'n'), new(build.Guest.Domid, 'r')];
        build.Store.Transaction(t =>
        {
            build.Store.MakeDirectory(t, $"/local/domain/0/device-model/{build.Guest.Domid}", permissions);
            build.Store.MakeDirectory(t, $"/local/domain/{stub.Domid}/device/vfs", permissions);
        });
        return StageOutcome.Ok;
    }

    /// <summary>libxl_create_device_model up to the fork.</summary>
    public static StageOutcome DeviceModelPath(DomainBuild build)
    {
        string path = $"/local/domain/0/device-model/{build.Current.Domid}";
        build.Store.MakeDirectory(0, path);
        build.Store.Write(0, $"{path}/disable_pf", "1");
        return StageOutcome.Ok;
    }

    /// <summary>fork and exec of qemu-dm, recorded by dm_xenstore_record_pid; the process itself is not simulated.</summary>
    public static StageOutcome SpawnQemu(DomainBuild build)
    {
        build.Store.Write(0, $"{build.Current.Path}/image/device-model-pid", "1");
        build.Store.Write(0, $"/local/domain/0/device-model/{build.Current.Domid}/state", "running");
        return StageOutcome.Ok;
    }

    /// <summary>libxl_device_generic_add.</summary>
    private static void GenericAdd(DomainBuild build, string kind, (string Key, string Value)[] back, (string Key, string Value)[] front)
    {
        TargetDomain target = build.Current;
        string frontend = $"{target.Path}/device/{kind}/0", backend = $"/local/domain/0/backend/{kind}/{target.Domid}/0";
        build.Store.Transaction(t =>
        {
            build.Store.Remove(t, frontend);
            build.Store.Remove(t, backend);
            build.Store.MakeDirectory(t, frontend, new NodePermission(target.Domid, 'n'), new NodePermission(0, 'r'));
            build.Store.MakeDirectory(t, backend, new NodePermission(0, 'n'), new NodePermission(target.Domid, 'r'));
            build.Store.MakeDirectory(t, $"/xapi/{target.Domid}/hotplug/{kind}/0", new NodePermission(0, 'n'));
            build.Store.Write(t, $"{frontend}/backend", backend);
            build.Store.Write(t, $"{backend}/frontend", frontend);
            build.Store.WriteAll(t, backend, back);
            build.Store.WriteAll(t, frontend, front);
        });
    }

    private static (string Key, string Value)[] Backend(DomainBuild build)
        => [("frontend-id", Number(build.Current.Domid)), ("online", "1"), ("state", "1"), ("domain", build.Store.DomainName(build.Current.Domid))];

    private static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);
}
