using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl__domain_make (4.17): the domain and its skeleton in xenstore, in one transaction.</summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_create.c, libxl_domain.c. Line numbers are those of Debian's 4.17.7, which the oracle shows.</remarks>
internal static class DomainMake417
{
    private const string File = "libxl_create.c";

    public static StageOutcome Enter(DomainBuild build)
    {
        build.Log.Libxl(LogLevel.Detail, File, 662, "libxl__domain_make", "passthrough: disabled");
        return StageOutcome.Ok;
    }

    public static StageOutcome DomainCreate(DomainBuild build)
    {
        TargetDomain target = build.Current;
        bool hvm = target.IsHvm;
        CreateDomain create = new(target.Configuration.Uuid, hvm ? (uint)(CreateDomainFlags.hvm | CreateDomainFlags.hap) : 0, Ssidref: 12)
        {
            MaxVcpus = target.Configuration.Vcpus,
            MaxEvtchnPort = 1023,
            GrantOpts = 2,
            EmulationFlags = (uint)EmulationOf(target.Configuration.Type),
        };
        XcReturn rc = build.Xc.DomainCreate(in create, out uint domid);
        target.Domid = domid;
        target.Created = !rc.Failed;
        return rc.ToOutcome();
    }

    /// <summary>libxl__arch_domain_prepare_config.</summary>
    private static EmulationFlags EmulationOf(DomainType type) => type switch
    {
        DomainType.hvm => EmulationFlags.LAPIC | EmulationFlags.HPET | EmulationFlags.PM | EmulationFlags.RTC | EmulationFlags.IOAPIC | EmulationFlags.PIC
            | EmulationFlags.VGA | EmulationFlags.IOMMU | EmulationFlags.PIT | EmulationFlags.USE_PIRQ,
        DomainType.pvh => EmulationFlags.LAPIC,
        _ => 0,
    };

