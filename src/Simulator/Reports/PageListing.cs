using Iced.Intel;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Reports;

/// <summary>A slot of a hypercall page.</summary>
/// <param name="Name">Xen's name of the hypercall; empty: there is none of this number.</param>
/// <param name="Filler">Bytes of <c>int3</c> after the last instruction.</param>
internal sealed record PageSlot(int Number, string Name, IReadOnlyList<PageInstruction> Instructions, int Filler);

/// <param name="Bytes">In hexadecimal.</param>
internal sealed record PageInstruction(string Bytes, string Text);

/// <summary>A hypercall page as people read it, slot by slot.</summary>
internal static class PageListing
{
    private const byte Int3 = 0xCC;

    /// <param name="bits">Width of the code that calls the page.</param>
    public static PageSlot Slot(ReadOnlySpan<byte> page, int number, int bits)
    {
        int start = number * HypercallPage.SlotSize;
        byte[] bytes = page.Slice(start, HypercallPage.SlotSize).ToArray();
        int end = bytes.Length;
        while (end > 0 && bytes[end - 1] == Int3)
            end--;
        string name = Enum.IsDefined((HypercallNumber)number) ? ((HypercallNumber)number).ToString() : "";
        return new PageSlot(number, name, Disassemble(bytes, end, bits, start), bytes.Length - end);
    }

    private static List<PageInstruction> Disassemble(byte[] bytes, int end, int bits, int start)
    {
        List<PageInstruction> lines = [];
        Decoder decoder = Decoder.Create(bits, new ByteArrayCodeReader(bytes, 0, end), (ulong)start);
        GasFormatter formatter = new();
        formatter.Options.SpaceAfterOperandSeparator = true;
        StringOutput text = new();
        while (decoder.IP < (ulong)(start + end))
        {
            int at = (int)decoder.IP - start;
            decoder.Decode(out Instruction instruction);
            formatter.Format(instruction, text);
            lines.Add(new PageInstruction(HexText.Of(bytes.AsSpan(at, instruction.Length)), text.ToStringAndReset()));
        }

        return lines;
    }
}
