using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>Destination and source to the exact result, still to be rounded.</summary>
internal interface IX87Binary
{
    static abstract FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c);
}

internal readonly struct FAdd : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Add(destination, source, ref c);
}

internal readonly struct FSub : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Subtract(destination, source, ref c);
}

internal readonly struct FSubr : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Subtract(source, destination, ref c);
}

internal readonly struct FMul : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Multiply(destination, source, ref c);
}

internal readonly struct FDiv : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Divide(destination, source, ref c);
}

internal readonly struct FDivr : IX87Binary
{
    public static FloatValue Apply(in FloatValue destination, in FloatValue source, ref FloatContext c) => FloatMath.Divide(source, destination, ref c);
}

/// <summary>FADD to FDIVR, FSQRT, FSCALE, FXTRACT, FRNDINT, FPREM, FPREM1. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    private static Block* BinaryRegister<TOp>(CpuState* s, Op* op)
        where TOp : struct, IX87Binary
    {
        if (!Ready(s, op))
            return null;
        if (IsEmpty(s, op->Dst) || IsEmpty(s, op->Src))
        {
            if (StackError(s, false))
            {
                Put(s, op->Dst, FloatValue.Indefinite);
                Pop(s, op->Aux);
            }

            return Next(s, op);
        }

        Operate<TOp>(s, op->Dst, Get(s, op->Src), op->Aux);
        return Next(s, op);
    }

    private static Block* BinaryMemory<TOp, TSource>(CpuState* s, Op* op)
        where TOp : struct, IX87Binary
        where TSource : struct, IX87Source
    {
        if (!Ready(s, op))
            return null;
        byte* p = Read(s, op, TSource.Size);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        FloatValue source = TSource.Load(p, c);
        if (!IsEmpty(s, 0))
            Operate<TOp>(s, 0, source, 0);
        else if (StackError(s, false))
            Put(s, 0, FloatValue.Indefinite);
        return Next(s, op);
    }

    private static void Operate<TOp>(CpuState* s, int destination, in FloatValue source, int pops)
        where TOp : struct, IX87Binary
    {
        FloatContext c = Context(s);
        FloatValue r = TOp.Apply(Get(s, destination), source, ref c);
        Finish(s, destination, r, pops, ref c);
    }

    /// <summary>Rounds to the register format under precision control and stores, unless the operands alone stopped the operation.</summary>
    private static void Finish(CpuState* s, int destination, in FloatValue value, int pops, ref FloatContext c)
    {
        if (!c.IsStopped)
        {
            Put(s, destination, FloatMath.Round<ExtendedFormat>(value, ref c));
            Report(s, c);
            Pop(s, pops);
            return;
        }

        c.RoundedUp = false;
        Report(s, c);
    }

    /// <summary>ST(0) is there; if not, the masked answer has been given.</summary>
    private static bool HasTop(CpuState* s)
    {
        if (!IsEmpty(s, 0))
            return true;
        if (StackError(s, false))
            Put(s, 0, FloatValue.Indefinite);
        return false;
    }

    private static Block* Fsqrt(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (HasTop(s))
        {
            FloatContext c = Context(s);
            FloatValue r = FloatMath.SquareRoot(Get(s, 0), ref c);
            Finish(s, 0, r, 0, ref c);
        }

        return Next(s, op);
    }

    private static Block* Frndint(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (HasTop(s))
        {
            FloatContext c = Context(s);
            FloatValue a = Get(s, 0);
            FloatMath.NoteDenormals(a, a, ref c);
            FloatValue r = FloatMath.RoundToIntegral(a, false, ref c);
            if (!c.IsStopped)
                Put(s, 0, r);
            Report(s, c);
        }

        return Next(s, op);
    }

    /// <summary>ST(0) × 2^(ST(1) cut to an integer).</summary>
    private static Block* Fscale(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (IsEmpty(s, 0) || IsEmpty(s, 1))
        {
            if (StackError(s, false))
                Put(s, 0, FloatValue.Indefinite);
            return Next(s, op);
        }

        // Precision control does not apply. SDM vol. 1, 8.1.5.2.
        FloatContext c = Context(s);
        c.PrecisionControl = 0;
        FloatValue scaled = Scale(Get(s, 0), Get(s, 1), ref c), r = Massive(scaled, ref c);
        Finish(s, 0, r, 0, ref c);
        if (scaled.Class == FloatClass.Finite && r.Class == FloatClass.Infinity)
            s->X87Status |= C1;
        return Next(s, op);
    }

    private static FloatValue Scale(FloatValue a, in FloatValue by, ref FloatContext c)
    {
        if (FloatMath.TakeNan(a, by, ref c, out FloatValue nan))
            return nan;
        FloatMath.NoteDenormals(a, by, ref c);
        if (by.Class == FloatClass.Infinity)
        {
            if (by.Sign ? a.Class == FloatClass.Infinity : a.Class == FloatClass.Zero)
                return FloatMath.Invalid(ref c);
            return by.Sign ? FloatValue.Zero(a.Sign) : FloatValue.Infinity(a.Sign);
        }

        if (a.Class != FloatClass.Finite || by.Class == FloatClass.Zero || by.Exponent < 0)
            return a;
        // Beyond ±2^16 every finite number over- or underflows.
        int steps = by.Exponent > 16 ? 0x1_0000 : (int)(by.Significand >> (63 - by.Exponent));
        a.Exponent += by.Sign ? -steps : steps;
        return a;
    }

    /// <summary>What the unmasked answer cannot bring back into range either becomes 0 or infinity, inexact. SDM vol. 1, 8.5.4 and 8.5.5.</summary>
    private static FloatValue Massive(in FloatValue v, ref FloatContext c)
    {
        if (v.Class != FloatClass.Finite || c.IsStopped)
            return v;
        int limit = ExtendedFormat.MaxExponent + ExtendedFormat.Wrap;
        if (v.Exponent > limit && (c.Masks & FloatFlags.Overflow) == 0)
        {
            c.Flags |= FloatFlags.Overflow | FloatFlags.Inexact;
            return FloatValue.Infinity(v.Sign);
        }

        if (v.Exponent < 1 - limit && (c.Masks & FloatFlags.Underflow) == 0)
        {
            c.Flags |= FloatFlags.Underflow | FloatFlags.Inexact;
            return FloatValue.Zero(v.Sign);
        }

        return v;
    }

    private static Block* Fxtract(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (IsEmpty(s, 0) || !IsEmpty(s, 7))
        {
            bool overflow = !IsEmpty(s, 0);
            if (StackError(s, overflow))
            {
                Put(s, 0, FloatValue.Indefinite);
                SetTop(s, Top(s) - 1);
                Put(s, 0, FloatValue.Indefinite);
            }

            return Next(s, op);
        }

        FloatContext c = Context(s);
        FloatValue a = Get(s, 0), exponent = a, significand = a;
        if (FloatMath.TakeNan(a, a, ref c, out FloatValue nan))
        {
            exponent = significand = nan;
        }
        else if (a.Class == FloatClass.Zero)
        {
            c.Flags |= FloatFlags.DivideByZero;
            exponent = FloatValue.Infinity(true);
        }
        else if (a.Class == FloatClass.Infinity)
        {
            exponent = FloatValue.Infinity(false);
        }
        else
        {
            FloatMath.NoteDenormals(a, a, ref c);
            exponent = FloatValue.FromInteger(a.Exponent);
            significand.Exponent = 0;
        }

        if (!c.IsStopped)
        {
            Put(s, 0, exponent);
            SetTop(s, Top(s) - 1);
            Put(s, 0, significand);
        }

        Report(s, c);
        return Next(s, op);
    }

    private static Block* Fprem(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        s->X87Status &= unchecked((ushort)~C2);
        if (IsEmpty(s, 0) || IsEmpty(s, 1))
        {
            if (StackError(s, false))
                Put(s, 0, FloatValue.Indefinite);
            return Next(s, op);
        }

        FloatContext c = Context(s);
        c.PrecisionControl = 0;
        FloatValue r = X87Remainder.Partial(Get(s, 0), Get(s, 1), op->Aux != 0, ref c, out ulong quotient, out bool complete);
        if (!c.IsStopped)
        {
            Put(s, 0, FloatMath.Round<ExtendedFormat>(r, ref c));
            if (r.Class <= FloatClass.Finite)
                SetConditions(s, !complete ? C2 : ((quotient & 4) != 0 ? C0 : 0) | ((quotient & 2) != 0 ? C3 : 0));
            Report(s, c);
            s->X87Status = (ushort)((s->X87Status & ~C1) | (complete && (quotient & 1) != 0 ? C1 : 0));
        }
        else
        {
            Report(s, c);
        }

        return Next(s, op);
    }
}

