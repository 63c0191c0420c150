using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>CVT* between XMM registers, and to and from general registers. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class SseConvert
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Cvtps2pd or Mnemonic.Vcvtps2pd => Widening<SinglesToDoubles>(t),
        Mnemonic.Cvtpd2ps or Mnemonic.Vcvtpd2ps => Narrowing<DoublesToSingles>(t),
        Mnemonic.Cvtss2sd or Mnemonic.Vcvtss2sd => SseFloat.Binary<SingleToDouble>(t),
        Mnemonic.Cvtsd2ss or Mnemonic.Vcvtsd2ss => SseFloat.Binary<DoubleToSingle>(t),
        Mnemonic.Cvtdq2ps or Mnemonic.Vcvtdq2ps => SseFloat.Binary<IntegersToSingles>(t),
        Mnemonic.Cvtdq2pd or Mnemonic.Vcvtdq2pd => Widening<IntegersToDoubles>(t),
        Mnemonic.Cvtps2dq or Mnemonic.Vcvtps2dq => SseFloat.Binary<ToIntegers<SingleLanes, ByControl>>(t),
        Mnemonic.Cvttps2dq or Mnemonic.Vcvttps2dq => SseFloat.Binary<ToIntegers<SingleLanes, Truncated>>(t),
        Mnemonic.Cvtpd2dq or Mnemonic.Vcvtpd2dq => Narrowing<ToIntegers<DoubleLanes, ByControl>>(t),
        Mnemonic.Cvttpd2dq or Mnemonic.Vcvttpd2dq => Narrowing<ToIntegers<DoubleLanes, Truncated>>(t),
        Mnemonic.Cvtsi2ss or Mnemonic.Vcvtsi2ss => FromGeneral<SingleLanes>(t),
        Mnemonic.Cvtsi2sd or Mnemonic.Vcvtsi2sd => FromGeneral<DoubleLanes>(t),
        Mnemonic.Cvtss2si or Mnemonic.Vcvtss2si => ToGeneral<SingleLanes, ByControl>(t),
        Mnemonic.Cvttss2si or Mnemonic.Vcvttss2si => ToGeneral<SingleLanes, Truncated>(t),
        Mnemonic.Cvtsd2si or Mnemonic.Vcvtsd2si => ToGeneral<DoubleLanes, ByControl>(t),
        Mnemonic.Cvttsd2si or Mnemonic.Vcvttsd2si => ToGeneral<DoubleLanes, Truncated>(t),
        _ => false,
    };

    private static bool Widening<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp => Vex.IsVex(t) ? VexFloat.Widening<TOp>(t) : SseFloat.Binary<TOp>(t);

    private static bool Narrowing<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp => Vex.IsVex(t) ? VexFloat.Narrowing<TOp>(t) : SseFloat.Binary<TOp>(t);

    /// <summary>The general register or memory operand is the last one; a VEX form takes the other elements from the one before it.</summary>
    private static bool FromGeneral<TLanes>(Translator t)
        where TLanes : struct, IFloatLanes
    {
        bool vex = Vex.IsVex(t);
        int source = vex ? 2 : 1;
        bool four = t.SizeOf(source) == 4;
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = vex ? Vector.Number(t, 1) : t.Op->Dst;
        if (t.IsRegister(source))
        {
            t.Op->Src = t.Register(source);
            t.Op->Handler = vex
                ? four ? &FromRegister<TLanes, VexGate, uint> : &FromRegister<TLanes, VexGate, ulong>
                : four ? &FromRegister<TLanes, LegacyGate, uint> : &FromRegister<TLanes, LegacyGate, ulong>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = vex
                ? four ? &FromMemory<TLanes, VexGate, uint> : &FromMemory<TLanes, VexGate, ulong>
                : four ? &FromMemory<TLanes, LegacyGate, uint> : &FromMemory<TLanes, LegacyGate, ulong>;
        }

        return true;
    }

    private static bool ToGeneral<TLanes, TRounding>(Translator t)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding => Vex.IsVex(t) ? ToGeneral<TLanes, TRounding, VexGate>(t) : ToGeneral<TLanes, TRounding, LegacyGate>(t);

    private static bool ToGeneral<TLanes, TRounding, TGate>(Translator t)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
        where TGate : struct, IVectorGate
    {
        t.Op->Dst = t.Register(0);
        t.Op->Aux = (byte)(8 * t.Size);
        if (t.IsRegister(1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = t.Size == 4 ? &RegisterToGeneral<TLanes, TRounding, TGate, uint> : &RegisterToGeneral<TLanes, TRounding, TGate, ulong>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = t.Size == 4 ? &MemoryToGeneral<TLanes, TRounding, TGate, uint> : &MemoryToGeneral<TLanes, TRounding, TGate, ulong>;
        }

        return true;
    }

    private static Block* FromRegister<TLanes, TGate, T>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
        where T : unmanaged
    {
        int fault = TGate.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetFrom<TLanes, TGate>(s, op, (long)Operand.Get<T>(s, op->Src));
    }

    // SAFETY: Tlb gives a host address good for the size asked for.
    private static Block* FromMemory<TLanes, TGate, T>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
        where T : unmanaged
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        return p == null ? Faults.Raise(s, op) : SetFrom<TLanes, TGate>(s, op, (long)Operand.Load<T>(p));
    }

    private static Block* SetFrom<TLanes, TGate>(CpuState* s, Op* op, long value)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        ulong bits = FromInteger<TLanes>(value, ref c);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        *Vector.At(s, op->Dst) = TLanes.With(*Vector.At(s, op->Aux), 0, bits);
        TGate.ClearUpper(s, op->Dst);
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegisterToGeneral<TLanes, TRounding, TGate, T>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
        where TGate : struct, IVectorGate
        where T : unmanaged
    {
        int fault = TGate.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetGeneral<TLanes, TRounding, T>(s, op, *Vector.At(s, op->Src));
    }

    private static Block* MemoryToGeneral<TLanes, TRounding, TGate, T>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
        where TGate : struct, IVectorGate
        where T : unmanaged
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, TLanes.Size, out Vector128<byte> y) ? SetGeneral<TLanes, TRounding, T>(s, op, y) : Faults.Raise(s, op);
    }

    private static Block* SetGeneral<TLanes, TRounding, T>(CpuState* s, Op* op, Vector128<byte> y)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
        where T : unmanaged
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        long value = ToInteger<TLanes>(TLanes.Get(y, 0), 8 * sizeof(T), TRounding.Of(c.Rounding), ref c);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        Operand.Set<T>(s, op->Dst, (ulong)value);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>By the host where the integer has no more bits than the significand, else exactly.</summary>
    public static ulong FromInteger<TLanes>(long value, ref FloatContext c)
        where TLanes : struct, IFloatLanes
    {
        const long ExactInSingle = 1 << 24, ExactInDouble = 1L << 53;
        long exact = TLanes.Size == 4 ? ExactInSingle : ExactInDouble;
        return value <= exact && value >= -exact ? TLanes.FromDouble(value) : TLanes.RoundPack(FloatValue.FromInteger(value), ref c);
    }

    /// <summary>Every double's integral part is a double: the host rounds, and comparing tells inexact. Out of range and NaN: #IA alone.</summary>
    public static long ToInteger<TLanes>(ulong lane, int bits, FloatRounding rounding, ref FloatContext c)
        where TLanes : struct, IFloatLanes
    {
        double x = TLanes.ToDouble(lane), r = SseRound.Integral(x, rounding), limit = bits == 32 ? 2147483648.0 : 9223372036854775808.0;
        if (!(r >= -limit && r < limit))
        {
            c.Flags |= FloatFlags.Invalid;
            return bits == 32 ? int.MinValue : long.MinValue;
        }

        if (c.DenormalsAreZero && Math.Abs(x) < TLanes.SmallestNormal)
            return 0;
        if (r != x)
            c.Flags |= FloatFlags.Inexact;
        return (long)r;
    }
}

