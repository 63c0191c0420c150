using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>Kernels booted as dom0 see, and print, what they saw on real Xen.</summary>
public class Dom0Tests
{
    [Theory]
    [InlineData("boot-4.0.4-x86_32-ring1.log", XenRelease.V4_0, 32, false)]
    [InlineData("boot-4.0.4-x86_32-ring0.log", XenRelease.V4_0, 32, true)]
    [InlineData("boot-4.0.4-x86_64-compat.log", XenRelease.V4_0, 64, false)]
    [InlineData("boot-4.17-x86_64-compat.log", XenRelease.V4_17, 64, false)]
    public void The_test_kernel_prints_what_it_printed_on_real_Xen(string log, XenRelease release, int bits, bool supervisor)
    {
        const ulong entryOfThatBuild = 0xff1ddab0;
        var golden = new GoldenFolder("dom0-test-kernel");
        var host = new HostSpec { Bits = bits, SupervisorModeKernel = supervisor, MemoryMiB = 1024, CommandLine = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=256M" };
        using var run = Boot(release, supervisor ? host with { HypercallEntry = entryOfThatBuild } : host, new("test-kernel-32.elf", golden.Bytes("test-kernel-32.elf")), "foo bar=1");
        Assert.Equal(SessionEnd.PoweredOff, run.Outcome.End);
        Assert.Equal(TestKernelDump.Parse(golden.Lines(log)), TestKernelDump.Parse(run.Serial()));
    }

    [Theory]
    [InlineData("boot-4.0.4-x86_32-ring1.log", XenRelease.V4_0, 32, false)]
    [InlineData("boot-4.0.4-x86_32-ring0.log", XenRelease.V4_0, 32, true)]
    [InlineData("boot-4.0.4-x86_64-compat.log", XenRelease.V4_0, 64, false)]
    [InlineData("boot-4.17-x86_64-compat.log", XenRelease.V4_17, 64, false)]
    public void Construct_dom0_prints_the_recorded_lines(string log, XenRelease release, int bits, bool supervisor)
    {
        var golden = new GoldenFolder("dom0-test-kernel");
        var host = new HostSpec { Bits = bits, SupervisorModeKernel = supervisor, MemoryMiB = 1024, CommandLine = "loglvl=all dom0_mem=256M" };
        using var run = Boot(release, host, new("test-kernel-32.elf", golden.Bytes("test-kernel-32.elf")), "foo bar=1");
        Assert.Equal(XenConsole.ConstructDom0(golden.Lines(log)).Where(l => !OfDebugBuild(l)), XenConsole.ConstructDom0(run.Serial()));
    }

    [Fact]
    public void Our_own_pv64_prints_what_it_printed_on_real_Xen()
    {
        var host = new HostSpec { MemoryMiB = 1024, Pv32 = false, CommandLine = "console=com1 com1=115200,8n1 dom0_mem=256M loglvl=all guest_loglvl=all noreboot" };
        using var run = Boot(XenRelease.V4_17, host, new("pv64", BuiltInGuest.Find("pv64")!.Image.ToArray()), "");
        var golden = new GoldenFolder("dom0-built-in-pv64").Lines("serial.log");
        Assert.Equal(XenConsole.Guest(golden), XenConsole.Guest(run.Serial()));
    }

    [Theory]
    [InlineData("dom0-linux-5.10", "vmlinuz-5.10.0-32-amd64")]
    [InlineData("dom0-linux-6.1", "vmlinuz-6.1-amd64")]
    public void Linux_as_dom0_is_laid_out_as_recorded(string name, string kernel)
    {
        var guest = RealGuest.Load(kernel);
        if (!guest.IsRecorded)
        {
            return; // another kernel has another layout
        }

        using var run = Simulation.Run(new()
        {
            Release = XenRelease.V4_17,
            Path = BootPath.Dom0,
            Host = new() { MemoryMiB = 1024, Pv32 = false, CommandLine = "dom0_mem=384M loglvl=all" },
            Guest = new() { Name = name, Kernel = guest.AsFile, Ramdisk = new("initrd.gz", RecordedRamdisk.Build()), CommandLine = "console=hvc0 earlyprintk=xen" },
            Limits = new() { Instructions = 1 },
        });
        var golden = new GoldenFolder(name).Lines("memory-arrangement.txt");
        Assert.Equal(Virtual(golden), Virtual(run.Serial()));
    }

    /// <summary>The recorded 4.17 was a debug build, in which libelf talks (stable-4.17 xen/common/libelf/libelf-private.h: elf_msg under VERBOSE).</summary>
    private static bool OfDebugBuild(string line) =>
        line.StartsWith("(XEN) ELF: ", StringComparison.Ordinal) || line.StartsWith("(XEN)     ", StringComparison.Ordinal);

    /// <summary>From the kernel's line on; the physical part depends on the machine's memory map and on what else Xen has allocated.</summary>
    private static List<string> Virtual(IEnumerable<string> lines) =>
        [.. XenConsole.ConstructDom0(lines).SkipWhile(l => !l.Contains("VIRTUAL MEMORY ARRANGEMENT", StringComparison.Ordinal))];

    private static Simulation Boot(XenRelease release, HostSpec host, NamedBytes kernel, string commandLine) => Simulation.Run(new()
    {
        Release = release,
        Path = BootPath.Dom0,
        Host = host,
        Guest = new() { Name = "dom0", Kernel = kernel, CommandLine = commandLine, MemoryMiB = 256 },
    });
}
