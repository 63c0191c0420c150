using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm.Devices;

namespace XenSim.Hypervisor.Devices;

/// <summary>inb … outl on the machine: the registers of ACPI and the clock chip. Where no device is, reads are all ones and writes go nowhere.</summary>
internal sealed class MachinePorts
{
    /// <summary>The chipset's reset control, on both modelled boards.</summary>
    public const ulong ResetPort = 0xCF9;

    private readonly AcpiRegisters _acpi;
    private readonly Rtc _clock;

    public MachinePorts(Xen xen)
    {
        Boot.Hosts.HostFirmware firmware = xen.Options.Host.Firmware;
        _acpi = new AcpiRegisters(xen, firmware);
        Pci = new PciConfiguration(firmware);
        _clock = new Rtc(xen, static () => GuestTime.BootSeconds, firmware.Fadt.Century);
    }

    /// <summary>Behind 0xCFC, which Xen alone reads, with the address that a domain wrote.</summary>
    public PciConfiguration Pci { get; }

    /// <summary>A wide access is one of each byte.</summary>
    /// <param name="size">1, 2 or 4. Unit: bytes.</param>
    public uint Read(ulong port, int size)
    {
        uint value = 0;
        for (int i = 0; i < size; i++)
            value |= (uint)ReadByte(port + (ulong)i) << (8 * i);
        return value;
    }

    public void Write(ulong port, int size, uint value)
    {
        for (int i = 0; i < size; i++)
            WriteByte(port + (ulong)i, (byte)(value >> (8 * i)));
    }

    private byte ReadByte(ulong port) => _acpi.Claims(port) ? _acpi.Read(port) : Rtc.Claims(port) ? _clock.Read(port) : (byte)0xFF;

    private void WriteByte(ulong port, byte value)
    {
        if (_acpi.Claims(port))
            _acpi.Write(port, value);
        else if (Rtc.Claims(port))
            _clock.Write(port, value);
    }
}
