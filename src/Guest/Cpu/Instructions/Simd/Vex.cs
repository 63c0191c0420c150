using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>Whether a vector instruction may execute: legacy SSE and VEX ask different bits.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IVectorGate
{
    /// <summary>Vector of the fault, or -1.</summary>
    static abstract int Fault(CpuState* s);

    /// <summary>Bits 255:128 of a destination: legacy instructions keep them, VEX ones clear them.</summary>
    static abstract void ClearUpper(CpuState* s, int register);
}

// SAFETY: as above.
internal readonly unsafe struct LegacyGate : IVectorGate
{
    public static int Fault(CpuState* s) => FloatState.SseFault(s);

    public static void ClearUpper(CpuState* s, int register)
    {
    }
}

// SAFETY: as above.
internal readonly unsafe struct VexGate : IVectorGate
{
    public static int Fault(CpuState* s) => Vex.Fault(s);

    public static void ClearUpper(CpuState* s, int register) => *Vex.High(s, register) = default;
}

/// <summary>
/// AVX and AVX2: the vector table's operations with a separate destination, on 16 bytes or twice 16. Bits above the operation's width
/// become zero; memory need not be aligned. SDM vol. 1, chapter 14.
/// </summary>
// SAFETY: as above.
internal static unsafe class Vex
{
    private const ulong YmmState = CpuFeatures.Sse | CpuFeatures.Avx;

    public static bool IsVex(Translator t) => t.Instruction.Code.Encoding() == EncodingKind.VEX;

    /// <summary>#UD without protected mode, CR4.OSXSAVE or both components in XCR0; #NM with CR0.TS. SDM vol. 2, table 2-27.</summary>
    public static int Fault(CpuState* s)
    {
        bool missing = (s->Cr4 & Cr4Bits.OsXsave) == 0 || (s->Xcr0 & YmmState) != YmmState || Segments.IsReal(s) || (s->Flags & Cpu.RflagsBits.Vm) != 0;
        return missing ? Vectors.Ud : (s->Cr0 & Cr0Bits.Ts) != 0 ? Vectors.Nm : -1;
    }

    // SAFETY (whole file): register numbers are 0-15 and CpuState has 16 registers in two halves; Tlb gives a host address good for the size asked for.
    public static Vector128<byte>* High(CpuState* s, int number) => (Vector128<byte>*)(s->YmmHigh + (2 * number));

    public static void Set(CpuState* s, int number, Vector128<byte> low, Vector128<byte> high = default)
    {
        *Vector.At(s, number) = low;
        *High(s, number) = high;
    }

    public static bool IsWide(Translator t, int operand) => t.IsRegister(operand) && t.Instruction.GetOpRegister(operand).IsYMM();

