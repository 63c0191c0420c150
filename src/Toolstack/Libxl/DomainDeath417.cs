using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>xl and a domain's end (4.17): how it hears of it, and what on_poweroff, on_reboot and the others make of it.</summary>
/// <remarks>
/// Source: stable-4.17 tools/xl/xl_vmcontrol.c: create_domain, handle_domain_death, preserve_domain; tools/libs/light/libxl_domain.c:
/// libxl_evenable_domain_death, domain_death_xswatch_callback, libxl_domain_preserve. Lines as in the recorded logs of the background xl.
/// </remarks>
internal static class DomainDeath417
{
    private const string File = "libxl_domain.c";
    private const string Callback = "domain_death_xswatch_callback";

    public static StageOutcome Enable(DomainBuild build)
    {
        build.Log.Stderr($"Waiting for domain {build.Guest.Configuration.Name} (domid {build.Guest.Domid}) to die [pid <pid>]");
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 812, "libxl__ev_xswatch_register", $"{Watch}: register slotnum=3");
        return StageOutcome.Ok;
    }

    /// <summary>Asks Xen how the domain is; a watch on @releaseDomain does not say whose end it tells of.</summary>
    public static StageOutcome Look(DomainBuild build)
    {
        uint domid = build.Guest.Domid;
        build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 750, "watchfd_callback", $"{Watch}: event epath=@releaseDomain");
        XcReturn rc = build.Xc.GetDomainInfoList(domid, 1, out DomainInfo[] infos);
        if (rc.Failed)
        {
            build.Log.LibxlErrno(File, 900, Callback, "xc_domain_getinfolist failed while processing @releaseDomain watch event", rc.Errno);
            return rc.ToOutcome();
        }

        uint got = infos.Length > 0 ? infos[0].Domid : 0;
        Say(build, 908, $"[evg={ToolLog.UserPointer}] nentries=1 rc={infos.Length} {got}..{got}", domid);
        Say(build, 919, $"[evg={ToolLog.UserPointer}]   got=domaininfos[0] got->domain={(infos.Length > 0 ? got : -1L)}", domid);
        if (got == domid)
            Report(build, infos[0]);
        else
            Gone(build, infos.Length == 0 ? "empty list" : "missing from list");
        Say(build, 915, "[evg=0] all reported");
        Say(build, 977, "domain death search done");
        return StageOutcome.Ok;
    }

    /// <summary>handle_domain_death up to its switch over the action.</summary>
    public static StageOutcome Handle(DomainBuild build)
    {
        uint reason = build.ShutdownReason ?? 0;
        build.Log.Stderr($"Domain {build.Guest.Domid} has shut down, reason code {reason} 0x{reason:x}");
        build.Action = EndAction.preserve;
        if ((ShutdownReason)reason == ShutdownReason.suspend)
        {
            build.Log.Stderr("Domain has suspended.");
            return StageOutcome.Ok;
        }

        DomainConfiguration config = build.Guest.Configuration;
        EndAction? action = (ShutdownReason)reason switch
        {
            ShutdownReason.poweroff => config.OnPoweroff,
            ShutdownReason.reboot => config.OnReboot,
            ShutdownReason.crash => config.OnCrash,
            ShutdownReason.watchdog => config.OnWatchdog,
            ShutdownReason.soft_reset => config.OnSoftReset,
            _ => null,
        };
        if (action is null)
            build.Log.Stderr($"Unknown shutdown reason code {reason}. Destroying domain.");
        build.Action = action ?? EndAction.destroy;
        build.Log.Stderr($"Action for shutdown reason code {reason} is {EndActions.NameOf(build.Action)}");
        if (build.Action == EndAction.soft_reset)
            return Finish417.NotHere(build, "libxl_domain_soft_reset", ours: true);
        build.Restart = build.Action switch
        {
            EndAction.restart or EndAction.coredump_restart => RestartType.Normal,
            EndAction.rename_restart => RestartType.Rename,
            _ => RestartType.None,
        };
        if (!DumpsCore(build))
            SayDestroying(build);
        return StageOutcome.Ok;
    }

    public static bool DumpsCore(DomainBuild build) => build.Action is EndAction.coredump_destroy or EndAction.coredump_restart;

    public static bool Destroys(DomainBuild build) => build.Action is EndAction.destroy or EndAction.restart || DumpsCore(build);

    public static StageOutcome CoreDump(DomainBuild build)
    {
        build.Log.Stderr($"dumping core to {CorePath(build)}");
        return StageOutcome.Ok;
    }

    /// <summary>xc_domain_dumpcore and its local_file_dump, into the file that the host gives.</summary>
    public static StageOutcome DumpCore(DomainBuild build)
    {
        using Stream? file = build.Options.CoreFile(build.Guest.Configuration.Name);
        if (file is null)
            return NoFile(build, $"Could not open corefile {CorePath(build)}", XenErrno.EACCES);
        try
        {
            return new CoreDump(build.Xc, build.Log, build.Guest.Domid).Write(file).ToOutcome();
        }
        catch (IOException)
        {
            // A full disk is what happens.
            return NoFile(build, "Failed to write buffer", XenErrno.ENOSPC);
        }
    }

    private static StageOutcome NoFile(DomainBuild build, string what, XenErrno errno)
    {
        build.Log.Xc(LogLevel.Error, $"{what} ({(int)errno} = {errno.Text()}): Internal error");
        return StageOutcome.Fail(-(long)errno, errno);
    }

    /// <summary>xl goes on without a core.</summary>
    public static StageOutcome CoreDumpFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno(File, 603, "libxl_domain_core_dump", $"Core dumping domain to {CorePath(build)}", failure.Errno, build.Guest.Domid);
        build.Log.Stderr($"core dump failed (rc={(int)LibxlError.FAIL}).");
        SayDestroying(build);
        return StageOutcome.Ok;
    }

    public static StageOutcome CoreDumped(DomainBuild build)
    {
        SayDestroying(build);
        return StageOutcome.Ok;
    }

    public static StageOutcome PreserveDomain(DomainBuild build)
    {
        build.Log.Stderr($"Preserving domain {build.Guest.Domid} {build.Guest.Configuration.Name} with suffix{Suffix(build)}");
        return StageOutcome.Ok;
    }

    /// <summary>Another name, and a /vm path of its own under a new uuid. xl draws a random one; here it comes from the old one and the name.</summary>
    public static StageOutcome Preserve(DomainBuild build)
    {
        TargetDomain target = build.Guest;
        string name = target.Configuration.Name + Suffix(build);
        Guid uuid = new(SHA256.HashData(Encoding.UTF8.GetBytes($"{target.Configuration.Uuid:D} {target.Domid} {name}")).AsSpan(0, 16));
        string vm = $"/vm/{uuid:D}";
        if (DomainMake417.NameTaken(build, target, name))
        {
            string taken = $"Domain with name \"{name}\" already exists.";
            build.Log.Libxl(LogLevel.Error, File, 81, "libxl__domain_rename", taken, target.Domid);
            return StageOutcome.Fail(LibxlError.INVAL, XenErrno.None, taken);
        }

        XenErrno errno = build.Store.Transaction(t =>
        {
            build.Store.Remove(t, vm);
            build.Store.MakeDirectory(t, vm, new NodePermission(0, 'n'), new NodePermission(target.Domid, 'r'));
            build.Store.Write(t, $"{target.Path}/vm", vm);
            build.Store.Write(t, $"{target.Path}/name", name);

            // libxl__domain_rename goes by the handle in Xen, which stays the old one.
            build.Store.Write(t, $"{target.VmPath}/name", name);
            build.Store.Write(t, $"{vm}/uuid", $"{uuid:D}");
        });
        return errno == XenErrno.None ? StageOutcome.Ok : StageOutcome.Fail(LibxlError.FAIL, errno);
    }

    public static StageOutcome Done(DomainBuild build)
    {
        build.Log.Stderr(build.IsGone ? $"Domain {build.Guest.Domid} has been destroyed." : build.Restart == RestartType.None ? "Done. Exiting now" : "Done. Rebooting now");
        if (build.Restart == RestartType.None)
            build.Log.Libxl(LogLevel.Debug, "libxl_event.c", 849, "libxl__ev_xswatch_deregister", $"{Watch}: deregister slotnum=3");
        return StageOutcome.Ok;
    }

    /// <summary>XEN_DUMP_DIR and the name.</summary>
    private static string CorePath(DomainBuild build) => $"/var/lib/xen/dump/{build.Guest.Configuration.Name}";

    private static string Watch => $"watch w={ToolLog.UserPointer} wpath=@releaseDomain token=3/0";

    private static void Report(DomainBuild build, DomainInfo info)
    {
        Say(build, 947, $"Exists shutdown_reported={(build.ShutdownReason is null ? 0 : 1)} dominf.flags={info.Flags:x}", build.Guest.Domid);
        if (info.IsDying)
            Gone(build, "dying");
        if (info.IsDying || !info.IsShutDown || build.ShutdownReason is not null)
            return;
        Say(build, 960, " shutdown reporting");
        build.ShutdownReason = info.ShutdownReason;
    }

    /// <summary>domain_death_occurred.</summary>
    private static void Gone(DomainBuild build, string why)
    {
        build.Log.Libxl(LogLevel.Debug, File, 868, "domain_death_occurred", why, build.Guest.Domid);
        build.IsGone = true;
    }

    private static void SayDestroying(DomainBuild build)
    {
        if (Destroys(build))
            build.Log.Stderr($"Domain {build.Guest.Domid} needs to be cleaned up: destroying the domain");
    }

    private static void Say(DomainBuild build, int line, string text, uint? domid = null) => build.Log.Libxl(LogLevel.Debug, File, line, Callback, text, domid);

    /// <summary>strftime("-%Y%m%dT%H%MZ") of the time in UTC.</summary>
    private static string Suffix(DomainBuild build)
    {
        ulong minutes = build.Options.MicrosecondsSince1970() / 60_000_000;
        (long year, int month, int day) = Date((long)(minutes / (24 * 60)));
        return string.Create(CultureInfo.InvariantCulture, $"-{year:d4}{month:d2}{day:d2}T{minutes / 60 % 24:d2}{minutes % 60:d2}Z");
    }

    /// <summary>Gregorian date of a day since 1970-01-01, counted in eras of 400 years that begin in March.</summary>
    private static (long Year, int Month, int Day) Date(long days)
    {
        const int daysPerEra = 146_097;
        long since = days + 719_468; // 0000-03-01
        long era = since / daysPerEra, dayOfEra = since % daysPerEra;
        long yearOfEra = (dayOfEra - (dayOfEra / 1460) + (dayOfEra / 36_524) - (dayOfEra / (daysPerEra - 1))) / 365;
        long dayOfYear = dayOfEra - ((365 * yearOfEra) + (yearOfEra / 4) - (yearOfEra / 100));
        long fromMarch = ((5 * dayOfYear) + 2) / 153;
        int month = (int)(fromMarch < 10 ? fromMarch + 3 : fromMarch - 9);
        return (yearOfEra + (era * 400) + (month <= 2 ? 1 : 0), month, (int)(dayOfYear - (((153 * fromMarch) + 2) / 5) + 1));
    }
}
