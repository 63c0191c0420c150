using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging;

/// <summary>What a step is at each granularity.</summary>
public sealed partial class DebugSession
{
    /// <summary>How far back the call is looked for first, by what such distances grow, and which are too long. Unit: ticks.</summary>
    private const long FirstWindow = 1000, WindowGrowth = 16, LongestWindow = 1 << 20;

    /// <summary>What a function that takes its arguments off the stack itself (RET n) may have had. Unit: bytes.</summary>
    private const ulong MostArguments = 4096;

    /// <summary>Which events steps of a granularity stop at.</summary>
    private interface IEventSteps
    {
        /// <summary>An event that a step into stops at.</summary>
        bool IsStop(XenEvent e);

        /// <summary>A frame of this granularity.</summary>
        bool IsFrame(CallFrame frame);

        /// <summary>The event by which a frame closes.</summary>
        bool Closes(XenEvent e);
    }

    private sealed class StageSteps : IEventSteps
    {
        public static readonly StageSteps Instance = new();

        public bool IsStop(XenEvent e) => e is StageEntered or StageFailed or GuestStarted or DomainShutdown or MachineEnded;

        public bool IsFrame(CallFrame frame) => !frame.IsHypercall;

        public bool Closes(XenEvent e) => e is StageReturned or StageFailed;
    }

    private sealed class HypercallSteps : IEventSteps
    {
        public static readonly HypercallSteps Instance = new();

        public bool IsStop(XenEvent e) => e is HypercallEntered or HypercallReturned;

        public bool IsFrame(CallFrame frame) => frame.IsHypercall;

        public bool Closes(XenEvent e) => e is HypercallReturned;
    }

    private StopReport StepByEvents(IEventSteps steps, StepKind kind, Direction direction, CancellationToken stop)
    {
        CallFrame? frame = Stack?.Outwards().FirstOrDefault(steps.IsFrame);
        int depth = Stack?.Depth ?? -1;
        int frameDepth = frame?.Depth ?? -1;
        Func<JournalEntry, bool> isEnd = (kind, direction) switch
        {
            (StepKind.Into, _) => e => steps.IsStop(e.Event),
            (StepKind.Over, _) => e => steps.IsStop(e.Event) && DepthOf(e) <= (frame is null ? depth : frameDepth),
            // Outwards is to where the frame closes, or, backwards, to where it was opened.
            (_, Direction.Forward) => e => steps.Closes(e.Event) && frame is not null && DepthOf(e) <= frameDepth,
            _ => e => frame is not null && e.Position.Event - 1 == frame.Event,
        };
        if (direction == Direction.Backward && kind == StepKind.Out && frame is not null && Position.InEvent && Position.Event - 1 == frame.Event)
        {
            // At its opening already: to that of the one around it.
            CallFrame? around = frame.Caller?.Outwards().FirstOrDefault(steps.IsFrame);
            isEnd = e => around is not null && e.Position.Event - 1 == around.Event;
        }

        return Advance(new StepEnd(isEnd, null), direction, stop);
    }

    private static int DepthOf(JournalEntry e) => e.Stack?.Depth ?? -1;

    private StopReport StepInstruction(StepKind kind, Direction direction, VcpuId? only, CancellationToken stop)
    {
        bool Counts(Vcpu v) => only is not { } o || (v.Domain.Id == o.Domain && v.Id == o.Vcpu);
        StepEnd one = new(null, (v, _) => Counts(v), EveryInstruction: true);
        Vcpu? vcpu = Inspect.Running;
        bool atBoundary = !Position.InEvent && vcpu is not null && Counts(vcpu);
        if (kind == StepKind.Into || !atBoundary)
            return Advance(one, direction, stop);
        return kind == StepKind.Over
            ? direction == Direction.Forward ? StepOverCall(vcpu!, one, stop) : StepBackOverCall(vcpu!, one, stop)
            : direction == Direction.Forward ? FinishFunction(vcpu!, stop) : GoBackToCall(vcpu!, stop);
    }

    /// <summary>A call, a system call, or a repeated string instruction: to the instruction after it, on the same stack or above.</summary>
    private StopReport StepOverCall(Vcpu vcpu, StepEnd one, CancellationToken stop)
    {
        if (Disassembly.At(Inspect, vcpu) is not { IsSteppedOver: true } call)
            return Advance(one, Direction.Forward, stop);
        return Advance(Return(vcpu, call.NextLinear), Direction.Forward, stop);
    }

