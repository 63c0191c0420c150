using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.Devices;

/// <summary>
/// What the recording of physdev_op on the I/O APIC (IoApicTests of the Oracle project) does not have. Sources: RELEASE-4.0.4 and RELEASE-4.17.0
/// xen/arch/x86/io_apic.c: ioapic_guest_write, add_pin_to_irq.
/// </summary>
public class IoApicOpTests
{
    private const uint Masked = 1 << 16, Pin20 = 0x10 + (2 * 20);

    /// <summary>A masked entry's vector names no interrupt in 4.17; 4.0 takes it all the same.</summary>
    [Theory]
    [InlineData(XenRelease.V4_17, Masked | 255, XenErrno.None)]
    [InlineData(XenRelease.V4_0, Masked | 255, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, 255u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, 255u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, Masked | 20, XenErrno.None)]
    [InlineData(XenRelease.V4_0, 0x720u, XenErrno.EINVAL)]
    public void The_vector_is_dom0_s_number_of_the_interrupt(XenRelease release, uint value, XenErrno errno)
    {
        using Host host = new(release);
        Assert.Equal(errno, Access(host, PhysdevOp.apic_write, Pin20, value, out _));
        Access(host, PhysdevOp.apic_read, Pin20, 0, out uint entry);
        Assert.Equal(errno == XenErrno.None, (entry & 0xFF) != 0);
    }

    /// <summary>add_pin_to_irq is a BUG for a pin that it has: real Xen 4.17.7 ended there.</summary>
    [Fact]
    public void Setting_up_a_pin_that_was_written_stops_by_name()
    {
        using Host host = new(XenRelease.V4_17);
        Access(host, PhysdevOp.apic_write, Pin20, 20, out _);
        host.Memory.TryWriteStruct(new VirtualAddress(Host.Scratch), new PhysdevSetupGsi { Gsi = 21 });
        Assert.Equal(0, host.Xen.ToolChannel.Hypercall(HypercallNumber.physdev_op, host.Memory, (ulong)PhysdevOp.setup_gsi, Host.Scratch));
        Assert.DoesNotContain(host.Recorder.Events, e => e is NotImplementedHere);
        host.Memory.TryWriteStruct(new VirtualAddress(Host.Scratch), new PhysdevSetupGsi { Gsi = 20 });
        host.Xen.ToolChannel.Hypercall(HypercallNumber.physdev_op, host.Memory, (ulong)PhysdevOp.setup_gsi, Host.Scratch);
        Assert.Contains(host.Recorder.Events, e => e is NotImplementedHere { Name: "PHYSDEVOP_setup_gsi", Ours: true });
    }

    [Theory]
    [InlineData(Masked, true)]
    [InlineData(24u, true)]
    [InlineData(255u, false)]
    public void A_pin_that_is_not_there_stops_by_name_where_Xen_does_not_look(uint value, bool stops)
    {
        using Host host = new(XenRelease.V4_17);
        Assert.Equal(XenErrno.EINVAL, Access(host, PhysdevOp.apic_write, 0x10 + (2 * 24), value, out _));
        Assert.Equal(stops, host.Recorder.Events.Any(e => e is NotImplementedHere { Ours: true }));
    }

    private static XenErrno Access(Host host, PhysdevOp op, uint register, uint value, out uint after)
    {
        Span<byte> request = host.Memory.Bytes.AsSpan(0x1000, 16);
        request.WriteStruct(0xFEC0_0000UL);
        request[8..].WriteStruct(register);
        request[12..].WriteStruct(value);
        XenErrno errno = host.Xen.ToolChannel.Hypercall(HypercallNumber.physdev_op, host.Memory, (ulong)op, Host.Scratch).ToErrno();
        after = host.Memory.Bytes.AsSpan(0x100C, 4).ReadStruct<uint>();
        return errno;
    }
}
