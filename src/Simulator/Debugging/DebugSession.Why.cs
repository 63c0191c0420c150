using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging;

/// <summary>Who put something where it is.</summary>
/// <param name="Moment">Where it was done: goto there shows it. Null: nobody did since the beginning.</param>
/// <param name="By">Function, or "the guest".</param>
/// <param name="Path">The stages and hypercalls that were open then, innermost first.</param>
/// <param name="Instruction">The guest's instruction that did it; null: Xen or the tools did.</param>
public sealed record WhyReport(StopPoint What, byte[] Value, Position? Moment, string By, IReadOnlyList<CallFrame> Path, DecodedInstruction? Instruction, VcpuId? Vcpu);

public sealed partial class DebugSession
{
    /// <summary>Finds the last write of a byte, or the last change of a register, before now. The session is held where it was afterwards.</summary>
    public WhyReport Why(StopPoint what, CancellationToken stop = default)
    {
        Position origin = Position;
        StopReport held = Report;
        byte[] value = Inspect.ValueOf(what, Inspect.Selected);
        StopPoint point = what is MemoryWatch { Space: not AddressSpace.Machine } m && Inspect.MachineAddressOf(m.Space, m.Address) is { } at
            ? m with { Space = AddressSpace.Machine, Address = at.Value } : what;
        StopReport found = Backward(new StepEnd(null, null, EveryInstruction: point is RegisterWatch), [new Breakpoint(0, point)], stop, includesNow: true);
        WhyReport report = new(what, value, null, "", [], null, null);
        if (found.Reason == StopReason.Watchpoint)
        {
            report = report with { Moment = found.Position, By = found.Watch!.By, Path = [.. found.Stack?.Outwards() ?? []], Vcpu = found.Vcpu };
            bool guest = point is RegisterWatch || found.Watch.By == StopWatcher.TheGuest;
            if (guest && !found.Position.InEvent)
                report = WithInstruction(report, stop);
        }

        _history.Seek(origin);
        Report = held;
        return report;
    }

    /// <summary>The moment before the guest's instruction that did it.</summary>
    private WhyReport WithInstruction(WhyReport report, CancellationToken stop)
    {
        // What a hypercall's return left, such as its result in RAX, is the hypercall's: it shows when the vCPU is next about to run.
        if (report.Moment is { Event: > 0 } m && _history.Journal[m.Event - 1] is { Event: HypercallReturned call } entry && entry.Position.Tick == m.Tick && entry.Vcpu == report.Vcpu)
            return report with { Moment = entry.Position, By = call.SubOperation ?? call.Name, Path = [.. entry.Stack?.Outwards() ?? []] };
        StopReport before = Backward(new StepEnd(null, (_, _) => true, EveryInstruction: true), [], stop);
        if (before.Reason != StopReason.Step || Inspect.Running is not { } vcpu)
            return report;
        return report with { Moment = before.Position, By = StopWatcher.TheGuest, Instruction = Disassembly.At(Inspect, vcpu), Vcpu = new VcpuId(vcpu.Domain.Id, vcpu.Id) };
    }
}
