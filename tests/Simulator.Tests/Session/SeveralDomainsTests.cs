using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Tests.Session;

/// <summary>Several domains of one host under one scheduler. What the guests print says that each call was answered as they need it.</summary>
public sealed class SeveralDomainsTests
{
    [Theory]
    [InlineData(XenRelease.V4_17, "pv64", "pv64")]
    [InlineData(XenRelease.V4_17, "pv64", "pv32")]
    [InlineData(XenRelease.V4_17, "pv32", "pv64")]
    [InlineData(XenRelease.V4_0, "pv64", "pv64")]
    [InlineData(XenRelease.V4_0, "pv32", "pv64")]
    public void A_frontend_and_a_backend_exchange_a_grant_and_an_event(XenRelease release, string front, string back)
    {
        SessionOptions options = new()
        {
            Release = release,
            Guest = Spec("front", front, GuestTrial.GrantToD2),
            Others = [Spec("back", back, GuestTrial.UseGrantOfD1)],
        };
        Assert.Null(OptionRules.Check(options));
        Consoles consoles = new();
        using BootSession session = new(options, [consoles]);
        Assert.Equal(SessionEnd.PoweredOff, session.Run(CancellationToken.None).End);

        Assert.Contains("d2 says: and from d2\n", consoles.Of(1), StringComparison.Ordinal);
        Assert.Contains("map_grant_ref: d1 says: hello from d1\n", consoles.Of(2), StringComparison.Ordinal);
        Assert.Contains("d1 has my answer\n", consoles.Of(2), StringComparison.Ordinal);
        Assert.Equal([(1, SessionEnd.PoweredOff), (2, SessionEnd.PoweredOff)], session.Domains.Select(d => ((int)d.Id.Value, d.Outcome!.End)));
        Assert.Equal("front", session.ReadXenStore("/local/domain/1/name"));
        Assert.Equal("back", session.ReadXenStore("/local/domain/2/name"));
    }

    [Fact]
    public void Dom0_and_two_domains_run_side_by_side()
    {
        SessionOptions options = new()
        {
            Path = BootPath.Dom0,
            Host = new HostSpec { CommandLine = "dom0_mem=128M" },
            Guest = Spec("dom0", "pv64"),
            Others = [Spec("front", "pv64", GuestTrial.GrantToD2), Spec("back", "pv64", GuestTrial.UseGrantOfD1)],
        };
        Consoles consoles = new();
        using BootSession session = new(options, [consoles]);

        // dom0 powers the machine off when it is done: whoever has not finished by then goes with it.
        Assert.Equal(SessionEnd.PoweredOff, session.Run(CancellationToken.None).End);
        Assert.Contains("I am domain 0", consoles.Of(0), StringComparison.Ordinal);
        Assert.Contains("XenSim's own PV guest", consoles.Of(1), StringComparison.Ordinal);
        Assert.Contains("XenSim's own PV guest", consoles.Of(2), StringComparison.Ordinal);
        Assert.Equal([0, 1, 2], session.Domains.Select(d => (int)d.Id.Value));
    }

    [Fact]
    public void A_restarted_domain_runs_beside_one_that_waits_for_it()
    {
        SessionOptions options = new()
        {
            Guest = Spec("rebooting", "pv64", GuestTrial.Reboot) with { OnReboot = XenSim.Toolstack.Libxl.EndAction.restart },
            Others = [Spec("second", "pv64")],
            Limits = new SessionLimits { Restarts = 2 },
        };
        Consoles consoles = new();
        using BootSession session = new(options, [consoles]);
        Assert.Equal(SessionEnd.Rebooted, session.Run(CancellationToken.None).End);
        Assert.Equal((2ul, SessionEnd.PoweredOff), (session.Domains[0].Restarts, session.Domains[1].Outcome!.End));
        Assert.Contains("until soon", consoles.Of(3), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_domains_give_the_same_events()
    {
        SessionOptions options = new() { Guest = Spec("front", "pv64", GuestTrial.GrantToD2), Others = [Spec("back", "pv32", GuestTrial.UseGrantOfD1)] };
        string[] runs = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            using MemoryStream trace = new();
            using (JsonLinesWriter writer = new(trace))
            using (BootSession session = new(options, [writer]))
                session.Run(CancellationToken.None);
            return Encoding.UTF8.GetString(trace.ToArray());
        })];
        Assert.Contains("grant_table_op", runs[0], StringComparison.Ordinal);
        Assert.Equal(runs[0], runs[1]);
    }

    private static GuestSpec Spec(string name, string builtIn, params GuestTrial[] tries)
    {
        BuiltInGuest guest = BuiltInGuest.Find(builtIn)!;
        return new GuestSpec { Name = name, BuiltIn = guest, Kernel = new NamedBytes(builtIn, [.. guest.Image.Span]), Variant = new GuestVariant { Tries = tries } }.WithVariant();
    }

    /// <summary>What each domain printed.</summary>
    private sealed class Consoles : IEventConsumer
    {
        private readonly Dictionary<ushort, StringBuilder> _texts = [];

        public bool Wants(Type eventType) => eventType == typeof(ConsoleOutput);

        public string Of(ushort domain) => _texts.TryGetValue(domain, out StringBuilder? text) ? text.ToString() : "";

        public void On(in TimedEvent e)
        {
            ConsoleOutput output = (ConsoleOutput)e.Event;
            if (!_texts.TryGetValue(output.Domain.Value, out StringBuilder? text))
                _texts[output.Domain.Value] = text = new StringBuilder();
            text.Append(Encoding.Latin1.GetString(output.Bytes));
        }
    }
}
