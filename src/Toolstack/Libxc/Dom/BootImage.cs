using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>xc_dom_boot_image of a PV guest: from the finished segments to a vcpu that could run.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_boot.c, xc_dom_x86.c; stable-4.17 tools/libs/guest/xg_dom_boot.c, xg_dom_x86.c.</remarks>
internal static class BootImage
{
    private static readonly PanicSite GetDomainInfoFailed = new("boot.c", 205, 180);
    private static readonly PanicSite DomidMismatch = new("boot.c", 211, 186);
    private static readonly PanicSite ClearPageFailed = new("boot.c", 80, 0);
    private static readonly PanicSite HypercallInitFailed = new("boot.c", 44, 58);
    private static readonly PanicSite PinFailed = new("x86.c", 794, 1692);
    private static readonly PanicSite SharedInfoFailed = new("x86.c", 815, 0);
    private static readonly PanicSite GrantTablesFailed = new("x86.c", 837, 0);
    private static readonly PanicSite LaunchFailed = new("boot.c", 62, 0);
    private static readonly PanicSite Vcpu64Failed = new("x86.c", 0, 970);
    private static readonly PanicSite Vcpu32Failed = new("x86.c", 0, 924);

    public static StageOutcome Enter(DomainBuild build)
    {
        build.Current.Image!.Log.Print("xc_dom_boot_image: called");
        return StageOutcome.Ok;
    }

    /// <summary>arch_setup_bootearly: nothing on x86 in 4.0; 4.17 has given up auto-translated PV guests.</summary>
    public static StageOutcome BootEarly(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (build.Options.Release == XenRelease.V4_0 || dom.HvmContainer || !dom.Translated)
            return StageOutcome.Ok;
        dom.Log.Print("PV Autotranslate guests no longer supported");
        return StageOutcome.Fail(-1, XenErrno.EOPNOTSUPP, "PV Autotranslate guests no longer supported");
    }

