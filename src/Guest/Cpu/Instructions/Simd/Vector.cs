using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>What an SSE or AVX integer, logic or shuffle instruction makes of two 16-byte operands and an immediate. 32 bytes are done 16 by 16.</summary>
internal interface IVectorOp
{
    /// <summary>Bytes of the 128-bit form's memory operand; 16 must be aligned in the legacy encoding.</summary>
    static virtual int Size => 16;

    /// <summary>A memory operand of 16 bytes may lie anywhere even in the legacy encoding.</summary>
    static virtual bool Unaligned => false;

    /// <summary>The immediate as the upper half of a 256-bit form sees it.</summary>
    static virtual byte HighImmediate(byte immediate) => immediate;

    static abstract Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate);
}

/// <summary>As <see cref="IVectorOp"/> with a third register: XMM0, or named in the immediate of a VEX form.</summary>
internal interface IVectorMaskOp
{
    /// <inheritdoc cref="IVectorOp.Unaligned"/>
    static virtual bool Unaligned => false;

    static abstract Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, Vector128<byte> mask);
}

/// <summary>Operand access of the vector instructions in their legacy encoding; which operation a mnemonic is stands in <see cref="VectorTable"/>.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Vector
{
    private const uint MisalignedExceptionMask = 1 << 17;

    public static bool Select(Translator t) => t.Instruction.Code.Encoding() switch
    {
        EncodingKind.D3NOW => ThreeDNow.Select(t),
        EncodingKind.Legacy when t.Instruction.Mnemonic is Mnemonic.Emms or Mnemonic.Femms => MmxMove.SelectEmms(t),
        EncodingKind.Legacy when Mmx.IsMmx(t) => Mmx.Select(t),
        EncodingKind.Legacy => SseFloat.Select(t) || MmxConvert.Select(t) || VectorTable.Select(t) || VectorMove.Select(t) || VectorElements.Select(t) || VectorStrings.Select(t),
        EncodingKind.VEX => SseFloat.Select(t) || VectorTable.Select(t) || VexMove.Select(t) || VexPermute.Select(t) || VectorElements.Select(t) || VectorStrings.Select(t)
            || VexGather.Select(t) || VexHalf.Select(t) || VexFma.Select(t) || VexDot.Select(t),
        _ => false,
    };

    /// <summary>Number of an XMM or YMM register operand.</summary>
    public static byte Number(Translator t, int operand) => (byte)t.Instruction.GetOpRegister(operand).GetNumber();

    public static Vector128<byte>* At(CpuState* s, int number) => (Vector128<byte>*)(s->Xmm + (2 * number));

    /// <summary>A 16-byte operand that is not aligned, unless AMD's misaligned mode (MXCSR.MM) allows it: #GP(0). SDM vol. 2, table 2-18; APM vol. 1, 4.2.2.</summary>
    public static bool IsMisaligned(CpuState* s, ulong linear) => (linear & 15) != 0 && linear != Tlb.NoAddress && (s->Mxcsr & MisalignedExceptionMask) == 0;

    /// <summary>Destination and first operand, second operand (register or memory), maybe an immediate.</summary>
    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        if (Vex.IsVex(t))
            return Vex.Binary<TOp>(t);
        if (Mmx.IsMmx(t))
            return Mmx.Binary<TOp>(t);
        Immediate(t);
        t.Op->Dst = Number(t, 0);
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

    /// <summary>Elements that become wider.</summary>
    public static bool Extend<TOp>(Translator t)
        where TOp : struct, IVectorOp => Vex.IsVex(t) ? Vex.Extend<TOp>(t) : Binary<TOp>(t);

    /// <summary>As <see cref="Binary{TOp}"/>, where the second operand may be an immediate count.</summary>
    public static bool Shift<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        if (Vex.IsVex(t))
            return Vex.Shift<TOp>(t);
        if (t.Instruction.Op1Kind != OpKind.Immediate8)
            return Binary<TOp>(t);
        if (Mmx.IsMmx(t))
            return Mmx.Shift<TOp>(t);
        t.Op->Dst = Number(t, 0);
        t.Op->Aux = t.Instruction.Immediate8;
        t.Op->Handler = &ByImmediate<TOp>;
        return true;
    }

    /// <summary>With XMM0 as the third operand.</summary>
    public static bool Masked<TOp>(Translator t)
        where TOp : struct, IVectorMaskOp
    {
        if (Vex.IsVex(t))
            return Vex.Masked<TOp>(t);
        t.Op->Dst = Number(t, 0);
        if (t.IsRegister(1))
        {
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &MaskedRegisters<TOp>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &MaskedMemory<TOp>;
        }

        return true;
    }

    /// <summary>PTEST: ZF if the operands have no bit in common, CF if the second has none outside the first.</summary>
    public static bool Test(Translator t)
    {
        t.Op->Dst = Number(t, 0);
        if (t.IsRegister(1))
            t.Op->Src = Number(t, 1);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(1) ? &TestRegisters : &TestMemory;
        return true;
    }

    public static void Immediate(Translator t)
    {
        int last = t.Instruction.OpCount - 1;
        t.Op->Aux = t.Instruction.GetOpKind(last) == OpKind.Immediate8 ? t.Instruction.Immediate8 : (byte)0;
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

    private static Block* Memory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Load(s, op, TOp.Size, TOp.Unaligned, out Vector128<byte> y))
            return Faults.Raise(s, op);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), y, op->Aux);
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

    private static Block* MaskedRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), *At(s, op->Src), *At(s, 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MaskedMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Load(s, op, 16, TOp.Unaligned, out Vector128<byte> y))
            return Faults.Raise(s, op);
        *At(s, op->Dst) = TOp.Apply(*At(s, op->Dst), y, *At(s, 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* TestRegisters(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        SetTestFlags(s, *At(s, op->Dst) & *At(s, op->Src), ~*At(s, op->Dst) & *At(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* TestMemory(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Load(s, op, 16, out Vector128<byte> y))
            return Faults.Raise(s, op);
        SetTestFlags(s, *At(s, op->Dst) & y, ~*At(s, op->Dst) & y);
        return op[1].Handler(s, op + 1);
    }

    public static void SetTestFlags(CpuState* s, Vector128<byte> common, Vector128<byte> outside) =>
        Flags.Set(s, (common == default ? Cpu.RflagsBits.Zf : 0) | (outside == default ? Cpu.RflagsBits.Cf : 0));

    public static bool Load(CpuState* s, Op* op, int size, out Vector128<byte> value) => Load(s, op, size, false, out value);

    /// <summary>Operand in memory of 2 to 16 bytes, the rest 0. False: the fault is recorded.</summary>
    public static bool Load(CpuState* s, Op* op, int size, bool unaligned, out Vector128<byte> value)
    {
        value = default;
        ulong linear = AnyAddress.Read(s, op, size);
        if (size == 16 && !unaligned && IsMisaligned(s, linear))
        {
            Faults.Set(s, Vectors.Gp);
            return false;
        }

        byte* p = Tlb.Read(s, linear, size);
        if (p == null)
            return false;
        value = FromMemory(p, size);
        return true;
    }

    public static Vector128<byte> FromMemory(byte* p, int size) => size switch
    {
        2 => Vector128.CreateScalar(*(ushort*)p).AsByte(),
        4 => Vector128.CreateScalar(*(uint*)p).AsByte(),
        8 => Vector128.CreateScalar(*(ulong*)p).AsByte(),
        _ => *(Vector128<byte>*)p,
    };
}
