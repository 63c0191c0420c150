using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>The guest's code and its hypercall page.</summary>
internal static class CodeCommands
{
    private const int Lines = 10;
    private const string Operators = "+-*/%&|^<>=(";

    public static readonly PromptCommand[] All =
    [
        new(["disas", "u"], "[ADDRESS] [COUNT]", "Instructions, with symbols and the names of hypercall slots.", "Without an address: from the next instruction on.", ["disas", "disas hypercall_page 6"], Disassemble),
        new(["page"], "[N]", "The hypercall page as it is in the guest's memory now, slot by slot.", "With a number: the instructions of that slot.", ["page", "page 17"], Page),
    ];

    public static void List(PromptState s, ulong address, int count)
    {
        Vcpu v = s.RequireVcpu();
        for (int i = 0; i < count; i++)
        {
            if (Disassembly.At(s.Debug.Inspect, v, address) is not { } instruction)
            {
                s.Line($"   {s.Address(address)}: nothing that can be executed");
                break;
            }

            s.Line($"{(address == v.Cpu.LinearRip ? "=>" : "  ")} {s.Address(address)}: {HexText.Of(instruction.Bytes),-20} {CodeView.Text(s.Debug, instruction)}");
            address = instruction.NextLinear;
        }

        s.Next = (AddressSpace.Virtual, address);
    }

    private static void Disassemble(PromptState s, PromptArguments a)
    {
        // "hypercall_page + 32" is an address, not an address and a count.
        bool counted = a.Words.Count > 1 && int.TryParse(a.Words[^1], out _) && !Operators.Contains(a.Words[^2][^1]);
        string where = counted ? string.Join(' ', a.Words.SkipLast(1)) : a.Text;
        ulong address = where.Length > 0 ? s.Evaluate(where) : s.RequireVcpu().Cpu.LinearRip;
        List(s, address, counted ? Math.Min(a.Count(a.Words.Count - 1), 4096) : Lines);
    }

    private static void Page(PromptState s, PromptArguments a)
    {
        PageWritten written = s.Debug.HypercallPage ?? throw new PromptException("no hypercall page has been written yet");
        byte[] page = new byte[HypercallPage.Size];
        s.Debug.Inspect.TryRead(AddressSpace.Machine, written.Frame.Value << 12, page);
        bool wide = s.Debug.Inspect.Xen.FindDomain(written.Domain) is { Abi: Abi.X64 };
        if (a.Word(0) is not null)
        {
            int slot = a.Word(0) == "0" ? 0 : a.Count(0, "a slot's number");
            if (slot >= HypercallPage.SlotCount)
                throw new PromptException($"slots are numbered from 0 to {HypercallPage.SlotCount - 1}");
            s.Line(Row(s, page, slot));
            foreach (string line in CodeView.Lines(page.AsSpan(slot * HypercallPage.SlotSize, HypercallPage.SlotSize), wide ? 64 : 32, (ulong)(slot * HypercallPage.SlotSize)))
                s.Line($"  {line}");
            return;
        }

        s.Line($"d{written.Domain.Value}: {written.Frame}{(written.Pfn is { } p ? $", {p}" : "")}, written by {written.Writer}");
        for (int slot = 0; slot < HypercallPage.SlotCount; slot++)
        {
            if (slot < (int)Hypervisor.Hypercalls.HypercallTable.Count && !s.Debug.Inspect.Xen.Hypercalls.Table[(uint)slot].Name.StartsWith("hole", StringComparison.Ordinal))
                s.Line(Row(s, page, slot));
        }
    }

    private static string Row(PromptState s, byte[] page, int slot)
    {
        string name = slot < (int)Hypervisor.Hypercalls.HypercallTable.Count ? s.Debug.Inspect.Xen.Hypercalls.Table[(uint)slot].Name : "";
        return $"{slot,3} +0x{slot * HypercallPage.SlotSize:x3} {name,-24} {HexText.Of(page.AsSpan(slot * HypercallPage.SlotSize, 16))}";
    }
}