    /// <summary>Where a vCPU comes to an address with nothing more on its stack than it has now.</summary>
    private static StepEnd Return(Vcpu vcpu, ulong linear)
    {
        ulong stack = vcpu.Cpu[Gpr.Rsp];
        return new StepEnd(null, (v, _) => v == vcpu && v.Cpu.LinearRip == linear && v.Cpu[Gpr.Rsp] >= stack) { Addresses = [linear] };
    }

    /// <summary>If a call has just returned here, back to that call; else one instruction.</summary>
    private StopReport StepBackOverCall(Vcpu vcpu, StepEnd one, CancellationToken stop)
    {
        ulong rip = vcpu.Cpu.LinearRip, stack = vcpu.Cpu[Gpr.Rsp];
        Position origin = Position;
        VcpuId id = new(vcpu.Domain.Id, vcpu.Id);
        StopReport back = Advance(one, Direction.Backward, stop);
        if (back.Reason != StopReason.Step || Inspect.Find(id) is not { } before || Disassembly.At(Inspect, before) is not { IsReturn: true })
            return back;
        _history.Seek(origin);
        ulong[] calls = [.. Disassembly.CallsEndingAt(Inspect, vcpu, rip)];
        if (calls.Length == 0)
        {
            _history.Seek(back.Position);
            return Arrived(StopReason.Step);
        }

        return Advance(
            new StepEnd(null, (v, _) => IsSame(v, id) && Array.IndexOf(calls, v.Cpu.LinearRip) >= 0 && v.Cpu[Gpr.Rsp] == stack) { Addresses = calls }, Direction.Backward, stop);
    }

    /// <summary>To where the stack says that this function returns; where it does not say, instruction by instruction until it has returned.</summary>
    private StopReport FinishFunction(Vcpu vcpu, CancellationToken stop)
    {
        VcpuId id = new(vcpu.Domain.Id, vcpu.Id);
        if (Inspect.CallerOf(vcpu) is { } caller)
            return Advance(new StepEnd(null, (v, _) => IsSame(v, id) && v.Cpu.LinearRip == caller.Address && v.Cpu[Gpr.Rsp] - caller.Stack <= MostArguments) { Addresses = [caller.Address] }, Direction.Forward, stop);
        FunctionWalk walk = new(Inspect);
        walk.See(vcpu, Position);
        bool HasReturned(Vcpu v, Position p)
        {
            if (!IsSame(v, id))
                return false;
            walk.See(v, p);
            return walk.Depth < 0;
        }

        return Advance(new StepEnd(null, HasReturned, EveryInstruction: true), Direction.Forward, stop);
    }

    /// <summary>
    /// Back to the call that led into this function: the last one at the place that the stack names. Where it names none: windows of history, each walked forwards to
    /// see which calls are open at its end.
    /// </summary>
    private StopReport GoBackToCall(Vcpu vcpu, CancellationToken stop)
    {
        Position origin = Position;
        VcpuId id = new(vcpu.Domain.Id, vcpu.Id);
        if (Inspect.CallerOf(vcpu) is { } caller && Disassembly.CallsEndingAt(Inspect, vcpu, caller.Address).ToArray() is { Length: > 0 } made)
        {
            return Advance(
                new StepEnd(null, (v, _) => IsSame(v, id) && Array.IndexOf(made, v.Cpu.LinearRip) >= 0 && v.Cpu[Gpr.Rsp] == caller.Stack) { Addresses = made }, Direction.Backward, stop);
        }

        for (long window = FirstWindow; ; window *= WindowGrowth)
        {
            Position from = _history.GoBackBy(origin, window);
            Stack<Position> calls = [];
            FunctionWalk walk = new(Inspect);
            bool See(Vcpu v, Position p)
            {
                if (!IsSame(v, id))
                    return false;
                walk.See(v, p);
                if (walk.Call is { } call)
                    calls.Push(call);
                else if (walk.Returned)
                    calls.TryPop(out _);
                return false;
            }

            // The walk sees the moment at which it ends too: a return or call just before it counts.
            _history.Run(new LastStopGoal(new StepEnd(null, See, EveryInstruction: true), Watcher([], false), from, origin, inclusive: false, stop), null);
            if (stop.IsCancellationRequested)
            {
                _history.Seek(origin);
                return Arrived(StopReason.Interrupted);
            }

            if (Inspect.Find(id) is { } now)
                See(now, origin);
            if (calls.TryPeek(out Position found))
            {
                _history.Seek(found);
                return Arrived(StopReason.Step);
            }

            if (from.Instruction == 0)
            {
                _history.Seek(from);
                return Arrived(StopReason.BeginOfHistory);
            }
        }
    }

    private static bool IsSame(Vcpu v, VcpuId id) => v.Domain.Id == id.Domain && v.Id == id.Vcpu;
}
