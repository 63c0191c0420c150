using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>The HVM container of a PVH or HVM domain: memory, ACPI, special pages, start info.</summary>
/// <remarks>Source: stable-4.17 tools/libs/guest/xg_dom_x86.c, tools/libs/light/libxl_dom.c, libxl_x86.c, libxl_x86_acpi.c.</remarks>
internal static class HvmBuild417
{
    /// <summary>ACPI_INFO_PHYSICAL_ADDRESS: the lowest thing in the MMIO hole, below the local APIC and the special pages.</summary>
    private const ulong AcpiInfoAddress = 0xfc000000;
    /// <summary>HVM_BELOW_4G_MMIO_START: where RAM ends when a device model maps its own things below 4 GiB.</summary>
    private const ulong DeviceModelMmioStart = 0xf0000000;

    /// <summary>GUEST_LOW_MEM_START_DEFAULT: the first megabyte is not in the map that firmware gets, which describes it itself.</summary>
    private const ulong LowMemStart = 0x100000;
    private const ulong VgaHole = 0xa0, AfterVgaHole = 0xc0;
    private const ulong IoreqServerPages = 8;
    private const ulong HvmInfoPfn = 0x9f;
    private const int HvmInfoOffset = 0x800;
    private const ulong SpecialPages = 8;
    private const ulong FirstSpecial = 0xff000 - SpecialPages;
    private const ulong FirstIoreqServer = FirstSpecial - IoreqServerPages;
    private const int ModuleMax = 2;
    private const int ModuleCommandLine = 1024;
    private const int LinuxRsdpUnrestricted = 15;

    private enum Special : ulong
    {
        Paging = FirstSpecial,
        Access,
        Sharing,
        Bufioreq,
        Xenstore,
        Ioreq,
        IdentPt,
        Console,
    }

    public static StageOutcome MeminitEnter(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        foreach ((ulong start, ulong end) in Ranges(dom))
            dom.Log.Print($"range: start=0x{start:x} end=0x{end:x}");
        return StageOutcome.Ok;
    }

    public static StageOutcome Claim(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        return build.Xc.ClaimPages(dom.Domid, dom.Memory.TotalPages - (dom.DeviceModel ? AfterVgaHole - VgaHole : 0)).ToOutcome();
    }

    public static StageOutcome ClaimFailed(DomainBuild build, StageOutcome failure)
    {
        build.Current.Image!.Log.Print("Could not allocate memory for HVM guest as we cannot claim memory!");
        return StageOutcome.Fail(-1, failure.Errno);
    }

    /// <summary>The largest extents that fit: 1 GiB, 2 MiB in groups of up to four, single pages.</summary>
    public static StageOutcome Populate(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong[] statistics = new ulong[3];
        if (dom.DeviceModel)
        {
            XcReturn low = build.Xc.PopulatePhysmapExact(dom.Domid, [.. Enumerable.Range(0, (int)VgaHole).Select(i => (ulong)i)], 0);
            if (low.Failed)
            {
                dom.Log.Print("Could not populate low memory (< 0xA0).");
                return StageOutcome.Fail(-1, low.Errno);
            }

            statistics[0] = AfterVgaHole; // the hole counts too, in the original's statistics
        }

        foreach ((ulong start, ulong end) in Ranges(dom))
        {
            StageOutcome rc = PopulateRange(build, dom, start == 0 && dom.DeviceModel ? AfterVgaHole : start >> 12, end >> 12, statistics);
            if (rc.Failed)
            {
                dom.Log.Print("Could not allocate memory for HVM guest.");
                return rc;
            }
        }

        build.Log.Detail("PHYSICAL MEMORY ALLOCATION:");
        build.Log.Detail($"  4KB PAGES: 0x{statistics[0]:x16}");
        build.Log.Detail($"  2MB PAGES: 0x{statistics[1]:x16}");
        build.Log.Detail($"  1GB PAGES: 0x{statistics[2]:x16}");
        return StageOutcome.Ok;
    }

