namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>Result of a comparison.</summary>
internal enum FloatOrder : byte
{
    Less,
    Equal,
    Greater,
    Unordered,
}

internal static partial class FloatMath
{
    /// <param name="signalQuiet">A quiet NaN raises #IA too (COMIS, FCOM, ordered predicates); else only a signalling one.</param>
    public static FloatOrder Compare(in FloatValue a, in FloatValue b, bool signalQuiet, ref FloatContext c)
    {
        if (a.Class >= FloatClass.QuietNan || b.Class >= FloatClass.QuietNan)
        {
            if (signalQuiet || a.Class > FloatClass.QuietNan || b.Class > FloatClass.QuietNan)
                c.Flags |= FloatFlags.Invalid;
            return FloatOrder.Unordered;
        }

        NoteDenormals(a, b, ref c);
        int order = a.Class == FloatClass.Zero && b.Class == FloatClass.Zero ? 0
            : a.Class == FloatClass.Zero ? (b.Sign ? 1 : -1)
            : b.Class == FloatClass.Zero || a.Sign != b.Sign ? (a.Sign ? -1 : 1)
            : a.Sign ? -CompareMagnitudes(a, b) : CompareMagnitudes(a, b);
        return order < 0 ? FloatOrder.Less : order == 0 ? FloatOrder.Equal : FloatOrder.Greater;
    }

    /// <summary>
    /// Rounds to an integral value in the same format. A NaN is quieted, a denormal operand not noted (ROUNDPD; FRNDINT notes it
    /// before), and inexact can be left out.
    /// </summary>
    public static FloatValue RoundToIntegral(FloatValue a, bool quietInexact, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (TakeNan(a, a, ref c, out FloatValue nan))
            return nan;
        if (a.Class != FloatClass.Finite || c.IsStopped || a.Exponent >= 63)
            return a;
        uint before = c.Flags;
        bool sign = a.Sign;
        FloatValue r = FloatValue.FromInteger(Integral(a, ref c), sign);
        if (quietInexact)
            c.Flags = before;
        return r;
    }

    /// <summary>To a signed integer of <paramref name="bits"/> (16, 32, 64); out of range or NaN: #IA alone and the integer indefinite, 10…0. SDM vol. 1, 4.8.3.7. No denormal exception.</summary>
    public static long ToSigned(FloatValue a, int bits, ref FloatContext c)
    {
        long indefinite = long.MinValue >> (64 - bits);
        c.RoundedUp = false;
        if (a.Class == FloatClass.Zero)
            return 0;
        if (a.Class != FloatClass.Finite || a.Exponent > 63)
        {
            c.Flags |= FloatFlags.Invalid;
            return indefinite;
        }

        uint before = c.Flags;
        ulong magnitude = Integral(a, ref c);
        ulong limit = 1ul << (bits - 1);
        if (magnitude > limit || (magnitude == limit && !a.Sign))
        {
            c.Flags = before | FloatFlags.Invalid;
            c.RoundedUp = false;
            return indefinite;
        }

        return a.Sign ? (long)(0 - magnitude) : (long)magnitude;
    }

    /// <summary>Magnitude rounded to an integer, inexact raised. The exponent is below 64 (saturates on a carry out of 64 bits).</summary>
    private static ulong Integral(FloatValue a, ref FloatContext c)
    {
        ulong high = a.Significand, low = a.Low;
        ShiftRightSticky(ref high, ref low, 63 - a.Exponent);
        if (low == 0)
            return high;
        c.Flags |= FloatFlags.Inexact;
        bool up = c.Rounding switch
        {
            FloatRounding.Nearest => low > FloatValue.LeadingBit || (low == FloatValue.LeadingBit && (high & 1) != 0),
            FloatRounding.Down => a.Sign,
            FloatRounding.Up => !a.Sign,
            _ => false,
        };
        c.RoundedUp = up;
        return up && high != ulong.MaxValue ? high + 1 : high;
    }

    private static int CompareMagnitudes(in FloatValue a, in FloatValue b)
    {
        if (a.Class != b.Class)
            return a.Class == FloatClass.Infinity ? 1 : -1;
        return a.Class == FloatClass.Infinity ? 0 : a.Exponent != b.Exponent ? a.Exponent.CompareTo(b.Exponent) : a.Significand.CompareTo(b.Significand);
    }
}
