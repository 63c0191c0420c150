using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>xc_hvm_build of 4.0.4: RAM, the firmware or guest image, HVM info, special pages, a jump at address 0.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_hvm_build.c, tools/libxl/xenguest.c.</remarks>
internal static class HvmBuild40
{
    private const ulong FirstSpecial = 0xff000 - 5;
    private const ulong Bufioreq = FirstSpecial;
    private const ulong Xenstore = FirstSpecial + 1;
    private const ulong Ioreq = FirstSpecial + 2;
    private const ulong IdentPt = FirstSpecial + 3;
    private const ulong SharedInfo = FirstSpecial + 4;
    private const ulong Below4GRamEnd = 0xf0000000;
    private const ulong HvmInfoPfn = 0x9f;
    private const int HvmInfoOffset = 0x800;

    /// <summary>build_hvm's message; its callees' codes become ERROR_FAIL.</summary>
    public static StageOutcome Failed(DomainBuild build, StageOutcome failure)
    {
        build.Log.XlLog40(0, "libxl_dom.c", 175, "build_hvm", "hvm building failed", (int)failure.Code);
        return StageOutcome.Fail(LibxlError.FAIL_40, failure.Errno, failure.Message.Length > 0 ? failure.Message : "hvm building failed");
    }

    public static StageOutcome ReadImage(DomainBuild build)
        => build.Current.Configuration.Kernel is { Bytes.Length: > 0 } ? StageOutcome.Ok : StageOutcome.Fail(-1, XenErrno.ENOENT, "Image required");

    public static StageOutcome ElfInit(DomainBuild build)
    {
        DomainConfiguration config = build.Current.Configuration;
        if (MemoryMiB(config) < 2 || MemoryMiB(config) << 8 > GuestMemory.MaximumPages)
            return StageOutcome.Fail(-1, XenErrno.EINVAL, "An HVM guest must be initialised with at least 2MB memory");
        Images.BuilderLog log = new(build.Options.Release, build.Options.Events.Emit);
        ElfImage? elf = ElfImage.Init(build.Options.Release, config.Kernel!.Bytes, null, out ElfError? error);
        if (elf is null)
            return StageOutcome.Fail(-1, XenErrno.EINVAL, error?.Message ?? "elf_init failed");
        elf.ParseBinary();
        XcReturn rc = build.Xc.Capabilities(out string capabilities);
        if (rc.Failed)
            return Error(build, "Could not get Xen capabilities", rc.Errno);
        if ((elf.PhysicalStart & 0xfff) != 0)
            return Error(build, "Guest OS must load to a page boundary.", XenErrno.None);
        DomImage dom = new(build.Xc, build.Current.Domid, log, null, hvmContainer: true)
        {
            Xen = new XenIdentity(build.Xc.Version(), capabilities),
            Memory = new GuestMemory(MemoryMiB(config) << 8, []),
        };
        dom.HvmImage = elf;
        build.Current.Image = dom;
        return StageOutcome.Ok;
    }

    /// <summary>All of RAM but the VGA hole, in runs of at most 8 MiB: superpages where they fit, else single pages.</summary>
    public static StageOutcome Populate(DomainBuild build)
    {
        const ulong superpage = 512, batch = 2048, vgaHole = 0xa0, afterHole = 0xc0;
        DomImage dom = build.Current.Image!;
        ulong pages = dom.Memory.TotalPages, current = afterHole;
        XcReturn rc = Singles(build, dom, 0, Math.Min(vgaHole, pages));
        while (!rc.Failed && current < pages)
        {
            ulong count = Math.Min(pages - current, batch), toBoundary = unchecked(0 - current) & (superpage - 1);
            if (toBoundary != 0 && count > toBoundary)
                count = toBoundary;
            else if ((count & (superpage - 1)) != 0 && count > superpage)
                count &= ~(superpage - 1);
            if (((count | current) & (superpage - 1)) == 0)
            {
                ulong first = current;
                ulong[] extents = [.. Enumerable.Range(0, (int)(count / superpage)).Select(i => Gpfn(first + ((ulong)i * superpage)))];
                XcReturn done = build.Xc.PopulatePhysmap(dom.Domid, extents, 9);
                if (done.Value > 0)
                {
                    current += (ulong)done.Value * superpage;
                    count -= (ulong)done.Value * superpage;
                }
            }

            if (count == 0)
                continue;
            rc = Singles(build, dom, current, count);
            current += count;
        }

        return rc.Failed ? Error(build, "Could not allocate memory for HVM guest.", rc.Errno) : StageOutcome.Ok;
    }

