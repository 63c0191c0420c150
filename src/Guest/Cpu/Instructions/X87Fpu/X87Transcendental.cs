using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1: special operands here, values in <see cref="Transcendental"/>. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    private static Block* F2xm1(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (!HasTop(s))
            return Next(s, op);
        FloatContext c = Exact(s);
        FloatValue a = Get(s, 0), r = a;
        if (FloatMath.TakeNan(a, a, ref c, out FloatValue nan))
        {
            r = nan;
        }
        else if (a.Class == FloatClass.Infinity)
        {
            r = a.Sign ? FloatValue.FromInteger(-1) : a;
        }
        else if (a.Class == FloatClass.Finite)
        {
            FloatMath.NoteDenormals(a, a, ref c);
            // Beyond [-1, 1] the result is undefined: the operand stays. ±1 is exact.
            bool one = a.Exponent == 0 && a.Significand == FloatValue.LeadingBit;
            if (one)
            {
                (r.Exponent, r.Sign) = a.Sign ? (-1, true) : (0, false);
                c.Flags |= FloatFlags.Inexact;
            }
            else if (a.Exponent < 0)
                r = Transcendental.PowerMinusOne(a).ToInexact();
        }

        Finish(s, 0, r, 0, ref c);
        return Next(s, op);
    }

    private static Block* Fyl2x(CpuState* s, Op* op)
    {
        if (!Binary(s, op))
            return Continue(s, op);
        FloatContext c = Exact(s);
        FloatValue x = Get(s, 0), y = Get(s, 1);
        FloatValue r = Logarithm(x, y, ref c);
        Finish(s, 1, r, 1, ref c);
        return Next(s, op);
    }

    private static FloatValue Logarithm(in FloatValue x, in FloatValue y, ref FloatContext c)
    {
        if (FloatMath.TakeNan(x, y, ref c, out FloatValue nan))
            return nan;
        if (x.Class == FloatClass.Zero)
        {
            if (y.Class == FloatClass.Zero)
                return FloatMath.Invalid(ref c);
            if (y.Class == FloatClass.Finite)
                c.Flags |= FloatFlags.DivideByZero;
            return FloatValue.Infinity(!y.Sign);
        }

        if (x.Sign)
            return FloatMath.Invalid(ref c);
        FloatMath.NoteDenormals(x, y, ref c);
        if (x.Class == FloatClass.Infinity)
            return y.Class == FloatClass.Zero ? FloatMath.Invalid(ref c) : FloatValue.Infinity(y.Sign);
        if (x.Significand == FloatValue.LeadingBit)
        {
            // A power of 2: the logarithm is an integer. Processors call also an exact product inexact.
            FloatValue r = FloatMath.Multiply(FloatValue.FromInteger(x.Exponent), y, ref c);
            if (r.Class == FloatClass.Finite && !c.IsStopped)
                c.Flags |= FloatFlags.Inexact | (r.Exponent < 1 - ExtendedFormat.MaxExponent ? FloatFlags.Underflow : 0);
            return r;
        }

        bool belowOne = x.Exponent < 0;
        if (y.Class == FloatClass.Infinity)
            return FloatValue.Infinity(y.Sign != belowOne);
        if (y.Class == FloatClass.Zero)
            return FloatValue.Zero(y.Sign != belowOne);
        return (Transcendental.Log2(x) * WideFloat.Of(y)).ToInexact();
    }

    private static Block* Fyl2xp1(CpuState* s, Op* op)
    {
        if (!Binary(s, op))
            return Continue(s, op);
        FloatContext c = Exact(s);
        FloatValue x = Get(s, 0), y = Get(s, 1), r;
        if (FloatMath.TakeNan(x, y, ref c, out FloatValue nan))
        {
            r = nan;
        }
        else if (x.Class == FloatClass.Infinity)
        {
            r = x.Sign || y.Class == FloatClass.Zero ? FloatMath.Invalid(ref c) : FloatValue.Infinity(y.Sign);
        }
        else if (x.Class == FloatClass.Zero)
        {
            FloatMath.NoteDenormals(x, y, ref c);
            r = y.Class == FloatClass.Infinity ? FloatMath.Invalid(ref c) : FloatValue.Zero(x.Sign != y.Sign);
        }
        else
        {
            FloatMath.NoteDenormals(x, y, ref c);
            r = y.Class switch
            {
                FloatClass.Infinity => FloatValue.Infinity(x.Sign != y.Sign),
                FloatClass.Zero => FloatValue.Zero(x.Sign != y.Sign),
                // Beyond ±(1 - √½) the result is undefined.
                _ when x.Exponent >= 0 => x,
                _ => (Transcendental.Log2OfOnePlus(x) * WideFloat.Of(y)).ToInexact(),
            };
        }

        Finish(s, 1, r, 1, ref c);
        return Next(s, op);
    }

    private static Block* Fpatan(CpuState* s, Op* op)
    {
        if (!Binary(s, op))
            return Continue(s, op);
        FloatContext c = Exact(s);
        FloatValue x = Get(s, 0), y = Get(s, 1);
        FloatValue r = Angle(y, x, ref c);
        Finish(s, 1, r, 1, ref c);
        return Next(s, op);
    }

    /// <summary>Table 3-30 of SDM vol. 2 (FPATAN).</summary>
    private static FloatValue Angle(in FloatValue y, in FloatValue x, ref FloatContext c)
    {
        if (FloatMath.TakeNan(x, y, ref c, out FloatValue nan))
            return nan;
        FloatMath.NoteDenormals(x, y, ref c);
        if (y.Class == FloatClass.Infinity)
            return Transcendental.PiQuarters(x.Class != FloatClass.Infinity ? 2 : x.Sign ? 3 : 1, y.Sign);
        if (y.Class == FloatClass.Zero || x.Class == FloatClass.Infinity)
            return x.Sign ? Transcendental.PiQuarters(4, y.Sign) : FloatValue.Zero(y.Sign);
        if (x.Class == FloatClass.Zero)
            return Transcendental.PiQuarters(2, y.Sign);
        return Transcendental.ArcTangent(y, x).ToInexact();
    }

    private static Block* Fsin(CpuState* s, Op* op) => Trigonometric(s, op, false);

    private static Block* Fcos(CpuState* s, Op* op) => Trigonometric(s, op, true);

    private static Block* Trigonometric(CpuState* s, Op* op, bool cosine)
    {
        if (!Ready(s, op))
            return null;
        s->X87Status &= unchecked((ushort)~C2);
        if (!HasTop(s) || OutOfRange(s))
            return Next(s, op);
        FloatContext c = Exact(s);
        Angles(Get(s, 0), ref c, out FloatValue sin, out FloatValue cos, out _);
        Finish(s, 0, cosine ? cos : sin, 0, ref c);
        return Next(s, op);
    }

    private static Block* Fsincos(CpuState* s, Op* op) => Pair(s, op, false);

    private static Block* Fptan(CpuState* s, Op* op) => Pair(s, op, true);

    /// <summary>FSINCOS replaces by the sine and pushes the cosine, FPTAN replaces by the tangent and pushes 1.</summary>
    private static Block* Pair(CpuState* s, Op* op, bool tangent)
    {
        if (!Ready(s, op))
            return null;
        s->X87Status &= unchecked((ushort)~C2);
        if (IsEmpty(s, 0) || !IsEmpty(s, 7))
        {
            if (StackError(s, !IsEmpty(s, 0)))
            {
                Put(s, 0, FloatValue.Indefinite);
                PushIndefinite(s);
            }

            return Next(s, op);
        }

        if (OutOfRange(s))
            return Next(s, op);
        FloatContext c = Exact(s);
        FloatValue a = Get(s, 0);
        Angles(a, ref c, out FloatValue sin, out FloatValue cos, out FloatValue tan);
        if (c.IsStopped)
        {
            Report(s, c);
            return Next(s, op);
        }

        FloatValue second = FloatMath.Round<ExtendedFormat>(tangent && a.Class is FloatClass.Finite or FloatClass.Zero ? FloatValue.FromInteger(1) : cos, ref c);
        FloatValue first = FloatMath.Round<ExtendedFormat>(tangent ? tan : sin, ref c);
        Put(s, 0, first);
        SetTop(s, Top(s) - 1);
        Put(s, 0, second);
        Report(s, c);
        return Next(s, op);
    }

    private static void Angles(in FloatValue a, ref FloatContext c, out FloatValue sin, out FloatValue cos, out FloatValue tan)
    {
        if (FloatMath.TakeNan(a, a, ref c, out FloatValue nan))
        {
            sin = cos = tan = nan;
        }
        else if (a.Class == FloatClass.Infinity)
        {
            sin = cos = tan = FloatMath.Invalid(ref c);
        }
        else if (a.Class == FloatClass.Zero)
        {
            (sin, cos, tan) = (a, FloatValue.FromInteger(1), a);
        }
        else
        {
            FloatMath.NoteDenormals(a, a, ref c);
            Transcendental.SineCosine(a, out WideFloat s, out WideFloat k);
            (sin, cos, tan) = (s.ToInexact(), k.ToInexact(), (s / k).ToInexact());
        }
    }

    /// <summary>|ST(0)| of 2^63 and more: C2 is set and nothing else happens.</summary>
    private static bool OutOfRange(CpuState* s)
    {
        FloatValue a = Get(s, 0);
        if (a.Class != FloatClass.Finite || a.Exponent < 63)
            return false;
        s->X87Status = (ushort)((s->X87Status & ~C1) | C2);
        return true;
    }

    /// <summary>Control without precision control, which only FADD to FDIVR and FSQRT obey. SDM vol. 1, 8.1.5.2.</summary>
    private static FloatContext Exact(CpuState* s)
    {
        FloatContext c = Context(s);
        c.PrecisionControl = 0;
        return c;
    }

    /// <summary>Ready, and ST(0) and ST(1) are there. False: the answer has been given; <see cref="Continue"/> says how to go on.</summary>
    private static bool Binary(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return false;
        if (!IsEmpty(s, 0) && !IsEmpty(s, 1))
            return true;
        if (StackError(s, false))
        {
            Put(s, 1, FloatValue.Indefinite);
            Pop(s);
        }

        return false;
    }

    private static Block* Continue(CpuState* s, Op* op) => s->Stop == StopKind.None ? Next(s, op) : null;
}
