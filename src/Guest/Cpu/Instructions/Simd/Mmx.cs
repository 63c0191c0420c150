using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>MMX: the operations of the vector table on 8 bytes, and what differs there. Registers are the x87's. SDM vol. 1, chapter 9; vol. 3A, chapter 12.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Mmx
{
    public static bool Select(Translator t) =>
        SelectNarrow(t) || MmxMove.Select(t) || MmxConvert.Select(t) || VectorTable.Select(t);

    /// <summary>Names an MMX register.</summary>
    public static bool IsMmx(Translator t)
    {
        for (int n = 0; n < t.Instruction.OpCount; n++)
        {
            if (IsMmx(t, n))
                return true;
        }

        return false;
    }

    public static bool IsMmx(Translator t, int operand) => t.IsRegister(operand) && t.Instruction.GetOpRegister(operand) is >= Register.MM0 and <= Register.MM7;

    public static byte Number(Translator t, int operand) => (byte)(t.Instruction.GetOpRegister(operand) - Register.MM0);

    /// <summary>Operations that do not work element by element, so that 8 bytes are not half of 16.</summary>
    private static bool SelectNarrow(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Punpckhbw => Binary<UpperOfUnpacked<byte>>(t),
        Mnemonic.Punpckhwd => Binary<UpperOfUnpacked<ushort>>(t),
        Mnemonic.Punpckhdq => Binary<UpperOfUnpacked<uint>>(t),
        Mnemonic.Packsswb => Binary<Joined<PackSignedWords>>(t),
        Mnemonic.Packssdw => Binary<Joined<PackSignedDoublewords>>(t),
        Mnemonic.Packuswb => Binary<Joined<PackUnsignedWords>>(t),
        Mnemonic.Phaddw => Binary<Joined<Neighbours<PairSum, short>>>(t),
        Mnemonic.Phaddd => Binary<Joined<Neighbours<PairSum, int>>>(t),
        Mnemonic.Phaddsw => Binary<Joined<Neighbours<PairSaturatedSum, short>>>(t),
        Mnemonic.Phsubw => Binary<Joined<Neighbours<PairDifference, short>>>(t),
        Mnemonic.Phsubd => Binary<Joined<Neighbours<PairDifference, int>>>(t),
        Mnemonic.Phsubsw => Binary<Joined<Neighbours<PairSaturatedDifference, short>>>(t),
        Mnemonic.Pshufb => Binary<ShuffleEightBytes>(t),
        Mnemonic.Pshufw => Binary<ShuffleLowWords>(t),
        Mnemonic.Palignr => Binary<AlignRightNarrow>(t),
        _ => false,
    };

    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        Vector.Immediate(t);
        t.Op->Dst = Number(t, 0);
        if (t.IsRegister(1))
        {
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &Registers<TOp>;
        }
        else
        {
            t.Memory();
            t.Op->Src = (byte)t.Instruction.MemorySize.GetSize();
            t.Op->Handler = &Memory<TOp>;
        }

        return true;
    }

    public static bool Shift<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        t.Op->Dst = Number(t, 0);
        t.Op->Aux = t.Instruction.Immediate8;
        t.Op->Handler = &ByImmediate<TOp>;
        return true;
    }

    /// <summary>#UD, #NM or #MF before anything else; -1: none. SDM vol. 3A, table 12-1.</summary>
    public static int Fault(CpuState* s)
    {
        if ((s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) != 0)
            return (s->Cr0 & Cr0Bits.Em) != 0 ? Vectors.Ud : Vectors.Nm;
        return (s->X87Status & ~s->X87Control & 0x3F) != 0 ? Vectors.Mf : -1;
    }

    // SAFETY (all handlers): register numbers are 0-7 and CpuState has 8 registers of two words; Tlb gives a host address good for the size asked for.
    public static ulong Get(CpuState* s, int number) => s->X87[2 * number];

    /// <summary>Sign and exponent become ones.</summary>
    public static void Set(CpuState* s, int number, ulong value)
    {
        s->X87[2 * number] = value;
        s->X87[(2 * number) + 1] = 0xFFFF;
    }

    /// <summary>Every MMX instruction but EMMS makes TOP 0 and all registers valid. SDM vol. 3A, 12.2.</summary>
    public static void Enter(CpuState* s)
    {
        s->X87Status &= 0xC7FF;
        s->X87Tags = 0xFF;
    }

    private static Vector128<byte> Wide(ulong value) => Vector128.CreateScalar(value).AsByte();

    private static Block* Registers<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Enter(s);
        Set(s, op->Dst, TOp.Apply(Wide(Get(s, op->Dst)), Wide(Get(s, op->Src)), op->Aux).AsUInt64()[0]);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Memory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        int size = op->Src;
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, size), size);
        if (p == null)
            return Faults.Raise(s, op);
        Enter(s);
        Set(s, op->Dst, TOp.Apply(Wide(Get(s, op->Dst)), Vector.FromMemory(p, size), op->Aux).AsUInt64()[0]);
        return op[1].Handler(s, op + 1);
    }

    private static Block* ByImmediate<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Enter(s);
        Set(s, op->Dst, TOp.Apply(Wide(Get(s, op->Dst)), Wide(op->Aux), 0).AsUInt64()[0]);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Both 8-byte operands as one of 16: packing and pairing then give 8 bytes.</summary>
    private readonly struct Joined<TOp> : IVectorOp
        where TOp : struct, IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
            TOp.Apply(Vector128.Create(x.AsUInt64()[0], y.AsUInt64()[0]).AsByte(), default, immediate);
    }

    private readonly struct UpperOfUnpacked<T> : IVectorOp
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
            Vector128.CreateScalar(UnpackLow<T>.Apply(x, y, 0).AsUInt64()[1]).AsByte();
    }

    /// <summary>The low three bits of a selector count.</summary>
    private readonly struct ShuffleEightBytes : IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Shuffle(x, y & Vector128.Create((byte)0x87));
    }

    private readonly struct AlignRightNarrow : IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        {
            UInt128 both = new(x.AsUInt64()[0], y.AsUInt64()[0]);
            return immediate > 15 ? default : Wide((ulong)(both >> (8 * immediate)));
        }
    }
}
