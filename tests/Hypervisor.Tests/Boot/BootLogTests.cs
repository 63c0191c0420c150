using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Tests.Boot.Dom0;

namespace XenSim.Hypervisor.Tests.Boot;

/// <summary>Origin of every expectation: the serial log of the real boot on the machine that the host model describes.</summary>
public sealed partial class BootLogTests
{
    [Theory]
    [InlineData("boot-4.0.4-x86_32-ring1")]
    [InlineData("boot-4.0.4-x86_32-ring0")]
    public void The_32_bit_hypervisor_logs_what_the_real_one_logged(string name)
    {
        using BootRun run = Dom0Boots.Run(name);

        Assert.Equal(Normalised(Golden(name)[1..]), Normalised(run.Log[1..]));
    }

    [Theory]
    [InlineData("boot-4.0.4-x86_64-compat", "*** LOADING DOMAIN 0 ***", "(XEN) Std. Loglevel: All")]
    [InlineData("boot-4.17-x86_64-compat", "*** Building a PV Dom0 ***", "(XEN) Std. Loglevel: All")]
    public void The_construction_of_dom0_is_logged_as_real_Xen_logged_it(string name, string first, string last)
    {
        using BootRun run = Dom0Boots.Run(name);

        Assert.Equal(Part(Golden(name), $"(XEN) {first}", last), Part(run.Log, $"(XEN) {first}", last));
    }

    /// <summary>From the boot loader's name to the creation of dom0; before it stands the banner of another build.</summary>
    [Fact]
    public void Release_4_17_logs_what_the_real_one_logged_on_the_golden_machine()
    {
        using BootRun run = Dom0Boots.Run(
            "boot-4.17-x86_64-compat", change: o => o with { CommandLine = o.CommandLine.Replace("dom0_mem=256M noreboot=0", "dom0_mem=384M", StringComparison.Ordinal) });

        Assert.Equal(
            Part(Golden("boot-4.17.7-linux-6.1"), "(XEN) Bootloader: qemu", "(XEN) *** Building a PV Dom0 ***"),
            Part(run.Log, "(XEN) Bootloader: qemu", "(XEN) *** Building a PV Dom0 ***"));
    }

    /// <summary>The firmware's tables grow with the processors, and so lie elsewhere: their addresses and lengths are left out.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Several_processors_come_up_as_the_real_log_says(int cpus)
    {
        using BootRun run = Dom0Boots.Run("boot-4.17-x86_64-compat", change: o => o with { Host = o.Host with { Cpus = cpus } });

        Assert.Equal(
            Part(Golden($"boot-4.17.7-{cpus}-cpus"), "(XEN) Bootloader: qemu", "(XEN) *** Building a PV Dom0 ***").Select(WithoutTable),
            Part(run.Log, "(XEN) Bootloader: qemu", "(XEN) *** Building a PV Dom0 ***").Select(WithoutTable));
        Assert.Equal((uint)cpus, run.Xen.FindDomain(DomainId.Dom0)!.MaxVcpus);
    }

    private static string WithoutTable(string line) => Table().Replace(line, "$1 *");

    [Fact]
    public void Without_a_kernel_a_control_domain_stands_in()
    {
        using BootRun run = new(e => Dom0Boots.Options("boot-4.17-x86_64-compat", e), image: null);

        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Assert.NotNull(run.Xen.FindDomain(DomainId.Dom0));
        Assert.DoesNotContain("construct_dom0", run.Stages);
        Assert.NotNull(run.Xen.Hvm);
    }

    private static string[] Golden(string name)
        => [.. TestData.Lines($"Dom0TestKernel/{name}.log").Where(l => l.StartsWith("(XEN)", StringComparison.Ordinal)).TakeWhile(l => !l.Contains(" halted: ", StringComparison.Ordinal))];

    private static string[] Part(string[] log, string first, string last)
        => Normalised([.. log.SkipWhile(l => l != first).TakeWhile(l => l != last)]);

    /// <summary>Machine addresses that the allocator chose, and the measured clock.</summary>
    private static string[] Normalised(string[] log)
        => [.. log.Select(l => Clock().Replace(Machine().Replace(l, "$1*"), "Detected * MHz").TrimEnd())];

    [GeneratedRegex("( Dom0 alloc.:   )[0-9a-f]{16}->[0-9a-f]{16}")]
    private static partial Regex Machine();

    [GeneratedRegex("(ACPI: [A-Z]{4}) [0-9A-F]{8}, [0-9A-F]{4}")]
    private static partial Regex Table();

    [GeneratedRegex(@"Detected \d+\.\d+ MHz")]
    private static partial Regex Clock();
}
