using XenSim.Oracle.Tests.Comparison;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The domain that our tools build on our Xen 4.17 is the one that real xl built on the real one.</summary>
public class BuiltDomainTests
{
    public static TheoryData<string> Guests => [.. GoldenFolder.Guests];

    [Theory]
    [MemberData(nameof(Guests))]
    public void Memory_page_tables_start_info_context_and_grants_are_the_recorded_ones(string name)
    {
        using var run = Build(name, out bool recorded);
        if (!recorded)
        {
            return; // another kernel has another layout; the calls' order is compared in the next test
        }

        var domain = run.Session.FindSubject();
        Assert.NotNull(domain);
        const ulong noteOf510 = 0xffffffff81002000;
        var image = new SimulatedDomain(run.Session.Xen, domain).Read(name == "linux-5.10-pv" ? noteOf510 : null);
        Assert.Empty(DomainComparison.Compare(DomainImage.Load(new(name)), image).Differences);
        Assert.DoesNotContain(image.P2m.Index(), p => p.Item == (ulong)p.Index);

        var map = HypercallLog.Parse(new GoldenFolder(name).Lines("create-interleaved.log")).Single(c => c.SubOperation == "XENMEM_set_memory_map").Details;
        var entry = Assert.Single(domain.MemoryMap);
        Assert.Equal((map["addr"], map["size"], map["type"]), (entry.Addr, entry.Size, (ulong)entry.Type));
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void The_tools_make_the_recorded_calls_in_order(string name)
    {
        using var run = Build(name, out bool recorded);
        var golden = HypercallLog.Parse(new GoldenFolder(name).Lines("create-interleaved.log"));
        var ours = run.ToolCalls();
        Assert.Equal(golden.Select(c => c.SubOperation ?? c.Call), ours.Select(c => c.SubOperation ?? c.Call));
        if (!recorded)
        {
            return;
        }

        var frames = new Renaming();
        foreach (var (theirs, our) in golden.Zip(ours))
        {
            Assert.Equal(theirs.ToString(), Like(theirs, our).ToString());
            Assert.All(theirs.Frames.Zip(our.Frames), f => Assert.True(frames.Match(f.First, f.Second), $"{theirs}: frame 0x{f.First:x} cannot be 0x{f.Second:x}"));
        }
    }

    /// <summary>Every call of xl, from its first question on.</summary>
    [Theory]
    [MemberData(nameof(Guests))]
    public void The_tools_ask_what_real_ones_asked(string name)
    {
        using var run = Build(name, out _);
        Assert.Equal(HypercallLog.AllNames(new GoldenFolder(name).Lines("create-interleaved.log")), run.AllToolCallNames());
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void The_builder_prints_the_recorded_lines(string name)
    {
        using var run = Build(name, out bool recorded);
        if (!recorded)
        {
            return;
        }

        var golden = ToolLog.Parse(new GoldenFolder(name).Lines("create-interleaved.log"));
        var ours = ToolLog.Parse(run.ToolLines);
        Assert.Equal(golden.Select(l => l.Text), ours.Select(l => l.Text));
        var frames = new Renaming();
        Assert.All(golden.Zip(ours).SelectMany(l => l.First.Frames.Zip(l.Second.Frames)), f => Assert.True(frames.Match(f.First, f.Second)));
    }

    /// <summary>Our call reduced to the arguments that the recorder decoded.</summary>
    private static ToolCall Like(ToolCall golden, ToolCall ours) =>
        ours with { Arguments = ours.Arguments.Where(a => golden.Arguments.ContainsKey(a.Key)).ToDictionary() };

    private static Simulation Build(string name, out bool recorded) => Simulation.Run(RecordedDomain.Options(name, out recorded) with { Paused = true });
}