/// <summary>FPREM and FPREM1: exact remainders, at most 63 bits of quotient at a time. SDM vol. 2, FPREM.</summary>
internal static class X87Remainder
{
    /// <param name="nearest">FPREM1: the quotient is rounded to nearest, not cut.</param>
    public static FloatValue Partial(FloatValue a, FloatValue b, bool nearest, ref FloatContext c, out ulong quotient, out bool complete)
    {
        quotient = 0;
        complete = true;
        if (FloatMath.TakeNan(a, b, ref c, out FloatValue nan))
            return nan;
        if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Zero)
            return FloatMath.Invalid(ref c);
        FloatMath.NoteDenormals(a, b, ref c);
        if (a.Class == FloatClass.Zero || b.Class == FloatClass.Infinity)
            return a;
        int distance = a.Exponent - b.Exponent;
        if (distance < (nearest ? -1 : 0))
            return a;
        bool sign = a.Sign;
        ulong remainder;
        int exponent = b.Exponent;
        if (distance < 0)
        {
            // |a| is between a quarter and one of |b|: only rounding to nearest can subtract one.
            return HalfOrMore(a, b, out quotient);
        }

        if (distance < 64)
        {
            remainder = Divide(a.Significand, b.Significand, distance, out quotient);
        }
        else
        {
            complete = false;
            int taken = (distance & 31) | 32;
            remainder = Divide(a.Significand, b.Significand, taken, out _);
            exponent = a.Exponent - taken;
        }