    public static StageOutcome LoadElfImage(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ElfImage elf = dom.HvmImage!;
        ulong first = elf.PhysicalStart >> 12, pages = (elf.PhysicalEnd - elf.PhysicalStart + 4095) >> 12;
        if (first + pages > dom.Memory.TotalPages || pages == 0)
            return StageOutcome.Fail(-1, XenErrno.EINVAL, "the image lies outside the guest's memory");
        if (dom.Windows.Map(first, pages) is not { } window)
            return StageOutcome.Fail(-1);
        ElfError? error = ElfLoader.LoadBinary(elf, 0, pages << 12, new Destination(window));
        dom.Windows.UnmapAll();
        return error is null ? StageOutcome.Ok : StageOutcome.Fail(-1, XenErrno.None, error.Message);
    }

    public static StageOutcome BuildHvmInfo(DomainBuild build)
        => WithPage(build, HvmInfoPfn, page =>
        {
            ulong size = build.Current.Image!.Memory.TotalPages << 12;
            page.Clear();
            HvmInfoTableV40 info = new()
            {
                Length = WireMemory.SizeOf<HvmInfoTableV40>(),
                AcpiEnabled = 1,
                ApicMode = 1,
                NrVcpus = 1,
                LowMemPgend = (uint)(Math.Min(size, Below4GRamEnd) >> 12),
                HighMemPgend = size > Below4GRamEnd ? (uint)((size + (1UL << 32) - Below4GRamEnd) >> 12) : 0,
                ReservedMemPgstart = (uint)FirstSpecial,
            };
            "HVM INFO"u8.CopyTo(info.Signature);
            page[HvmInfoOffset..].WriteStruct(in info);
            page[HvmInfoOffset + 12] = Negated(page.Slice(HvmInfoOffset, (int)info.Length));
        });

    public static StageOutcome MapSharedInfo(DomainBuild build)
    {
        XcReturn rc = build.Xc.AddToPhysmap(build.Current.Domid, 0, 0, SharedInfo);
        if (rc.Failed)
            return rc.ToOutcome();
        bool is64 = build.Xc.Abi == Abi.X64;
        (int offset, int length) = is64 ? (2560, 512) : (2176, 128);
        return WithPage(build, SharedInfo, page =>
        {
            page.Clear();
            page.Slice(offset, length).Fill(0xff); // evtchn_mask
        });
    }

    public static StageOutcome SpecialPages(DomainBuild build)
    {
        foreach (ulong pfn in (ulong[])[Bufioreq, Xenstore, Ioreq, IdentPt])
        {
            XcReturn rc = build.Xc.PopulatePhysmapExact(build.Current.Domid, [pfn], 0);
            if (rc.Failed)
                return Error(build, $"Could not allocate {pfn - FirstSpecial}'th special page.", rc.Errno);
            rc = BuildImage.ClearDomainPage(build, new Gfn(pfn));
            if (rc.Failed)
                return rc.ToOutcome();
        }

        return StageOutcome.Ok;
    }

