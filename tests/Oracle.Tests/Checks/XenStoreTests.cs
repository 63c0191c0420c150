using System.Text.RegularExpressions;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>What our tools and daemons leave in xenstore for a paused domain: every path, value and permission, in the recorded order.</summary>
public partial class XenStoreTests
{
    [Theory]
    [InlineData("grub-pv64")]
    [InlineData("linux-5.10-pv")]
    [InlineData("linux-6.1-pv")]
    [InlineData("grub-pvh")]
    [InlineData("linux-6.1-pvh")]
    public void The_whole_store_is_the_recorded_one(string name)
    {
        var golden = Normalise(new GoldenFolder(name).Lines("xenstore-paused-with-permissions.txt"));
        using var run = Simulation.Run(RecordedDomain.Options(name, out _) with { Paused = true });
        var ours = Normalise(run.Session.ListXenStore());
        Assert.Empty(golden.Except(ours));
        Assert.Empty(ours.Except(golden));
        Assert.Equal(golden, ours);
    }

    /// <summary>Replaces what differs from run to run: domain id, uuid, start time, pty, and a PV domain's frames.</summary>
    private static List<string> Normalise(IEnumerable<string> listing)
    {
        var lines = listing.ToList();
        string domid = lines.Select(l => DomainPath().Match(l)).First(m => m.Success).Groups[1].Value;
        string uuid = lines.Select(l => VmPath().Match(l)).First(m => m.Success).Groups[1].Value;
        bool translated = lines.Any(l => l.StartsWith($"/libxl/{domid}/type = \"pvh\"", StringComparison.Ordinal));
        return [.. lines.Select(l =>
        {
            string line = l.Replace(uuid, "UUID", StringComparison.Ordinal);
            line = Regex.Replace(line, $@"(?<=^/local/domain/|/local/domain/0/backend/console/|^/libxl/|""/local/domain/){domid}(?=/| |"")", "ID");
            line = Regex.Replace(line, $@"(?<=[nrwb]){domid}(?=[,)])", "ID");
            line = Regex.Replace(line, @"(?<=/(start_time|tty) = "")[^""]+", "*");
            line = Regex.Replace(line, $@"(?<=/(domid|frontend-id) = ""){domid}(?="")", "ID");
            return translated ? line : Regex.Replace(line, @"(?<=/ring-ref = "")\d+", "*");
        })];
    }

    [GeneratedRegex(@"^/local/domain/([1-9]\d*) =")]
    private static partial Regex DomainPath();

    [GeneratedRegex(@"^/vm/([0-9a-f-]{36}) =")]
    private static partial Regex VmPath();
}
