using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Events;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Toolstack.Libxl;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>What xl says and does when a domain ends, against real xl's logs. Which kernel it was does not matter: the built-in one powers off, too.</summary>
public partial class DomainEndTests
{
    [Fact]
    public void The_waiting_xl_prints_the_recorded_lines_for_a_domain_that_it_preserves()
    {
        var golden = Lines(new GoldenFolder("linux-5.10-pv").Lines("xl-daemon.log").Where(l => !l.StartsWith("HC ", StringComparison.Ordinal) && !l.StartsWith("xencall", StringComparison.Ordinal)), "linux-5.10-pv");
        using var run = Run(EndAction.preserve);
        var ours = Lines(run.ToolLines, "guest");

        // Paused by xl create -p when real xl looked first (8, XEN_DOMINF_paused); a blocked or running one here.
        Assert.Equal(19, golden.Count);
        Assert.Equal(golden, ours);
        Assert.NotNull(run.Session.FindSubject());
    }

    [Fact]
    public void Destroying_says_what_it_said_and_leaves_the_store_as_it_was_left()
    {
        string[] session = new GoldenFolder("").Lines("plain-xl-session.txt");
        var golden = Lines(session.SkipWhile(l => !l.StartsWith("Waiting for domain", StringComparison.Ordinal)).TakeWhile(l => !l.StartsWith("[rc", StringComparison.Ordinal)), "linux-5.10-pv");
        using var run = Run(EndAction.destroy);
        Assert.Equal(5, golden.Count);
        Assert.Equal(golden, Lines(run.ToolLines.Where(l => !l.StartsWith("libxl: debug", StringComparison.Ordinal)), "guest"));
        Assert.Null(run.Session.FindSubject());

        var store = session.SkipWhile(l => l != "$ xenstore-ls -f").Skip(1).TakeWhile(l => l.StartsWith('/'));
        Assert.Equal(store, run.Session.ListXenStore().Select(l => l[..l.LastIndexOf("   (", StringComparison.Ordinal)]));
    }

    /// <summary>The order of xl's calls on an end that a failed creation shares: errors/low-memory has it with every call.</summary>
    [Fact]
    public void A_destroyed_domain_is_paused_first()
    {
        using var run = Run(EndAction.destroy);
        var calls = run.Events.OfType<HypercallEntered>().Where(e => e.Caller.Value == 0).Select(e => e.SubOperation).ToList();
        var end = calls[calls.LastIndexOf("XEN_DOMCTL_pausedomain")..];
        Assert.Equal("XEN_DOMCTL_destroydomain", end.First(c => c is not null && c.StartsWith("XEN_DOMCTL_", StringComparison.Ordinal) && c != "XEN_DOMCTL_pausedomain"));
    }

    private static Simulation Run(EndAction action) => Simulation.Run(new()
    {
        Guest = new() { Kernel = new("pv64", BuiltInGuest.Find("pv64")!.Image.ToArray()), MemoryMiB = 32, OnPoweroff = action },
    });

    /// <summary>From the waiting on, without what differs between runs: numbers of domain and process, the domain's name, and how it was when xl first looked.</summary>
    private static List<string> Lines(IEnumerable<string> lines, string name) =>
        [.. lines.SkipWhile(l => !l.StartsWith("Waiting for domain", StringComparison.Ordinal))
            .Select(l => Pid().Replace(Domid().Replace(l.Replace(name, "NAME", StringComparison.Ordinal), "$1ID"), "pid"))
            .Select(l => Range().Replace(FirstFlags().Replace(l, "flags=ffff...."), "ID..ID"))];

    [GeneratedRegex(@"pid (\d+|<pid>)")]
    private static partial Regex Pid();

    [GeneratedRegex(@"((?:Domain |domid |->domain=))\d+")]
    private static partial Regex Domid();

    [GeneratedRegex(@"\d+\.\.\d+")]
    private static partial Regex Range();

    [GeneratedRegex(@"flags=ffff[0-9a-f]{4}")]
    private static partial Regex FirstFlags();
}
