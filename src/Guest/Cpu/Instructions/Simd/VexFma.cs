using System.Runtime.Intrinsics;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>FMA: product and sum with one rounding, in three orders of operands and six combinations of signs. SDM vol. 1, 14.5.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexFma
{
    // Aux: which signs change, and the order of operands.
    private const byte NegateProduct = 1, SubtractEven = 2, SubtractOdd = 4, Order213 = 0x10, Order231 = 0x20, OrderMask = 0x30;

    /// <summary>The names are systematic: VF, N, MADD or MSUB or both, the order, and the format.</summary>
    public static bool Select(Translator t)
    {
        string name = t.Instruction.Mnemonic.ToString();
        if (!name.StartsWith("Vf", StringComparison.Ordinal))
            return false;
        bool negated = name[2] == 'n';
        int at = negated ? 3 : 2, order = name.Length - 5;
        byte signs = name[at..order] switch
        {
            "madd" => 0,
            "msub" => SubtractEven | SubtractOdd,
            "maddsub" => SubtractEven,
            "msubadd" => SubtractOdd,
            _ => OrderMask,
        };
        if (signs == OrderMask)
            return false;
        bool memory = Vex.Operands(t);
        t.Op->Aux = (byte)(signs | (negated ? NegateProduct : 0) | name[order..^2] switch { "132" => 0, "213" => Order213, _ => Order231 });
        bool wide = Vex.IsWide(t, 0);
        t.Op->Handler = name[^2..] switch
        {
            "ps" => wide ? memory ? &WideMemory<SingleLanes> : &WideRegisters<SingleLanes> : memory ? &Memory<SingleLanes, AllLanes> : &Registers<SingleLanes, AllLanes>,
            "pd" => wide ? memory ? &WideMemory<DoubleLanes> : &WideRegisters<DoubleLanes> : memory ? &Memory<DoubleLanes, AllLanes> : &Registers<DoubleLanes, AllLanes>,
            "ss" => memory ? &Memory<SingleLanes, FirstLane> : &Registers<SingleLanes, FirstLane>,
            _ => memory ? &Memory<DoubleLanes, FirstLane> : &Registers<DoubleLanes, FirstLane>,
        };
        return true;
    }

    private static Block* Registers<TLanes, TCount>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TCount : struct, ILaneCount
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Narrow<TLanes, TCount>(s, op, op->Base, *Vector.At(s, op->Src));
    }

    private static Block* Memory<TLanes, TCount>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TCount : struct, ILaneCount
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, TCount.All ? 16 : TLanes.Size, true, out Vector128<byte> z) ? Narrow<TLanes, TCount>(s, op, op->Src, z) : Faults.Raise(s, op);
    }

    private static Block* Narrow<TLanes, TCount>(CpuState* s, Op* op, byte second, Vector128<byte> third)
        where TLanes : struct, IFloatLanes
        where TCount : struct, ILaneCount
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        Vector128<byte> r = Compute<TLanes>(s->Mxcsr, op->Aux, *Vector.At(s, op->Dst), *Vector.At(s, second), third, TCount.All ? TLanes.Count : 1, ref c);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* WideRegisters<TLanes>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Wide<TLanes>(s, op, op->Base, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* WideMemory<TLanes>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vex.LoadWide(s, op, out Vector128<byte> z, out Vector128<byte> zHigh) ? Wide<TLanes>(s, op, op->Src, z, zHigh) : Faults.Raise(s, op);
    }

    private static Block* Wide<TLanes>(CpuState* s, Op* op, byte second, Vector128<byte> third, Vector128<byte> thirdHigh)
        where TLanes : struct, IFloatLanes
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        Vector128<byte> low = Compute<TLanes>(s->Mxcsr, op->Aux, *Vector.At(s, op->Dst), *Vector.At(s, second), third, TLanes.Count, ref c);
        Vector128<byte> high = Compute<TLanes>(s->Mxcsr, op->Aux, *Vex.High(s, op->Dst), *Vex.High(s, second), thirdHigh, TLanes.Count, ref c);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, low, high);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>132: first × third + second; 213: second × first + third; 231: second × third + first.</summary>
    private static Vector128<byte> Compute<TLanes>(uint mxcsr, byte control, Vector128<byte> first, Vector128<byte> second, Vector128<byte> third, int count, ref FloatContext c)
        where TLanes : struct, IFloatLanes
    {
        (Vector128<byte> a, Vector128<byte> b, Vector128<byte> d) = (control & OrderMask) switch
        {
            Order213 => (second, first, third),
            Order231 => (second, third, first),
            _ => (first, third, second),
        };
        Vector128<byte> r = first;
        for (int i = 0; i < count; i++)
        {
            bool subtract = (control & ((i & 1) == 0 ? SubtractEven : SubtractOdd)) != 0;
            r = TLanes.With(r, i, Lane<TLanes>(mxcsr, TLanes.Get(a, i), TLanes.Get(b, i), TLanes.Get(d, i), (control & NegateProduct) != 0, subtract, ref c));
        }

        return r;
    }

    /// <summary>By the host when rounding is to nearest, inexact is raised already, and neither operands nor result are special.</summary>
    private static ulong Lane<TLanes>(uint mxcsr, ulong a, ulong b, ulong d, bool negate, bool subtract, ref FloatContext c)
        where TLanes : struct, IFloatLanes
    {
        if (TLanes.Size == 8 && SseControl.MayUseHost(mxcsr) && SseControl.InexactIsRaised(mxcsr))
        {
            double x = TLanes.ToDouble(a), y = TLanes.ToDouble(b), z = TLanes.ToDouble(d);
            double r = Math.FusedMultiplyAdd(negate ? -x : x, y, subtract ? -z : z);
            if (IsOrdinary(x) && IsOrdinary(y) && IsOrdinary(z) && Math.Abs(r) > TLanes.SmallestNormal && double.IsFinite(r))
                return TLanes.FromDouble(r);
        }

        FloatValue p = TLanes.Unpack(a, c), q = TLanes.Unpack(b, c), addend = TLanes.Unpack(d, c);
        p.Sign ^= negate && !p.IsNan;
        addend.Sign ^= subtract && !addend.IsNan;
        return TLanes.RoundPack(FloatMath.MultiplyAdd(p, q, addend, ref c), ref c);

        static bool IsOrdinary(double v) => double.IsFinite(v) && (v == 0 || Math.Abs(v) >= TLanes.SmallestNormal);
    }
}