    /// <summary>
    /// Destination in Dst. The last operand but an immediate in Src, or memory; the first operand, if there are three, in Base, or in Src
    /// beside memory. True: memory.
    /// </summary>
    public static bool Operands(Translator t)
    {
        Vector.Immediate(t);
        int last = t.Instruction.OpCount - 1;
        if (t.Instruction.GetOpKind(last) == OpKind.Immediate8)
            last--;
        t.Op->Dst = Vector.Number(t, 0);
        byte first = last > 1 ? Vector.Number(t, 1) : (byte)0;
        if (t.IsRegister(last))
        {
            t.Op->Src = Vector.Number(t, last);
            t.Op->Base = first;
            return false;
        }

        t.Memory();
        t.Op->Src = first;
        return true;
    }

    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        bool memory = Operands(t), wide = IsWide(t, 0);
        t.Op->Handler = wide ? memory ? &WideMemory<TOp> : &WideRegisters<TOp> : memory ? &NarrowMemory<TOp> : &NarrowRegisters<TOp>;
        return true;
    }

    /// <summary>A count in an immediate, or in the low 16 bytes of the last operand for both halves.</summary>
    public static bool Shift<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        bool wide = IsWide(t, 0);
        if (t.Instruction.Op2Kind == OpKind.Immediate8)
        {
            t.Op->Dst = Vector.Number(t, 0);
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Aux = t.Instruction.Immediate8;
            t.Op->Handler = wide ? &WideByImmediate<TOp> : &NarrowByImmediate<TOp>;
            return true;
        }

        bool memory = Operands(t);
        t.Op->Handler = wide ? memory ? &WideCountMemory<TOp> : &WideCountRegister<TOp> : memory ? &NarrowMemory<TOp> : &NarrowRegisters<TOp>;
        return true;
    }

    /// <summary>PMOVSX and PMOVZX: the upper half of the result comes from the bytes after the lower half's.</summary>
    public static bool Extend<TOp>(Translator t)
        where TOp : struct, IVectorOp
    {
        bool memory = Operands(t), wide = IsWide(t, 0);
        t.Op->Handler = wide ? memory ? &ExtendMemory<TOp> : &ExtendRegister<TOp> : memory ? &NarrowMemory<TOp> : &NarrowRegisters<TOp>;
        return true;
    }

    /// <summary>Four operands: the mask register's number is in the immediate.</summary>
    public static bool Masked<TOp>(Translator t)
        where TOp : struct, IVectorMaskOp
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = Vector.Number(t, 3);
        bool wide = IsWide(t, 0);
        if (t.IsRegister(2))
        {
            t.Op->Base = Vector.Number(t, 1);
            t.Op->Src = Vector.Number(t, 2);
            t.Op->Handler = wide ? &WideMasked<TOp> : &NarrowMasked<TOp>;
            return true;
        }

        t.Op->Src = Vector.Number(t, 1);
        t.Memory();
        t.Op->Handler = wide ? &WideMaskedMemory<TOp> : &NarrowMaskedMemory<TOp>;
        return true;
    }

    /// <summary>16 bytes, or twice 16, from memory. False: the fault is recorded.</summary>
    public static bool LoadWide(CpuState* s, Op* op, out Vector128<byte> low, out Vector128<byte> high)
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 32), 32);
        low = p == null ? default : *(Vector128<byte>*)p;
        high = p == null ? default : *(Vector128<byte>*)(p + 16);
        return p != null;
    }

    private static Block* NarrowRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Set(s, op->Dst, TOp.Apply(*Vector.At(s, op->Base), *Vector.At(s, op->Src), op->Aux));
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Vector.Load(s, op, TOp.Size, true, out Vector128<byte> y))
            return Faults.Raise(s, op);
        Set(s, op->Dst, TOp.Apply(*Vector.At(s, op->Src), y, op->Aux));
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vector128<byte> low = TOp.Apply(*Vector.At(s, op->Base), *Vector.At(s, op->Src), op->Aux);
        Set(s, op->Dst, low, TOp.Apply(*High(s, op->Base), *High(s, op->Src), TOp.HighImmediate(op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!LoadWide(s, op, out Vector128<byte> low, out Vector128<byte> high))
            return Faults.Raise(s, op);
        low = TOp.Apply(*Vector.At(s, op->Src), low, op->Aux);
        Set(s, op->Dst, low, TOp.Apply(*High(s, op->Src), high, TOp.HighImmediate(op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowByImmediate<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Set(s, op->Dst, TOp.Apply(*Vector.At(s, op->Src), Vector128.CreateScalar((ulong)op->Aux).AsByte(), 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideByImmediate<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Counted<TOp>(s, op, op->Src, Vector128.CreateScalar((ulong)op->Aux).AsByte());
    }

    private static Block* WideCountRegister<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Counted<TOp>(s, op, op->Base, *Vector.At(s, op->Src));
    }

    private static Block* WideCountMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, 16, true, out Vector128<byte> count) ? Counted<TOp>(s, op, op->Src, count) : Faults.Raise(s, op);
    }

    private static Block* Counted<TOp>(CpuState* s, Op* op, byte value, Vector128<byte> count)
        where TOp : struct, IVectorOp
    {
        Vector128<byte> low = TOp.Apply(*Vector.At(s, value), count, 0);
        Set(s, op->Dst, low, TOp.Apply(*High(s, value), count, 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtendRegister<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Extended<TOp>(s, op, *Vector.At(s, op->Src));
    }

    private static Block* ExtendMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, 2 * TOp.Size, true, out Vector128<byte> y) ? Extended<TOp>(s, op, y) : Faults.Raise(s, op);
    }

    private static Block* Extended<TOp>(CpuState* s, Op* op, Vector128<byte> y)
        where TOp : struct, IVectorOp
    {
        Vector128<byte> rest = ShiftBytesRight.Apply(y, Vector128.CreateScalar((ulong)TOp.Size).AsByte(), 0);
        Set(s, op->Dst, TOp.Apply(default, y, 0), TOp.Apply(default, rest, 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowMasked<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Set(s, op->Dst, TOp.Apply(*Vector.At(s, op->Base), *Vector.At(s, op->Src), *Vector.At(s, op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowMaskedMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Vector.Load(s, op, 16, true, out Vector128<byte> y))
            return Faults.Raise(s, op);
        Set(s, op->Dst, TOp.Apply(*Vector.At(s, op->Src), y, *Vector.At(s, op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideMasked<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vector128<byte> low = TOp.Apply(*Vector.At(s, op->Base), *Vector.At(s, op->Src), *Vector.At(s, op->Aux));
        Set(s, op->Dst, low, TOp.Apply(*High(s, op->Base), *High(s, op->Src), *High(s, op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideMaskedMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IVectorMaskOp
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!LoadWide(s, op, out Vector128<byte> low, out Vector128<byte> high))
            return Faults.Raise(s, op);
        low = TOp.Apply(*Vector.At(s, op->Src), low, *Vector.At(s, op->Aux));
        Set(s, op->Dst, low, TOp.Apply(*High(s, op->Src), high, *High(s, op->Aux)));
        return op[1].Handler(s, op + 1);
    }
}
