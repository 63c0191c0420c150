using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>What an SSE floating-point instruction makes of its operands under MXCSR.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IFloatVectorOp
{
    /// <summary>Bytes of a memory operand; 16 must be aligned.</summary>
    static abstract int Size { get; }

    /// <summary>False: an unmasked exception. MXCSR has the flags in either case.</summary>
    static abstract bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result);
}

/// <summary>SSE floating-point instructions with XMM source and destination: operand access and #XM. SDM vol. 1, 11.5.</summary>
// SAFETY: as above.
internal static unsafe class SseFloat
{
    public static bool Select(Translator t) =>
        SelectSingle(t) || SelectDouble(t) || SelectHorizontal(t) || SseCompare.Select(t) || SseConvert.Select(t) || SseRound.Select(t);

    private static bool SelectSingle(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addps or Mnemonic.Vaddps => Binary<Packed<FloatAdd, SingleLanes>>(t),
        Mnemonic.Addss or Mnemonic.Vaddss => Binary<Scalar<FloatAdd, SingleLanes>>(t),
        Mnemonic.Subps or Mnemonic.Vsubps => Binary<Packed<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Subss or Mnemonic.Vsubss => Binary<Scalar<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Mulps or Mnemonic.Vmulps => Binary<Packed<FloatMultiply, SingleLanes>>(t),
        Mnemonic.Mulss or Mnemonic.Vmulss => Binary<Scalar<FloatMultiply, SingleLanes>>(t),
        Mnemonic.Divps or Mnemonic.Vdivps => Binary<Packed<FloatDivide, SingleLanes>>(t),
        Mnemonic.Divss or Mnemonic.Vdivss => Binary<Scalar<FloatDivide, SingleLanes>>(t),
        Mnemonic.Sqrtps or Mnemonic.Vsqrtps => Binary<Packed<FloatSquareRoot, SingleLanes>>(t),
        Mnemonic.Sqrtss or Mnemonic.Vsqrtss => Binary<Scalar<FloatSquareRoot, SingleLanes>>(t),
        _ => false,
    };

    private static bool SelectDouble(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addpd or Mnemonic.Vaddpd => Binary<Packed<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Addsd or Mnemonic.Vaddsd => Binary<Scalar<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Subpd or Mnemonic.Vsubpd => Binary<Packed<FloatSubtract, DoubleLanes>>(t),
        Mnemonic.Subsd or Mnemonic.Vsubsd => Binary<Scalar<FloatSubtract, DoubleLanes>>(t),
        Mnemonic.Mulpd or Mnemonic.Vmulpd => Binary<Packed<FloatMultiply, DoubleLanes>>(t),
        Mnemonic.Mulsd or Mnemonic.Vmulsd => Binary<Scalar<FloatMultiply, DoubleLanes>>(t),
        Mnemonic.Divpd or Mnemonic.Vdivpd => Binary<Packed<FloatDivide, DoubleLanes>>(t),
        Mnemonic.Divsd or Mnemonic.Vdivsd => Binary<Scalar<FloatDivide, DoubleLanes>>(t),
        Mnemonic.Sqrtpd or Mnemonic.Vsqrtpd => Binary<Packed<FloatSquareRoot, DoubleLanes>>(t),
        Mnemonic.Sqrtsd or Mnemonic.Vsqrtsd => Binary<Scalar<FloatSquareRoot, DoubleLanes>>(t),
        _ => false,
    };

    private static bool SelectHorizontal(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Addsubps or Mnemonic.Vaddsubps => Binary<Packed<FloatAddSubtract, SingleLanes>>(t),
        Mnemonic.Addsubpd or Mnemonic.Vaddsubpd => Binary<Packed<FloatAddSubtract, DoubleLanes>>(t),
        Mnemonic.Haddps or Mnemonic.Vhaddps => Binary<Horizontal<FloatAdd, SingleLanes>>(t),
        Mnemonic.Haddpd or Mnemonic.Vhaddpd => Binary<Horizontal<FloatAdd, DoubleLanes>>(t),
        Mnemonic.Hsubps or Mnemonic.Vhsubps => Binary<Horizontal<FloatSubtract, SingleLanes>>(t),
        Mnemonic.Hsubpd or Mnemonic.Vhsubpd => Binary<Horizontal<FloatSubtract, DoubleLanes>>(t),
        _ => false,
    };

    /// <summary>Destination XMM, source XMM or memory, maybe an immediate; or a VEX form.</summary>
    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        if (Vex.IsVex(t))
            return VexFloat.Binary<TOp>(t);
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
