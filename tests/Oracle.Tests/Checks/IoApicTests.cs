using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>A kernel that as dom0 writes to the I/O APIC by physdev_op, sets up and binds its interrupts, finds in the redirection entries what it found under real Xen.</summary>
public class IoApicTests
{
    [Fact]
    public void Writes_are_answered_and_entries_left_as_on_real_Xen()
    {
        var golden = new GoldenFolder("io-apic");
        using var run = Simulation.Run(new()
        {
            Release = XenRelease.V4_17,
            Path = BootPath.Dom0,
            Host = new HostSpec { MemoryMiB = 1024, Pv32 = false, CommandLine = "console=com1 com1=115200,8n1 dom0_mem=256M loglvl=all guest_loglvl=all noreboot" },
            Guest = new() { Name = "dom0", Kernel = new("kernel.elf", golden.Bytes("kernel.elf")), MemoryMiB = 256 },
        });
        List<string> expected = Lines(golden.Lines("serial.log")), found = Lines(run.Serial());
        Assert.True(expected.Count > 150, "the recording is not whole");
        Assert.Equal(expected, found);
        Assert.Equal(SessionEnd.PoweredOff, run.Outcome.End);
    }

    /// <summary>The kernel's, and what Xen says to them.</summary>
    private static List<string> Lines(IEnumerable<string> lines) => [.. lines.SkipWhile(l => !l.StartsWith("call: ", StringComparison.Ordinal))];
}