    /// <summary>libxl__dom_load_acpi (PVH: an HVM guest's firmware makes its own tables) and domain_construct_memmap.</summary>
    public static StageOutcome FinaliseHwDescription(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        XcReturn rc;
        IReadOnlyList<AcpiModule> modules = [];
        List<E820Entry> map = [];
        (ulong start, ulong end)[] ranges = [.. Ranges(dom)];
        if (dom.DeviceModel)
        {
            map.Add(new E820Entry { Addr = LowMemStart, Size = ranges[0].end - LowMemStart, Type = (uint)E820Type.RAM });
        }
        else
        {
            rc = build.Xc.GetDomainInfo(dom.Domid, out DomainInfo info);
            if (rc.Failed)
            {
                build.Log.Libxl(LogLevel.Error, "libxl_x86_acpi.c", 103, "init_acpi_config", $"getdomaininfo failed (rc={rc.Value})");
                return StageOutcome.Fail(LibxlError.FAIL, rc.Errno);
            }

            bool lowRsdp = dom.Parms.GuestOs == "linux" && !dom.Parms.Supports(LinuxRsdpUnrestricted);
            modules = AcpiTables.Build(AcpiInfoAddress, info.MaxVcpuId + 1, lowRsdp);
            map.Add(new E820Entry { Addr = 0, Size = ranges[0].end, Type = (uint)E820Type.RAM });
            map.Add(new E820Entry { Addr = FirstSpecial << 12, Size = SpecialPages << 12, Type = (uint)E820Type.RESERVED });
        }

        map.AddRange(modules.Select(m => new E820Entry { Addr = m.Address & ~0xfffUL, Size = m.Length + (m.Address & 0xfff), Type = (uint)E820Type.ACPI }));
        if (ranges.Length > 1)
            map.Add(new E820Entry { Addr = ranges[1].start, Size = ranges[1].end - ranges[1].start, Type = (uint)E820Type.RAM });
        dom.Layout = dom.Layout with { AcpiModules = modules, MemoryMap = map };
        rc = build.Xc.SetMemoryMap(dom.Domid, map.ToArray());
        if (!rc.Failed)
            return StageOutcome.Ok;
        build.Log.LibxlErrno("libxl_x86.c", 794, "libxl__arch_domain_finalise_hw_description", "setting domain memory map failed", rc.Errno);
        return StageOutcome.Fail(LibxlError.FAIL, rc.Errno, "setting domain memory map failed");
    }

    public static StageOutcome LoadAcpi(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        foreach (AcpiModule module in dom.Layout.AcpiModules)
        {
            dom.Log.Print($"xc_dom_load_acpi: {module.Length} bytes at address {module.Address:x}");
            ulong first = module.Address >> 12, pages = (module.Length + (module.Address & 0xfff) + 4095) >> 12;
            Gfn[] frames = new Gfn[pages];
            for (ulong i = 0; i < pages; i++)
            {
                frames[i] = new Gfn(first + i);
                XcReturn rc = build.Xc.PopulatePhysmap(dom.Domid, [first + i], 0);
                if (rc.Value != 1)
                {
                    dom.Log.Print("xc_dom_load_acpi: Can populate ACPI pages");
                    return StageOutcome.Fail(-1, rc.Errno);
                }
            }

            using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, frames, writable: true);
            if (mapping.Error != XenErrno.None)
            {
                dom.Log.Print($"xc_dom_load_acpi: Can't map {pages} pages at 0x{first:x}");
                return StageOutcome.Fail(-1, mapping.Error);
            }

            mapping.Write(module.Address & 0xfff, module.Data);
        }