internal interface IIntegerRounding
{
    static abstract FloatRounding Of(FloatRounding control);
}

/// <summary>As MXCSR says.</summary>
internal readonly struct ByControl : IIntegerRounding
{
    public static FloatRounding Of(FloatRounding control) => control;
}

/// <summary>The CVTT forms.</summary>
internal readonly struct Truncated : IIntegerRounding
{
    public static FloatRounding Of(FloatRounding control) => FloatRounding.Truncate;
}

/// <summary>To four (or two, then two zeroes) 32-bit integers.</summary>
// SAFETY: as above.
internal readonly unsafe struct ToIntegers<TLanes, TRounding> : IFloatVectorOp
    where TLanes : struct, IFloatLanes
    where TRounding : struct, IIntegerRounding
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        Vector128<int> r = default;
        for (int i = 0; i < TLanes.Count; i++)
            r = r.WithElement(i, (int)SseConvert.ToInteger<TLanes>(TLanes.Get(y, i), 32, TRounding.Of(c.Rounding), ref c));
        result = r.AsByte();
        return SseFloat.Finish(s, c);
    }
}

// SAFETY: as above.
internal readonly unsafe struct IntegersToSingles : IFloatVectorOp
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = default;
        for (int i = 0; i < 4; i++)
            result = SingleLanes.With(result, i, SseConvert.FromInteger<SingleLanes>(y.AsInt32()[i], ref c));
        return SseFloat.Finish(s, c);
    }
}

