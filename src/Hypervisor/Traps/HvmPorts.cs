using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Traps;

/// <summary>Port accesses of a translated guest: IN and OUT, and INS and OUTS, which Xen emulates.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/io.c: handle_pio; emulate.c: hvmemul_rep_ins, hvmemul_rep_outs.</remarks>
internal static class HvmPorts
{
    private const byte PageFault = 14;
    private const ulong DirectionFlag = 1 << 10;

    /// <summary>Longest run of a repeated instruction between two looks at events. Unit: iterations.</summary>
    private const ulong Batch = 4096;

    public static void Access(Vcpu v, in CpuExit exit)
    {
        bool write = exit.Reason == ExitReason.PortOut;
        uint value = (uint)v.Cpu[Gpr.Rax];
        value = Transfer(v, exit, write, value);
        if (!write)
        {
            v.Cpu[Gpr.Rax] = exit.Size switch
            {
                1 => (v.Cpu[Gpr.Rax] & ~0xFFul) | (byte)value,
                2 => (v.Cpu[Gpr.Rax] & ~0xFFFFul) | (ushort)value,
                _ => value,
            };
        }

        v.Cpu.CompleteInstruction(exit.NextRip);
    }

    /// <summary>INS, OUTS: what has been done before a page fault stays done.</summary>
    public static void String(Vcpu v, in CpuExit exit)
    {
        VirtualCpu cpu = v.Cpu;
        bool write = exit.Reason == ExitReason.PortOut;
        ulong mask = exit.AddressSize switch { 2 => 0xFFFF, 4 => 0xFFFF_FFFF, _ => ulong.MaxValue };
        ulong count = exit.Repeated ? cpu[Gpr.Rcx] & mask : 1;
        Gpr index = write ? Gpr.Rsi : Gpr.Rdi;
        ulong segment = exit.AddressSize == 8 && exit.Segment is not (SegmentName.Fs or SegmentName.Gs) ? 0 : cpu.GetSegment(exit.Segment).Base;
        ulong step = (cpu.Rflags & DirectionFlag) != 0 ? unchecked(0 - (ulong)exit.Size) : exit.Size;
        Span<byte> bytes = stackalloc byte[exit.Size];
        ulong most = Math.Min(count, Batch);
        for (ulong done = 0; done < most; done++)
        {
            LinearAddress at = new(exit.AddressSize == 8 ? segment + cpu[index] : (uint)(segment + (cpu[index] & mask)));
            bool good = write ? cpu.TryRead(at, bytes, cpu.Cpl, out LinearAddress fault, out uint error) : TryWrite(v, exit, at, bytes, out fault, out error);
            if (!good)
            {
                cpu.Cr2 = fault.Value;
                HvmExits.Inject(v, PageFault, error);
                return;
            }

            if (write)
                Transfer(v, exit, write: true, Word(bytes));
            Set(cpu, index, cpu[index] + step, mask);
            if (exit.Repeated)
                Set(cpu, Gpr.Rcx, cpu[Gpr.Rcx] - 1, mask);
        }

        if (!exit.Repeated || (cpu[Gpr.Rcx] & mask) == 0)
            cpu.CompleteInstruction(exit.NextRip);
    }

    /// <summary>The destination is looked at before the port is read: reading may have effects.</summary>
    private static bool TryWrite(Vcpu v, in CpuExit exit, LinearAddress at, Span<byte> bytes, out LinearAddress fault, out uint error)
    {
        fault = at;
        if (!v.Cpu.TryTranslate(at, AccessKind.Write, v.Cpu.Cpl, out _, out error))
            return false;
        uint value = Transfer(v, exit, write: false, 0);
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(value >> (8 * i));
        return v.Cpu.TryWrite(at, bytes, v.Cpu.Cpl, out fault, out error);
    }

    /// <summary>One access: a device of the chipset, Xen's debug port, or nobody, which reads as ones.</summary>
    private static uint Transfer(Vcpu v, in CpuExit exit, bool write, uint value)
    {
        uint ones = exit.Size switch { 1 => 0xFF, 2 => 0xFFFF, _ => uint.MaxValue };
        if (v.Domain.Platform?.TryPort(exit.Operand, exit.Size, write, ref value) != true)
        {
            if (!write)
                value = ones;
            else if (exit is { Operand: Hvm.DebugPort.Number, Size: 1 })
                v.Domain.DebugPort!.Write((byte)value);
        }

        PrivilegedOps.Report(v, write ? "out" : "in", exit.Operand, value & ones);
        return value & ones;
    }

    private static uint Word(ReadOnlySpan<byte> bytes)
    {
        uint value = 0;
        for (int i = 0; i < bytes.Length; i++)
            value |= (uint)bytes[i] << (8 * i);
        return value;
    }

    /// <summary>A register of the address size: 32-bit results clear the upper half, 16-bit ones leave the rest.</summary>
    private static void Set(VirtualCpu cpu, Gpr register, ulong value, ulong mask)
        => cpu[register] = mask == 0xFFFF ? (cpu[register] & ~mask) | (value & mask) : value & mask;
}
