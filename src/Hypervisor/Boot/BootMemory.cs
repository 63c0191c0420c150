using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot;

/// <summary>What of the machine's memory the heap gets.</summary>
internal static class BootMemory
{
    /// <summary>Everything between RAM regions and above the last one belongs to the firmware and never enters the heap.</summary>
    public static void GiveToAllocator(BootContext c)
    {
        c.Xen.HostMemoryMap = [.. c.MemoryMap.Select(e => new Public.Wire.E820Entry { Addr = e.Start, Size = e.End - e.Start, Type = (uint)e.Type })];
        foreach (E820Entry e in c.MemoryMap.Where(e => e.Type != E820Type.RAM))
        {
            ulong last = Math.Min(e.End >> 12, c.Xen.Frames.FrameCount);
            for (ulong mfn = e.Start >> 12; mfn < last; mfn++)
                c.Xen.Frames.Allocator.TryTake(new Mfn(mfn), 1);
        }
    }
}
