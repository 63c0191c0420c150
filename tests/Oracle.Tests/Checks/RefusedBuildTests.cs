using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>What real xl refused is refused here, with the same words and the same exit code.</summary>
public class RefusedBuildTests
{
    [Theory]
    [InlineData("bad-kernel", "initramfs.gz", 64, GuestType.Pv, null)]
    [InlineData("low-memory", "vmlinuz-6.1-amd64", 32, GuestType.Pv, "initramfs.gz")]
    [InlineData("pv32-refused", "grub-i386-xen.bin", 128, GuestType.Pv, null)]
    [InlineData("pvh-kernel-without-note", "grub-x86_64-xen.bin", 64, GuestType.Pvh, null)]
    public void A_refused_build_ends_as_recorded(string name, string kernel, int memory, GuestType type, string? ramdisk)
    {
        using var run = Simulation.Run(new()
        {
            Release = XenRelease.V4_17,
            Path = type == GuestType.Pv ? BootPath.DomU : BootPath.Hvm,
            Paused = true,
            Host = new() { MemoryMiB = 3072, Pv32 = false },
            Guest = new()
            {
                Name = name,
                Type = type,
                Kernel = RealGuest.Load(kernel).AsFile,
                Ramdisk = ramdisk is null ? null : RealGuest.Load(ramdisk).AsFile,
                MemoryMiB = (ulong)memory,
            },
        });
        var golden = new GoldenFolder("errors/" + name).Lines("create-interleaved.log");
        Assert.Equal(SessionEnd.BuildFailed, run.Outcome.End);
        Assert.Equal(golden.Single(l => l.StartsWith("rc=", StringComparison.Ordinal)), $"rc={run.Outcome.ToolExitCode}");
        Assert.Equal(Errors(golden), Errors(run.ToolLines));

        // The failed domain is paused and destroyed; nothing of it stays.
        var cleanUp = run.ToolCalls().Select(c => c.SubOperation).Where(s => s is "XEN_DOMCTL_pausedomain" or "XEN_DOMCTL_destroydomain");
        Assert.Equal(["XEN_DOMCTL_pausedomain", "XEN_DOMCTL_destroydomain"], cleanUp);
        Assert.Equal(HypercallLog.Parse(golden).Select(c => c.SubOperation ?? c.Call), run.ToolCalls().Select(c => c.SubOperation ?? c.Call));
    }

    /// <summary>Error lines, without the domain's number and without a stale errno that the recording's notes tell to ignore.</summary>
    private static List<string> Errors(IEnumerable<string> lines) =>
        [.. lines.Where(l => l.Contains(": error: ", StringComparison.Ordinal))
            .Select(l => System.Text.RegularExpressions.Regex.Replace(l, @"Domain \d+:", "Domain N:"))
            .Select(l => System.Text.RegularExpressions.Regex.Replace(l, @"(xc_dom_build_image failed).*", "$1").TrimEnd())];
}