    public static StageOutcome GetDomainInfo(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        XcReturn rc = build.Xc.GetDomainInfo(dom.Domid, out DomainInfo info);
        bool is40 = build.Options.Release == XenRelease.V4_0;
        if (rc.Failed && (is40 || rc.Errno != XenErrno.ESRCH))
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, GetDomainInfoFailed, $"xc_dom_boot_image: getdomaininfo failed (rc={rc.Value})", rc.Errno);
        if (rc.Failed || info.Domid != dom.Domid)
        {
            string text = is40
                ? $"xc_dom_boot_image: Huh? domid mismatch ({info.Domid} != {dom.Domid})"
                : $"xc_dom_boot_image: Huh? No domains found (nr_domains={(rc.Failed ? 0 : 1)}) or domid mismatch ({info.Domid} != {dom.Domid})";
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, DomidMismatch, text, rc.Errno);
        }

        dom.SharedInfoMfn = info.SharedInfoFrame;
        return StageOutcome.Ok;
    }

    public static StageOutcome ClearConsole(DomainBuild build) => ClearPage(build, build.Current.Image!.Layout.ConsolePfn);

    public static StageOutcome ClearXenstore(DomainBuild build) => ClearPage(build, build.Current.Image!.Layout.XenstorePfn);

    /// <summary>Whether setup_hypercall_page issues its domctl at all: an image without the note boots without a page.</summary>
    public static bool WantsHypercallPage(DomainBuild build) => build.Current.Image!.Parms.VirtHypercall != XenElfParameters.Unset;

    public static StageOutcome SetupHypercallPage(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (WantsHypercallPage(build))
            dom.Log.Print($"setup_hypercall_page: vaddr=0x{dom.Parms.VirtHypercall:x} pfn=0x{HypercallPfn(dom):x}");
        return StageOutcome.Ok;
    }

    /// <summary>XEN_DOMCTL_hypercall_init. The note's low bits are lost: the page that contains the address is filled.</summary>
    public static StageOutcome HypercallInit(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        return build.Xc.HypercallInit(dom.Domid, dom.P2m(HypercallPfn(dom)).Value).ToOutcome();
    }

    /// <summary>What setup_hypercall_page says when its domctl fails.</summary>
    public static StageOutcome HypercallInitFailure(DomainBuild build, StageOutcome failure)
    {
        string text = build.Options.Release == XenRelease.V4_0
            ? $"setup_hypercall_page: HYPERCALL_INIT failed (rc={failure.Code})"
            : $"setup_hypercall_page: HYPERCALL_INIT failed: {(int)failure.Errno} - {failure.Errno.Text()})";
        return XcDomCore.Panic(build.Current.Image!, XcError.XC_INTERNAL_ERROR, HypercallInitFailed, text, failure.Errno, failure.Code);
    }

    /// <summary>The builder's writable mappings of the tables go, or pinning would fail.</summary>
    public static StageOutcome BootLate(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (dom.Translated)
            return AddTranslatedPages(build, dom);
        dom.Windows.Unmap(dom.Layout.Find("page tables")!.Pfn);
        if (build.Options.Release != XenRelease.V4_0)
            dom.Windows.Unmap(dom.Layout.Find("phys2mach")!.Pfn);
        return StageOutcome.Ok;
    }

    /// <summary>pin_table returns 1 for any error.</summary>
    public static StageOutcome PinTable(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong mfn = dom.P2mHost(dom.Layout.Find("page tables")!.Pfn).Value;
        XcReturn rc = build.Xc.PinTable(dom.Domid, dom.Arch!.PinLevel, mfn);
        return rc.Failed ? StageOutcome.Fail(1, rc.Errno) : StageOutcome.Ok;
    }

    public static StageOutcome PinFailure(DomainBuild build, StageOutcome failure)
    {
        DomImage dom = build.Current.Image!;
        string function = build.Options.Release == XenRelease.V4_0 ? "arch_setup_bootlate" : "bootlate_pv";
        string text = $"{function}: pin_table failed (pfn 0x{dom.Layout.Find("page tables")!.Pfn:x}, rc={failure.Code})";
        return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, PinFailed, text, failure.Errno, failure.Code);
    }

    public static StageOutcome SharedInfo(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        bool is40 = build.Options.Release == XenRelease.V4_0;
        string function = is40 ? "arch_setup_bootlate" : "bootlate_pv";
        dom.Log.Print($"{function}: shared_info: pfn 0x{dom.Layout.SharedInfoPfn:x}, mfn 0x{dom.SharedInfoMfn:x}");
        Gfn frame = new(dom.Translated ? dom.Layout.SharedInfoPfn : dom.SharedInfoMfn);
        using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [frame], writable: true);
        if (mapping.Error != XenErrno.None)
            return StageOutcome.Fail(-1, mapping.Error);
        dom.Log.Print($"shared_info_x86_{(dom.Arch!.Is64Bit ? "64" : "32")}: called");
        mapping.Write(0, StartOfDay.SharedInfo(dom.Arch, is40));
        return StageOutcome.Ok;
    }

    /// <summary>4.0: builds the context; launch_vm loads it later.</summary>
    public static StageOutcome Vcpu40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.VcpuContext = StartOfDay.Vcpu(dom, is40: true);
        return StageOutcome.Ok;
    }

    public static StageOutcome LaunchVm(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        XcReturn rc = build.Xc.SetVcpuContext(dom.Domid, 0, dom.VcpuContext);
        return rc.Failed
            ? XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, LaunchFailed, $"launch_vm: SETVCPUCONTEXT failed (rc={rc.Value})", rc.Errno)
            : StageOutcome.Ok;
    }

    /// <summary>4.17: the hook loads the context itself.</summary>
    public static StageOutcome Vcpu417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        bool is64 = dom.Arch!.Is64Bit;
        dom.VcpuContext = StartOfDay.Vcpu(dom, is40: false);
        XcReturn rc = build.Xc.SetVcpuContext(dom.Domid, 0, dom.VcpuContext);
        if (!rc.Failed)
            return StageOutcome.Ok;
        string text = $"vcpu_x86_{(is64 ? "64" : "32")}: SETVCPUCONTEXT failed (rc={rc.Value})";
        return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, is64 ? Vcpu64Failed : Vcpu32Failed, text, rc.Errno, rc.Value);
    }

    /// <summary>xc_dom_gnttab_init (4.17): entry 0 the console, entry 1 xenstore, both for dom0.</summary>
    public static StageOutcome GnttabInit(DomainBuild build)
    {
        const uint grantTable = 1, sharedId = 0;
        DomImage dom = build.Current.Image!;
        using IForeignMapping mapping = build.Xc.Foreign.MapResource(build.Current.Id, grantTable, sharedId, 0, 1);
        if (mapping.Error != XenErrno.None)
        {
            string text = $"xc_dom_gnttab_seed: failed to acquire d{dom.Domid} grant table [errno={(int)mapping.Error}]\n";
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, new PanicSite("boot.c", 0, 411), text, mapping.Error);
        }

        SetGnttabEntry(dom, mapping, 0, dom.P2m(dom.Layout.ConsolePfn).Value);
        SetGnttabEntry(dom, mapping, 1, dom.P2m(dom.Layout.XenstorePfn).Value);
        return StageOutcome.Ok;
    }

    private static void SetGnttabEntry(DomImage dom, IForeignMapping table, uint index, ulong frame)
    {
        dom.Log.Print($"xc_dom_set_gnttab_entry: d{dom.Domid} gnt[{index}] -> d0 0x{frame:x}");
        GrantEntryV1 entry = new() { Flags = 1, Domid = 0, Frame = (uint)frame };
        table.Write(index * WireMemory.SizeOf<GrantEntryV1>(), WireMemory.AsBytes(ref entry));
    }

    private static ulong HypercallPfn(DomImage dom) => unchecked(dom.Parms.VirtHypercall - dom.Parms.VirtBase) >> 12;

    /// <summary>clear_page: pfn 0 is skipped in silence.</summary>
    private static StageOutcome ClearPage(DomainBuild build, ulong pfn)
    {
        DomImage dom = build.Current.Image!;
        if (pfn == 0)
            return StageOutcome.Ok;
        Gfn frame = dom.P2mHost(pfn);
        dom.Log.Print($"clear_page: pfn 0x{pfn:x}, mfn 0x{frame.Value:x}");
        XcReturn rc = BuildImage.ClearDomainPage(build, frame);
        return rc.Failed
            ? XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, ClearPageFailed, $"clear_page: xc_clear_domain_page failed (pfn 0x{pfn:x}, rc={rc.Value})", rc.Errno)
            : StageOutcome.Ok;
    }

    /// <summary>4.0, auto-translated: shared_info, then grant frames behind the guest's memory until the hypervisor has no more.</summary>
    private static StageOutcome AddTranslatedPages(DomainBuild build, DomImage dom)
    {
        const uint sharedInfo = 0, grantTable = 1;
        const ulong limit = 4096;
        XcReturn rc = build.Xc.AddToPhysmap(dom.Domid, sharedInfo, 0, dom.Layout.SharedInfoPfn);
        if (rc.Failed)
        {
            string text = $"arch_setup_bootlate: mapping shared_info failed (pfn=0x{dom.Layout.SharedInfoPfn:x}, rc={rc.Value})";
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, SharedInfoFailed, text, rc.Errno);
        }

        for (ulong i = 0; i < limit; i++)
        {
            rc = build.Xc.AddToPhysmap(dom.Domid, grantTable, i, dom.Memory.TotalPages + i);
            if (!rc.Failed)
                continue;
            if (i > 0 && rc.Errno == XenErrno.EINVAL)
                break;
            string text = $"arch_setup_bootlate: mapping grant tables failed (pfn=0x{dom.Memory.TotalPages + i:x}, rc={rc.Value})";
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, GrantTablesFailed, text, rc.Errno);
        }

        return StageOutcome.Ok;
    }
}
