using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Tests.Debugging.Gdb;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>What the stack says of the caller is compared with where execution goes: instruction by instruction, calls stepped over, up to the return.</summary>
public sealed class GuestStackTests(ITestOutputHelper output)
{
    private const int MostSteps = 1500;

    [Theory]
    [InlineData("fetched:vmlinuz-6.1-amd64", FrameWitness.Orc, 20_000_000)]
    [InlineData("fetched:grub-i386-xen.bin", FrameWitness.FramePointer, 40_000_000)]
    public void A_function_returns_to_where_the_stack_says(string guest, FrameWitness by, long instructions)
    {
        using DebugSession debug = new(RealGdbTests.OptionsFor(guest));
        Random random = new(3);
        int compared = 0;
        for (int i = 0; i < 30 && compared < 6; i++)
        {
            debug.GoToInstruction(random.NextInt64(instructions / 4, instructions));
            Vcpu vcpu = debug.Inspect.Selected!;
            IReadOnlyList<GuestFrame> stack = debug.Inspect.StackOf(vcpu);
            if (stack.Count < 2 || stack[1].IsGuess)
                continue;
            Assert.Equal(by, stack[1].By);
            Position here = debug.Position;
            if (Return(debug) is not { } returned)
                continue;
            compared++;
            Assert.Equal(stack[1].Address, returned.Address);
            // GRUB's functions take what did not fit into registers off the stack themselves: ret $8.
            Assert.InRange(returned.Stack - stack[1].Stack, 0ul, by == FrameWitness.Orc ? 0ul : 64);
            Position there = debug.Position;

            // And that is where finishi goes, and rfinishi finds the call before.
            debug.GoTo(here);
            Assert.Equal(StopReason.Step, debug.StepBy(Granularity.Instruction, StepKind.Out).Reason);
            Assert.Equal(there, debug.Position);
            debug.GoTo(here);
            Assert.Equal(StopReason.Step, debug.StepBy(Granularity.Instruction, StepKind.Out, Direction.Backward).Reason);
            DecodedInstruction call = Disassembly.At(debug.Inspect, debug.Inspect.Selected!)!;
            Assert.Equal((true, stack[1].Address), (call.IsCall, call.NextLinear));
            Assert.True(debug.Position < here);
        }

        output.WriteLine($"{compared} places compared");
        Assert.True(compared >= 4, $"{compared} places only");
    }

    [Fact]
    public void Where_nobody_says_who_called_what_may_be_a_caller_is_marked()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        Assert.True(debug.Inspect.Symbols.TryFind("hypercall_page", out Symbol page));
        Breakpoint stub = debug.Breakpoints.Add(new AddressPoint(page.Address + (17 * 32)));
        debug.Go();
        debug.Breakpoints.Remove(stub.Id);
        debug.StepBy(Granularity.Instruction);

        // The stub has pushed RCX: no frame pointer leads here, and the return address lies above it.
        Vcpu vcpu = debug.Inspect.Selected!;
        IReadOnlyList<GuestFrame> stack = debug.Inspect.StackOf(vcpu);
        debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward);
        debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward);
        DecodedInstruction call = Disassembly.At(debug.Inspect, debug.Inspect.Selected!)!;
        Assert.True(call.IsCall);
        Assert.Contains(stack.Skip(1), f => f.Address == call.NextLinear);
    }

    /// <summary>Steps to behind this function's return; null: it is too far, or something else comes between.</summary>
    private static (ulong Address, ulong Stack)? Return(DebugSession debug)
    {
        for (int i = 0; i < MostSteps; i++)
        {
            if (Disassembly.At(debug.Inspect, debug.Inspect.Selected!) is not { } now)
                return null;
            if (debug.StepBy(Granularity.Instruction, StepKind.Over).Reason != StopReason.Step || debug.Inspect.Running is not { } vcpu)
                return null;
            if (now.IsReturn)
                return (vcpu.Cpu.LinearRip, vcpu.Cpu[Gpr.Rsp]);
        }

        return null;
    }
}
