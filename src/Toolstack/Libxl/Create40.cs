using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxc;
using XenSim.Toolstack.Libxc.Dom;

namespace XenSim.Toolstack.Libxl;

/// <summary>libxl_domain_make, libxl_userdata_store, build_pre, build_pv, build_post and xl's frame around them (4.0.4).</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/libxl.c, libxl_dom.c, xl_cmdimpl.c.</remarks>
internal static class Create40
{
    private const uint SpaceFactor = 10;
    private const ulong MaxmemConstant = 1024;
    private const ulong SlackKiB = 8 * 1024;
    private const int Error = 0;

    public static StageOutcome Enter(DomainBuild build)
    {
        if (build.Guest.Configuration.SourceName is { } name)
            build.Log.Stderr($"Parsing config file {name}");
        return build.Guest.Configuration.Type == DomainType.pvh ? Finish417.NotHere(build, "type=\"pvh\" under 4.0", ours: false) : StageOutcome.Ok;
    }

    public static StageOutcome Exit(DomainBuild build)
    {
        build.ExitCode = 0;
        return StageOutcome.Ok;
    }

    /// <summary>error_out: create_domain returns ERROR_FAIL and main exits with -ret; MUST has exited already.</summary>
    public static StageOutcome ExitWithFailure(DomainBuild build, StageOutcome failure)
    {
        build.ExitCode ??= 2;
        return failure;
    }

    /// <summary>What create_domain prints about a failed call; its own code is then ERROR_FAIL whatever the call returned.</summary>
    public static Func<DomainBuild, StageOutcome, StageOutcome> Says(string text) => (build, failure) =>
    {
        build.Log.Stderr($"{text}: {failure.Code}");
        return StageOutcome.Fail(LibxlError.FAIL_40, failure.Errno, failure.Message);
    };

    /// <summary>The macro MUST: a message and exit(-rc) on the spot, so nothing is destroyed.</summary>
    public static Func<DomainBuild, StageOutcome, StageOutcome> Must(int line, string call) => (build, failure) =>
    {
        build.Log.Stderr($"xl: fatal error: xl_cmdimpl.c:{line}, rc={failure.Code}: {call}");
        build.ExitedByMust = true;
        build.ExitCode = (int)(-failure.Code & 0xff);
        return failure;
    };

    /// <summary>hap is xl's default for PV too; a stub domain's zeroed create_info gives only oos_off.</summary>
    public static StageOutcome DomainCreate(DomainBuild build)
    {
        TargetDomain target = build.Current;
        uint flags = target == build.StubDomain ? 8u : target.IsHvm ? 3u : 2u;
        XcReturn rc = build.Xc.DomainCreate(new CreateDomain(target.Configuration.Uuid, flags), out uint domid);
        target.Domid = domid;
        target.Created = !rc.Failed;
        return rc.ToOutcome();
    }

    public static StageOutcome DomainCreateFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.XlLog40(Error, "libxl.c", 111, "libxl_domain_make", "domain creation fail", (int)failure.Code);
        return StageOutcome.Fail(LibxlError.FAIL_40, failure.Errno, "domain creation fail");
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

    /// <summary>The one write that is checked; when it fails the transaction stays open.</summary>
    public static StageOutcome Rename(DomainBuild build)
    {
        TargetDomain target = build.Current;
        string name = target.Configuration.Name;
        XenErrno errno = build.Store.Write(target.Transaction, $"{target.Path}/name", name);
        if (errno == XenErrno.None)
            return StageOutcome.Ok;
        string text = $"failed to write new name `{name}' for domain {target.Domid} previously named `(null)'";
        build.Log.XlLog40(Error, "libxl.c", 224, "libxl_domain_rename", text);
        return StageOutcome.Fail(LibxlError.FAIL_40, errno, text);
    }

    public static StageOutcome Commit(DomainBuild build)
    {
        TargetDomain target = build.Current;
        Rest(build, target, target.Transaction);
        if (build.Store.TransactionEnd(target.Transaction, abort: false) == XenErrno.EAGAIN)
        {
            build.Store.Transaction(t =>
            {
                Skeleton(build, target, t);
                build.Store.Write(t, $"{target.Path}/name", target.Configuration.Name);
                Rest(build, target, t);
            });
        }

        return StageOutcome.Ok;
    }

    /// <summary>Two file names, for each of which the domain's uuid is asked for.</summary>
    public static StageOutcome UserdataStore(DomainBuild build)
    {
        for (int i = 0; i < 2; i++)
        {
            XcReturn rc = build.Xc.GetDomainInfoList(build.Current.Domid, 1, out DomainInfo[] infos);
            if (rc.Failed || infos.Length == 0 || infos[0].Domid != build.Current.Domid)
            {
                string text = $"unable to find domain info for domain {build.Current.Domid}";
                build.Log.XlLog40(Error, "libxl_dom.c", 344, "userdata_path", text, (int)rc.Errno);
                return StageOutcome.Fail((long)XenErrno.ENOMEM, XenErrno.ENOMEM, text);
            }
        }

        return StageOutcome.Ok;
    }

