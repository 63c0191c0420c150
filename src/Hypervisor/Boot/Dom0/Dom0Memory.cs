using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>Second part of construct_dom0: machine memory, its arrangement, and the lists between the two numberings.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 pv/dom0_build.c: dom0_construct_pv.</remarks>
internal static class Dom0Memory
{
    /// <summary>MEMF_bits(30): the 32-bit hypervisor's low-memory mapping must cover the allocation.</summary>
    private const int LowMappingBits = 30;

    /// <summary>A null page: construct_dom0 panics in its own words.</summary>
    private static StageOutcome NoMemory => StageOutcome.Fail(-1, message: "the heap has no such extent");

    public static StageOutcome Allocate(BootContext c)
    {
        Dom0Build b = c.Build!;
        int bits = b.Kernel.Kind == Dom0Kind.X86_32 ? LowMappingBits : 0;
        if (!Dom0Heap.TryAllocate(b.Domain, b.Layout.ChunkOrder, out Mfn first, bits))
            return NoMemory;
        Mfn end = new(first.Value + b.Domain.TotPages);
        b.Allocated = new Dom0Allocation(first, end, Mfn.Invalid, Pfn.Invalid, 0);
        if (c.Xen.Options.Release == XenRelease.V4_0 || b.Image.Ramdisk.Length == 0)
            return StageOutcome.Ok;
        return TakeRamdisk(c) ? StageOutcome.Ok : c.Panic("Not enough RAM for domain 0 initrd");
    }

    /// <summary>
    /// 4.17 does not copy the ramdisk: the frames in which the boot loader's module lies become dom0's, unless a 32-bit dom0 could not
    /// name them.
    /// </summary>
    private static bool TakeRamdisk(BootContext c)
    {
        Dom0Build b = c.Build!;
        BootModule module = c.Modules[1];
        (ulong first, ulong pages) = module.Frames;
        int bits = b.Domain.PhysicalAddressBits;
        if (bits != 0 && (first + pages - 1) >> (bits - 12) != 0 && !MoveRamdisk(b, module, bits, ref first))
            return false;
        for (ulong i = 0; i < pages; i++)
            b.Domain.Xen.Frames.Assign(new Mfn(first + i), b.Domain.Id);
        module.HandedOver = true;
        ulong pfn = b.Layout.Initrd.Start != 0 ? (b.Layout.Initrd.Start - b.Layout.Start) >> 12 : b.Domain.TotPages;
        b.Domain.TotPages += pages;
        b.Allocated = b.Allocation with { Initrd = new Mfn(first), InitrdPfn = new Pfn(pfn), InitrdPages = pages };
        return true;
    }

    private static bool MoveRamdisk(Dom0Build b, BootModule module, int bits, ref ulong first)
    {
        Xen xen = b.Domain.Xen;
        (ulong old, ulong pages) = module.Frames;
        int order = Dom0Layout.OrderFromBytes(pages << 12);
        if (!xen.Frames.Allocator.TryAllocate(order, out Mfn place, bits))
            return false;
        first = place.Value;
        for (ulong i = pages; i < 1ul << order; i++)
            xen.Frames.Allocator.Free(new Mfn(first + i), 0);
        for (ulong i = 0; i < pages; i++)
        {
            xen.Memory.Readable(old + i).CopyTo(xen.Memory.Writable(first + i));
            xen.Frames.Free(new Mfn(old + i));
        }

        return true;
    }

    public static StageOutcome PrintArrangement(BootContext c)
    {
        Dom0Build b = c.Build!;
        Dom0Layout l = b.Layout;
        Dom0Allocation a = b.Allocation;
        bool is40 = c.Xen.Options.Release == XenRelease.V4_0;
        string digits = l.Kind == Dom0Kind.X86_32 ? "x8" : "x16";
        string Line(string what, (ulong Start, ulong End) r)
            => $" {what,-15}{r.Start.ToString(digits, null)}->{r.End.ToString(digits, null)}";
        string Machine(string what, ulong start, ulong end) => $" {what,-15}{start:x16}->{end:x16}";

        c.Print("PHYSICAL MEMORY ARRANGEMENT:");
        string more = b.Domain.TotPages < b.Pages ? $" ({b.Pages - b.Domain.TotPages} pages to be allocated)" : "";
        c.Print(Machine("Dom0 alloc.:", a.First.Address.Value, a.End.Address.Value) + more);
        if (!is40 && a.InitrdPages != 0)
            c.Print(Machine("Init. ramdisk:", a.Initrd.Address.Value, a.Initrd.Address.Value + (ulong)b.Image.Ramdisk.Length));
        c.Print("VIRTUAL MEMORY ARRANGEMENT:");
        c.Print(Line("Loaded kernel:", l.Kernel));
        if (is40 || l.Initrd.End > l.Initrd.Start)
            c.Print(Line("Init. ramdisk:", l.Initrd));
        c.Print(Line("Phys-Mach map:", l.Physmap));
        c.Print(Line("Start info:", l.StartInfo));
        c.Print(Line("Page tables:", l.PageTables));
        c.Print(Line("Boot stack:", l.Stack));
        c.Print(Line("TOTAL:", (l.Start, l.End)));
        c.Print($" ENTRY ADDRESS: {b.Kernel.Parameters.VirtEntry.ToString(digits, null)}");
        return StageOutcome.Ok;
    }

