using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions;

/// <summary>What an SSE floating-point instruction makes of its operands under MXCSR.</summary>
internal unsafe interface IFloatVectorOp
{
    /// <summary>Bytes of a memory operand; 16 must be aligned.</summary>
    static abstract int Size { get; }

    /// <summary>False: an unmasked exception. MXCSR has the flags in either case.</summary>
    static abstract bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result);
}

/// <summary>SSE floating-point instructions with XMM source and destination: operand access and #XM. SDM vol. 1, 11.5.</summary>
internal static unsafe class SseFloat
{
    public static bool Select(Translator t) =>
        SelectSingle(t) || SelectDouble(t) || SelectHorizontal(t) || SseCompare.Select(t) || SseConvert.Select(t) || SseRound.Select(t);

    private static bool SelectSingle(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addps => Binary<Packed<FloatAdd, SingleLanes>>(t),
        Mnemonic.Addss => Binary<Scalar<FloatAdd, SingleLanes>>(t),
        Mnemonic.Subps => Binary<Packed<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Subss => Binary<Scalar<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Mulps => Binary<Packed<FloatMultiply, SingleLanes>>(t),
        Mnemonic.Mulss => Binary<Scalar<FloatMultiply, SingleLanes>>(t),
        Mnemonic.Divps => Binary<Packed<FloatDivide, SingleLanes>>(t),
        Mnemonic.Divss => Binary<Scalar<FloatDivide, SingleLanes>>(t),
        Mnemonic.Sqrtps => Binary<Packed<FloatSquareRoot, SingleLanes>>(t),
        Mnemonic.Sqrtss => Binary<Scalar<FloatSquareRoot, SingleLanes>>(t),
        _ => false,
    };

    private static bool SelectDouble(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addpd => Binary<Packed<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Addsd => Binary<Scalar<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Subpd => Binary<Packed<FloatSubtract, DoubleLanes>>(t),
        Mnemonic.Subsd => Binary<Scalar<FloatSubtract, DoubleLanes>>(t),
        Mnemonic.Mulpd => Binary<Packed<FloatMultiply, DoubleLanes>>(t),
        Mnemonic.Mulsd => Binary<Scalar<FloatMultiply, DoubleLanes>>(t),
        Mnemonic.Divpd => Binary<Packed<FloatDivide, DoubleLanes>>(t),
        Mnemonic.Divsd => Binary<Scalar<FloatDivide, DoubleLanes>>(t),
        Mnemonic.Sqrtpd => Binary<Packed<FloatSquareRoot, DoubleLanes>>(t),
        Mnemonic.Sqrtsd => Binary<Scalar<FloatSquareRoot, DoubleLanes>>(t),
        _ => false,
    };

    private static bool SelectHorizontal(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addsubps => Binary<Packed<FloatAddSubtract, SingleLanes>>(t),
        Mnemonic.Addsubpd => Binary<Packed<FloatAddSubtract, DoubleLanes>>(t),
        Mnemonic.Haddps => Binary<Horizontal<FloatAdd, SingleLanes>>(t),
        Mnemonic.Haddpd => Binary<Horizontal<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Hsubps => Binary<Horizontal<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Hsubpd => Binary<Horizontal<FloatSubtract, DoubleLanes>>(t),
        _ => false,
    };

    /// <summary>Destination XMM, source XMM or memory, maybe an immediate.</summary>
    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = t.Instruction.OpCount > 2 ? t.Instruction.Immediate8 : (byte)0;
        if (t.IsRegister(1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = &Registers<TOp>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &Memory<TOp>;
        }

        return true;
    }

    /// <summary>The exception of an instruction whose flags are in MXCSR: #XM, or #UD when the system does not handle it.</summary>
    public static Block* Exception(CpuState* s, Op* op) => Faults.Raise(s, op, (s->Cr4 & Cr4Bits.OsXmmExcpt) != 0 ? Vectors.Xm : Vectors.Ud);

    /// <summary>Raises the flags of an operation in MXCSR. False: one is unmasked. One in the operands hides those of results. SDM vol. 1, 11.5.4.</summary>
    public static bool Finish(CpuState* s, in FloatContext c)
    {
        uint flags = c.IsStopped ? c.Flags & FloatFlags.BeforeComputation : c.Flags;
        s->Mxcsr |= flags;
        return (flags & ~c.Masks) == 0;
    }

    private static Block* Registers<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!TOp.Apply(s, *Vector.At(s, op->Dst), *Vector.At(s, op->Src), op->Aux, out Vector128<byte> r))
            return Exception(s, op);
        *Vector.At(s, op->Dst) = r;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Memory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Vector.Load(s, op, TOp.Size, out Vector128<byte> y))
            return Faults.Raise(s, op);
        if (!TOp.Apply(s, *Vector.At(s, op->Dst), y, op->Aux, out Vector128<byte> r))
            return Exception(s, op);
        *Vector.At(s, op->Dst) = r;
        return op[1].Handler(s, op + 1);
    }
}
