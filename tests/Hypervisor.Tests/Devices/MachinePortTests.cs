using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;
using XenSim.Hypervisor.Traps;

namespace XenSim.Hypervisor.Tests.Devices;

/// <summary>
/// The machine's ports as dom0 sees them. Sources: ACPI 5.0, section 4.8; QEMU 7.2 hw/acpi/core.c; RELEASE-4.17.0 emul-priv-op.c: guest_io_read, time.c:
/// rtc_guest_read; RELEASE-4.0.4 traps.c.
/// </summary>
public class MachinePortTests
{
    private const ulong Status = 0x600, Enable = 0x602, Control = 0x604, Gpe0 = 0x620, SmiCommand = 0xB2;

    [Fact]
    public void The_SMI_command_port_hands_ACPI_over_and_takes_it_back()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host);
        Assert.Equal(0u, GuestIo.Read(d, Control, 2));
        GuestIo.Write(d, SmiCommand, 1, 2);
        Assert.Equal(1u, GuestIo.Read(d, Control, 2));
        GuestIo.Write(d, SmiCommand, 1, 7); // neither
        Assert.Equal(1u, GuestIo.Read(d, Control, 2));
        GuestIo.Write(d, SmiCommand, 1, 3);
        Assert.Equal(0u, GuestIo.Read(d, Control, 2));
    }

    [Fact]
    public void Enables_are_kept_and_status_is_only_cleared()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host);
        GuestIo.Write(d, Enable, 2, 0x0520);
        GuestIo.Write(d, Status, 2, 0xFFFF);
        Assert.Equal(0x0520_0000u, GuestIo.Read(d, Status, 4));
        GuestIo.Write(d, Gpe0, 4, uint.MaxValue);
        GuestIo.Write(d, Gpe0 + 8, 1, 6);
        Assert.Equal((0u, 6u), (GuestIo.Read(d, Gpe0, 4), GuestIo.Read(d, Gpe0 + 8, 4)));
    }

    [Fact]
    public void The_timer_s_interrupt_stops_by_name()
    {
        using Host host = new(XenRelease.V4_17);
        GuestIo.Write(Dom0(host), Enable, 2, 1);
        Assert.Contains(host.Recorder.Events.OfType<NotImplementedHere>(), n => n is { Name: "PM1_EN.TMR_EN", Ours: true });
    }

    // SLP_EN is bit 13, SLP_TYP bits 10 to 12; QEMU 7.2 acpi_pm1_cnt_write: 0 and s4_val (2) power off.
    [Theory]
    [InlineData(0x2001u, MachineEnd.PowerOff)]
    [InlineData(0x2801u, MachineEnd.PowerOff)]
    [InlineData(0x2C01u, null)]
    [InlineData(0x0001u, null)]
    public void Sleep_enable_is_a_command_that_does_not_stay(uint value, MachineEnd? end)
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host);
        GuestIo.Write(d, Control, 2, value);
        Assert.Equal(end, host.Xen.Ended);
        Assert.Equal(value & ~0x2000u, GuestIo.Read(d, Control, 2));
    }

    // QEMU 7.2 hw/isa/lpc_ich9.c: ich9_rst_cnt_write; bit 2 resets.
    [Theory]
    [InlineData(0xFu, MachineEnd.Reset)]
    [InlineData(2u, null)]
    public void The_reset_register_resets(uint value, MachineEnd? end)
    {
        using Host host = new(XenRelease.V4_17);
        GuestIo.Write(Dom0(host), 0xCF9, 1, value);
        Assert.Equal(end, host.Xen.Ended);
    }

    /// <summary>What is denied reads all ones: of an access that may not be made as a whole, 4.17 makes the bytes that may, 4.0 none.</summary>
    [Theory]
    [InlineData(XenRelease.V4_17, 0xFF04u)]
    [InlineData(XenRelease.V4_0, 0xFFFFu)]
    public void A_domain_reaches_the_ports_it_was_given(XenRelease release, uint expected)
    {
        using Host host = new(release);
        Domain d = Dom0(host);
        GuestIo.Write(d, Control, 1, 4);
        d.Io.Ports.Remove(Control + 1, Control + 1);
        Assert.Equal(expected, GuestIo.Read(d, Control, 2));
        GuestIo.Write(d, Control, 2, 0x2000);
        Assert.Null(host.Xen.Ended);
        Assert.Equal(release == XenRelease.V4_17 ? 0u : 4u, GuestIo.Read(d, Control, 1));
        Assert.Equal(0xFFu, GuestIo.Read(host.CreateDomain(), Control, 1));
    }

    /// <summary>rtc_guest_write keeps the index for each domain; the chip's is written with each access to the data.</summary>
    [Fact]
    public void A_domain_of_4_17_has_its_own_index_of_the_clock_chip()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host), other = host.CreateDomain();
        GuestIo.Write(d, 0x70, 1, 0x8B);
        GuestIo.Write(other, 0x70, 1, 0x0A);
        Assert.Equal((0x8Bu, 0x0Au), (GuestIo.Read(d, 0x70, 1), GuestIo.Read(other, 0x70, 1)));
        Assert.Equal((0x02u, 0xFFu), (GuestIo.Read(d, 0x71, 1), GuestIo.Read(other, 0x71, 1))); // register B: 24 hours, BCD
        GuestIo.Write(d, 0x71, 1, 0x06);
        Assert.Equal(0x068Bu, GuestIo.Read(d, 0x70, 2));
    }

    [Fact]
    public void In_4_0_the_clock_chip_is_a_port_like_others()
    {
        using Host host = new(XenRelease.V4_0);
        Domain d = Dom0(host);
        GuestIo.Write(d, 0x70, 1, 0x0B);
        Assert.Equal((0xFFu, 0x02u), (GuestIo.Read(d, 0x70, 1), GuestIo.Read(d, 0x71, 1)));
        Domain other = host.CreateDomain();
        GuestIo.Write(other, 0x70, 1, 0x0A);
        Assert.Equal((0xFFu, 0xFFu), (GuestIo.Read(other, 0x70, 1), GuestIo.Read(other, 0x71, 1)));
    }

    /// <summary>FADT: CENTURY is 0x32, as in QEMU's chip.</summary>
    [Fact]
    public void The_clock_chip_knows_the_century()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host);
        uint[] date = [.. new uint[] { 0x32, 9, 8, 7 }.Select(i =>
        {
            GuestIo.Write(d, 0x70, 1, i);
            return GuestIo.Read(d, 0x71, 1);
        })];
        Assert.Equal([0x20u, 0x26u, 0x01u, 0x01u], date);
    }

    /// <summary>Values: QEMU's q35, Data/Acpi/ORIGIN.md.</summary>
    [Theory]
    [InlineData(0x8000_0000u, 0xCFCu, 4, 0x29C0_8086u)]
    [InlineData(0x8000_0000u, 0xCFEu, 2, 0x29C0u)]
    [InlineData(0x8000_0008u, 0xCFFu, 1, 0x06u)]
    [InlineData(0x0000_0000u, 0xCFCu, 4, 0xFFFF_FFFFu)]
    [InlineData(0x8000_0800u, 0xCFCu, 4, 0xFFFF_FFFFu)]
    public void The_host_bridge_is_the_one_device_of_the_bus(uint address, uint port, int size, uint expected)
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = Dom0(host), other = host.CreateDomain();
        GuestIo.Write(d, 0xCF8, 4, address);
        GuestIo.Write(other, 0xCF8, 4, address);
        d.Io.Ports.Remove(0xCFC, 0xCFF);
        Assert.Equal(address, GuestIo.Read(d, 0xCF8, 4));
        Assert.Equal(expected, GuestIo.Read(d, port, size));
        Assert.Equal(uint.MaxValue >> (32 - (8 * size)), GuestIo.Read(other, port, size));
    }

    [Fact]
    public void Configuration_space_is_in_memory_too_for_256_bytes_of_each_device()
    {
        using Host host = new(XenRelease.V4_17);
        Assert.Equal([false, true, true, false], new ulong[] { 0xAFFF_FFFF, 0xB000_0000, 0xBFFF_FFFF, 0xC000_0000 }.Select(host.Xen.Ports.Pci.Claims));
        Assert.Equal(0x0600_0000UL, host.Xen.Ports.Pci.ReadMemory(0xB000_0008, 4));
        Assert.Equal((0xFFFF_FFFFUL, 0xFFFFUL), (host.Xen.Ports.Pci.ReadMemory(0xB000_0100, 4), host.Xen.Ports.Pci.ReadMemory(0xB000_8000, 2)));
    }

    /// <summary>RELEASE-4.17.0 xen/arch/x86/x86_64/mmconfig-shared.c: pci_mmcfg_reserved.</summary>
    [Theory]
    [InlineData(0xB000_0000UL, 0, 0xFFu, 1u, XenErrno.None)]
    [InlineData(0xB000_0000UL, 0, 0xFFu, 0u, XenErrno.None)]
    [InlineData(0xB000_0000UL, 0, 0xFFu, 2u, XenErrno.EINVAL)]
    [InlineData(0xB000_0000UL, 1, 0xFFu, 1u, XenErrno.ENODEV)]
    [InlineData(0xB000_0000UL, 0, 0x7Fu, 1u, XenErrno.ENODEV)]
    [InlineData(0xE000_0000UL, 0, 0xFFu, 1u, XenErrno.EIO)]
    public void What_dom0_says_of_configuration_space_is_compared_with_the_MCFG(ulong address, ushort segment, uint lastBus, uint flags, XenErrno errno)
    {
        using Host host = new(XenRelease.V4_17);
        Span<byte> request = host.Memory.Bytes.AsSpan(0x1000, 16);
        request.WriteStruct(address);
        request[8..].WriteStruct((uint)segment | (lastBus << 24));
        request[12..].WriteStruct(flags);
        Assert.Equal(errno, host.Xen.ToolChannel.Hypercall(HypercallNumber.physdev_op, host.Memory, (ulong)PhysdevOp.pci_mmcfg_reserved, Host.Scratch).ToErrno());
    }

    private static Domain Dom0(Host host)
    {
        Domain d = host.Xen.FindDomain(DomainId.Dom0)!;
        Assert.True(d.Io.Ports.Contains(0, 0xFFFF));
        return d;
    }
}
