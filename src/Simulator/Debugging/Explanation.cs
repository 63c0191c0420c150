using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging;

/// <summary>Why an exception, refusal or failure came about: the rule, the walk, the entry.</summary>
internal static class Explanation
{
    private const byte PageFault = 14;

    public static IReadOnlyList<string> Of(DebugSession debug)
    {
        if (debug.IsOver)
            return debug.Inspect.Session.ExplainCrash() is { Count: > 0 } crash ? crash : [$"The session ended: {debug.Report.Outcome?.Detail}."];
        return debug.Report.Event switch
        {
            GuestException x => OfException(debug, x),
            PageTypeRefused x => OfRefusal(debug, x),
            StageFailed x => OfFailure(debug, x),
            HypercallReturned { Result: < 0 } x => [$"{x.SubOperation ?? x.Name} was refused with {XenErrnoOf(x.Result)} ({x.Result}).", .. Before(debug)],
            _ => ["There is no exception, refusal or failure here. Stop at one: break exception, break refused, break STAGE failing."],
        };
    }

    private static List<string> OfException(DebugSession debug, GuestException x)
    {
        List<string> lines = [$"d{x.Domain.Value}v{x.Vcpu} raised exception {x.Vector} with error code 0x{x.ErrorCode:x} at 0x{x.InstructionPointer:x}."];
        if (debug.Inspect.Find(new VcpuId(x.Domain, x.Vcpu)) is not { } v)
            return lines;
        if (Disassembly.At(debug.Inspect, v) is { } instruction)
            lines.Add($"The instruction: {Prompt.CodeView.Text(debug, instruction)}");
        if (x.Vector == PageFault)
        {
            // SDM vol. 3A, figure 4-12.
            string access = (x.ErrorCode & 0x10) != 0 ? "fetch from" : (x.ErrorCode & 2) != 0 ? "write to" : "read of";
            string rule = (x.ErrorCode & 8) != 0 ? "an entry has a reserved bit set" : (x.ErrorCode & 1) != 0 ? "it is mapped, but not for that" : "it is not mapped";
            lines.Add($"A {access} 0x{x.FaultAddress:x} by the {((x.ErrorCode & 4) != 0 ? "user" : "kernel")}: {rule}. The walk:");
            lines.AddRange(PageWalkView.Lines(debug.Inspect, v, x.FaultAddress).Select(l => "  " + l));
        }

        GuestTrap gate = v.Domain.IsHvm ? default : v.TrapTable[x.Vector];
        lines.Add(gate.Address != 0 ? $"Xen bounces it to the guest's handler at 0x{gate.Address:x} (set_trap_table)." : $"It goes to nobody: {x.Outcome}.");
        return lines;
    }

    private static List<string> OfRefusal(DebugSession debug, PageTypeRefused x)
    {
        List<string> lines = [$"Xen refused d{x.Domain.Value} with {x.Errno}: {x.Reason}"];
        if (debug.Inspect.Xen.Frames.IsValid(x.Frame))
        {
            PageInfo p = debug.Inspect.Xen.Frames[x.Frame];
            lines.Add(Prompt.PagingCommands.FrameLine(debug, x.Frame));
            lines.Add("The rule: a frame has one type at a time while references of that type are held; a page table is never writable, a writable page never a page table.");
        }

        return [.. lines, .. Before(debug)];
    }

    private static List<string> OfFailure(DebugSession debug, StageFailed x)
    {
        List<string> lines = [$"{x.Stage} failed with {Tracing.StageRecord.Describe(x)}."];
        for (long i = debug.Position.Event - 2; i >= 0 && debug.Position.Event - i < 64; i--)
        {
            JournalEntry e = debug.EventAt(i);
            if (e.Event is StageFailed inner)
                lines.Add($"Before it, {inner.Stage} failed with {Tracing.StageRecord.Describe(inner)}.");
            else if (e.Event is HypercallReturned { Result: < 0 } call)
                lines.Add($"Before it, Xen answered {XenErrnoOf(call.Result)} to {call.SubOperation ?? call.Name}.");
            else if (e.Event is PageTypeRefused refused)
                lines.Add($"Before it, Xen refused {refused.Frame}: {refused.Errno}, {refused.Reason}");
            else
                continue;
            break;
        }

        return lines;
    }

    /// <summary>The call that is open, with its arguments.</summary>
    private static IEnumerable<string> Before(DebugSession debug)
    {
        if (debug.Stack?.Outwards().FirstOrDefault(f => f.IsHypercall) is { } call && debug.EventAt(call.Event).Event is HypercallEntered entered)
            yield return $"The request: {Prompt.StopView.Describe(entered)}.";
    }

    private static string XenErrnoOf(long result) => Enum.IsDefined((XenErrno)(-result)) ? ((XenErrno)(-result)).ToString() : "an error";
}
