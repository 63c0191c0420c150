using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>xc_dom_build_image of both releases: segments in the order of their addresses.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c, xc_dom_x86.c; stable-4.17 tools/libs/guest/xg_dom_core.c, xg_dom_x86.c.</remarks>
internal static class BuildImage
{
    /// <summary>Shown in libelf's lines as the place where the builder has mapped the kernel: a made-up address of its process.</summary>
    private const ulong ShownAddress = 0x7f5a_8000_0000;

    private static readonly PanicSite ModuleTooLarge = new("core.c", 0, 1004);

    public static StageOutcome Enter(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print("xc_dom_build_image: called");

        // 4.0.4 starts at 0: the kernel segment brings its own start.
        if (build.Options.Release != XenRelease.V4_0 && dom.Parms.VirtBase != XenElfParameters.Unset)
            dom.Layout = dom.Layout with { VirtAllocEnd = dom.Parms.VirtBase };
        return StageOutcome.Ok;
    }

    public static StageOutcome AllocKernel(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ParsedKernel kernel = dom.Kernel!;
        return Alloc(build, "kernel", kernel.SegmentStart, unchecked(kernel.SegmentEnd - kernel.SegmentStart));
    }

    /// <summary>The loader's third function; for a usual kernel xc_dom_load_elf_kernel.</summary>
    public static StageOutcome LoadKernel(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        Segment segment = dom.Layout.Find("kernel")!;
        if (segment.Pages == 0 || dom.Windows.Map(segment.Pfn, segment.Pages) is not { } pages)
            return StageOutcome.Fail(-1);
        return dom.Kernel!.Load(ShownAddress, segment.Pages << 12, new GuestDestination(pages))
            ? StageOutcome.Ok
            : XcDomCore.Failed(dom);
    }

    /// <summary>4.0: the segment has the unpacked size + 16, and a gzip that does not unpack fails the build.</summary>
    public static StageOutcome Ramdisk40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ReadOnlyMemory<byte> blob = dom.RamdiskBlob!.Value;
        ulong unpacked = KernelGunzip.CheckGzip(dom.Log, blob.Span);
        StageOutcome alloc = AllocSegment.Segment40(dom, "ramdisk", 0, unpacked != 0 ? unpacked : (ulong)blob.Length);
        if (alloc.Failed)
            return alloc;
        Segment segment = dom.Layout.Find("ramdisk")!;
        dom.Layout = dom.Layout with { InitrdStart = segment.VStart, InitrdLength = segment.VEnd - segment.VStart };
        GuestPages pages = dom.Windows.Map(segment.Pfn, segment.Pages)!.Value;
        if (unpacked == 0)
        {
            pages.Write(0, blob.Span);
            return StageOutcome.Ok;
        }

