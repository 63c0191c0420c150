using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot;

/// <summary>What of the machine's memory the heap gets: RAM without the firmware's parts, Xen's image and the modules.</summary>
internal static class BootMemory
{
    public const ulong SuperpageMask = (2 << 20) - 1;

    /// <summary>MACHPHYS_MBYTES: the machine-to-physical table of the 32-bit build covers that many GiB.</summary>
    private const ulong MachPhysGiB = 16;

    public static ulong PageUp(ulong bytes) => (bytes + 0xFFF) & ~0xFFFul;

    /// <summary>End of the memory that this Xen can use on that machine. Unit: bytes.</summary>
    public static ulong End(XenOptions options)
    {
        ulong end = options.Host.Firmware.MemoryMap(options.MemoryMiB).Where(e => e.Type == E820Type.RAM).Max(e => e.End);
        end = Math.Max(end, options.Host.Firmware.Top(options.MemoryMiB));
        return options.Host64 ? end : Math.Min(end, MachPhysGiB << 30);
    }

    /// <summary>clip_to_limit of machine_specific_memory_setup: what the 32-bit build cannot address becomes unusable.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/e820.c.</remarks>
    public static void Clip(BootContext c)
    {
        const ulong limit = MachPhysGiB << 30;
        if (c.Xen.Options.Host64 || c.MemoryMap.All(e => e.Type != E820Type.RAM || e.End <= limit))
            return;
        ulong old = c.MemoryMap.Where(e => e.Type == E820Type.RAM).Max(e => e.End);
        c.MemoryMap = [.. c.MemoryMap.SelectMany(e => SplitAt(e, limit))];
        c.Print($"WARNING: Only the first {MachPhysGiB} GB of the physical memory map can be accessed by Xen in 32-bit mode.", Public.Events.LogLevel.Warn);
        c.Print($"Truncating RAM from {old >> 10}kB to {limit >> 10}kB");
    }

    private static IEnumerable<E820Entry> SplitAt(E820Entry e, ulong limit)
    {
        if (e.Type != E820Type.RAM || e.End <= limit)
            return [e];
        E820Entry beyond = new(Math.Max(e.Start, limit), e.End, E820Type.UNUSABLE);
        return e.Start >= limit ? [beyond] : [e with { End = limit }, beyond];
    }

    /// <summary>The boot loader puts the modules behind Xen's image, each at a page boundary.</summary>
    /// <remarks>Source: QEMU 7.2 hw/i386/multiboot.c: load_multiboot.</remarks>
    public static List<BootModule> Load(XenOptions options, Dom0Image? image)
    {
        List<BootModule> modules = [];
        ulong place = PageUp(XenImage.For(options).End);
        foreach (ReadOnlyMemory<byte> bytes in image is null ? [] : image.Ramdisk.Length == 0 ? [image.Kernel] : (ReadOnlyMemory<byte>[])[image.Kernel, image.Ramdisk])
        {
            modules.Add(new BootModule(bytes, place));
            place += PageUp((ulong)bytes.Length);
        }

        return modules;
    }

    /// <summary>init_boot_pages for every RAM region, after reserve_e820_ram for Xen and the modules.</summary>
    public static void GiveToAllocator(BootContext c)
    {
        Xen xen = c.Xen;
        List<Public.Wire.E820Entry> map = new(c.MemoryMap.Count);
        foreach (E820Entry e in c.MemoryMap)
            map.Add(new Public.Wire.E820Entry { Addr = e.Start, Size = e.End - e.Start, Type = (uint)e.Type });
        xen.HostMemoryMap = map;
        xen.Frames.MaxPage = Math.Min(xen.Frames.FrameCount, c.MemoryMap.Where(e => e.Type == E820Type.RAM).Max(e => e.End) >> 12);
        ulong known = 0;
        foreach (E820Entry e in c.MemoryMap)
        {
            // Everything between RAM regions and above the last one belongs to the firmware.
            Withhold(xen, known >> 12, e.Start >> 12, io: true);
            known = e.Type == E820Type.RAM ? e.End & ~0xFFFul : PageUp(e.End);
            if (e.Type != E820Type.RAM)
                Withhold(xen, e.Start >> 12, known >> 12, io: e.Type != E820Type.UNUSABLE);
        }

        if (c.XenPhysStart != 0)
        {
            XenImage image = XenImage.For(xen.Options);
            c.TablesOverrun |= !Reserve(xen, (c.XenPhysStart + image.Offset) >> 12, (image.RelocationSize - image.Offset) >> 12);
        }

        foreach ((ulong first, ulong end) in ImageFrames(c))
            c.TablesOverrun |= !Reserve(xen, first, end - first);
        foreach (BootModule module in c.Modules)
            xen.Memory.TryWrite(new Guest.Memory.PhysicalAddress(module.Start + module.Headroom), module.Bytes.Span);
    }

    /// <summary>Xen's tables of machine frames were given the lowest memory before the rest was known.</summary>
    /// <remarks>Source: x86_64/mm.c: paging_init of both releases.</remarks>
    public static StageOutcome CheckTables(BootContext c)
        => c.TablesOverrun ? c.Panic("Not enough memory for m2p table") : StageOutcome.Ok;

    /// <summary>discard_initial_images: what is left of the modules goes to the heap.</summary>
    public static StageOutcome DiscardImages(BootContext c)
    {
        foreach ((ulong first, ulong end) in ImageFrames(c))
        {
            for (ulong mfn = first; mfn < end; mfn++)
                c.Xen.Frames.Free(new Mfn(mfn));
        }

        c.Modules.Clear();
        return StageOutcome.Ok;
    }

    /// <summary>initial_images_nrpages. Unit: frames.</summary>
    public static ulong ImagePages(BootContext c) => ImageFrames(c).Aggregate(0ul, (sum, range) => sum + range.End - range.First);

    /// <summary>Frames of the modules that are Xen's to give away; 4.0 packs them, so that two may share one.</summary>
    private static IEnumerable<(ulong First, ulong End)> ImageFrames(BootContext c)
    {
        ulong known = 0;
        foreach (BootModule module in c.Modules.Where(m => !m.HandedOver).OrderBy(m => m.Start))
        {
            (ulong first, ulong count) = module.Frames;
            yield return (Math.Max(first, known), first + count);
            known = first + count;
        }
    }

    /// <param name="io">dom0 maps it as device memory: what arch_init_memory of both releases gives to DOMID_IO.</param>
    private static void Withhold(Xen xen, ulong first, ulong end, bool io)
    {
        for (ulong mfn = first; mfn < Math.Min(end, xen.Frames.FrameCount); mfn++)
        {
            xen.Frames.Allocator.TryTake(new Mfn(mfn), 1);
            if (io)
                xen.Frames[new Mfn(mfn)].Owner = DomainId.Io.Value;
        }
    }

    /// <returns>False: something of Xen's own lies there, or no memory at all.</returns>
    private static bool Reserve(Xen xen, ulong first, ulong count)
    {
        bool all = true;
        for (ulong mfn = first; mfn < first + count; mfn++)
        {
            bool taken = xen.Frames.Allocator.TryTake(new Mfn(mfn), 1);
            if (taken)
                xen.Frames.AssignToXen(new Mfn(mfn));
            all &= taken;
        }

        return all;
    }
}