    /// <summary>Parameters, the identity page directory, and a JMP at address 0 to the entry point.</summary>
    public static StageOutcome SetHvmParams(DomainBuild build)
    {
        uint domid = build.Current.Domid;
        build.Xc.HvmParamSet(domid, HvmParam.STORE_PFN, Xenstore);
        build.Xc.HvmParamSet(domid, HvmParam.BUFIOREQ_PFN, Bufioreq);
        build.Xc.HvmParamSet(domid, HvmParam.IOREQ_PFN, Ioreq);
        StageOutcome rc = WithPage(build, IdentPt, page =>
        {
            Span<uint> table = MemoryMarshal.Cast<byte, uint>(page);
            for (int i = 0; i < table.Length; i++)
                table[i] = ((uint)i << 22) | 0xe7;
        });
        if (rc.Failed)
            return rc;
        build.Xc.HvmParamSet(domid, HvmParam.IDENT_PT, IdentPt << 12);
        ulong entry = build.Current.Image!.HvmImage!.Entry;
        return entry == 0
            ? StageOutcome.Ok
            : WithPage(build, 0, page =>
            {
                page[0] = 0xe9;
                page[1..].WriteStruct((uint)entry - 5);
            });
    }

    /// <summary>hvm_build_set_params: vcpus into the HVM info, and xl's defaults for the rest (pae, hpet off, timer mode 0).</summary>
    public static StageOutcome SetParams(DomainBuild build)
    {
        TargetDomain target = build.Current;
        StageOutcome rc = WithPage(build, HvmInfoPfn, page =>
        {
            Span<byte> table = page.Slice(HvmInfoOffset, (int)WireMemory.SizeOf<HvmInfoTableV40>());
            ref HvmInfoTableV40 info = ref table.AsStruct<HvmInfoTableV40>();
            info.NrVcpus = target.Configuration.Vcpus;
            info.Checksum = 0;
            info.Checksum = Negated(table);
        });
        if (rc.Failed)
            return rc;
        target.State = target.State with { StoreMfn = Xenstore };
        build.Xc.HvmParamSet(target.Domid, HvmParam.PAE_ENABLED, 1);
        build.Xc.HvmParamSet(target.Domid, HvmParam.VIRIDIAN, target.Configuration.Viridian ? 1u : 0);
        build.Xc.HvmParamSet(target.Domid, HvmParam.HPET_ENABLED, 0);
        build.Xc.HvmParamSet(target.Domid, HvmParam.TIMER_MODE, 0);
        build.Xc.HvmParamSet(target.Domid, HvmParam.VPT_ALIGN, 0);
        build.Xc.HvmParamSet(target.Domid, HvmParam.STORE_EVTCHN, target.State.StorePort);
        return StageOutcome.Ok;
    }

    private static ulong MemoryMiB(DomainConfiguration config)
    {
        const ulong videoKiB = 8 * 1024;
        return config.EffectiveMaximumKiB > videoKiB ? (config.EffectiveMaximumKiB - videoKiB) / 1024 : 0;
    }

    private static XcReturn Singles(DomainBuild build, DomImage dom, ulong first, ulong count)
        => build.Xc.PopulatePhysmapExact(dom.Domid, [.. Enumerable.Range(0, (int)count).Select(i => Gpfn(first + (ulong)i))], 0);

    /// <summary>RAM above HVM_BELOW_4G_RAM_END goes to 4 GiB.</summary>
    private static ulong Gpfn(ulong page) => page < Below4GRamEnd >> 12 ? page : page + (((1UL << 32) - Below4GRamEnd) >> 12);

    private static StageOutcome WithPage(DomainBuild build, ulong pfn, PageWork work)
    {
        using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [new Gfn(pfn)], writable: true);
        if (mapping.Error != XenErrno.None)
            return StageOutcome.Fail(-1, mapping.Error);
        work(mapping.Page(0));
        return StageOutcome.Ok;
    }

    /// <summary>PERROR of libxc.</summary>
    private static StageOutcome Error(DomainBuild build, string text, XenErrno errno)
    {
        build.Log.Stderr($"ERROR Internal error: {text} ({(int)errno} = {errno.Text()})");
        return StageOutcome.Fail(-1, errno, text);
    }

    private static byte Negated(ReadOnlySpan<byte> table)
    {
        byte sum = 0;
        foreach (byte b in table)
            sum += b;
        return (byte)-sum;
    }

    private delegate void PageWork(Span<byte> page);

    private sealed class Destination(GuestPages pages) : IElfDestination
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
