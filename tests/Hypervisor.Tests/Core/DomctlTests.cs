using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Codes and orders of checks: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c, xen/arch/x86/domctl.c.</summary>
public class DomctlTests
{
    private static readonly DomainId _unknown = new(77);

    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.EACCES)]
    [InlineData(XenRelease.V4_17, XenErrno.EINVAL)]
    public void Hypercall_init_refuses_a_frame_of_somebody_else(XenRelease release, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Assert.Equal(expected, host.Domctl(DomctlCommand.hypercall_init, d.Id, new DomctlHypercallInit { Gmfn = 0x2000 }));
        Assert.Equal(expected, host.Domctl(DomctlCommand.hypercall_init, d.Id, new DomctlHypercallInit { Gmfn = ulong.MaxValue }));
    }

    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.EACCES)]
    [InlineData(XenRelease.V4_17, XenErrno.EPERM)]
    public void Hypercall_init_refuses_a_page_table(XenRelease release, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn table = host.Populate(d, 0, 1)[0];
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(table, d, PageType.PGT_l1_page_table));
        Assert.Equal(expected, host.Domctl(DomctlCommand.hypercall_init, d.Id, new DomctlHypercallInit { Gmfn = table.Value }));
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void Hypercall_init_nests_three_functions_and_fills_the_page(XenRelease release)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn page = host.Populate(d, 0, 1)[0];
        host.Recorder.Events.Clear();
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.hypercall_init, d.Id, new DomctlHypercallInit { Gmfn = page.Value }));
        string last = release == XenRelease.V4_0 ? "hypercall_page_initialise" : "init_hypercall_page";
        Assert.Equal(["do_domctl", "arch_do_domctl", last], host.Recorder.Events.OfType<StageEntered>().Select(s => s.Stage));
        Assert.Equal(HypercallPage.Render(HypercallPageFlavour.Ring3, release), host.Xen.Memory.Readable(page.Value).ToArray());
        Assert.Equal(0u, host.Xen.Frames[page].TypeCount);
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_wrong_interface_version_is_EACCES_before_the_target_is_looked_up(XenRelease release)
    {
        using Host host = new(release);
        Assert.Equal(XenErrno.EACCES, host.Domctl(DomctlCommand.max_mem, _unknown, new DomctlMaxMem(), version: 0x99));
        Assert.Equal(XenErrno.ESRCH, host.Domctl(DomctlCommand.max_mem, _unknown, new DomctlMaxMem()));
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void The_width_cannot_change_once_the_domain_has_a_page(XenRelease release)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.set_address_size, d.Id, new DomctlAddressSize { Size = 32 }));
        Assert.True(d.Is32BitPv);
        host.Populate(d, 0, 1);
        Assert.Equal(XenErrno.EACCES, host.Domctl(DomctlCommand.set_address_size, d.Id, new DomctlAddressSize { Size = 64 }));
    }

    [Fact]
    public void A_4_17_without_PV32_refuses_a_32_bit_guest_with_EOPNOTSUPP()
    {
        using Host host = new(XenRelease.V4_17, pv32: false);
        Domain d = host.CreateDomain();
        Assert.Equal(XenErrno.EOPNOTSUPP, host.Domctl(DomctlCommand.set_address_size, d.Id, new DomctlAddressSize { Size = 32 }));
    }

    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.EBUSY)]
    [InlineData(XenRelease.V4_17, XenErrno.EINVAL)]
    public void The_number_of_vcpus_cannot_be_raised_later(XenRelease release, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Assert.Equal(expected, host.Domctl(DomctlCommand.max_vcpus, d.Id, new DomctlMaxVcpus { Max = 2 }));
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void Destroying_a_domain_gives_every_frame_back(XenRelease release)
    {
        using Host host = new(release);
        ulong before = host.Xen.Frames.Allocator.FreeCount;
        Domain d = host.CreateDomain();
        Mfn[] frames = host.Populate(d, 0, 64);
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(frames[3], d, PageType.PGT_l1_page_table));
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.destroydomain, d.Id, new DomctlMaxMem()));
        Assert.Equal(before, host.Xen.Frames.Allocator.FreeCount);
        Assert.Null(host.Xen.FindDomain(d.Id));
    }

    [Fact]
    public void No_machine_frame_has_the_number_of_its_pseudo_physical_one()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = host.CreateDomain(maxPages: 20000);
        Mfn[] frames = host.Populate(d, 0x1000, 12000);
        Assert.DoesNotContain(frames.Select((m, i) => m.Value == 0x1000 + (ulong)i), same => same);
        Assert.Equal(frames.Length, frames.Distinct().Count());
    }
}
