using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>A real kernel, built by our tools on our Xen 4.17, makes the hypercalls that it made on the real one, in the same order.</summary>
public class FirstHypercallsTests
{
    // Linux scans a p2m of 128 Mi entries late in the recorded part: 1.4 thousand million instructions, which only CI takes the time for.
    private const long Short = 60_000_000;
    private const long Whole = 2_000_000_000;

    /// <param name="shortly">How many calls fit into the short run; the recordings end by themselves, GRUB at its prompt.</param>
    [Theory]
    [InlineData("grub-pv64", 91)]
    [InlineData("linux-5.10-pv", 52_900)]
    [InlineData("linux-6.1-pv", 5_800)]
    public void A_kernel_makes_the_recorded_hypercalls_in_order(string name, int shortly)
    {
        var recorded = GuestCallTrace.Parse(new GoldenFolder(name).Lines("guest-hypercalls-in-order.txt"));
        var calls = Run(name, RealGuest.AreRequired ? Whole : Short);
        int common = Math.Min(recorded.Count, calls.All.Count);
        Assert.True(common >= (RealGuest.AreRequired ? recorded.Count : shortly), $"{common} calls of {recorded.Count}");
        for (int i = 0; i < common; i++)
        {
            if (recorded[i] != calls.All[i])
            {
                string Around(IReadOnlyList<string> list) => string.Join(", ", list.Skip(i - 4).Take(8));
                Assert.Fail($"call {i}: {Around(recorded)}\n  ours: {Around(calls.All)}");
            }
        }
    }

    /// <summary>Slot of the call's number, 32 bytes each; the <c>syscall</c> stands behind two pushes (iret: three) and the load of EAX.</summary>
    [Fact]
    public void Linux_5_10_calls_through_its_hypercall_page()
    {
        const ulong page = 0xffffffff81002000;
        const uint iret = 23;
        var calls = Run("linux-5.10-pv", 10_000_000);
        Assert.True(calls.Traps.Count > 500, $"{calls.Traps.Count} calls");
        Assert.All(calls.Traps, t => Assert.Equal(page + t.Number * 32 + (t.Number == iret ? 9u : 8u), t.Address));
    }

    private static GuestCalls Run(string name, long instructions)
    {
        var calls = new GuestCalls();
        var options = RecordedDomain.Options(name, out bool recorded);
        if (!recorded)
        {
            Assert.Skip($"the kernel is not the recorded one of {name}");
        }

        using var session = new BootSession(options with { Limits = new() { Instructions = instructions } }, [calls]);
        session.Run(CancellationToken.None);
        return calls;
    }
}
