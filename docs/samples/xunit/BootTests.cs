using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;
using XenSim.Testing;

namespace Sample.Tests;

public sealed class BootTests
{
    // Each scenario file under the folder is a test of its own, with its name in the explorer.
    [Theory, Scenario("scenarios")]
    public void The_scenario_holds(ScenarioCase scenario) => scenario.Run(TestContext.Current.CancellationToken);

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_domU_calls_Xen_through_its_page_on(XenRelease release)
        => Machine.Xen(release).DomU("pv64").Memory(32)
            .Expect(e => e
                .Outcome(SessionEnd.PoweredOff)
                .Stages("xc_dom_boot_image", "setup_hypercall_page")
                .Hypercalls("XEN_DOMCTL_hypercall_init", "xen_version")
                .Page("ring3"))
            .Run(TestContext.Current.CancellationToken);

    [Theory]
    [InlineData(CpuVendor.AMD, "svm")]
    [InlineData(CpuVendor.Intel, "vmx")]
    public void A_PVH_guest_gets_the_page_of_its_host(CpuVendor vendor, string flavour)
        => Machine.Xen(XenRelease.V4_17).Host(vendor).Pvh("hvm").Expect(e => e.Page(flavour)).Run(TestContext.Current.CancellationToken);

    [Fact]
    public void Without_memory_for_the_guest_the_build_fails_and_says_so()
    {
        Boot boot = Machine.Xen(XenRelease.V4_17).HostMemory(256).DomU("pv64").Memory(4096).Run(TestContext.Current.CancellationToken);
        Assert.Equal(SessionEnd.BuildFailed, boot.Outcome.End);
        Assert.Equal(0, boot.Instructions);
    }
}