    public static StageOutcome CreateFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.LibxlErrno(File, 711, "libxl__domain_make", "domain creation fail", failure.Errno);
        return StageOutcome.Fail(LibxlError.FAIL, failure.Errno, "domain creation fail");
    }

    public static StageOutcome StartTransaction(DomainBuild build)
    {
        TargetDomain target = build.Current;
        build.Store.GetDomainPath(target.Domid, out string path);
        target.Path = path;
        target.Transaction = build.Store.TransactionStart();
        Skeleton(build, target, target.Transaction);
        return StageOutcome.Ok;
    }

    /// <summary>libxl__domain_rename: no other domain may have the name.</summary>
    public static StageOutcome Rename(DomainBuild build)
    {
        TargetDomain target = build.Current;
        string name = target.Configuration.Name;
        if (NameTaken(build, target, name))
        {
            build.Log.Libxl(LogLevel.Error, "libxl_domain.c", 81, "libxl__domain_rename", $"Domain with name \"{name}\" already exists.", target.Domid);
            return StageOutcome.Fail(LibxlError.INVAL, XenErrno.None, $"Domain with name \"{name}\" already exists.");
        }

        WriteName(build, target, target.Transaction);
        build.Xc.GetDomainInfoList(target.Domid, 1, out _); // for the handle, which names /vm/UUID
        return StageOutcome.Ok;
    }

    /// <summary>The open transaction is given up: nothing of the skeleton stays.</summary>
    public static StageOutcome RenameFailed(DomainBuild build, StageOutcome failure)
    {
        build.Store.TransactionEnd(build.Current.Transaction, abort: true);
        return failure;
    }

    public static StageOutcome Commit(DomainBuild build)
    {
        TargetDomain target = build.Current;
        Rest(build, target, target.Transaction);
        XenErrno errno = build.Store.TransactionEnd(target.Transaction, abort: false);
        if (errno == XenErrno.EAGAIN)
        {
            errno = build.Store.Transaction(t =>
            {
                Skeleton(build, target, t);
                WriteName(build, target, t);
                Rest(build, target, t);
            });
        }

        if (errno == XenErrno.None)
            return StageOutcome.Ok;
        const string text = "domain creation xenstore transaction commit failed";
        build.Log.LibxlErrno(File, 918, "libxl__domain_make", text, errno, target.Domid);
        return StageOutcome.Fail(LibxlError.FAIL, errno, text);
    }

    /// <summary>initiate_domain_create: what it says when the domain could not be made.</summary>
    public static StageOutcome Failed(DomainBuild build, StageOutcome failure)
    {
        uint? domid = build.Current.Created ? build.Current.Domid : null;
        build.Log.Libxl(LogLevel.Error, File, 1296, "initiate_domain_create", $"cannot make domain: {failure.Code}", domid);
        return failure;
    }

    /// <summary>store_libxl_entry.</summary>
    public static StageOutcome StoreDmVersion(DomainBuild build)
    {
        build.Store.Write(0, $"/libxl/{build.Current.Domid}/dm-version", "qemu_xen");
        return StageOutcome.Ok;
    }

    private static void Skeleton(DomainBuild build, TargetDomain target, uint t)
    {
        NodePermission[] readOnly = ReadOnly(target);
        NodePermission tools = new(0, 'n');
        build.Store.Remove(t, target.Path);
        build.Store.MakeNode(t, target.Path, readOnly);
        build.Store.Remove(t, target.VmPath);
        build.Store.MakeNode(t, target.VmPath, readOnly);
        build.Store.Remove(t, LibxlPath(target));
        build.Store.MakeNode(t, LibxlPath(target), tools);
        build.Store.MakeNode(t, $"{LibxlPath(target)}/device", tools);
        build.Store.Write(t, $"{target.Path}/vm", target.VmPath);
    }

    private static void WriteName(DomainBuild build, TargetDomain target, uint t)
    {
        build.Store.Write(t, $"{target.Path}/name", target.Configuration.Name);
        build.Store.Write(t, $"{target.VmPath}/name", target.Configuration.Name);
    }

    private static void Rest(DomainBuild build, TargetDomain target, uint t)
    {
        NodePermission[] readOnly = ReadOnly(target);
        NodePermission guest = new(target.Domid, 'n');
        foreach (string node in (string[])["cpu", "memory", "device"])
            build.Store.MakeNode(t, $"{target.Path}/{node}", readOnly);
        build.Store.MakeNode(t, $"{target.Path}/device/suspend/event-channel", guest);
        bool hvm = target.Configuration.Type == DomainType.hvm;
        build.Store.MakeNode(t, $"{target.Path}/control", readOnly);
        if (hvm)
            build.Store.MakeNode(t, $"{target.Path}/hvmloader", readOnly);
        string[] sleep = hvm ? ["control/feature-s3", "control/feature-s4"] : [];
        foreach (string node in (string[])["control/shutdown", "control/feature-poweroff", "control/feature-reboot", "control/feature-suspend", .. sleep, "control/sysrq", "data", "drivers", "feature", "attr", "error"])
            build.Store.MakeNode(t, $"{target.Path}/{node}", guest);
        build.Store.WriteAll(t, target.VmPath, ("uuid", $"{target.Configuration.Uuid:D}"), ("name", target.Configuration.Name));
        build.Store.WriteAll(t, target.Path, ("control/platform-feature-multiprocessor-suspend", "1"), ("control/platform-feature-xs_reset_watches", "1"));
        build.Store.Write(t, $"{LibxlPath(target)}/type", target.Configuration.Type.ToString());
    }

    internal static bool NameTaken(DomainBuild build, TargetDomain target, string name)
    {
        const uint batch = 1024;
        uint first = 0;
        while (true)
        {
            build.Xc.GetDomainInfoList(first, batch, out DomainInfo[] infos);
            if (infos.Length == 0)
                return false;
            foreach (DomainInfo info in infos)
            {
                if (info.Domid != target.Domid && build.Store.ReadOrNull($"/local/domain/{info.Domid}/name") == name)
                    return true;
            }

            first = infos[^1].Domid + 1;
        }
    }

    private static string LibxlPath(TargetDomain target) => $"/libxl/{target.Domid}";

    private static NodePermission[] ReadOnly(TargetDomain target) => [new(0, 'n'), new(target.Domid, 'r')];
}