        return StageOutcome.Ok;
    }

    public static StageOutcome AllocMagicPages(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        uint domid = dom.Domid;
        if (PopulateCleared(build, FirstSpecial, SpecialPages, "special pages") is { Failed: true } special)
            return special;

        // None of these is checked.
        build.Xc.HvmParamSet(domid, HvmParam.STORE_PFN, (ulong)Special.Xenstore);
        build.Xc.HvmParamSet(domid, HvmParam.BUFIOREQ_PFN, (ulong)Special.Bufioreq);
        build.Xc.HvmParamSet(domid, HvmParam.IOREQ_PFN, (ulong)Special.Ioreq);
        build.Xc.HvmParamSet(domid, HvmParam.CONSOLE_PFN, (ulong)Special.Console);
        build.Xc.HvmParamSet(domid, HvmParam.PAGING_RING_PFN, (ulong)Special.Paging);
        build.Xc.HvmParamSet(domid, HvmParam.MONITOR_RING_PFN, (ulong)Special.Access);
        build.Xc.HvmParamSet(domid, HvmParam.SHARING_RING_PFN, (ulong)Special.Sharing);
        if (dom.DeviceModel)
        {
            if (PopulateCleared(build, FirstIoreqServer, IoreqServerPages, "ioreq server pages") is { Failed: true } server)
                return server;
            build.Xc.HvmParamSet(domid, HvmParam.IOREQ_SERVER_PFN, FirstIoreqServer);
            build.Xc.HvmParamSet(domid, HvmParam.NR_IOREQ_SERVER_PAGES, IoreqServerPages);
        }

        StageOutcome alloc = AllocSegment.Segment417(dom, "HVM start info", 0, StartInfoSize(dom));
        if (alloc.Failed)
        {
            dom.Log.Print("Unable to reserve memory for the start info");
            return alloc;
        }

        return IdentityMap(build, dom);
    }

    /// <summary>bootlate_hvm: hvm_start_info, then command line, module list with its command lines, memory map, all in one page.</summary>
    public static StageOutcome BootLate(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        Segment segment = dom.Layout.Find("HVM start info")!;
        Gfn[] frames = [.. Enumerable.Range(0, (int)segment.Pages).Select(i => new Gfn(segment.Pfn + (ulong)i))];
        using (IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, frames, writable: true))
        {
            if (mapping.Error != XenErrno.None)
            {
                dom.Log.Print("Unable to map HVM start info page");
                return StageOutcome.Fail(-1, mapping.Error);
            }

            mapping.Write(0, StartInfo(dom, segment.Pfn << 12));
        }

        if (dom.DeviceModel && WriteHvmInfo(build, dom) is { Failed: true } failure)
            return failure;
        XcReturn rc = build.Xc.HvmParamSet(dom.Domid, HvmParam.CONSOLE_EVTCHN, build.Current.State.ConsolePort);
        if (!rc.Failed)
            rc = build.Xc.HvmParamSet(dom.Domid, HvmParam.STORE_EVTCHN, build.Current.State.StorePort);
        return rc.ToOutcome();
    }

    /// <summary>build_hvm_info, and what hvm_build_set_params of libxl puts in place of its defaults.</summary>
    private static StageOutcome WriteHvmInfo(DomainBuild build, DomImage dom)
    {
        using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [new Gfn(HvmInfoPfn)], writable: true);
        if (mapping.Error != XenErrno.None)
            return StageOutcome.Fail(-1, mapping.Error);
        Span<byte> page = mapping.Page(0);
        page.Clear();
        (ulong start, ulong end)[] ranges = [.. Ranges(dom)];
        HvmInfoTableV417 info = new()
        {
            Length = WireMemory.SizeOf<HvmInfoTableV417>(),
            ApicMode = 1,
            NrVcpus = build.Current.Configuration.Vcpus,
            LowMemPgend = (uint)(ranges[0].end >> 12),
            HighMemPgend = ranges.Length > 1 ? (uint)(ranges[1].end >> 12) : 0,
            ReservedMemPgstart = (uint)FirstIoreqServer,
        };
        "HVM INFO"u8.CopyTo(info.Signature);
        ulong online = build.Current.Configuration.OnlineVcpus ?? ulong.MaxValue >> (int)Math.Max(0, 64 - build.Current.Configuration.Vcpus);
        BitConverter.TryWriteBytes(info.VcpuOnline, online);
        Span<byte> table = page.Slice(HvmInfoOffset, (int)info.Length);
        table.WriteStruct(in info);
        byte sum = 0;
        foreach (byte b in table)
            sum += b;
        table[12] = (byte)-sum;
        return StageOutcome.Ok;
    }

    private static byte[] StartInfo(DomImage dom, ulong address)
    {
        ulong commandLine = CommandLineSize(dom), header = WireMemory.SizeOf<HvmStartInfo>();
        ulong modules = header + commandLine;
        ulong memoryMap = modules + (ModuleMax * (WireMemory.SizeOf<HvmModlistEntry>() + ModuleCommandLine));
        Span<byte> bytes = new byte[StartInfoSize(dom)];
        HvmStartInfo info = new()
        {
            Magic = 0x336ec578,
            Version = 1,
            CmdlinePaddr = dom.DeviceModel || dom.CommandLine is null ? 0 : address + header,
            RsdpPaddr = dom.Layout.AcpiModules.Count > 0 ? dom.Layout.AcpiModules[0].Address : 0,
            MemmapPaddr = address + memoryMap,
            MemmapEntries = (uint)dom.Layout.MemoryMap.Count,
        };
        if (!dom.DeviceModel && dom.CommandLine is { } text)
            Encoding.UTF8.GetBytes(text).CopyTo(bytes[(int)header..]);
        if (dom.Layout.Find("module0") is { } module)
        {
            ulong virtBase = dom.Parms.VirtBase != XenElfParameters.Unset ? dom.Parms.VirtBase : 0;
            ulong at = unchecked(module.VStart - virtBase), size = module.VEnd - module.VStart;
            dom.Log.Print($"Adding module 0 guest_addr {at:x} len {size}");
            info.NrModules = 1;
            info.ModlistPaddr = address + modules;
            bytes[(int)modules..].WriteStruct(new HvmModlistEntry { Paddr = at, Size = size });
        }

        bytes.WriteStruct(in info);
        for (int i = 0; i < dom.Layout.MemoryMap.Count; i++)
        {
            E820Entry entry = dom.Layout.MemoryMap[i];
            HvmMemmapTableEntry row = new() { Addr = entry.Addr, Size = entry.Size, Type = entry.Type };
            bytes[((int)memoryMap + (i * (int)WireMemory.SizeOf<HvmMemmapTableEntry>()))..].WriteStruct(in row);
        }

        return bytes.ToArray();
    }

    private static ulong StartInfoSize(DomImage dom)
        => WireMemory.SizeOf<HvmStartInfo>() + (ModuleMax * (WireMemory.SizeOf<HvmModlistEntry>() + ModuleCommandLine))
            + ((ulong)dom.Layout.MemoryMap.Count * WireMemory.SizeOf<HvmMemmapTableEntry>()) + CommandLineSize(dom);

    /// <summary>cmdline_size: with its NUL, rounded up to 8.</summary>
    private static ulong CommandLineSize(DomImage dom) => !dom.DeviceModel && dom.CommandLine is { } text ? ((ulong)Encoding.UTF8.GetByteCount(text) + 1 + 7) & ~7UL : 0;

    /// <summary>A 32-bit page directory of 4 MiB pages that maps everything to itself: EPT needs it while CR0.PG = 0. Then the two rings.</summary>
    private static StageOutcome IdentityMap(DomainBuild build, DomImage dom)
    {
        using (IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [new Gfn((ulong)Special.IdentPt)], writable: true))
        {
            if (mapping.Error != XenErrno.None)
                return StageOutcome.Fail(-1, mapping.Error);
            Span<uint> table = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(mapping.Page(0));
            for (int i = 0; i < table.Length; i++)
                table[i] = ((uint)i << 22) | 0xe7; // present, writable, user, accessed, dirty, 4 MiB
        }

        build.Xc.HvmParamSet(dom.Domid, HvmParam.IDENT_PT, (ulong)Special.IdentPt << 12);
        BuildImage.ClearDomainPage(build, new Gfn((ulong)Special.Console));
        BuildImage.ClearDomainPage(build, new Gfn((ulong)Special.Xenstore));
        dom.Layout = dom.Layout with { ConsolePfn = (ulong)Special.Console, XenstorePfn = (ulong)Special.Xenstore };
        return StageOutcome.Ok;
    }

    private static StageOutcome PopulateRange(DomainBuild build, DomImage dom, ulong page, ulong end, ulong[] statistics)
    {
        const ulong gigabyte = 1 << 18, superpage = 1 << 9, batch = 4 * superpage;
        while (page < end)
        {
            ulong start = page, count = Clip(start, Math.Min(end - start, gigabyte), gigabyte);
            if (((count | start) & (gigabyte - 1)) == 0 && !InHole(dom, start, gigabyte))
                count -= Extents(build, dom, ref page, count >> 18, 18, ref statistics[2]);
            if (count == 0)
                continue;
            count = Clip(start, Math.Min(count, batch), superpage);
            if (((count | start) & (superpage - 1)) == 0)
                count -= Extents(build, dom, ref page, count >> 9, 9, ref statistics[1]);
            if (count == 0)
                continue;
            ulong first = page;
            ulong[] pages = [.. Enumerable.Range(0, (int)count).Select(i => first + (ulong)i)];
            XcReturn rc = build.Xc.PopulatePhysmapExact(dom.Domid, pages, 0);
            page += count;
            statistics[0] += count;
            if (rc.Failed)
                return StageOutcome.Fail(-1, rc.Errno);
        }

        return StageOutcome.Ok;
    }

    /// <summary>Ends a run at the next superpage boundary, and a run of several at the last one.</summary>
    private static ulong Clip(ulong page, ulong count, ulong superpage)
    {
        ulong toBoundary = unchecked(0 - page) & (superpage - 1);
        if ((page & (superpage - 1)) != 0 && count > toBoundary)
            return toBoundary;
        return (count & (superpage - 1)) != 0 && count > superpage ? count & ~(superpage - 1) : count;
    }

    /// <returns>Pages done.</returns>
    private static ulong Extents(DomainBuild build, DomImage dom, ref ulong page, ulong number, int order, ref ulong statistic)
    {
        ulong first = page;
        ulong[] extents = [.. Enumerable.Range(0, (int)number).Select(i => first + ((ulong)i << order))];
        XcReturn rc = build.Xc.PopulatePhysmap(dom.Domid, extents, (uint)order);
        if (rc.Value <= 0)
            return 0;
        statistic += (ulong)rc.Value;
        ulong pages = (ulong)rc.Value << order;
        page += pages;
        return pages;
    }

    private static bool InHole(DomImage dom, ulong page, ulong count) => page + count > MmioStart(dom) >> 12 && page < 1UL << 20;

    /// <summary>The hole below 4 GiB must hold the local APIC, the ACPI tables and the special pages; with a device model it is larger.</summary>
    private static ulong MmioStart(DomImage dom) => dom.DeviceModel ? DeviceModelMmioStart : AcpiInfoAddress;

    /// <summary>RAM below the MMIO hole, and the rest from 4 GiB on. Unit: bytes.</summary>
    private static IEnumerable<(ulong Start, ulong End)> Ranges(DomImage dom)
    {
        const ulong fourGigabytes = 1UL << 32;
        ulong size = dom.Memory.TotalPages << 12, hole = MmioStart(dom);
        yield return (0, Math.Min(size, hole));
        if (size > hole)
            yield return (fourGigabytes, fourGigabytes + size - hole);
    }

    /// <summary>xc_domain_populate_physmap_exact, then xc_clear_domain_pages.</summary>
    private static StageOutcome PopulateCleared(DomainBuild build, ulong first, ulong count, string what)
    {
        DomImage dom = build.Current.Image!;
        ulong[] extents = [.. Enumerable.Range(0, (int)count).Select(i => first + (ulong)i)];
        XcReturn rc = build.Xc.PopulatePhysmapExact(dom.Domid, extents, 0);
        if (rc.Failed)
        {
            dom.Log.Print($"Could not allocate {what}.");
            return rc.ToOutcome();
        }

        using IForeignMapping mapping = build.Xc.Foreign.Map(build.Current.Id, [.. extents.Select(e => new Gfn(e))], writable: true);
        if (mapping.Error != XenErrno.None)
            return StageOutcome.Fail(-1, mapping.Error);
        for (int i = 0; i < mapping.Count; i++)
            mapping.Page(i).Clear();
        return StageOutcome.Ok;
    }
}
