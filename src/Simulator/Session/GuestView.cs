using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Session;

/// <summary>Looks into a guest's memory without changing anything.</summary>
internal static class GuestView
{
    /// <summary>What the M2P has for frames that no guest numbers (shared ones, unset entries) is above this. Unit: pages.</summary>
    private const ulong MostPages = 1UL << 40;

    /// <summary>Reads as the kernel of vCPU 0 would; false when a page is not mapped.</summary>
    public static bool TryReadVirtual(Domain domain, ulong address, Span<byte> destination)
    {
        VirtualCpu cpu = domain.Vcpus[0].Cpu;
        while (destination.Length > 0)
        {
            int n = (int)Math.Min((ulong)destination.Length, 4096 - (address & 0xFFF));
            if (!cpu.TryTranslate(new LinearAddress(address), AccessKind.Read, cpu.Cpl, out PhysicalAddress physical, out _)
                || !domain.Xen.Memory.TryRead(physical, destination[..n]))
                return false;
            destination = destination[n..];
            address += (ulong)n;
        }

        return true;
    }

    /// <summary>Reads pseudo-physical (PV) or guest-physical (HVM) memory.</summary>
    public static bool TryReadPhysical(Domain domain, ulong address, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int n = (int)Math.Min((ulong)destination.Length, 4096 - (address & 0xFFF));
            if (FrameOf(domain, address >> 12) is not { } frame || !domain.Xen.Memory.TryRead(new PhysicalAddress((frame.Value << 12) | (address & 0xFFF)), destination[..n]))
                return false;
            destination = destination[n..];
            address += (ulong)n;
        }

        return true;
    }

    /// <summary>Every page that the guest has by a number of its own, in the order of the numbers.</summary>
    public static IEnumerable<(ulong Page, Mfn Frame)> Pages(Domain domain)
    {
        if (domain.Physmap is not { } physmap)
            return domain.Xen.Frames.OwnedBy(domain).Select(f => (domain.Xen.M2p.Get(f), f)).Select(p => (p.Item1.Value, p.f)).Where(p => p.Value < MostPages).OrderBy(p => p.Value).ThenBy(p => p.f.Value);
        return from page in Enumerable.Range(0, (int)physmap.MaxMapped + 1)
               let frame = physmap.MachineFrame((ulong)page)
               where frame >= 0
               select ((ulong)page, new Mfn((ulong)frame));
    }

    internal static Mfn? FrameOf(Domain domain, ulong page)
    {
        Xen xen = domain.Xen;
        if (domain.Physmap is { } physmap)
            return physmap.MachineFrame(page) is >= 0 and long frame ? new Mfn((ulong)frame) : null;
        foreach (Mfn mfn in xen.Frames.OwnedBy(domain))
        {
            if (xen.M2p.Get(mfn).Value == page)
                return mfn;
        }

        return null;
    }
}
