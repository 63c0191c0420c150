using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions;

/// <summary>What an SSE instruction makes of its two 16-byte operands (and an immediate).</summary>
internal interface IVectorOp
{
    static abstract Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate);
}

/// <summary>SSE and SSE2 logic and integer arithmetic on XMM registers. MMX registers stop by name.</summary>
internal static unsafe class Vector
{
    private const uint MisalignedExceptionMask = 1 << 17;

    public static bool Select(Translator t)
    {
        Instruction i = t.Instruction;
        for (int n = 0; n < i.OpCount; n++)
        {
            if (t.IsRegister(n) && i.GetOpRegister(n) is >= Register.MM0 and <= Register.MM7)
                return false;
        }

        if (i.Code.ToOpCode().Encoding != EncodingKind.Legacy)
            return false;
        return SseFloat.Select(t) || SelectLogic(t) || SelectArithmetic(t) || SelectShuffle(t) || SelectShift(t) || VectorMove.Select(t);
    }

    private static bool SelectLogic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pand or Mnemonic.Andps or Mnemonic.Andpd => Binary<VectorAnd>(t),
        Mnemonic.Pandn or Mnemonic.Andnps or Mnemonic.Andnpd => Binary<VectorAndNot>(t),
        Mnemonic.Por or Mnemonic.Orps or Mnemonic.Orpd => Binary<VectorOr>(t),
        Mnemonic.Pxor or Mnemonic.Xorps or Mnemonic.Xorpd => Binary<VectorXor>(t),
        _ => false,
    };

    private static bool SelectArithmetic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Paddb => Binary<VectorAdd<byte>>(t),
        Mnemonic.Paddw => Binary<VectorAdd<ushort>>(t),
        Mnemonic.Paddd => Binary<VectorAdd<uint>>(t),
        Mnemonic.Paddq => Binary<VectorAdd<ulong>>(t),
        Mnemonic.Psubb => Binary<VectorSubtract<byte>>(t),
        Mnemonic.Psubw => Binary<VectorSubtract<ushort>>(t),
        Mnemonic.Psubd => Binary<VectorSubtract<uint>>(t),
        Mnemonic.Psubq => Binary<VectorSubtract<ulong>>(t),
        Mnemonic.Paddsb => Binary<VectorAddSaturate<sbyte>>(t),
        Mnemonic.Paddsw => Binary<VectorAddSaturate<short>>(t),
        Mnemonic.Paddusb => Binary<VectorAddSaturate<byte>>(t),
        Mnemonic.Paddusw => Binary<VectorAddSaturate<ushort>>(t),
        Mnemonic.Psubsb => Binary<VectorSubtractSaturate<sbyte>>(t),
        Mnemonic.Psubsw => Binary<VectorSubtractSaturate<short>>(t),
        Mnemonic.Psubusb => Binary<VectorSubtractSaturate<byte>>(t),
        Mnemonic.Psubusw => Binary<VectorSubtractSaturate<ushort>>(t),
        Mnemonic.Pcmpeqb => Binary<VectorEqual<byte>>(t),
        Mnemonic.Pcmpeqw => Binary<VectorEqual<ushort>>(t),
        Mnemonic.Pcmpeqd => Binary<VectorEqual<uint>>(t),
        Mnemonic.Pcmpgtb => Binary<VectorGreater<sbyte>>(t),
        Mnemonic.Pcmpgtw => Binary<VectorGreater<short>>(t),
        Mnemonic.Pcmpgtd => Binary<VectorGreater<int>>(t),
        Mnemonic.Pmaxub => Binary<VectorMax<byte>>(t),
        Mnemonic.Pmaxsw => Binary<VectorMax<short>>(t),
        Mnemonic.Pminub => Binary<VectorMin<byte>>(t),
        Mnemonic.Pminsw => Binary<VectorMin<short>>(t),
        Mnemonic.Pavgb => Binary<VectorAverageBytes>(t),
        Mnemonic.Pavgw => Binary<VectorAverageWords>(t),
        Mnemonic.Pmullw => Binary<VectorMultiplyLow>(t),
        Mnemonic.Pmulhw => Binary<VectorMultiplyHigh>(t),
        Mnemonic.Pmulhuw => Binary<VectorMultiplyHighUnsigned>(t),
        Mnemonic.Pmuludq => Binary<VectorMultiplyWide>(t),
        Mnemonic.Pmaddwd => Binary<VectorMultiplyAdd>(t),
        Mnemonic.Psadbw => Binary<VectorAbsoluteDifferences>(t),
        _ => false,
    };

    private static bool SelectShuffle(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Punpcklbw => Binary<UnpackLow<byte>>(t),
        Mnemonic.Punpcklwd => Binary<UnpackLow<ushort>>(t),
        Mnemonic.Punpckldq or Mnemonic.Unpcklps => Binary<UnpackLow<uint>>(t),
        Mnemonic.Punpcklqdq or Mnemonic.Unpcklpd => Binary<UnpackLow<ulong>>(t),
        Mnemonic.Punpckhbw => Binary<UnpackHigh<byte>>(t),
        Mnemonic.Punpckhwd => Binary<UnpackHigh<ushort>>(t),
        Mnemonic.Punpckhdq or Mnemonic.Unpckhps => Binary<UnpackHigh<uint>>(t),
        Mnemonic.Punpckhqdq or Mnemonic.Unpckhpd => Binary<UnpackHigh<ulong>>(t),
        Mnemonic.Packsswb => Binary<PackSignedWords>(t),
        Mnemonic.Packssdw => Binary<PackSignedDoublewords>(t),
        Mnemonic.Packuswb => Binary<PackUnsignedWords>(t),
        Mnemonic.Pshufd => Binary<ShuffleDoublewords>(t),
        Mnemonic.Pshuflw => Binary<ShuffleLowWords>(t),
        Mnemonic.Pshufhw => Binary<ShuffleHighWords>(t),
        Mnemonic.Shufps => Binary<ShuffleSingles>(t),
        Mnemonic.Shufpd => Binary<ShuffleDoubles>(t),
        Mnemonic.Pshufb => Binary<ShuffleBytes>(t),
        Mnemonic.Palignr => Binary<AlignRight>(t),
        _ => false,
    };

    private static bool SelectShift(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Psllw => Shift<ShiftLeft<ushort>>(t),
        Mnemonic.Pslld => Shift<ShiftLeft<uint>>(t),
        Mnemonic.Psllq => Shift<ShiftLeft<ulong>>(t),
        Mnemonic.Psrlw => Shift<ShiftRight<ushort>>(t),
        Mnemonic.Psrld => Shift<ShiftRight<uint>>(t),
        Mnemonic.Psrlq => Shift<ShiftRight<ulong>>(t),
        Mnemonic.Psraw => Shift<ShiftRightSigned<short>>(t),
        Mnemonic.Psrad => Shift<ShiftRightSigned<int>>(t),
        Mnemonic.Pslldq => Shift<ShiftBytesLeft>(t),
        Mnemonic.Psrldq => Shift<ShiftBytesRight>(t),
        _ => false,
    };

    /// <summary>Number of an XMM register operand.</summary>
    public static byte Number(Translator t, int operand) => (byte)(t.Instruction.GetOpRegister(operand) - Register.XMM0);

    public static Vector128<byte>* At(CpuState* s, int number) => (Vector128<byte>*)(s->Xmm + (2 * number));

    /// <summary>A 16-byte operand that is not aligned, unless AMD's misaligned mode (MXCSR.MM) allows it: #GP(0). SDM vol. 2, table 2-18; APM vol. 1, 4.2.2.</summary>
    public static bool IsMisaligned(CpuState* s, ulong linear) => (linear & 15) != 0 && linear != Tlb.NoAddress && (s->Mxcsr & MisalignedExceptionMask) == 0;

    private static bool Binary<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        t.Op->Dst = Number(t, 0);
        t.Op->Aux = t.Instruction.OpCount > 2 ? t.Instruction.Immediate8 : (byte)0;
        if (t.IsRegister(1))
        {
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &Registers<TOp>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &Memory<TOp>;
        }

        return true;
    }

    private static bool Shift<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        if (t.Instruction.Op1Kind != OpKind.Immediate8)
            return Binary<TOp>(t);
        t.Op->Dst = Number(t, 0);
        t.Op->Aux = t.Instruction.Immediate8;
        t.Op->Handler = &ByImmediate<TOp>;
        return true;
    }

    // SAFETY (all handlers): register numbers are 0-15 and CpuState has 16 XMM registers; Tlb gives a host address good for the size asked for.
    private static Block* Registers<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), *At(s, op->Src), op->Aux);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>A memory operand is 16-byte aligned, or #GP(0). SDM vol. 2, table 2-18.</summary>
    private static Block* Memory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Read(s, op, 16);
        if (IsMisaligned(s, linear))
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Read(s, linear, 16);
        if (p == null)
            return Faults.Raise(s, op);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), *(Vector128<byte>*)p, op->Aux);
        return op[1].Handler(s, op + 1);
    }

    private static Block* ByImmediate<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), Vector128.CreateScalar((ulong)op->Aux).AsByte(), 0);
        return op[1].Handler(s, op + 1);
    }
}
