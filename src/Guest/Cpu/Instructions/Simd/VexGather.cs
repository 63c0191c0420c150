using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>AVX2's gathers: elements from addresses that a vector register indexes. SDM vol. 2, VPGATHERDD and kin.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexGather
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Vpgatherdd or Mnemonic.Vgatherdps => Select(t, 4, 4, &Gather<uint, int>),
        Mnemonic.Vpgatherdq or Mnemonic.Vgatherdpd => Select(t, 8, 4, &Gather<ulong, int>),
        Mnemonic.Vpgatherqd or Mnemonic.Vgatherqps => Select(t, 4, 8, &Gather<uint, long>),
        Mnemonic.Vpgatherqq or Mnemonic.Vgatherqpd => Select(t, 8, 8, &Gather<ulong, long>),
        _ => false,
    };

    /// <summary>The mask is the third operand, in Aux; the index register in Src; the number of elements in Imm. All three registers must differ.</summary>
    private static bool Select(Translator t, int elementSize, int indexSize, delegate*<CpuState*, Op*, Block*> handler)
    {
        Register index = t.Instruction.MemoryIndex;
        int elements = Math.Min((Vex.IsWide(t, 0) ? 32 : 16) / elementSize, (index.IsYMM() ? 32 : 16) / indexSize);
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = Vector.Number(t, 2);
        t.Memory();
        t.Op->IndexReg = CpuState.ZeroOffset;
        t.Op->Src = (byte)index.GetNumber();
        t.Op->Imm = (ulong)elements;
        bool distinct = t.Op->Dst != t.Op->Aux && t.Op->Dst != t.Op->Src && t.Op->Aux != t.Op->Src;
        t.Op->Handler = distinct ? handler : &SystemOps.InvalidOpcode;
        return true;
    }

    // SAFETY: register numbers are 0-15 and an element's index keeps it inside its half; Tlb gives a host address good for the size asked for.
    private static T* Element<T>(CpuState* s, int register, int i)
        where T : unmanaged
    {
        int half = 16 / sizeof(T);
        return i < half ? (T*)Vector.At(s, register) + i : (T*)Vex.High(s, register) + (i - half);
    }

    /// <summary>An element whose mask has its sign bit is loaded and its mask cleared; a fault keeps what was done before it.</summary>
    private static Block* Gather<T, TIndex>(CpuState* s, Op* op)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
        where TIndex : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        int count = (int)op->Imm;
        for (int i = 0; i < count; i++)
        {
            T* mask = Element<T>(s, op->Aux, i);
            if ((*mask >> ((8 * sizeof(T)) - 1)) != T.Zero)
            {
                byte* p = Tlb.Read(s, Address(s, op, (long)Operand.Load<TIndex>((byte*)Element<TIndex>(s, op->Src, i)), sizeof(T)), sizeof(T));
                if (p == null)
                    return Faults.Raise(s, op);
                *Element<T>(s, op->Dst, i) = *(T*)p;
            }

            *mask = T.Zero;
        }

        for (int i = count; i < 32 / sizeof(T); i++)
            *Element<T>(s, op->Dst, i) = T.Zero;
        Vex.Set(s, op->Aux, default);
        return op[1].Handler(s, op + 1);
    }

    private static ulong Address(CpuState* s, Op* op, long index, int size)
    {
        ulong offset = Operand.Sum(s, op) + ((ulong)index << op->Scale);
        if (op->Form is AddressForm.Short64 or AddressForm.Segment32)
            offset = (uint)offset;
        return Operand.InSegment(s, op->Segment, offset, size, false);
    }
}