/// <summary>Exact.</summary>
// SAFETY: as above.
internal readonly unsafe struct IntegersToDoubles : IFloatVectorOp
{
    public static int Size => 8;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        result = Vector128.Create((double)y.AsInt32()[0], y.AsInt32()[1]).AsByte();
        return true;
    }
}

// SAFETY: as above.
internal readonly unsafe struct SinglesToDoubles : IFloatVectorOp
{
    public static int Size => 8;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = default;
        for (int i = 0; i < 2; i++)
            result = DoubleLanes.With(result, i, FormatConvert.Of<SingleLanes, DoubleLanes>(SingleLanes.Get(y, i), ref c));
        return SseFloat.Finish(s, c);
    }
}

/// <summary>The upper half becomes zero.</summary>
// SAFETY: as above.
internal readonly unsafe struct DoublesToSingles : IFloatVectorOp
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = default;
        for (int i = 0; i < 2; i++)
            result = SingleLanes.With(result, i, FormatConvert.Of<DoubleLanes, SingleLanes>(DoubleLanes.Get(y, i), ref c));
        return SseFloat.Finish(s, c);
    }
}

// SAFETY: as above.
internal readonly unsafe struct SingleToDouble : IFloatVectorOp
{
    public static int Size => 4;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = DoubleLanes.With(x, 0, FormatConvert.Of<SingleLanes, DoubleLanes>(SingleLanes.Get(y, 0), ref c));
        return SseFloat.Finish(s, c);
    }
}

// SAFETY: as above.
internal readonly unsafe struct DoubleToSingle : IFloatVectorOp
{
    public static int Size => 8;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = SingleLanes.With(x, 0, FormatConvert.Of<DoubleLanes, SingleLanes>(DoubleLanes.Get(y, 0), ref c));
        return SseFloat.Finish(s, c);
    }
}

internal static class FormatConvert
{
    /// <summary>By the host when the value is representable in both formats, as widening always is; else exactly.</summary>
    public static ulong Of<TFrom, TTo>(ulong bits, ref FloatContext c)
        where TFrom : struct, IFloatLanes
        where TTo : struct, IFloatLanes
    {
        double x = TFrom.ToDouble(bits);
        ulong r = TTo.FromDouble(x);
        bool ordinary = x == 0 || (Math.Abs(x) >= SingleLanes.SmallestNormal && Math.Abs(x) <= double.MaxValue);
        return ordinary && TTo.ToDouble(r) == x ? r : TTo.RoundPack(FloatMath.Convert(TFrom.Unpack(bits, c), ref c), ref c);
    }
}
