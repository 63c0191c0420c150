using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Images;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>The builder's steps that touch no guest memory: files, capabilities, parsing, sizes.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c, xc_dom_boot.c; stable-4.17 tools/libs/guest/xg_dom_core.c, xg_dom_boot.c.</remarks>
internal static class XcDomCore
{
    private static readonly PanicSite CannotOpen = new("core.c", 0, 205);
    private static readonly PanicSite ZeroLength = new("core.c", 0, 230);
    private static readonly PanicSite NoCapabilities = new("boot.c", 123, 101);
    private static readonly PanicSite GuestTypeNotSet = new("core.c", 637, 919);
    private static readonly PanicSite UnsupportedFeature = new("core.c", 650, 936);
    private static readonly PanicSite GuestTypeNotSupported = new("boot.c", 108, 86);
    private static readonly PanicSite HooksNotFound = new("core.c", 537, 721);
    private static readonly PanicSite HooksNotSet = new("core.c", 669, 963);

    public static StageOutcome Allocate(DomainBuild build)
    {
        TargetDomain target = build.Current;
        BuilderLog log = new(build.Options.Release, build.Options.Events.Emit);
        DomainConfiguration config = target.Configuration;
        log.Print($"xc_dom_allocate: cmdline=\"{config.CommandLine}\", features=\"{config.Features}\"");
        DomImage dom = new(build.Xc, target.Domid, log, config.CommandLine, target.IsHvm) { DeviceModel = config.Type == DomainType.hvm };
        uint requested = 0;
        XenFeatures.TryParse(build.Options.Release, config.Features, ref requested);
        dom.FeaturesRequested = requested;
        target.Image = dom;
        return StageOutcome.Ok;
    }

    public static StageOutcome KernelFile(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        NamedBlob? kernel = dom.DeviceModel ? build.Current.Configuration.Firmware : build.Current.Configuration.Kernel;
        dom.Log.Print($"xc_dom_kernel_file: filename=\"{kernel?.Name}\"");
        if (!MapFile(dom, kernel))
            return StageOutcome.Fail(-1, XenErrno.ENOENT);
        ReadOnlyMemory<byte> blob = kernel!.Bytes;
        bool ok = KernelGunzip.TryGunzip(dom.Log, dom.BuilderMemory, ref blob);
        dom.KernelBlob = blob;
        return ok ? StageOutcome.Ok : Failed(dom);
    }

    /// <summary>xc_dom_ramdisk_file (4.0), xc_dom_module_file (4.17): not unpacked yet.</summary>
    public static StageOutcome RamdiskFile(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        NamedBlob ramdisk = build.Current.Configuration.Ramdisk!;
        dom.Log.Print($"xc_dom_module_file: filename=\"{ramdisk.Name}\"");
        if (!MapFile(dom, ramdisk))
            return StageOutcome.Fail(-1, XenErrno.ENOENT);
        dom.RamdiskBlob = ramdisk.Bytes;
        return StageOutcome.Ok;
    }

    public static StageOutcome BootXenInit(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        long version = build.Xc.Version();
        XcReturn rc = build.Xc.Capabilities(out string capabilities);
        if (rc.Failed)
            return Panic(dom, XcError.XC_INTERNAL_ERROR, NoCapabilities, "can't get xen capabilities", rc.Errno);
        dom.Xen = new XenIdentity(version, capabilities);
        dom.Log.Print($"xc_dom_boot_xen_init: ver {version >> 16}.{version & 0xff}, caps {capabilities}");
        return StageOutcome.Ok;
    }

    public static StageOutcome ParseImage(DomainBuild build)
    {
        build.Current.Image!.Log.Print("xc_dom_parse_image: called");
        return StageOutcome.Ok;
    }

    public static StageOutcome FindLoader(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ReadOnlyMemory<byte> blob = dom.KernelBlob;
        dom.Loader = KernelLoaders.Find(LoaderInput(dom), ref blob);
        dom.KernelBlob = blob;
        return dom.Loader is null ? Failed(dom) : StageOutcome.Ok;
    }

    /// <summary>The loader's parser; for a usual kernel xc_dom_parse_elf_kernel.</summary>
    public static StageOutcome Parse(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Kernel = dom.Loader!.Parse(LoaderInput(dom), dom.KernelBlob);
        if (dom.Kernel is null)
            return Failed(dom);
        return dom.Kernel.GuestType is null
            ? Panic(dom, XcError.XC_INTERNAL_ERROR, GuestTypeNotSet, "xc_dom_parse_image: guest_type not set")
            : StageOutcome.Ok;
    }

