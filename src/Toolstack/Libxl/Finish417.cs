using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>The frame of do_domain_create (4.17): what it says at its start and end, the console, the unpause.</summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_create.c, libxl_event.c, libxl_console.c. Pointers are shown as placeholders.</remarks>
internal static class Finish417
{
    private const string Pointer = ToolLog.UserPointer;
    private const uint LibxlXenconsoleLimit = 1048576;

    public static StageOutcome CreateDomain(DomainBuild build)
    {
        if (build.Guest.Configuration is { Type: DomainType.hvm, Firmware: null })
            return NotHere(build, "hvmloader and qemu: give what an HVM guest starts with as firmware_override", ours: true);
        if (build.Guest.Configuration is { Type: DomainType.hvm } hvm && hvm.EffectiveMaximumKiB != hvm.MemoryKiB)
            return NotHere(build, "populate-on-demand: leave maxmem out or make it equal to memory", ours: true);
        Queries417.GlobalConfig(build);
        if (build.Guest.Configuration.SourceName is { } name)
            build.Log.Stderr($"Parsing config from {name}");
        return Queries417.ParseConfig(build);
    }

    /// <summary>Stops by name before anything has been made.</summary>
    internal static StageOutcome NotHere(DomainBuild build, string what, bool ours)
    {
        string text = ours ? $"XenSim does not build this yet: {what}" : $"no such domain in this release: {what}";
        build.Options.Events.Emit(new NotImplementedHere("xl create", what, ours));
        return StageOutcome.Fail(LibxlError.INVAL, XenErrno.EOPNOTSUPP, text);
    }

    /// <summary>xl returns -rc: ERROR_FAIL and all others below it end as their own number; the oracle shows 3.</summary>
    public static StageOutcome Exit(DomainBuild build)
    {
        build.ExitCode = 0;
        return StageOutcome.Ok;
    }

    public static StageOutcome ExitWithFailure(DomainBuild build, StageOutcome failure)
    {
        build.ExitCode = 3;
        return failure;
    }

    public static StageOutcome DoDomainCreate(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Debug, "libxl_create.c", 2081, "do_domain_create", $"ao {Pointer}: create: how=(nil) callback=(nil) poller={Pointer}");
        return Queries417.SetDefaults(build);
    }

    public static StageOutcome BootloaderRun(DomainBuild build)
    {
        uint domid = build.Current.Domid;
        build.Log.Libxl(LogLevel.Debug, "libxl_create.c", 1342, "initiate_domain_create", "running bootloader", domid);
        build.Log.Libxl(LogLevel.Debug, "libxl_bootloader.c", 417, "libxl__bootloader_run", "no bootloader configured, using user supplied kernel", domid);
        Deregistered(build);
        return StageOutcome.Ok;
    }

    public static StageOutcome RebuildFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.Libxl(LogLevel.Error, "libxl_create.c", 1640, "domcreate_rebuild_done", $"cannot (re-)build domain: {failure.Code}", build.Current.Domid);
        Deregistered(build);
        return failure;
    }

    public static StageOutcome ConsoleAdd(DomainBuild build)
    {
        TargetDomain target = build.Current;
        uint domid = target.Domid;
        build.Store.Write(0, $"/libxl/{domid}/dm-version", "qemu_xen");
        string front = $"{target.Path}/console", back = $"/local/domain/0/backend/console/{domid}/0", libxl = $"/libxl/{domid}/device/console/0";
        NodePermission[] readOnly = [new(0, 'n'), new(domid, 'r')];
        NodePermission[] guest = [new(domid, 'n'), new(0, 'r')];
        build.Store.Transaction(t =>
        {
            build.Store.Remove(t, libxl);
            build.Store.WriteAll(t, libxl, ("frontend", front), ("backend", back));
            build.Store.Remove(t, front);
            build.Store.MakeDirectory(t, front, readOnly);
            build.Store.Write(t, $"{front}/backend", back);
            Entry("backend-id", "0", guest);
            Entry("limit", $"{LibxlXenconsoleLimit}", readOnly);
            Entry("type", "xenconsoled", readOnly);
            Entry("output", "pty", readOnly);
            Entry("tty", "", readOnly);
            Entry("port", $"{target.State.ConsolePort}", readOnly);
            Entry("ring-ref", $"{target.State.ConsoleMfn}", readOnly);
            build.Store.Remove(t, back);
            build.Store.MakeDirectory(t, back, readOnly);
            build.Store.WriteAll(t, back, ("frontend", front), ("frontend-id", $"{domid}"), ("online", "1"), ("state", "1"), ("protocol", "vt100"));
            build.Store.WriteAll(t, libxl, ("frontend-id", $"{domid}"), ("online", "1"), ("state", "1"), ("protocol", "vt100"));

            void Entry(string name, string value, NodePermission[] permissions)
            {
                build.Store.Write(t, $"{front}/{name}", value);
                build.Store.SetPermissions(t, $"{front}/{name}", permissions);
            }
        });
        return StageOutcome.Ok;
    }

    /// <summary>Waits for xenconsoled to name the console's terminal; the waiting is libxl's event loop, its lines are these.</summary>
    public static StageOutcome DomcreateComplete(DomainBuild build)
    {
        string watch = $"watch w={Pointer} wpath={build.Current.Path}/console/tty token=3/0";
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 812, "libxl__ev_xswatch_register", $"{watch}: register slotnum=3");
        build.Log.Libxl(LogLevel.Debug, "libxl_create.c", 2120, "do_domain_create", $"ao {Pointer}: inprogress: poller={Pointer}, flags=i");
        for (int i = 0; i < 2; i++)
            build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 750, "watchfd_callback", $"{watch}: event epath={build.Current.Path}/console/tty");
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2403, "libxl__ao_progress_report", $"ao {Pointer}: progress report: ignored");
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 849, "libxl__ev_xswatch_deregister", $"{watch}: deregister slotnum=3");
        Deregistered(build);
        Queries417.StoreConfiguration(build);
        AoComplete(build, 0);
        return StageOutcome.Ok;
    }

    public static StageOutcome Unpause(DomainBuild build) => build.Xc.DomainUnpause(build.Current.Domid).ToOutcome();

    /// <summary>libxl__domain_unpause says so and fails; xl itself ignores it.</summary>
    public static StageOutcome UnpauseFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno("libxl_domain.c", 636, "libxl__domain_unpause_deprecated", "Unpausing domain", failure.Errno, build.Current.Domid);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "Unpausing domain");
    }

    internal static void Deregistered(DomainBuild build)
        => build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 863, "libxl__ev_xswatch_deregister", $"watch w={Pointer}: deregister unregistered");

    internal static void AoComplete(DomainBuild build, long rc)
    {
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2067, "libxl__ao_complete", $"ao {Pointer}: complete, rc={rc}");
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 2036, "libxl__ao__destroy", $"ao {Pointer}: destroy");
    }
}