        byte[] image = new byte[unpacked];
        if (!KernelGunzip.DoGunzip(dom.Log, blob, image))
            return XcDomCore.Failed(dom);
        pages.Write(0, image);
        return StageOutcome.Ok;
    }

    /// <summary>xc_dom_build_module (4.17): an unpackable gzip is handed over as it is.</summary>
    public static StageOutcome Module417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ReadOnlyMemory<byte> blob = dom.RamdiskBlob!.Value;
        ulong unpacked = KernelGunzip.CheckGzip(dom.Log, blob.Span);
        ulong length = Math.Max(unpacked, (ulong)blob.Length);
        if (unpacked != 0 && length > KernelGunzip.DecompressMax)
        {
            length = Math.Min(unpacked, (ulong)blob.Length);
            if (unpacked > length)
                unpacked = 0;
        }

        if (length > KernelGunzip.DecompressMax)
            return XcDomCore.Panic(dom, XcError.XC_INVALID_KERNEL, ModuleTooLarge, "module 0 image too large");
        StageOutcome alloc = AllocSegment.Segment417(dom, "module0", 0, length);
        if (alloc.Failed)
            return alloc;
        Segment segment = dom.Layout.Find("module0")!;
        GuestPages pages = dom.Windows.Map(segment.Pfn, segment.Pages)!.Value;
        byte[] image = new byte[unpacked];
        bool ok = unpacked != 0 && KernelGunzip.DoGunzip(dom.Log, blob, image);
        pages.Write(0, ok ? image : blob.Span);
        dom.Layout = dom.Parms.UnmappedInitrd
            ? dom.Layout with { Flags = dom.Layout.Flags | (uint)StartInfoFlags.MOD_START_PFN, InitrdStart = segment.Pfn, InitrdLength = segment.Pages << 12 }
            : dom.Layout with { InitrdStart = segment.VStart, InitrdLength = segment.VEnd - segment.VStart };
        return StageOutcome.Ok;
    }

    /// <summary>alloc_magic_pages of 4.0: the p2m list, then three pages (and shared info for translated guests).</summary>
    public static StageOutcome MagicPages40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        StageOutcome p2m = AllocSegment.Segment40(dom, "phys2mach", 0, dom.Memory.TotalPages * (ulong)dom.Arch!.PfnSize);
        if (p2m.Failed)
            return p2m;
        ulong startInfo = AllocSegment.Page40(dom), xenstore = AllocSegment.Page40(dom), console = AllocSegment.Page40(dom);
        dom.Layout = dom.Layout with { StartInfoPfn = startInfo, XenstorePfn = xenstore, ConsolePfn = console };
        if (!dom.Translated)
            return StageOutcome.Ok;
        ulong sharedInfo = AllocSegment.Page40(dom);
        dom.Layout = dom.Layout with { SharedInfoPfn = sharedInfo };
        return StageOutcome.Ok;
    }

    public static StageOutcome CountPgtables40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        int wordBits = build.Xc.Abi == Abi.X64 ? 64 : 32;
        ulong pfn = unchecked(dom.Layout.VirtAllocEnd - dom.Parms.VirtBase) >> 12;
        if (PageTableCount.Count40(dom.Arch!, dom.Parms.VirtBase, dom.Layout.VirtAllocEnd, wordBits, pfn) is not { } counted)
            return StageOutcome.Fail(-1, XenErrno.None, "count_pgtables: the address space of this image has no end");
        dom.Layout = dom.Layout with { PageTables = new PageTablePlan(dom.Arch!, [counted.Mapping]), VirtPgtabEnd = counted.VirtPgtabEnd };
        return StageOutcome.Ok;
    }

    public static StageOutcome AllocPageTables40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        return AllocSegment.Segment40(dom, "page tables", 0, dom.Layout.PageTables!.Kernel.Total << 12);
    }

    public static StageOutcome BootStack40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong stack = AllocSegment.Page40(dom);
        dom.Layout = dom.Layout with { BootstackPfn = stack };
        return StageOutcome.Ok;
    }

    /// <summary>4.17: start info, xenstore, console; the two rings are cleared at once (failures unnoticed).</summary>
    public static StageOutcome MagicPagesPv417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (AllocSegment.Page417(dom, "start info") is not { } startInfo || AllocSegment.Page417(dom, "xenstore") is not { } xenstore)
            return XcDomCore.Failed(dom);
        ClearDomainPage(build, dom.P2m(xenstore));
        if (AllocSegment.Page417(dom, "console") is not { } console)
            return XcDomCore.Failed(dom);
        ClearDomainPage(build, dom.P2m(console));
        dom.Layout = dom.Layout with { StartInfoPfn = startInfo, XenstorePfn = xenstore, ConsolePfn = console };
        return StageOutcome.Ok;
    }

    public static StageOutcome AllocPageTables417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (PageTableCount.CountKernel417(dom.Arch!, dom.Parms.VirtBase, dom.Layout, (ulong)dom.Memory.P2m.Length, dom.Log) is not { } counted)
            return XcDomCore.Failed(dom);
        dom.Layout = dom.Layout with { PageTables = new PageTablePlan(dom.Arch!, [counted.Mapping]), VirtPgtabEnd = counted.VirtPgtabEnd };
        return AllocSegment.Segment417(dom, "page tables", 0, counted.Mapping.Total << 12);
    }

    public static StageOutcome BootStack417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        if (AllocSegment.Page417(dom, "boot stack") is not { } stack)
            return XcDomCore.Failed(dom);
        dom.Layout = dom.Layout with { BootstackPfn = stack };
        return StageOutcome.Ok;
    }

    /// <summary>All memory that the initial page tables map must exist.</summary>
    public static StageOutcome PadToPgtabEnd(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print($"{"xc_dom_build_image",-20}: virt_alloc_end : 0x{dom.Layout.VirtAllocEnd:x}");
        dom.Log.Print($"{"xc_dom_build_image",-20}: virt_pgtab_end : 0x{dom.Layout.VirtPgtabEnd:x}");
        return dom.Layout.VirtPgtabEnd == 0 ? StageOutcome.Ok : AllocSegment.Pad417(dom, dom.Layout.VirtPgtabEnd);
    }

    /// <summary>INIT_P2M counts only for 64-bit guests, page aligned, below virt_base.</summary>
    public static bool P2mHasOwnBase(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        return dom.Arch!.P2mBaseSupported && dom.Parms.HasInitP2m && dom.Parms.P2mBase < dom.Parms.VirtBase && (dom.Parms.P2mBase & 0xfff) == 0;
    }

    /// <summary>alloc_p2m_list inside the kernel's mapping.</summary>
    public static StageOutcome P2mList417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        return AllocSegment.Segment417(dom, "phys2mach", 0, P2mSize(dom));
    }

    /// <summary>alloc_p2m_list at INIT_P2M: behind the padding, with page tables of its own right behind it.</summary>
    public static StageOutcome P2mListAtBase417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong size = P2mSize(dom), from = dom.Parms.P2mBase, pfn = dom.Layout.PfnAllocEnd;
        PageTablePlan plan = dom.Layout.PageTables!;
        TableMapping? counted = PageTableCount.Count417(dom.Arch!, plan.Mappings, from, from + size - 1, pfn, (ulong)dom.Memory.P2m.Length, pfn, dom.Log);
        if (counted is null)
            return XcDomCore.Failed(dom);
        TableMapping mapping = counted with { Levels = [.. counted.Levels.Select(l => l with { Pfn = l.Pfn + (size >> 12) })] };
        dom.Layout = dom.Layout with { PageTables = plan with { Mappings = [.. plan.Mappings, mapping] } };
        StageOutcome alloc = AllocSegment.Segment417(dom, "phys2mach", 0, size + (mapping.Total << 12));
        if (alloc.Failed)
            return alloc;
        Segment moved = dom.Layout.Find("phys2mach")! with { VStart = from };
        dom.Layout = dom.Layout with { P2mAtBase = true, Segments = [.. dom.Layout.Segments.Select(s => s.Name == moved.Name ? moved : s)] };
        return StageOutcome.Ok;
    }

    /// <summary>xc_clear_domain_page: map, zero, unmap.</summary>
    internal static XcReturn ClearDomainPage(DomainBuild build, Gfn frame)
    {
        using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [frame], writable: true);
        if (mapping.Error != XenErrno.None)
            return XcReturn.Fail(mapping.Error);
        mapping.Page(0).Clear();
        return XcReturn.Ok;
    }

    private static ulong P2mSize(DomImage dom) => (((ulong)dom.Memory.P2m.Length * (ulong)dom.Arch!.PfnSize) + 4095) & ~4095UL;

    private static StageOutcome Alloc(DomainBuild build, string name, ulong start, ulong size)
        => build.Options.Release == XenRelease.V4_0
            ? AllocSegment.Segment40(build.Current.Image!, name, start, size)
            : AllocSegment.Segment417(build.Current.Image!, name, start, size);

    /// <summary>libelf writes through the builder's mapping of the kernel segment.</summary>
    private sealed class GuestDestination(GuestPages pages) : IElfDestination
    {
        public bool Copy(ulong offset, ReadOnlySpan<byte> bytes)
        {
            pages.Write(offset, bytes);
            return true;
        }

        public bool Clear(ulong offset, ulong count)
        {
            pages.Clear(offset, count);
            return true;
        }
    }
}