    public static StageOutcome UserdataFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.Stderr($"cannot save config file: {failure.Errno.Text()}");
        return StageOutcome.Fail(LibxlError.FAIL_40, failure.Errno, failure.Message);
    }

    public static StageOutcome MaxVcpus(DomainBuild build) => build.Xc.MaxVcpus(build.Current.Domid, build.Current.Configuration.Vcpus).ToOutcome();

    public static StageOutcome SetMaxMem(DomainBuild build) => build.Xc.SetMaxMem(build.Current.Domid, build.Current.Configuration.MemoryKiB + MaxmemConstant).ToOutcome();

    /// <summary>A stub domain's zeroed build_info has no slack.</summary>
    public static StageOutcome SetMemmapLimit(DomainBuild build)
    {
        ulong slack = build.Current.IsHvm || build.Current == build.StubDomain ? 0 : SlackKiB;
        ulong size = (build.Current.Configuration.EffectiveMaximumKiB + slack) << (int)SpaceFactor;
        return build.Xc.SetMemoryMap(build.Current.Domid, [new E820Entry { Addr = 0, Size = size, Type = (uint)E820Type.RAM }]).ToOutcome();
    }

    public static StageOutcome SetTscInfo(DomainBuild build) => build.Xc.SetTscInfo(build.Current.Domid, (uint)build.Current.Configuration.TscMode).ToOutcome();

    /// <summary>XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION with libxl_get_required_shadow_memory, in MiB.</summary>
    public static StageOutcome ShadowAllocation(DomainBuild build)
    {
        DomainConfiguration config = build.Current.Configuration;
        ulong kiB = 4 * ((256UL * config.Vcpus) + (2 * (config.EffectiveMaximumKiB / 1024)));
        return build.Xc.ShadowControl(build.Current.Domid, (uint)ShadowOp.SET_ALLOCATION, 0, (uint)((kiB + 1023) / 1024)).ToOutcome();
    }

    public static StageOutcome AllocStorePort(DomainBuild build)
    {
        XcReturn rc = build.Xc.EvtchnAllocUnbound(build.Current.Domid, 0);
        build.Current.State = build.Current.State with { StorePort = (uint)rc.Value };
        return rc.ToOutcome();
    }

    public static StageOutcome AllocConsolePort(DomainBuild build)
    {
        XcReturn rc = build.Xc.EvtchnAllocUnbound(build.Current.Domid, 0);
        build.Current.State = build.Current.State with { ConsolePort = (uint)rc.Value };
        return rc.ToOutcome();
    }

    public static StageOutcome AllocateFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.XlLog40(Error, "libxl_dom.c", 146, "build_pv", "xc_dom_allocate failed", (int)failure.Errno);
        return StageOutcome.Fail(-1, failure.Errno, "xc_dom_allocate failed");
    }

    /// <summary>Whatever the builder's code was, build_pv returns -2.</summary>
    public static StageOutcome LinuxBuildFailed(DomainBuild build, StageOutcome failure)
    {
        build.Log.XlLog40(Error, "libxl_dom.c", 155, "build_pv", "xc_dom_linux_build failed", (int)failure.Code);
        return StageOutcome.Fail(LibxlError.FAIL_40, failure.Errno, failure.Message);
    }

    public static StageOutcome StoreFrames(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        build.Current.State = build.Current.State with
        {
            ConsoleMfn = dom.P2mHost(dom.Layout.ConsolePfn).Value,
            StoreMfn = dom.P2mHost(dom.Layout.XenstorePfn).Value,
        };
        return StageOutcome.Ok;
    }

    public static StageOutcome Introduce(DomainBuild build)
    {
        TargetDomain target = build.Current;
        build.Store.Read(0, $"{target.Path}/vm", out string vmPath);
        build.Store.Transaction(t => BuildEntries.Write(build, t, target.Path, vmPath));
        return build.Store.Introduce(target.Domid, target.State.StoreMfn, target.State.StorePort) is var errno && errno != XenErrno.None
            ? StageOutcome.Fail(-1, errno)
            : StageOutcome.Ok;
    }

    /// <summary>is_hvm asks first, to find out whether a device model has to be told.</summary>
    public static StageOutcome UnpauseEnter(DomainBuild build)
    {
        build.Xc.GetDomainInfoList(build.Current.Domid, 1, out _);
        return StageOutcome.Ok;
    }

    public static StageOutcome Pause(DomainBuild build) => build.Xc.DomainPause(build.Current.Domid).ToOutcome();

    public static StageOutcome Unpause(DomainBuild build) => build.Xc.DomainUnpause(build.Current.Domid).ToOutcome();

    private static void Skeleton(DomainBuild build, TargetDomain target, uint t)
    {
        NodePermission[] readOnly = [new(0, 'n'), new(target.Domid, 'r')];
        string vss = $"/vss/{target.Configuration.Uuid:D}";
        build.Store.Remove(t, target.Path);
        build.Store.MakeDirectory(t, target.Path, readOnly);
        build.Store.Remove(t, target.VmPath);
        build.Store.MakeDirectory(t, target.VmPath, readOnly);
        build.Store.Remove(t, vss);
        build.Store.MakeDirectory(t, vss, new NodePermission(target.Domid, 'n'));
        build.Store.WriteAll(t, target.Path, ("vm", target.VmPath), ("vss", vss));
    }

    private static void Rest(DomainBuild build, TargetDomain target, uint t)
    {
        foreach (string node in (string[])["device", "device/suspend/event-channel", "data"])
            build.Store.MakeDirectory(t, $"{target.Path}/{node}", new NodePermission(target.Domid, 'n'));

        // "device" is in both lists: the read-only permission is applied second and wins.
        foreach (string node in (string[])["cpu", "memory", "device", "error", "drivers", "control", "attr", "messages"])
            build.Store.MakeDirectory(t, $"{target.Path}/{node}", new NodePermission(0, 'n'), new NodePermission(target.Domid, 'r'));
        build.Store.WriteAll(t, target.VmPath, ("uuid", $"{target.Configuration.Uuid:D}"), ("name", target.Configuration.Name));
        build.Store.Write(t, $"{target.Path}/control/platform-feature-multiprocessor-suspend", "1");
    }
}
