using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>Origin: RELEASE-4.0.4 domain_build.c and setup.c, stable-4.17 pv/dom0_build.c and setup.c: messages, codes, and who panics.</summary>
public sealed class Dom0FailureTests
{
    [Theory]
    [InlineData(XenRelease.V4_0, -1, "Could not set up DOM0 guest OS")]
    [InlineData(XenRelease.V4_17, -22, "Could not construct domain 0")]
    public void A_hypercall_page_outside_the_mapping_ends_the_boot(XenRelease release, long code, string panic)
    {
        using BootRun run = NativeDom0Tests.Boot(release, new KernelBuilder { HypercallPage = 0xFFFFFFFF90000000 });

        AssertPanic(run, panic, release == XenRelease.V4_0 ? "hypercall_page_initialise" : "init_hypercall_page", code);
        Assert.Contains("(XEN) Invalid HYPERCALL_PAGE field in ELF notes.", run.Log);
    }

    [Theory]
    [InlineData(XenRelease.V4_0, "Domain 0 allocation is too small for kernel image.")]
    [InlineData(XenRelease.V4_17, "Domain 0 allocation is too small for kernel image")]
    public void Too_little_memory_is_a_panic_of_its_own(XenRelease release, string message)
    {
        using BootRun run = NativeDom0Tests.Boot(release, new KernelBuilder(), commandLine: "dom0_mem=8M");

        Assert.Equal(message, run.Outcome.Message);
        Assert.Equal(1, run.Log.Count(l => l.Contains("Panic on CPU 0:", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_4_17_build_without_PV32_refuses_a_32_bit_kernel()
    {
        using BootRun run = Dom0Boots.Run("boot-4.17-x86_64-compat", change: o => o with { Pv32 = false });

        AssertPanic(run, "Could not construct domain 0", "dom0_construct_pv:compatibility", -95);
        Assert.Contains("(XEN) Found 32-bit PV kernel, but CONFIG_PV32 missing", run.Log);
        Assert.Contains("(XEN)  Xen  kernel: 64-bit, lsb", run.Log);
    }

    [Fact]
    public void A_4_17_kernel_that_lists_its_features_must_list_dom0()
    {
        using BootRun run = NativeDom0Tests.Boot(XenRelease.V4_17, new KernelBuilder { SupportedFeatures = 1 });

        AssertPanic(run, "Could not construct domain 0", "dom0_construct_pv:compatibility", -22);
        Assert.Contains("(XEN) Kernel does not support Dom0 operation", run.Log);
    }

    [Fact]
    public void A_64_bit_kernel_does_not_run_on_the_32_bit_hypervisor()
    {
        using BootRun run = Dom0Boots.Run("boot-4.0.4-x86_32-ring1", new Dom0Image("k", new KernelBuilder().Build(), default, ""));

        AssertPanic(run, "Could not set up DOM0 guest OS", "construct_dom0:compatibility", -22);
        Assert.Contains("(XEN) Mismatch between Xen and DOM0 kernel", run.Log);
    }

    [Fact]
    public void A_kernel_that_requires_ring_0_panics_in_ring_3()
    {
        using BootRun run = NativeDom0Tests.Boot(XenRelease.V4_0, new KernelBuilder { Features = "!supervisor_mode_kernel" });

        Assert.Equal("Dom0 requires supervisor-mode execution", run.Outcome.Message);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F' })]
    [InlineData(new byte[] { 0x1F, 0x8B, 8, 0 })]
    public void What_is_no_kernel_is_refused_by_elf_init(byte[] bytes)
    {
        using BootRun run = Dom0Boots.Run("boot-4.0.4-x86_64-compat", new Dom0Image("k", bytes, default, ""));

        AssertPanic(run, "Could not set up DOM0 guest OS", "elf_init", -1);
    }

    /// <summary>A p2m list whose address lies in the initial mapping.</summary>
    [Fact]
    public void An_INIT_P2M_inside_the_initial_mapping_is_a_panic()
    {
        using BootRun run = NativeDom0Tests.Boot(XenRelease.V4_17, new KernelBuilder { InitP2m = 0xFFFFFFFF80000000 });

        Assert.Equal("DOM0 P->M table overlaps initial mapping", run.Outcome.Message);
    }

    [Fact]
    public void Every_prefix_of_a_kernel_ends_without_an_exception()
    {
        byte[] kernel = new KernelBuilder { InitP2m = 0x8000000000 }.Build();
        for (int length = 0; length < kernel.Length; length += 611)
        {
            using BootRun run = Dom0Boots.Run("boot-4.0.4-x86_64-compat", new Dom0Image("k", kernel.AsMemory(0, length), default, ""));
            Assert.True(run.Outcome.Failed);
        }
    }

    private static void AssertPanic(BootRun run, string panic, string stage, long code)
    {
        Assert.Equal(panic, run.Outcome.Message);
        Assert.Contains($"(XEN) {panic}", run.Log);
        StageFailed first = run.Events.OfType<StageFailed>().First();
        Assert.Equal((stage, code), (first.Stage, first.Code));
    }
}