    /// <summary>The initial allocation's part of the p2m list, with the ramdisk's pages in their place.</summary>
    public static StageOutcome AddInitialPages(BootContext c)
    {
        Dom0Build b = c.Build!;
        Dom0Allocation a = b.Allocation;
        ulong chunk = a.End.Value - a.First.Value;
        for (ulong pfn = 0; pfn < chunk + a.InitrdPages; pfn++)
            b.P2m.Add(InitialFrame(c, b, pfn, chunk));
        b.P2m.AddRange(b.PhysmapFrames);
        return StageOutcome.Ok;
    }

    private static Mfn InitialFrame(BootContext c, Dom0Build b, ulong pfn, ulong chunk)
    {
        Dom0Allocation a = b.Allocation;
        bool inRamdisk = pfn >= a.InitrdPfn.Value && pfn < a.InitrdPfn.Value + a.InitrdPages;
        bool afterMapping = pfn > b.Layout.MappedPages && !inRamdisk && (b.Layout.Initrd.Start != 0 || pfn < a.InitrdPfn.Value);

        // A debug build hands out what is not mapped in reverse, so that nobody relies on contiguity.
        if (c.Xen.Options.DebugBuild && afterMapping && pfn - b.Layout.MappedPages <= chunk)
            return new Mfn(a.End.Value - (pfn - b.Layout.MappedPages));
        return a.MappedFrame(pfn);
    }

    /// <summary>alloc_chunk until dom0 has all its pages.</summary>
    public static StageOutcome AllocateRest(BootContext c)
    {
        Dom0Build b = c.Build!;
        while ((ulong)b.P2m.Count < b.Pages)
        {
            if (!Dom0Heap.TryAllocateChunk(b, b.Pages - (ulong)b.P2m.Count, out Mfn first, out ulong count))
                return NoMemory;
            for (ulong i = 0; i < count; i++)
                b.P2m.Add(new Mfn(first.Value + i));
        }

        if (c.Xen.Options.DebugBuild)
        {
            int fixedPart = (int)(b.Allocation.End.Value - b.Allocation.First.Value + b.Allocation.InitrdPages) + b.PhysmapFrames.Count;
            b.P2m.Reverse(fixedPart, b.P2m.Count - fixedPart);
        }

        return StageOutcome.Ok;
    }

    /// <summary>Writes the p2m list through dom0's mapping, and the machine-to-physical table.</summary>
    public static StageOutcome WritePhysmap(BootContext c)
    {
        Dom0Build b = c.Build!;
        int entry = b.Kernel.Kind == Dom0Kind.Native ? 8 : 4;
        int perPage = 4096 / entry;
        byte[] page = new byte[4096];
        for (int start = 0; start < b.P2m.Count; start += perPage)
        {
            int n = Math.Min(perPage, b.P2m.Count - start);
            for (int i = 0; i < n; i++)
            {
                Mfn mfn = b.P2m[start + i];
                if (entry == 8)
                    BitConverter.TryWriteBytes(page.AsSpan(i * entry), mfn.Value);
                else
                    BitConverter.TryWriteBytes(page.AsSpan(i * entry), (uint)mfn.Value);
                c.Xen.M2p.Set(mfn, new Pfn((ulong)(start + i)));
            }

            if (!b.AddressSpace.TryWrite(b.Layout.Physmap.Start + ((ulong)start * (ulong)entry), page.AsSpan(0, n * entry)))
                return c.Panic("FATAL PAGE FAULT: the p2m list is not mapped");
        }

        return StageOutcome.Ok;
    }

    /// <summary>Frames of an INIT_P2M table that are no page tables are dom0's to write.</summary>
    public static StageOutcome SetUpPhysmap(BootContext c)
    {
        Dom0Build b = c.Build!;
        if (Dom0Physmap.SetUp(b) is { } failure)
            return c.Panic(failure);
        foreach (Mfn mfn in b.PhysmapFrames.Where(m => c.Xen.Frames[m].Type == Memory.PageType.PGT_none))
            c.Xen.PageTypes.GetPageAndType(mfn, b.Domain, Memory.PageType.PGT_writable_page);
        return StageOutcome.Ok;
    }
}
