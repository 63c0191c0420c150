using System.Globalization;
using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Debugging;

namespace XenSim.Simulator.Session;

/// <summary>Says in words why Xen gave a guest up: the instruction, the exception, the page walk, and what the guest last asked of Xen.</summary>
internal static class CrashExplanation
{
    private const int LongestInstruction = 15;
    private const byte PageFault = 14;

    /// <returns>Nothing when the guest ended itself.</returns>
    /// <param name="symbols">Of the guest's kernel.</param>
    public static IReadOnlyList<string> For(Xen xen, Domain? domain, Symbols symbols)
    {
        if (domain?.CrashedVcpu is not { } v)
            return [];
        List<string> lines = [$"{domain.Id} was given up on vCPU {v.Id} after {xen.Instructions.ToString("N0", CultureInfo.InvariantCulture)} instructions."];
        lines.Add($"It was at {At(v, symbols)}.");
        if (v.Unhandled is { } trap)
        {
            lines.Add($"That raised {Named(trap)}, and the guest has no handler for vector {trap.Vector} (set_trap_table): Xen had nowhere to deliver it.");
            if (trap is { Vector: PageFault, FaultAddress: { } address })
                lines.AddRange(Walk(xen, v, address));
        }
        else if (!domain.IsHvm)
        {
            lines.Add($"Xen could not put an exception frame on the guest's kernel stack at 0x{(v.KernelMode ? v.Cpu[Gpr.Rsp] : v.KernelSp):x}.");
            lines.AddRange(Walk(xen, v, (v.KernelMode ? v.Cpu[Gpr.Rsp] : v.KernelSp) - 8));
        }

        (uint number, ulong from) = v.LastHypercall;
        string? name = number < 64 ? xen.Hypercalls.Table[number].Name : null;
        lines.Add(from == 0 ? "It had made no hypercall yet." : $"Its last hypercall was {name ?? number.ToString(CultureInfo.InvariantCulture)}, made at {Named(from, symbols)}.");
        lines.AddRange(Stack(v, symbols));
        return lines;
    }

    /// <summary>An address with its symbol, if it has one.</summary>
    private static string Named(ulong address, Symbols symbols) => symbols.Describe(address) is { } name ? $"0x{address:x} ({name})" : $"0x{address:x}";

    /// <summary>What on the kernel's stack looks like a way back: whatever names code, called from or left over.</summary>
    private static IEnumerable<string> Stack(Vcpu v, Symbols symbols)
    {
        const int words = 128, most = 12;
        int size = v.Domain.Abi == Abi.X64 ? 8 : 4;
        List<string> names = [];
        byte[] word = new byte[8];
        for (int i = 0; i < words && names.Count < most && symbols.Count > 0; i++)
        {
            if (!v.Cpu.TryRead(new XenSim.Guest.Memory.LinearAddress(v.Cpu[Gpr.Rsp] + (ulong)(i * size)), word.AsSpan(0, size), 0, out _, out _))
                break;
            if (symbols.Describe(BitConverter.ToUInt64(word)) is { } name && name.Contains('+', StringComparison.Ordinal))
                names.Add(name);
        }

        if (names.Count > 0)
            yield return $"On its stack are addresses in {string.Join(", ", names)}.";
    }

    private static string At(Vcpu v, Symbols symbols)
    {
        SegmentRegister cs = v.Cpu.GetSegment(SegmentName.Cs);
        int bits = cs.Long ? 64 : cs.Default32 ? 32 : 16;
        ulong linear = bits == 64 ? v.Cpu.Rip : (uint)(v.Cpu.Rip + cs.Base);
        byte[] bytes = new byte[LongestInstruction];
        int n = 0;
        while (n < LongestInstruction && v.Cpu.TryRead(new XenSim.Guest.Memory.LinearAddress(linear + (ulong)n), bytes.AsSpan(n, 1), 0, out _, out _))
            n++;
        if (n == 0)
            return $"{Named(v.Cpu.Rip, symbols)}, where nothing is mapped";
        Decoder decoder = Decoder.Create(bits, bytes.AsSpan(0, n).ToArray(), v.Cpu.Rip);
        decoder.Decode(out Instruction instruction);
        if (instruction.IsInvalid)
            return $"{Named(v.Cpu.Rip, symbols)}, where {Convert.ToHexStringLower(bytes.AsSpan(0, Math.Min(n, 8)))} is no instruction";
        StringOutput text = new();
        new GasFormatter().Format(instruction, text);
        return $"{Named(v.Cpu.Rip, symbols)}: {text.ToStringAndReset()} ({Convert.ToHexStringLower(bytes.AsSpan(0, instruction.Length))})";
    }

    /// <summary>SDM vol. 3A, 6.15; the error code of a page fault: table 4-12.</summary>
    private static string Named(UnhandledTrap trap)
    {
        if (trap is { Vector: PageFault, FaultAddress: { } address })
        {
            string access = (trap.ErrorCode & 0x10) != 0 ? "fetch from" : (trap.ErrorCode & 2) != 0 ? "write to" : "read of";
            string why = (trap.ErrorCode & 1) != 0 ? "which is mapped but not for that" : "which is not mapped";
            return $"a page fault: {access} 0x{address:x} by the {((trap.ErrorCode & 4) != 0 ? "user" : "kernel")}, {why}";
        }

        return trap.Vector switch
        {
            0 => "a divide error",
            6 => "invalid opcode",
            13 => $"a general protection fault with error code 0x{trap.ErrorCode:x}",
            _ => $"exception {trap.Vector} with error code 0x{trap.ErrorCode:x}",
        };
    }

    /// <summary>Each level of the walk, until it ends, and why it ends there.</summary>
    private static IEnumerable<string> Walk(Xen xen, Vcpu v, ulong address)
    {
        int top = v.Domain.Is32BitPv ? 3 : 4;
        ulong table = v.Domain.Is32BitPv ? v.GuestTable.Value : v.Cpu.Cr3 >> 12;
        for (int level = top; level > 0; level--)
        {
            int slot = (int)(address >> (3 + (9 * level))) & (level == 3 && top == 3 ? 3 : 511);
            ulong entry = BitConverter.ToUInt64(xen.Memory.Readable(table)[(slot * 8)..]);
            ulong frame = Pte.FrameOf(entry);
            if ((entry & Pte.Present) == 0)
            {
                yield return $"  L{level} entry {slot} is 0x{entry:x}: not present, the walk ends here.";
                yield break;
            }

            string may = $"{((entry & Pte.Writable) != 0 ? "writable" : "read-only")}, {((entry & Pte.User) != 0 ? "for all rings" : "for Xen only")}{((entry & Pte.NoExecute) != 0 ? ", no code" : "")}";
            if (!xen.Frames.IsValid(new Mfn(frame)))
            {
                yield return $"  L{level} entry {slot} is 0x{entry:x}: frame 0x{frame:x}, where there is no memory.";
                yield break;
            }

            PageInfo page = xen.Frames[new Mfn(frame)];
            yield return $"  L{level} entry {slot} is 0x{entry:x}: frame 0x{frame:x} ({may}; {page.Type}, owner d{page.Owner}, pfn 0x{xen.M2p.Get(new Mfn(frame)).Value:x}).";
            if (level > 1 && (entry & Pte.PageSize) != 0)
                yield break;
            table = frame;
        }
    }
}
