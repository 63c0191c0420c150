using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>MOVDIR64B: 64 bytes to the aligned address that a register holds, in ES. SDM vol. 2, MOVDIR64B.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class DirectStore
{
    private const int LineSize = 64;

    public static bool Select(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.Memory();
        t.Op->Handler = t.Instruction.Op0Register.GetSize() switch { 2 => &Movdir64b<ushort>, 4 => &Movdir64b<uint>, _ => &Movdir64b<ulong> };
        return true;
    }

    private static Block* Movdir64b<TAddress>(CpuState* s, Op* op)
        where TAddress : unmanaged
    {
        ulong offset = Operand.Get<TAddress>(s, op->Dst);
        if (sizeof(TAddress) < 8)
            offset &= (1ul << (8 * sizeof(TAddress))) - 1;
        ulong destination = Operand.InSegment(s, (int)SegmentName.Es, offset, LineSize, true);
        if (destination == Tlb.NoAddress || destination % LineSize != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* from = Tlb.Read(s, AnyAddress.Read(s, op, LineSize), LineSize);
        if (from == null)
            return Faults.Raise(s, op);
        // The source may lie in the buffer that joins pages, which a destination in one page does not use.
        byte* to = Tlb.Modify(s, destination, LineSize);
        if (to == null)
            return Faults.Raise(s, op);
        new ReadOnlySpan<byte>(from, LineSize).CopyTo(new Span<byte>(to, LineSize));
        Tlb.Commit(s, to);
        return op[1].Handler(s, op + 1);
    }
}
