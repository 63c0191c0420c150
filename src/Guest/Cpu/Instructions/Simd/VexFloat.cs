using System.Runtime.Intrinsics;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>VEX forms of the SSE floating-point operations. Exceptions of both halves count together. SDM vol. 1, 14.4.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexFloat
{
    private const uint AllFlags = FloatFlags.All;

    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        bool memory = Vex.Operands(t), wide = Vex.IsWide(t, 0);
        t.Op->Handler = wide ? memory ? &WideMemory<TOp> : &WideRegisters<TOp> : memory ? &NarrowMemory<TOp> : &NarrowRegisters<TOp>;
        return true;
    }

    /// <summary>Results twice as wide as the operand's elements: CVTPS2PD, CVTDQ2PD.</summary>
    public static bool Widening<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        if (!Vex.IsWide(t, 0))
            return Binary<TOp>(t);
        t.Op->Handler = Vex.Operands(t) ? &WidenMemory<TOp> : &WidenRegister<TOp>;
        return true;
    }

    /// <summary>Results half as wide: CVTPD2PS, CVT(T)PD2DQ.</summary>
    public static bool Narrowing<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        if (!Vex.IsWide(t, 1) && !(t.IsMemory(1) && Iced.Intel.MemorySizeExtensions.GetSize(t.Instruction.MemorySize) == 32))
            return Binary<TOp>(t);
        t.Op->Handler = Vex.Operands(t) ? &NarrowingMemory<TOp> : &NarrowingRegister<TOp>;
        return true;
    }

    /// <summary>Two halves as one instruction: an unmasked exception in the operands of either hides the result flags of both.</summary>
    public static bool Both<TOp>(CpuState* s, Vector128<byte> x, Vector128<byte> y, Vector128<byte> xHigh, Vector128<byte> yHigh, byte immediate, out Vector128<byte> low, out Vector128<byte> high)
        where TOp : struct, IFloatVectorOp
    {
        // The one operation of several steps: each is done in both halves before the next.
        if (typeof(TOp) == typeof(DotProduct<SingleLanes>))
            return DotProduct<SingleLanes>.Both(s, x, y, xHigh, yHigh, true, immediate, out low, out high);
        uint before = s->Mxcsr;
        if (TOp.Apply(s, x, y, immediate, out low) & TOp.Apply(s, xHigh, yHigh, immediate, out high))
            return true;
        s->Mxcsr = before & ~AllFlags;
        TOp.Apply(s, x, y, immediate, out _);
        TOp.Apply(s, xHigh, yHigh, immediate, out _);
        uint raised = s->Mxcsr & AllFlags, masks = (before >> 7) & AllFlags;
        s->Mxcsr = before | ((raised & ~masks & FloatFlags.BeforeComputation) != 0 ? raised & FloatFlags.BeforeComputation : raised);
        return false;
    }

    private static Block* NarrowRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!TOp.Apply(s, *Vector.At(s, op->Base), *Vector.At(s, op->Src), op->Aux, out Vector128<byte> r))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Vector.Load(s, op, TOp.Size, true, out Vector128<byte> y))
            return Faults.Raise(s, op);
        if (!TOp.Apply(s, *Vector.At(s, op->Src), y, op->Aux, out Vector128<byte> r))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Wide<TOp>(s, op, op->Base, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* WideMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vex.LoadWide(s, op, out Vector128<byte> low, out Vector128<byte> high) ? Wide<TOp>(s, op, op->Src, low, high) : Faults.Raise(s, op);
    }

    private static Block* Wide<TOp>(CpuState* s, Op* op, byte first, Vector128<byte> y, Vector128<byte> yHigh)
        where TOp : struct, IFloatVectorOp
    {
        if (!Both<TOp>(s, *Vector.At(s, first), y, *Vex.High(s, first), yHigh, op->Aux, out Vector128<byte> low, out Vector128<byte> high))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, low, high);
        return op[1].Handler(s, op + 1);
    }

    private static Block* WidenRegister<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Widen<TOp>(s, op, *Vector.At(s, op->Src));
    }

    private static Block* WidenMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, 16, true, out Vector128<byte> y) ? Widen<TOp>(s, op, y) : Faults.Raise(s, op);
    }

    private static Block* Widen<TOp>(CpuState* s, Op* op, Vector128<byte> y)
        where TOp : struct, IFloatVectorOp
    {
        Vector128<byte> rest = Vector128.CreateScalar(y.AsUInt64()[1]).AsByte();
        if (!Both<TOp>(s, default, y, default, rest, 0, out Vector128<byte> low, out Vector128<byte> high))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, low, high);
        return op[1].Handler(s, op + 1);
    }

    private static Block* NarrowingRegister<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Narrow<TOp>(s, op, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* NarrowingMemory<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFloatVectorOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vex.LoadWide(s, op, out Vector128<byte> low, out Vector128<byte> high) ? Narrow<TOp>(s, op, low, high) : Faults.Raise(s, op);
    }

    private static Block* Narrow<TOp>(CpuState* s, Op* op, Vector128<byte> y, Vector128<byte> yHigh)
        where TOp : struct, IFloatVectorOp
    {
        if (!Both<TOp>(s, default, y, default, yHigh, 0, out Vector128<byte> low, out Vector128<byte> high))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, Vector128.Create(low.AsUInt64()[0], high.AsUInt64()[0]).AsByte());
        return op[1].Handler(s, op + 1);
    }
}
