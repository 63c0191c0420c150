using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot;

/// <summary>The walk over RAM from the top down that finds new places for Xen and for the boot loader's modules.</summary>
/// <remarks>Source: xen/arch/x86/setup.c: __start_xen, consider_modules of RELEASE-4.0.4 and stable-4.17.</remarks>
internal static class Relocation
{
    private const ulong FourGiB = 1ul << 32;

    /// <summary>BOOTSTRAP_DIRECTMAP_END of the 32-bit build.</summary>
    private const ulong OneGiB = 1ul << 30;

    private const ulong LowestPlace40 = 16 << 20;

    /// <summary>PREBUILT_MAP_LIMIT.</summary>
    private const ulong LowestPlace417 = 2 << 20;

    /// <summary>4.0: one region holds all modules one after the other, with the space to unpack the kernel in front.</summary>
    public static StageOutcome Move40(BootContext c)
    {
        bool host64 = c.Xen.Options.Host64;
        ulong size = XenImage.For(c.Xen.Options).RelocationSize;
        ulong length = c.Modules.Aggregate(0ul, (sum, m) => sum + m.Length);
        bool modulesMoved = c.Modules.Count == 0;
        foreach (E820Entry region in c.MemoryMap.Reverse())
        {
            ulong s = Math.Max(RoundUp(region.Start), LowestPlace40);
            ulong e = Math.Min(RoundDown(region.End), host64 ? FourGiB : OneGiB);
            if (region.Type != E820Type.RAM || s >= e)
                continue;
            if (host64 && c.XenPhysStart == 0 && e - s >= size)
                c.XenPhysStart = e -= size;
            if (!modulesMoved && s < e && e - s >= length + c.ModulesHeadroom)
            {
                MoveAll(c, e);
                modulesMoved = true;
            }
        }

        if (!modulesMoved)
            return c.EarlyFail("Not enough memory to relocate the dom0 kernel image.");
        return host64 && c.XenPhysStart == 0 ? c.EarlyFail("Not enough memory to relocate Xen.") : StageOutcome.Ok;
    }

    /// <summary>4.17: each module has a place of its own, above 4 GiB too, and stays where it is if there is none better.</summary>
    public static StageOutcome Move417(BootContext c)
    {
        XenImage image = XenImage.For(c.Xen.Options);
        foreach (E820Entry region in c.MemoryMap.Reverse())
        {
            ulong s = Math.Max(RoundUp(region.Start), LowestPlace417);
            ulong e = RoundDown(region.End);
            if (region.Type != E820Type.RAM || s >= e)
                continue;
            ulong end = c.XenPhysStart == 0 && e <= FourGiB
                ? RoundDown(ConsiderModules(s, e, image.RelocationSize + BootMemory.SuperpageMask, c.Modules, 0, null))
                : 0;
            if (end > s && end - image.RelocationSize + image.Offset >= image.End)
            {
                c.XenPhysStart = end - image.RelocationSize;
                e = c.XenPhysStart + image.Offset;
                c.Print($"New Xen image base address: 0x{c.XenPhysStart:x}");
            }

            MoveEach(c, s, e);
        }

        if (c.ModulesHeadroom != 0 && !c.Modules[0].Moved)
            return c.Panic("Not enough memory to relocate the dom0 kernel image");
        return c.XenPhysStart == 0 ? c.Panic("Not enough memory to relocate Xen") : StageOutcome.Ok;
    }

    private static void MoveAll(BootContext c, ulong e)
    {
        for (int j = c.Modules.Count - 1; j >= 0; j--)
        {
            BootModule module = c.Modules[j];
            e -= module.Length;
            module.Start = e;
            module.Moved = true;
        }

        // The pages of the headroom begin at initial_images_base.
        ulong start = (e - c.ModulesHeadroom) & ~0xFFFul;
        c.Modules[0].Headroom = e - start;
        c.Modules[0].Start = start;
    }

    private static void MoveEach(BootContext c, ulong s, ulong e)
    {
        for (int j = c.Modules.Count - 1; j >= 0; j--)
        {
            BootModule module = c.Modules[j];
            if (module.Moved)
                continue;
            ulong headroom = j == 0 ? c.ModulesHeadroom : 0;
            ulong size = BootMemory.PageUp(headroom + module.Length);
            ulong end = ConsiderModules(s, e, size, c.Modules, 0, module);
            if (s >= end || (headroom == 0 && end - size <= module.Start))
                continue;
            module.Start = end - size;
            module.Headroom = headroom;
            module.Moved = true;
        }
    }

    /// <summary>consider_modules: the end of the highest part of [s, e) that has the size and touches no module but <paramref name="except"/>; 0 if none.</summary>
    private static ulong ConsiderModules(ulong s, ulong e, ulong size, IReadOnlyList<BootModule> modules, int from, BootModule? except)
    {
        if (s > e || e - s < size)
            return 0;
        for (int i = from; i < modules.Count; i++)
        {
            BootModule m = modules[i];
            ulong end = m.Start + BootMemory.PageUp(m.Headroom + m.Length);
            if (m == except || s >= end || m.Start >= e)
                continue;
            ulong above = ConsiderModules(end, e, size, modules, i + 1, except);
            return above != 0 ? above : ConsiderModules(s, m.Start, size, modules, i + 1, except);
        }

        return e;
    }

    private static ulong RoundUp(ulong address) => (address + BootMemory.SuperpageMask) & ~BootMemory.SuperpageMask;

    private static ulong RoundDown(ulong address) => address & ~BootMemory.SuperpageMask;
}
