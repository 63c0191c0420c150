using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.HypercallPages;

/// <summary>Origin: hypercall_page_initialise of RELEASE-4.0.4 x86_32/traps.c and x86_64/traps.c, init_hypercall_page of stable-4.17 domain.c.</summary>
public sealed class HypercallPageSelectionTests
{
    [Theory]
    [InlineData(XenRelease.V4_0, false, false, false, false, HypercallPageFlavour.Ring1)]
    [InlineData(XenRelease.V4_0, false, true, false, false, HypercallPageFlavour.Ring0)]
    [InlineData(XenRelease.V4_0, false, true, true, false, HypercallPageFlavour.Svm)]
    [InlineData(XenRelease.V4_0, true, false, false, false, HypercallPageFlavour.Ring3)]
    [InlineData(XenRelease.V4_0, true, false, false, true, HypercallPageFlavour.CompatRing1)]
    [InlineData(XenRelease.V4_17, true, false, false, false, HypercallPageFlavour.Ring3)]
    [InlineData(XenRelease.V4_17, true, false, false, true, HypercallPageFlavour.CompatRing1)]
    [InlineData(XenRelease.V4_17, true, false, true, false, HypercallPageFlavour.Svm)]
    public void The_flavour_follows_build_domain_and_host_vendor(
        XenRelease release, bool host64, bool supervisorMode, bool isHvm, bool is32, HypercallPageFlavour expected)
        => Assert.Equal(
            expected,
            new HypercallPageSelection(release, host64, supervisorMode, HypercallPageFlavour.Svm, isHvm, is32).Flavour);

    [Fact]
    public void An_HVM_domain_takes_the_vendor_s_flavour_even_if_its_width_changed()
        => Assert.Equal(
            HypercallPageFlavour.Vmx,
            new HypercallPageSelection(XenRelease.V4_17, true, false, HypercallPageFlavour.Vmx, IsHvm: true, Is32BitPv: true).Flavour);
}
