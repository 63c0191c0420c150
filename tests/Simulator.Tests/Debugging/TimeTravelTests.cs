using XenSim.Hypervisor.Public;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>Going back and forth ends in the very states that were there, by a digest of memory, vCPUs and every object of the session.</summary>
public sealed class TimeTravelTests
{
    private static readonly DebugSettings s_dense = new() { Interval = 3_000 };

    [Theory]
    [InlineData("pv64", BootPath.DomU, XenRelease.V4_17)]
    [InlineData("pv32", BootPath.DomU, XenRelease.V4_0)]
    [InlineData("pv64", BootPath.Dom0, XenRelease.V4_17)]
    [InlineData("hvm", BootPath.Hvm, XenRelease.V4_17)]
    public void A_random_walk_finds_every_state_again(string guest, BootPath path, XenRelease release)
    {
        using DebugSession debug = Debugged.Boot(guest, path, release, s_dense);
        Position end = debug.Go().Position;
        Random random = new(42);
        Dictionary<Position, string> seen = new() { [end] = debug.StateDigest() };
        for (int i = 0; i < 60; i++)
        {
            Direction direction = random.Next(2) == 0 ? Direction.Forward : Direction.Backward;
            StopReport stop = random.Next(6) switch
            {
                0 => debug.GoToInstruction(random.NextInt64(end.Instruction)),
                1 => debug.GoToEvent(random.NextInt64(end.Event)),
                2 => debug.StepBy((Granularity)random.Next(3), StepKind.Into, direction),
                3 => debug.StepBy((Granularity)random.Next(3), StepKind.Over, direction),
                4 => debug.GoTo(seen.Keys.ElementAt(random.Next(seen.Count))),
                _ => debug.StepBy(Granularity.Instruction, StepKind.Into, direction),
            };
            string digest = debug.StateDigest();
            Assert.True(seen.TryAdd(stop.Position, digest) || seen[stop.Position] == digest, $"step {i} came to {stop.Position} in another state");
        }

        Assert.Equal(seen[end], debug.GoTo(end).Reason == StopReason.Reached ? debug.StateDigest() : "");
    }

    [Theory]
    [InlineData("pv64", BootPath.DomU)]
    [InlineData("hvm", BootPath.Hvm)]
    public void With_and_without_history_a_session_comes_to_the_same_states(string guest, BootPath path)
    {
        using DebugSession with = Debugged.Boot(guest, path, settings: s_dense);
        using DebugSession without = Debugged.Boot(guest, path, settings: new DebugSettings { KeepHistory = false });
        foreach (long instruction in (long[])[1, 1_000, 10_000])
        {
            Assert.Equal(without.GoToInstruction(instruction).Position, with.GoToInstruction(instruction).Position);
            Assert.Equal(without.StateDigest(), with.StateDigest());
        }

        Assert.Equal(without.Go().Position, with.Go().Position);
        Assert.Equal(without.StateDigest(), with.StateDigest());
    }

    [Fact]
    public void Memory_of_history_stays_within_its_bound()
    {
        HistoryFigures all;
        using (DebugSession unbound = Debugged.Boot("pv64", settings: new DebugSettings { Interval = 500 }))
        {
            unbound.Go();
            all = unbound.History;
        }

        // The first state is whole; what the others take besides is to be halved.
        long first;
        using (DebugSession one = Debugged.Boot("pv64", settings: new DebugSettings { Interval = 1_000_000 }))
        {
            one.Go();
            first = one.History.Bytes;
        }

        long bound = first + ((all.Bytes - first) / 2);
        using DebugSession debug = Debugged.Boot("pv64", settings: new DebugSettings { Interval = 500, MemoryBound = bound });
        debug.Go();
        Assert.InRange(debug.History.States, 3, all.States - 1);

        // Events after the last instruction come on top.
        Assert.InRange(debug.History.Bytes, 1, bound + (64 << 10));
        Position half = debug.GoToInstruction(debug.Position.Instruction / 2).Position;
        string digest = debug.StateDigest();
        debug.GoToStart();
        debug.GoTo(half);
        Assert.Equal(digest, debug.StateDigest());
    }

    [Fact]
    public void What_is_changed_from_outside_belongs_to_history()
    {
        using DebugSession debug = Debugged.Boot("pv64", settings: s_dense);
        Position here = debug.GoToInstruction(5_000).Position;
        VcpuId vcpu = debug.Report.Vcpu!.Value;
        Assert.Null(debug.Change(new RegisterChange(vcpu, "r15", 0x1234)));
        debug.StepBy(Granularity.Instruction);
        Position later = debug.StepBy(Granularity.Instruction).Position;
        Assert.Equal(0x1234ul, debug.Inspect.Selected!.Cpu[XenSim.Guest.Cpu.Gpr.R15]);
        string digest = debug.StateDigest();
        debug.GoToStart();
        Assert.Equal(later, debug.GoTo(later).Position);
        Assert.Equal(0x1234ul, debug.Inspect.Selected!.Cpu[XenSim.Guest.Cpu.Gpr.R15]);
        Assert.Equal(digest, debug.StateDigest());
        Assert.True(here < later);
    }
}
