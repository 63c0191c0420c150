using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>
/// What a PV guest's IN and OUT do: the machine's ports as far as the domain was given them, and those that Xen emulates. Of the latter the timer's channel 2
/// and the speaker (0x42, 0x43, 0x61) are not simulated, and what is written to PCI configuration space is lost.
/// </summary>
/// <remarks>
/// Source: RELEASE-4.17.0 xen/arch/x86/pv/emul-priv-op.c: admin_io_okay, guest_io_read, guest_io_write; time.c: rtc_guest_read, rtc_guest_write;
/// RELEASE-4.0.4 xen/arch/x86/traps.c, where the clock chip is a port like others.
/// </remarks>
internal static class GuestIo
{
    private const ulong ClockIndex = 0x70, ClockData = 0x71, PciAddress = 0xCF8, PciData = 0xCFC;

    /// <summary>guest_io_read.</summary>
    /// <param name="size">1, 2 or 4. Unit: bytes.</param>
    public static uint Read(Domain d, ulong port, int size)
    {
        if (AdminOkay(d, port, size))
            return d.Xen.Ports.Read(port, size);
        if (port == PciAddress && size == 4)
            return d.PciAddress;
        uint data = 0;
        for (int done = 0; done < size; done++)
            data |= (uint)ReadByte(d, port + (ulong)done) << (8 * done);
        return data;
    }

    /// <summary>guest_io_write.</summary>
    public static void Write(Domain d, ulong port, int size, uint value)
    {
        if (AdminOkay(d, port, size))
        {
            d.Xen.Ports.Write(port, size, value);
            return;
        }

        if (port == PciAddress && size == 4)
        {
            d.PciAddress = value;
            return;
        }

        for (int done = 0; done < size; done++)
            WriteByte(d, port + (ulong)done, (byte)(value >> (8 * done)));
    }

    /// <summary>admin_io_okay: dword accesses to PCI's address port are never the machine's; in 4.17 nor is the clock chip.</summary>
    private static bool AdminOkay(Domain d, ulong port, int size)
        => !(port == PciAddress && size == 4) && (Is40(d) || port > ClockData || port + (ulong)size <= ClockIndex) && d.Io.Ports.Contains(port, port + (ulong)size - 1);

    /// <summary>A byte of an access that the domain may not make as a whole: 4.17 looks at each, 4.0 refuses them all.</summary>
    private static byte ReadByte(Domain d, ulong port)
    {
        if ((port & ~3UL) == PciData)
            return d.IsPrivileged ? d.Xen.Ports.Pci.Read(d.PciAddress, (int)port & 3) : (byte)0xFF;
        if (Is40(d))
            return 0xFF;
        if (port == ClockIndex)
            return d.ClockIndex;
        if (port == ClockData && MayReachClock(d))
        {
            d.Xen.Ports.Write(ClockIndex, 1, (byte)(d.ClockIndex & 0x7F));
            return (byte)d.Xen.Ports.Read(ClockData, 1);
        }

        return IsForByteAccess(port) && d.Io.Ports.Contains(port, port) ? (byte)d.Xen.Ports.Read(port, 1) : (byte)0xFF;
    }

    private static void WriteByte(Domain d, ulong port, byte value)
    {
        if (Is40(d))
            return;
        if (port == ClockIndex)
        {
            d.ClockIndex = value;
        }
        else if (port == ClockData && MayReachClock(d))
        {
            d.Xen.Ports.Write(ClockIndex, 1, (byte)(d.ClockIndex & 0x7F));
            d.Xen.Ports.Write(ClockData, 1, value);
        }
        else if (IsForByteAccess(port) && d.Io.Ports.Contains(port, port))
        {
            d.Xen.Ports.Write(port, 1, value);
        }
    }

    private static bool MayReachClock(Domain d) => d.Io.Ports.Contains(ClockIndex, ClockData);

    private static bool IsForByteAccess(ulong port) => port is not (0x42 or 0x43 or 0x61 or ClockIndex or ClockData) && (port & ~3UL) != PciData;

    private static bool Is40(Domain d) => d.Xen.Profile.Release == XenRelease.V4_0;
}
