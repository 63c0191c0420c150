using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot;

/// <summary>What of the machine's memory the heap gets.</summary>
internal static class BootMemory
{
    /// <summary>Everything between RAM regions and above the last one belongs to the firmware and never enters the heap.</summary>
    public static void GiveToAllocator(BootContext c)
    {
        foreach (E820Entry e in c.MemoryMap.Where(e => e.Type != E820Type.RAM))
        {
            ulong last = Math.Min(e.End >> 12, c.Xen.Frames.FrameCount);
            for (ulong mfn = e.Start >> 12; mfn < last; mfn++)
                c.Xen.Frames.Allocator.TryTake(new Mfn(mfn), 1);
        }
    }
}
