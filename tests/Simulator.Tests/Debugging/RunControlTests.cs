using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging;

public sealed class RunControlTests
{
    [Fact]
    public void A_stage_is_stopped_at_and_stepping_into_it_lands_in_the_hypervisor()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        debug.Breakpoints.Add(new StagePoint("setup_hypercall_page", StageMoment.Entered));
        StopReport stop = debug.Go();
        Assert.Equal(StopReason.Breakpoint, stop.Reason);
        Assert.Equal("setup_hypercall_page", ((StageEntered)stop.Event!).Stage);

        // The order of calls: stable-4.17 tools/libs/guest/xg_dom_boot.c, tools/libs/ctrl/xc_private.h, xen/common/domctl.c, xen/arch/x86/domctl.c, domain.c.
        List<(string, Side)> stages = [];
        for (int i = 0; i < 4; i++)
            stages.Add(debug.StepBy(Granularity.Stage).Event is StageEntered entered ? (entered.Stage, entered.Side) : default);
        Assert.Equal([("do_domctl", Side.Toolstack), ("do_domctl", Side.Hypervisor), ("arch_do_domctl", Side.Hypervisor), ("init_hypercall_page", Side.Hypervisor)], stages);
        Assert.Equal(
            ["init_hypercall_page", "arch_do_domctl", "do_domctl", "XEN_DOMCTL_hypercall_init", "do_domctl", "setup_hypercall_page"],
            debug.Stack!.Outwards().Select(f => f.Name).Take(6));
        Assert.Equal("init_hypercall_page", ((StageReturned)debug.StepBy(Granularity.Stage, StepKind.Out).Event!).Stage);
    }

    [Fact]
    public void The_guest_is_stepped_instruction_by_instruction_and_back()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        debug.GoToInstruction(100);
        List<(Position Position, ulong Rip)> way = [];
        for (int i = 0; i < 50; i++)
        {
            StopReport stop = debug.StepBy(Granularity.Instruction);
            way.Add((stop.Position, stop.InstructionPointer!.Value));
        }

        for (int i = way.Count - 2; i >= 0; i--)
        {
            StopReport stop = debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward);
            Assert.Equal(way[i], (stop.Position, stop.InstructionPointer!.Value));
        }
    }

    [Fact]
    public void The_guests_entry_and_its_first_hypercall_are_stopped_at()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        Assert.True(debug.Inspect.Symbols.TryFind("hypercall_page", out Symbol page));
        debug.Breakpoints.Add(new HypercallPoint("xen_version", Returning: false), Expression.Parse("caller != 0"));
        StopReport stop = debug.Go();
        HypercallEntered call = Assert.IsType<HypercallEntered>(stop.Event);
        Assert.Equal(Issuer.Guest, call.Issuer);

        // __HYPERVISOR_xen_version is 17; the stub's syscall stands 7 bytes after its begin (push, push, mov).
        Assert.InRange(call.InstructionPointer, page.Address + (17 * 32), page.Address + (18 * 32));
        Assert.Equal(StopReason.Step, debug.StepBy(Granularity.Hypercall, StepKind.Out).Reason);
        Assert.IsType<HypercallReturned>(debug.Report.Event);
    }

    [Fact]
    public void The_end_is_reported_and_so_is_the_beginning()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        StopReport end = debug.Go();
        Assert.Equal(StopReason.EndOfHistory, end.Reason);
        Assert.Equal(SessionEnd.PoweredOff, end.Outcome!.End);
        Assert.Equal(StopReason.EndOfHistory, debug.StepBy(Granularity.Stage).Reason);
        StopReport begin = debug.Go(Direction.Backward);
        Assert.Equal(StopReason.BeginOfHistory, begin.Reason);
        Assert.Equal(Position.Start, begin.Position);
        Assert.Equal(end.Position, debug.Go().Position);
    }
}
