using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>CLZERO: the cache line that rAX points into becomes zero. APM vol. 3, CLZERO.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class LineZero
{
    private const int LineSize = 64;

    public static bool Select(Translator t)
    {
        Op* op = t.Op;
        bool based = t.Instruction.SegmentPrefix is Register.FS or Register.GS;
        op->Segment = (byte)SegmentOps.Number(t.Instruction.SegmentPrefix == Register.None ? Register.DS : t.Instruction.SegmentPrefix);
        if (t.Bits == 64 && !based)
            op->Segment = (byte)SegmentName.Ds;
        op->Base = (int)Gpr.Rax * 8;
        op->Form = t.Instruction.Code switch
        {
            Code.Clzerow => AddressForm.Segment16,
            Code.Clzerod => t.Bits == 64 ? AddressForm.Short64 : AddressForm.Segment32,
            _ => based ? AddressForm.Based64 : AddressForm.Flat64,
        };
        op->Handler = &Clzero;
        return true;
    }

    private static Block* Clzero(CpuState* s, Op* op)
    {
        ulong offset = Operand.Effective(s, op) & ~(ulong)(LineSize - 1);
        ulong linear = Operand.InSegment(s, op->Segment, offset, LineSize, true);
        byte* p = Tlb.Modify(s, linear, LineSize);
        if (p == null)
            return Faults.Raise(s, op);
        // SAFETY: Tlb gives LineSize good bytes.
        new Span<byte>(p, LineSize).Clear();
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }
}
