using XenSim.Hypervisor.Boot.Hosts;

namespace XenSim.Hypervisor.Devices;

/// <summary>PCI configuration space, by ports 0xCF8 and 0xCFC and, where there is an MCFG, in memory. What is written there is lost. The one device is the host bridge; its registers keep what the firmware left in them.</summary>
/// <remarks>Source: PCI local bus specification 3.0, sections 3.2.2.3.2 and 6.1; RELEASE-4.17.0 xen/arch/x86/x86_64/pci.c: pci_conf_read.</remarks>
internal sealed class PciConfiguration(HostFirmware firmware)
{
    /// <summary>256 buses with 1 MiB each.</summary>
    private const ulong MemorySize = 256 << 20;
    private const uint Enabled = 1u << 31, Device = 0x7FFF_FF00, Register = 0xFC;

    /// <param name="address">As written to 0xCF8.</param>
    /// <param name="at">Byte of the register. Unit: bytes.</param>
    public byte Read(uint address, int at)
        => (address & Enabled) != 0 && (address & Device) == 0 ? (byte)(firmware.HostBridge[(int)(address & Register) / 4] >> (8 * at)) : (byte)0xFF;

    /// <summary>Whether a physical address lies in the MCFG's range.</summary>
    public bool Claims(ulong address) => firmware.McfgBase is { } start && address - start < MemorySize;

    /// <summary>A read at a physical address. The bridge is no PCI Express device: it has 256 bytes.</summary>
    public ulong ReadMemory(ulong address, int size)
    {
        const int space = 256;
        ulong value = 0, at = address - firmware.McfgBase!.Value;
        for (int i = 0; i < size; i++, at++)
            value |= (at < space ? (byte)(firmware.HostBridge[(int)at / 4] >> (8 * ((int)at & 3))) : 0xFFul) << (8 * i);
        return value;
    }
}
