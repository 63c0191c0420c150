using System.Security.Cryptography;
using XenSim.Oracle.Tests.Golden;
using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The recording of pv64 under a real Xen belongs to the image that we embed: who changes the guest records it again.</summary>
public class RecordedGuestTests
{
    [Fact]
    public void The_recorded_pv64_is_the_embedded_one()
    {
        string digest = Convert.ToHexStringLower(SHA256.HashData(BuiltInGuest.Find("pv64")!.Image.Span));
        Assert.Contains(digest, new GoldenFolder("").Text("ORIGIN.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Real_Xen_ran_pv64_to_its_end()
    {
        var lines = XenConsole.Guest(new GoldenFolder("dom0-built-in-pv64").Lines("serial.log"));
        Assert.Equal(16, lines.Count);
        Assert.Equal("sched_op(shutdown, poweroff): bye", lines[^1]);
        Assert.DoesNotContain(lines, l => l.Contains("failed", StringComparison.Ordinal));
    }
}
