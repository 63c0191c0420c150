using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>
/// How an instruction reaches a device's registers where no memory is: it runs once on a page that holds what is there to be read, and what it wrote there is
/// what goes to the device. In place of Xen's emulator of instructions, or of the bus.
/// </summary>
internal sealed class StandInPage(Xen xen)
{
    private Mfn _page = Mfn.Invalid;

    /// <summary>Of an access as the vCPU left for it. Unit: bytes.</summary>
    public static int SizeOf(in CpuExit exit) => Math.Clamp((int)exit.Size, 1, Math.Min(8, 4096 - (int)(exit.Address & 0xFFF)));

    /// <param name="exit">Why the vCPU left: <see cref="ExitReason.PhysicalAccess"/>.</param>
    /// <param name="value">What reads; the rest of the page reads all ones. Then what stands there afterwards.</param>
    /// <returns>How the one instruction ended.</returns>
    public CpuExit Run(Vcpu v, in CpuExit exit, ref ulong value)
    {
        if (_page == Mfn.Invalid)
            _page = xen.Mappings.AllocateXenFrame();
        Span<byte> page = xen.Memory.Writable(_page.Value);
        page.Fill(0xFF);
        int offset = (int)(exit.Address & 0xFFF), size = SizeOf(exit);
        for (int i = 0; i < size; i++)
            page[offset + i] = (byte)(value >> (8 * i));
        v.Cpu.StandInForHoles = (long)_page.Value;
        v.Cpu.FlushTlb();
        CpuExit after = v.Cpu.Run(1);
        v.Cpu.StandInForHoles = -1;
        v.Cpu.FlushTlb();
        ReadOnlySpan<byte> left = xen.Memory.Readable(_page.Value).Slice(offset, size);
        value = 0;
        for (int i = 0; i < size; i++)
            value |= (ulong)left[i] << (8 * i);
        return after;
    }
}
