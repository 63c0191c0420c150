using Iced.Intel;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Instructions in words.</summary>
internal static class CodeView
{
    /// <summary>In the AT&amp;T syntax of Xen's and Linux' sources, a branch target with its name.</summary>
    public static string Text(DebugSession debug, DecodedInstruction i)
    {
        string text = Format(i.Instruction);
        ulong? target = i.Instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64 ? i.Instruction.NearBranchTarget
            : i.Instruction.IsIPRelativeMemoryOperand ? i.Instruction.IPRelativeMemoryAddress : null;
        return target is { } t && NameOf(debug, t) is { } name ? $"{text} <{name}>" : text;
    }

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

    /// <summary>A slot of the hypercall page by the call's name, or a symbol; null: neither.</summary>
    public static string? NameOf(DebugSession debug, ulong address)
    {
        if (debug.HypercallPage is { } page && debug.Inspect.MachineAddressOf(AddressSpace.Virtual, address) is { } machine && machine.Frame == page.Frame.Value)
        {
            (uint slot, uint offset) = Math.DivRem((uint)(machine.Value & 0xFFF), (uint)HypercallPage.SlotSize);
            string call = slot < HypercallTable.Count ? debug.Inspect.Xen.Hypercalls.Table[slot].Name : $"{slot}";
            return offset == 0 ? $"hypercall {call}" : $"hypercall {call}+0x{offset:x}";
        }

        return debug.Inspect.Symbols.Describe(address);
    }

    private static string Format(in Instruction instruction)
    {
        StringOutput text = new();
        GasFormatter formatter = new();
        formatter.Options.SpaceAfterOperandSeparator = true;
        formatter.Options.UppercaseHex = false;
        formatter.Options.BranchLeadingZeros = false;
        formatter.Format(instruction, text);
        return text.ToStringAndReset();
    }
}
