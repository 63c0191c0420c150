using Iced.Intel;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Instructions in words.</summary>
internal static class CodeView
{
    /// <summary>In the AT&amp;T syntax of Xen's and Linux' sources, a branch target with its name.</summary>
    public static string Text(PromptState s, DecodedInstruction i)
    {
        string text = Format(i.Instruction);
        ulong? target = i.Instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64 ? i.Instruction.NearBranchTarget
            : i.Instruction.IsIPRelativeMemoryOperand ? i.Instruction.IPRelativeMemoryAddress : null;
        return target is { } t && NameOf(s, t) is { } name ? $"{text} <{name}>" : text;
    }

    /// <summary>Without names.</summary>
    public static string Plain(DecodedInstruction i) => Format(i.Instruction);

    public static IEnumerable<string> Lines(ReadOnlySpan<byte> code, int bits, ulong address)
    {
        Decoder decoder = Decoder.Create(bits, code.ToArray(), address);
        List<string> lines = [];
        int end = code.Length;
        while (end > 0 && code[end - 1] == 0xCC)
            end--;
        while (decoder.IP - address < (ulong)end)
        {
            int at = (int)(decoder.IP - address);
            decoder.Decode(out Instruction instruction);
            lines.Add($"{HexText.Of(code.Slice(at, Math.Min(instruction.Length, code.Length - at))),-20} {Format(instruction)}");
        }

        return lines;
    }

    /// <summary>The last hypercall page that was written for the guest up to now; null: none.</summary>
    public static PageWritten? HypercallPage(DebugSession debug)
    {
        for (long i = debug.Position.Event - 1; i >= 0; i--)
        {
            if (debug.EventAt(i).Event is PageWritten { What: "hypercall page" } written && (debug.Inspect.Session.Subject is not { } subject || written.Domain == subject))
                return written;
        }

        return null;
    }

    /// <summary>A symbol, or a slot of the hypercall page.</summary>
    private static string? NameOf(PromptState s, ulong address)
    {
        if (HypercallPage(s.Debug) is { } page && s.Debug.Inspect.MachineAddressOf(AddressSpace.Virtual, address) is { } machine && machine.Frame == page.Frame.Value)
        {
            uint slot = (uint)(machine.Value & 0xFFF) / Hypervisor.HypercallPages.HypercallPage.SlotSize;
            string call = slot < Hypervisor.Hypercalls.HypercallTable.Count ? s.Debug.Inspect.Xen.Hypercalls.Table[slot].Name : $"{slot}";
            return $"hypercall {call}";
        }

        return s.Debug.Inspect.Symbols.Describe(address);
    }

    private static string Format(in Instruction instruction)
    {
        StringOutput text = new();
        GasFormatter formatter = new();
        formatter.Options.SpaceAfterOperandSeparator = true;
        formatter.Options.UppercaseHex = false;
        formatter.Format(instruction, text);
        return text.ToStringAndReset();
    }
}
