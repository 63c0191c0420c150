using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>A stop in words.</summary>
internal static class StopView
{
    public static void Show(PromptState s, StopReport stop)
    {
        s.Console.Flush();
        foreach (Breakpoint b in stop.Hit)
        {
            s.Line($"{(b.IsWatch ? "watchpoint" : "breakpoint")} {b.Id}: {b.Point}{(b.ConditionError is { } wrong ? $" (its condition has no value: {wrong})" : "")}");
        }

        if (stop.Watch is { } watch)
            s.Line($"  {Value(watch.Old)} -> {Value(watch.New)}, {(watch.Write ? "written" : "read")} by {watch.By}");
        switch (stop.Reason)
        {
            case StopReason.BeginOfHistory:
                s.Line("the beginning of history");
                break;
            case StopReason.EndOfHistory:
                s.Line($"the end: {stop.Outcome?.Detail}");
                foreach (string line in s.Debug.Inspect.Session.ExplainCrash())
                    s.Line($"  {line}");
                break;
            case StopReason.Interrupted:
                s.Line("interrupted");
                break;
            default:
                break;
        }

        s.Line($"[{stop.Position}] {Place(s, stop)}");
    }

    public static string Place(PromptState s, StopReport stop)
    {
        if (stop.Event is { } e)
            return Describe(e);
        if (s.Debug.Inspect.Running is { } vcpu)
            return Instruction(s, vcpu);
        return stop.Reason == StopReason.EndOfHistory ? "over" : "nothing has happened yet";
    }

    /// <summary>The next instruction of a vCPU.</summary>
    public static string Instruction(PromptState s, Vcpu vcpu)
    {
        string where = $"d{vcpu.Domain.Id.Value}v{vcpu.Id} {s.Address(vcpu.Cpu.LinearRip)}";
        return Disassembly.At(s.Debug.Inspect, vcpu) is { } i ? $"{where}: {CodeView.Text(s.Debug, i)}" : $"{where}: nothing that can be executed is mapped there";
    }

    public static string Describe(XenEvent e) => e switch
    {
        StageEntered x => $"{SideOf(x.Side)} {x.Stage} entered",
        StageReturned x => $"{SideOf(x.Side)} {x.Stage} returned",
        StageFailed x => $"{SideOf(x.Side)} {x.Stage} failed: {StageRecord.Describe(x)}",
        HypercallEntered x => $"{IssuerOf(x.Issuer, x.Caller, x.Vcpu)} call{(x.Issuer == Issuer.Toolstack ? "" : "s")} {x.SubOperation ?? x.Name}({string.Join(", ", [.. x.Target is { } t ? new[] { $"domain={t}" } : [], .. x.Arguments.Select(g => g.ToString())])}){(x.InstructionPointer == 0 ? "" : $" at 0x{x.InstructionPointer:x}")}",
        HypercallReturned x => $"{IssuerOf(x.Issuer, x.Caller, x.Vcpu)} get{(x.Issuer == Issuer.Toolstack ? "" : "s")} {Result(x.Result)} from {x.SubOperation ?? x.Name}",
        LogLine x => x.Rendered,
        ConsoleOutput x => $"console of d{x.Domain.Value}: {Printable(x.Bytes)}",
        PageWritten x => $"{x.Writer} wrote {x.What}: {x.Frame}{(x.Pfn is { } p ? $", {p}" : "")} of d{x.Domain.Value}",
        PageTypeRefused x => $"refused to d{x.Domain.Value}: {x.Frame}: {x.Errno}, {x.Reason}",
        EventChannelChanged x => $"event channel {x.Port} of d{x.Domain.Value}: {x.What}",
        GuestStarted x => $"d{x.Domain.Value}v{x.Vcpu} is about to run its first instruction at 0x{x.InstructionPointer:x}",
        GuestException x => $"d{x.Domain.Value}v{x.Vcpu} exception {x.Vector} (error 0x{x.ErrorCode:x}) at 0x{x.InstructionPointer:x}{(x.Vector == 14 ? $", address 0x{x.FaultAddress:x}" : "")}: {x.Outcome}",
        PrivilegedAccess x => $"d{x.Domain.Value}v{x.Vcpu} {x.Kind} 0x{x.Index:x} = 0x{x.Value:x} at 0x{x.InstructionPointer:x}",
        DomainCreated x => $"d{x.Domain.Value} exists",
        DomainShutdown x => $"d{x.Domain.Value} shut down, reason {x.Reason}",
        MachineEnded x => $"the machine {(x.How == MachineEnd.PowerOff ? "is off" : "was reset")}",
        DomainDestroyed x => $"d{x.Domain.Value} is gone",
        XenStoreRequest x => $"xenstore: d{x.Caller.Value} {x.Operation} {x.Path} {x.Value} -> {x.Result}",
        StateChanged x => $"{x.Machine}: {x.From} -{x.Trigger}-> {x.To}",
        ForeignMapped x => $"the tools map {x.Frames.Count} frames of d{x.Domain.Value}: {x.Error}",
        NotImplementedHere x => $"{x.Name}: {x.Detail}",
        _ => e.ToString(),
    };

    public static string Value(byte[] bytes) => bytes.Length switch
    {
        0 => "nothing",
        1 => $"0x{bytes[0]:x2}",
        2 => $"0x{BitConverter.ToUInt16(bytes):x4}",
        4 => $"0x{BitConverter.ToUInt32(bytes):x8}",
        8 => $"0x{BitConverter.ToUInt64(bytes):x16}",
        _ => HexText.Of(bytes),
    };

    public static string Printable(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new();
        foreach (byte b in bytes)
            text.Append(b is >= 0x20 and < 0x7F ? (char)b : b == (byte)'\n' ? '⏎' : '·');
        return text.ToString();
    }

    /// <summary>A result with its errno, as in <c>-14 (-EFAULT)</c>; what is no errno is a number.</summary>
    private static string Result(long result)
        => result is < 0 and > -256 && Enum.IsDefined((Hypervisor.Public.XenErrno)(-result)) ? $"{result} (-{(Hypervisor.Public.XenErrno)(-result)})" : $"{result}";

    private static string SideOf(Side side) => side switch { Side.Toolstack => "tools:", Side.Hypervisor => "Xen:", _ => "guest:" };

    private static string IssuerOf(Issuer issuer, Hypervisor.Public.DomainId caller, int vcpu) => issuer switch
    {
        Issuer.Toolstack => "the tools",
        Issuer.Multicall => $"d{caller.Value}v{vcpu} (multicall)",
        _ => $"d{caller.Value}v{vcpu}",
    };
}
