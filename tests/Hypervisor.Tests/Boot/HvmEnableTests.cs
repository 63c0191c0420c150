using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Tests.Boot.Dom0;

namespace XenSim.Hypervisor.Tests.Boot;

/// <summary>Origin: start_vmx, start_svm and hvm_enable of RELEASE-4.0.4 and stable-4.17; lines "seen" in the real boot logs.</summary>
public sealed class HvmEnableTests
{
    /// <summary>Seen: boot-4.0.4-x86_64-compat.log.</summary>
    [Fact]
    public void SVM_comes_up_inside_identify_cpu_in_4_0()
    {
        using BootRun run = Boot(XenRelease.V4_0, HostModels.Amd);

        AssertInOrder(run.Log, "(XEN) HVM: ASIDs enabled.", "(XEN) HVM: SVM enabled", "(XEN) HVM: Hardware Assisted Paging detected.");
        AssertInOrder(run.Stages, "early_cpu_init", "intel_cpu_init", "amd_init_cpu", "identify_cpu", "init_amd", "start_svm", "svm_cpu_up", "hvm_enable");
        Assert.Equal(HypercallPageFlavour.Svm, run.Xen.Hvm!.Flavour);
    }

    [Fact]
    public void VMX_comes_up_inside_identify_cpu_in_4_0()
    {
        using BootRun run = Boot(XenRelease.V4_0, HostModels.Intel);

        AssertInOrder(
            run.Log, "(XEN) VMX: Supported advanced features:", "(XEN)  - Extended Page Tables (EPT)", "(XEN) HVM: VMX enabled",
            "(XEN) HVM: Hardware Assisted Paging detected.");
        AssertInOrder(run.Stages, "identify_cpu", "init_intel", "start_vmx", "vmx_cpu_up", "hvm_enable", "iommu_setup");
        Assert.Equal(HypercallPageFlavour.Vmx, run.Xen.Hvm!.Flavour);
    }

    [Theory]
    [InlineData(HostModels.Amd, "start_svm", HypercallPageFlavour.Svm)]
    [InlineData(HostModels.Intel, "start_vmx", HypercallPageFlavour.Vmx)]
    public void Release_4_17_enables_HVM_by_an_initcall(string host, string start, HypercallPageFlavour flavour)
    {
        using BootRun run = Boot(XenRelease.V4_17, host);

        AssertInOrder(run.Stages, "identify_cpu", "init_speculation_mitigations", "do_presmp_initcalls", "hvm_enable", start, "alternative_branches");
        Assert.Equal(flavour, run.Xen.Hvm!.Flavour);
    }

    [Theory]
    [InlineData(XenRelease.V4_0, HostModels.Intel, Msr.FeatureControl, 1, "CPU0: VMX disabled by BIOS.", "VMX: failed to initialise.")]
    [InlineData(XenRelease.V4_17, HostModels.Intel, Msr.FeatureControl, 3, "CPU0: VMX disabled by BIOS.", "VMX: failed to initialise.")]
    [InlineData(XenRelease.V4_0, HostModels.Intel, Msr.VmxCr0Fixed1, 0, "CPU0: some settings of host CR0 are not allowed in VMX operation.", "VMX: failed to initialise.")]
    [InlineData(XenRelease.V4_0, HostModels.Amd, Msr.VmCr, 0x10, "CPU0: AMD SVM Extension is disabled in BIOS.", "SVM: failed to initialise.")]
    [InlineData(XenRelease.V4_17, HostModels.Amd, Msr.VmCr, 0x10, "CPU0: AMD SVM Extension is disabled in BIOS.", "SVM: failed to initialise.")]
    public void A_BIOS_that_keeps_virtualisation_to_itself_leaves_HVM_off(XenRelease release, string host, uint msr, ulong value, string reason, string line)
    {
        using BootRun run = Boot(release, host, h => h.WithMsr(msr, value));

        AssertInOrder(run.Log, $"(XEN) {reason}", $"(XEN) {line}");
        Assert.Null(run.Xen.Hvm);
        Assert.False(run.Outcome.Failed);
        Assert.Contains(run.Events.OfType<StageFailed>(), f => f.Message == reason);
    }

    [Fact]
    public void An_unlocked_feature_control_is_Xen_s_to_set()
    {
        using BootRun run = Boot(XenRelease.V4_0, HostModels.Intel, h => h.WithMsr(Msr.FeatureControl, 0));

        Assert.NotNull(run.Xen.Hvm);
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_CPU_without_the_bit_is_passed_over_in_silence(XenRelease release)
    {
        using BootRun run = Boot(release, HostModels.Amd, h => h.WithCpuid(0x80000001, 0, h.Cpuid(0x80000001, 0) with { Ecx = 0 }));

        Assert.Null(run.Xen.Hvm);
        Assert.DoesNotContain(run.Log, l => l.Contains("HVM:", StringComparison.Ordinal) || l.Contains("SVM:", StringComparison.Ordinal));
    }

    private static BootRun Boot(XenRelease release, string host, Func<HostModel, HostModel>? change = null)
        => new(e => new XenOptions { Release = release, Host = (change ?? (h => h))(HostModels.Find(host)!), Events = e }, image: null);

    internal static void AssertInOrder(string[] actual, params string[] expected)
        => Assert.Equal(expected, expected.Aggregate((Tail: actual.AsEnumerable(), Found: new List<string>()), (s, e) =>
        {
            string[] rest = [.. s.Tail.SkipWhile(a => a != e)];
            if (rest.Length > 0)
                s.Found.Add(e);
            return (rest.Skip(1), s.Found);
        }).Found);
}