    public static StageOutcome CompatCheck(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        string type = dom.Kernel!.GuestType!;
        bool found = false;
        foreach (string item in dom.Xen!.Capabilities.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            found |= item == type;
            dom.Log.Print($"xc_dom_compat_check: supported guest type: {item}{(item == type ? " <= matches" : "")}");
        }

        return found
            ? StageOutcome.Ok
            : Panic(dom, XcError.XC_INVALID_KERNEL, GuestTypeNotSupported, $"xc_dom_compat_check: guest type {type} not supported by xen kernel, sorry");
    }

    /// <summary>The end of xc_dom_parse_image: features asked for or needed must be supported.</summary>
    public static StageOutcome CheckFeatures(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.FeaturesActive |= dom.FeaturesRequested | dom.Parms.FeaturesRequired;
        return (dom.FeaturesActive & ~dom.Parms.FeaturesSupported) == 0
            ? StageOutcome.Ok
            : Panic(dom, XcError.XC_INVALID_PARAM, UnsupportedFeature, "xc_dom_parse_image: unsupported feature requested");
    }

    public static StageOutcome MemInit(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        string type = dom.Kernel!.GuestType!;
        dom.Arch = GuestArch.Find(build.Options.Release, type);
        if (dom.Arch is null)
        {
            string function = build.Options.Release == XenRelease.V4_0 ? "xc_dom_find_arch_hooks" : "xc_dom_set_arch_hooks";
            dom.Log.Panic(XcError.XC_INVALID_KERNEL, HooksNotFound, $"{function}: not found (type {type})");
            return Panic(dom, XcError.XC_INTERNAL_ERROR, HooksNotSet, "xc_dom_mem_init: arch hooks not set");
        }

        DomainConfiguration config = build.Current.Configuration;
        ulong megabytes = (dom.HvmContainer ? config.EffectiveMaximumKiB - (dom.DeviceModel ? config.VideoKiB : 0) : config.MemoryKiB) / 1024;
        ulong pages = megabytes << 8;
        dom.Log.Print($"xc_dom_mem_init: mem {megabytes} MB, pages 0x{pages:x} pages, 4k each");
        if (pages > GuestMemory.MaximumPages)
            return StageOutcome.Fail(-1, XenErrno.ENOMEM, $"XenSim builds domains of up to {GuestMemory.MaximumPages >> 8} MB");
        dom.Memory = new GuestMemory(pages, []);
        dom.Log.Print($"xc_dom_mem_init: 0x{pages:x} pages");
        return StageOutcome.Ok;
    }

    public static StageOutcome LogMemoryFootprint(DomainBuild build)
    {
        build.Current.Image!.BuilderMemory.LogFootprint();
        return StageOutcome.Ok;
    }

    public static StageOutcome UnmapAll(DomainBuild build)
    {
        build.Current.Image!.Windows.UnmapAll();
        return StageOutcome.Ok;
    }

    /// <summary>xc_dom_release: only what is in the tools' process; the domain keeps its pages.</summary>
    public static StageOutcome Release(DomainBuild build)
    {
        if (build.Current.Image is { } dom)
        {
            dom.Log.Print("xc_dom_release: called");
            dom.Windows.UnmapAll();
            dom.FreeAll();
        }

        return StageOutcome.Ok;
    }

    /// <summary>What xc_dom_panic prints, and the failure with it.</summary>
    internal static StageOutcome Panic(DomImage dom, XcError code, PanicSite site, string text, XenErrno errno = XenErrno.None, long rc = -1)
    {
        dom.Log.Panic(code, site, text);
        return StageOutcome.Fail(rc, errno, text);
    }

    /// <summary>A failure whose text the callee has given to xc_dom_panic.</summary>
    internal static StageOutcome Failed(DomImage dom) => StageOutcome.Fail(-1, XenErrno.None, dom.Log.LastPanic?.Text ?? "");

    private static LoaderInput LoaderInput(DomImage dom) => new(dom.HvmContainer, dom.Xen!.Capabilities, dom.Log, dom.BuilderMemory);

    /// <summary>xc_dom_malloc_filemap. 4.0.4 says nothing when it fails (mmap of an empty file gives EINVAL).</summary>
    private static bool MapFile(DomImage dom, NamedBlob? file)
    {
        if (file is { Bytes.Length: > 0 })
        {
            dom.BuilderMemory.MapFile((ulong)file.Bytes.Length);
            return true;
        }

        if (dom.Log.Release != XenRelease.V4_0)
        {
            string name = file?.Name ?? "";
            if (file is null)
                dom.Log.Panic(XcError.XC_INTERNAL_ERROR, CannotOpen, $"failed to open file '{name}': No such file or directory");
            else
                dom.Log.Panic(XcError.XC_INTERNAL_ERROR, ZeroLength, $"'{name}': zero length file");
            dom.Log.Print($"xc_dom_malloc_filemap: failed (on file `{name}')");
        }

        return false;
    }
}
