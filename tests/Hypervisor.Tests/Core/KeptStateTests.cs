using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;
using WireDomctl = XenSim.Hypervisor.Public.Wire.Domctl;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Calls that change nothing but what Xen remembers. Sources: RELEASE-4.0.4 and stable-4.17, files as named at each test.</summary>
public class KeptStateTests
{
    // xen/arch/x86/domctl.c: the sum is compared with 65536 in both, an empty range is refused by 4.17 only.
    [Theory]
    [InlineData(XenRelease.V4_0, 0x70u, 2u, XenErrno.None)]
    [InlineData(XenRelease.V4_17, 0x70u, 2u, XenErrno.None)]
    [InlineData(XenRelease.V4_0, 0xFFFFu, 2u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, 0xFFFFu, 2u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, 0x70u, 0u, XenErrno.None)]
    [InlineData(XenRelease.V4_17, 0x70u, 0u, XenErrno.EINVAL)]
    public void Ports_are_permitted_and_denied_by_range(XenRelease release, uint first, uint count, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Assert.Equal(expected, host.Domctl(DomctlCommand.ioport_permission, d.Id, new DomctlIoportPermission { FirstPort = first, NrPorts = count, AllowAccess = 1 }));
        Assert.Equal(expected == XenErrno.None && count > 0, d.Io.Ports.Contains(first, first + Math.Max(count, 1) - 1));
        if (expected != XenErrno.None)
            return;
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.ioport_permission, d.Id, new DomctlIoportPermission { FirstPort = 0, NrPorts = 0x71, AllowAccess = 0 }));
        Assert.False(d.Io.Ports.Contains(0x70, 0x70));
        Assert.Equal(count > 0, d.Io.Ports.Contains(0x71, 0x71));
    }

    // stable-4.17 xen/common/domctl.c: iomem_access_permitted(current->domain, …); 4.0 does not ask.
    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.None)]
    [InlineData(XenRelease.V4_17, XenErrno.EPERM)]
    public void What_the_caller_does_not_have_it_cannot_give(XenRelease release, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        host.Xen.FindDomain(DomainId.Dom0)!.Io.Frames.Remove(0xFEC00, 0xFEC00);
        host.Xen.FindDomain(DomainId.Dom0)!.Io.Ports.Remove(0x20, 0x21);
        Assert.Equal(expected, host.Domctl(DomctlCommand.iomem_permission, d.Id, new DomctlIomemPermission { FirstMfn = 0xFEBFF, NrMfns = 2, AllowAccess = 1 }));
        Assert.Equal(expected, host.Domctl(DomctlCommand.ioport_permission, d.Id, new DomctlIoportPermission { FirstPort = 0x20, NrPorts = 1, AllowAccess = 1 }));
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.iomem_permission, d.Id, new DomctlIomemPermission { FirstMfn = 0xFED00, NrMfns = 1, AllowAccess = 1 }));
        Assert.Equal(XenErrno.EINVAL, host.Domctl(DomctlCommand.iomem_permission, d.Id, new DomctlIomemPermission { FirstMfn = ulong.MaxValue, NrMfns = 2, AllowAccess = 1 }));
    }

    // xen/arch/x86/mm.c: get_page_from_l1e asks iomem_access_permitted of the frame's owner-to-be; -EINVAL in 4.0, -EPERM in 4.17.
    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, XenErrno.EPERM)]
    public void A_domain_maps_the_device_frames_that_it_was_given(XenRelease release, XenErrno refused)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn table = host.Populate(d, 0, 1)[0];
        GuestRunTests.Set(host, table, 0, Pte.Make(0xFED00, 0x67));
        Assert.Equal(refused, host.Xen.PageTypes.Pin(table, d, PageType.PGT_l1_page_table));
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.iomem_permission, d.Id, new DomctlIomemPermission { FirstMfn = 0xFED00, NrMfns = 1, AllowAccess = 1 }));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(table, d, PageType.PGT_l1_page_table));
    }

    [Fact]
    public void Interrupts_are_permitted_by_number()
    {
        using Host v40 = new(XenRelease.V4_0);
        Domain d = v40.CreateDomain();
        Assert.Equal(XenErrno.None, v40.Domctl(DomctlCommand.irq_permission, d.Id, new DomctlIrqPermissionV40 { Pirq = 9, AllowAccess = 1 }));
        Assert.True(d.Io.Irqs.Contains(9, 9));
        Assert.Equal(XenErrno.EINVAL, v40.Domctl(DomctlCommand.irq_permission, d.Id, new DomctlIrqPermissionV40 { Pirq = 24 + 32, AllowAccess = 1 }));

        using Host v417 = new(XenRelease.V4_17);
        Domain e = v417.CreateDomain();
        Assert.Equal(XenErrno.None, v417.Domctl(DomctlCommand.irq_permission, e.Id, new DomctlIrqPermissionV417 { Pirq = 9, AllowAccess = 1 }));
        Assert.True(e.Io.Irqs.Contains(9, 9));
        Assert.Equal(XenErrno.EPERM, v417.Domctl(DomctlCommand.irq_permission, e.Id, new DomctlIrqPermissionV417 { Pirq = 100, AllowAccess = 1 }));
        Assert.Equal(XenErrno.EINVAL, v417.Domctl(DomctlCommand.irq_permission, e.Id, new DomctlIrqPermissionV417 { Pirq = 208, AllowAccess = 1 }));
    }

    // xen/common/domain.c: domain_shutdown keeps the first code that anybody gave. mov eax,29; mov edi,OP; mov esi,ARG; syscall, twice.
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_shutdown_code_given_beforehand_decides_the_reason(XenRelease release)
    {
        byte[] code =
        [
            0xB8, 29, 0, 0, 0, 0xBF, 5, 0, 0, 0, 0xBE, 0x80, 0x40, 0, 0, 0x0F, 0x05,
            0xB8, 29, 0, 0, 0, 0xBF, 2, 0, 0, 0, 0xBE, 0x84, 0x40, 0, 0, 0x0F, 0x05, 0x0F, 0x0B,
        ];
        using Host host = new(release);
        (Domain d, RunStop stop) = Run64(host, code, page => page[0x80] = (byte)ShutdownReason.reboot);
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal((uint)ShutdownReason.reboot, d.ShutdownReason);
    }

    // xen/arch/x86/traps.c: guest_io_okay. mov eax,33; mov edi,7; mov esi,0x4080; syscall; mov ebx,eax; mov edx,0x80; in al,dx; mov ebp,1;
    // mov edx,0x200; in al,dx; mov ebp,2; ud2.
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void The_guests_own_bitmap_permits_ports_up_to_its_limit(XenRelease release)
    {
        byte[] code =
        [
            0xB8, 33, 0, 0, 0, 0xBF, 7, 0, 0, 0, 0xBE, 0x80, 0x40, 0, 0, 0x0F, 0x05, 0x89, 0xC3,
            0xBA, 0x80, 0, 0, 0, 0xEC, 0xBD, 1, 0, 0, 0, 0xBA, 0, 2, 0, 0, 0xEC, 0xBD, 2, 0, 0, 0, 0x0F, 0x0B,
        ];
        using Host host = new(release);
        (Domain d, RunStop stop) = Run64(host, code, page =>
        {
            page[0x81] = 0x50; // the bitmap: a page of zeros at 0x5000
            page[0x89] = 1; // 0x100 ports
        });
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal((uint)ShutdownReason.crash, d.ShutdownReason);
        Assert.Equal(0ul, d.Vcpus[0].Cpu[Gpr.Rbx]);
        Assert.Equal(1ul, d.Vcpus[0].Cpu[Gpr.Rbp]);
    }

    // RELEASE-4.0.4 xen/include/asm-x86/debugger.h, stable-4.17 xen/arch/x86/traps.c: do_int3. int3; mov ebx,7; shutdown(poweroff).
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_breakpoint_pauses_a_domain_that_is_debugged(XenRelease release)
    {
        byte[] code = [0xCC, 0xBB, 7, 0, 0, 0, 0xB8, 29, 0, 0, 0, 0xBF, 2, 0, 0, 0, 0xBE, 0x80, 0x40, 0, 0, 0x0F, 0x05, 0x0F, 0x0B];
        using Host host = new(release);
        (Domain d, _) = Run64(host, code, _ => { }, before => Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.setdebugging, before.Id, (byte)1)));
        Assert.Equal(1, d.ControllerPauseCount);
        Assert.Equal(0ul, d.Vcpus[0].Cpu[Gpr.Rbx]);
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.getdomaininfo, d.Id, default(byte), out WireDomctl info));
        Assert.Equal((uint)DomainInfoFlags.debugged, BitConverter.ToUInt32(((ReadOnlySpan<byte>)info.Payload)[4..]) & (uint)DomainInfoFlags.debugged);
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.unpausedomain, d.Id, default(byte)));
        Assert.Equal(RunStopReason.DomainShutdown, host.Xen.Run(new RunLimits { Instructions = 1000 }).Reason);
        Assert.Equal(7ul, d.Vcpus[0].Cpu[Gpr.Rbx]);
    }

    /// <summary>A 64-bit kernel whose code page, at 0x4000, has its data at 0x4080.</summary>
    private static (Domain Domain, RunStop Stop) Run64(Host host, byte[] code, Action<Span<byte>> data, Action<Domain>? before = null)
    {
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 8);
        GuestRunTests.Fill(host, f, tables: 4, code);
        data(host.Xen.Memory.Writable(f[4].Value));
        GuestRunTests.Set(host, f[0], 0, Pte.Make(f[1].Value, 0x67));
        GuestRunTests.Set(host, f[1], 0, Pte.Make(f[2].Value, 0x67));
        GuestRunTests.Set(host, f[2], 0, Pte.Make(f[3].Value, 0x67));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l4_page_table));
        before?.Invoke(d);
        return (d, GuestRunTests.Start(host, d, f[0].Value << 12, 0xE033, 0xE02B));
    }
}
