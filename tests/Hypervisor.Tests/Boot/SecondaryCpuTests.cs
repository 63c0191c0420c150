using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Tests.Boot.Dom0;

namespace XenSim.Hypervisor.Tests.Boot;

/// <summary>
/// A processor on which virtualisation does not come up although it did on the first. Origin: RELEASE-4.0.4 hvm/vmx/vmx.c: start_vmx,
/// hvm/svm/svm.c: start_svm (the second pass); stable-4.17 smpboot.c: smp_callin, setup.c: __start_xen.
/// </summary>
public sealed class SecondaryCpuTests
{
    [Theory]
    [InlineData(HostModels.Intel, Msr.FeatureControl, 1, "CPU2: VMX disabled by BIOS.", "VMX: FATAL: failed to initialise CPU2!", "Xen BUG at vmx.c:1431")]
    [InlineData(HostModels.Amd, Msr.VmCr, 0x10, "CPU2: AMD SVM Extension is disabled in BIOS.", "SVM: FATAL: failed to initialise CPU2!", "Xen BUG at svm.c:880")]
    public void Release_4_0_dies_of_it(string host, uint msr, ulong value, string reason, string fatal, string bug)
    {
        using BootRun run = Boot(XenRelease.V4_0, host, msr, value);

        Assert.Equal(bug, run.Outcome.Message);
        HvmEnableTests.AssertInOrder(run.Log, $"(XEN) {reason}", $"(XEN) {fatal}", $"(XEN) {bug}", "(XEN) Panic on CPU 2:", $"(XEN) {bug}");
        Assert.Equal(2, run.Xen.OnlineCpus);
        Assert.DoesNotContain("smp_cpus_done", run.Stages);
    }

    [Theory]
    [InlineData(HostModels.Intel, Msr.FeatureControl, 1, "CPU2: VMX disabled by BIOS.")]
    [InlineData(HostModels.Intel, Msr.VmxCr4Fixed0, 0x6000, "CPU2: unexpected VMXON failure")]
    [InlineData(HostModels.Amd, Msr.VmCr, 0x10, "CPU2: AMD SVM Extension is disabled in BIOS.")]
    public void Release_4_17_goes_on_without_it(string host, uint msr, ulong value, string reason)
    {
        using BootRun run = Boot(XenRelease.V4_17, host, msr, value);

        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        HvmEnableTests.AssertInOrder(
            run.Log, $"(XEN) {reason}", "(XEN) CPU2: Failed to initialise HVM. Not coming online.", "(XEN) Failed to bring up CPU 2 (error -22)", "(XEN) Brought up 3 CPUs");
        Assert.NotNull(run.Xen.Hvm);
        Assert.Equal(3, run.Xen.OnlineCpus);
    }

    /// <summary>Where the first processor's virtualisation stays off nobody asks the others for theirs.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void Without_HVM_no_processor_is_asked_for_it(XenRelease release)
    {
        HostModel model = HostModels.Find(HostModels.Intel)!.WithMsr(Msr.FeatureControl, 1) with { Cpus = 2 };
        using BootRun run = new(e => new XenOptions { Release = release, Host = model, Events = e }, null);

        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Assert.Contains("(XEN) Brought up 2 CPUs", run.Log);
        Assert.DoesNotContain("vmx_cpu_up:1", run.Stages);
    }

    private static BootRun Boot(XenRelease release, string host, uint msr, ulong value)
    {
        HostModel model = HostModels.Find(host)! with { Cpus = 4, CpuMsrs = [(2, msr, value)] };
        return new(e => new XenOptions { Release = release, Host = model, Events = e }, null);
    }
}
