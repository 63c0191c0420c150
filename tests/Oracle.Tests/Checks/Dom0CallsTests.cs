using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>
/// A kernel that as dom0 makes every sub-operation of grant_table_op, xen_version, console_io, sched_op, hvm_op, kexec_op, mca, physdev_op,
/// platform_op, sysctl and domctl, well and badly, is answered as real Xen answered it, call by call.
/// </summary>
public class Dom0CallsTests
{
    private const string CommandLine = "console=com1 com1=115200,8n1 dom0_mem=256M loglvl=all guest_loglvl=all noreboot";

    /// <summary>Answers that differ, by the beginning of their lines, and why.</summary>
    private static readonly Dictionary<string, string> _differing = new(StringComparer.Ordinal)
    {
        ["call: hvm_op/10: zeroes"] = "the system time itself",
        ["call: physdev_op/pci_mmcfg_reserved"] = "the recorded machine, QEMU's pc, has no MCFG; ours, its q35, has (MachinePortTests of the Hypervisor)",
        ["call: platform_op/63: zeroes"] = "Xen's own symbols: there is no Xen binary",
    };

    [Fact]
    public void Every_call_of_dom0_is_answered_as_on_real_Xen()
    {
        var golden = new GoldenFolder("dom0-calls");
        using var run = Simulation.Run(new()
        {
            Release = XenRelease.V4_17,
            Path = BootPath.Dom0,
            Host = new HostSpec { MemoryMiB = 1024, Pv32 = false, CommandLine = CommandLine },
            Guest = new() { Name = "dom0", Kernel = new("kernel.elf", golden.Bytes("kernel.elf")), MemoryMiB = 256 },
        });
        List<string> expected = Calls(golden.Lines("serial.log")), answered = Calls(run.Serial());
        Assert.True(expected.Count > 700, "the recording is not whole");
        var differing = expected.Zip(answered).Where(p => p.First != p.Second && !_differing.Keys.Any(k => p.First.StartsWith(k, StringComparison.Ordinal)));
        string report = string.Join('\n', differing.Select(p => $"real: {p.First}\nours: {p.Second}"));
        Assert.True(report.Length == 0, report);
        Assert.Equal(expected.Count, answered.Count);
        Assert.Equal(SessionEnd.PoweredOff, run.Outcome.End);
    }

    /// <summary>No reason may outlive the difference that it explains.</summary>
    [Fact]
    public void Every_reason_given_for_a_difference_has_its_line()
    {
        List<string> lines = Calls(new GoldenFolder("dom0-calls").Lines("serial.log"));
        Assert.All(_differing.Keys, key => Assert.Contains(lines, l => l.StartsWith(key, StringComparison.Ordinal)));
    }

    private static List<string> Calls(IEnumerable<string> lines) => [.. lines.Select(l => l.TrimEnd('\r')).Where(l => l.StartsWith("call: ", StringComparison.Ordinal))];
}