        if (nearest && complete && RoundsUp(remainder, b.Significand, quotient))
        {
            quotient++;
            remainder = b.Significand - remainder;
            sign = !sign;
        }

        return Number(remainder, exponent, remainder == 0 ? a.Sign : sign);
    }

    /// <summary>a × 2^steps divided by b, both with bit 63 set; the remainder has the weight of b.</summary>
    private static ulong Divide(ulong a, ulong b, int steps, out ulong quotient)
    {
        quotient = a >= b ? 1ul : 0;
        UInt128 rest = a >= b ? a - b : a;
        for (int i = 0; i < steps; i++)
        {
            rest <<= 1;
            quotient <<= 1;
            if (rest >= b)
            {
                rest -= b;
                quotient |= 1;
            }
        }

        return (ulong)rest;
    }

    private static bool RoundsUp(ulong remainder, ulong b, ulong quotient)
    {
        ulong other = b - remainder;
        return remainder > other || (remainder == other && (quotient & 1) != 0);
    }

    private static FloatValue HalfOrMore(FloatValue a, in FloatValue b, out ulong quotient)
    {
        // a is one binade below b: a > b/2 exactly when its significand is the larger.
        quotient = a.Significand > b.Significand ? 1ul : 0;
        if (quotient == 0)
            return a;
        UInt128 rest = ((UInt128)b.Significand << 1) - a.Significand;
        bool sign = !a.Sign;
        return rest >> 64 != 0 ? Number((ulong)(rest >> 1), a.Exponent + 1, sign) : Number((ulong)rest, a.Exponent, sign);
    }

    private static FloatValue Number(ulong significand, int exponent, bool sign)
    {
        FloatValue r = FloatValue.FromInteger(significand, sign);
        if (r.Class == FloatClass.Finite)
            r.Exponent += exponent - 63;
        return r;
    }
}
