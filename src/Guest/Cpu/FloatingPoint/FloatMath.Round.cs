namespace XenSim.Guest.Cpu.FloatingPoint;

internal static partial class FloatMath
{
    /// <summary>
    /// Rounds to the format (and x87 precision), raising overflow, underflow and inexact. Tiny means tiny after rounding with an
    /// unlimited exponent. SDM vol. 1, 4.9.1.4-6. A rounded finite value without bit 63 is denormal.
    /// </summary>
    public static FloatValue Round<TFormat>(FloatValue v, ref FloatContext c)
        where TFormat : struct, IFloatFormat
    {
        c.RoundedUp = false;
        if (v.Class != FloatClass.Finite || c.IsStopped)
            return v;
        bool extended = TFormat.Precision == ExtendedFormat.Precision;
        int drop = 64 - (extended && c.PrecisionControl != 0 ? c.PrecisionControl : TFormat.Precision);
        int min = 1 - TFormat.MaxExponent;
        if (v.Exponent < min)
        {
            FloatValue unlimited = v;
            FloatContext trial = c;
            RoundSignificand(ref unlimited, drop, ref trial);
            if (unlimited.Exponent < min)
                return Tiny<TFormat>(v, drop, min, ref c);
        }

        RoundSignificand(ref v, drop, ref c);
        return v.Exponent > TFormat.MaxExponent ? Overflow<TFormat>(v, drop, ref c) : v;
    }

    private static FloatValue Tiny<TFormat>(FloatValue v, int drop, int min, ref FloatContext c)
        where TFormat : struct, IFloatFormat
    {
        if ((c.Masks & FloatFlags.Underflow) == 0)
        {
            c.Flags |= FloatFlags.Underflow;
            v.Exponent += TFormat.Wrap;
            RoundSignificand(ref v, drop, ref c);
            return v;
        }

        if (c.FlushToZero)
        {
            c.Flags |= FloatFlags.Underflow | FloatFlags.Inexact;
            return FloatValue.Zero(v.Sign);
        }

        ShiftRightSticky(ref v.Significand, ref v.Low, min - v.Exponent);
        v.Exponent = min;
        uint before = c.Flags;
        c.Flags &= ~FloatFlags.Inexact;
        RoundSignificand(ref v, drop, ref c);
        if ((c.Flags & FloatFlags.Inexact) != 0)
            c.Flags |= FloatFlags.Underflow;
        c.Flags |= before;
        if (v.Significand == 0)
            v.Class = FloatClass.Zero;
        return v;
    }

    private static FloatValue Overflow<TFormat>(FloatValue v, int drop, ref FloatContext c)
        where TFormat : struct, IFloatFormat
    {
        c.Flags |= FloatFlags.Overflow;
        if ((c.Masks & FloatFlags.Overflow) == 0)
        {
            v.Exponent -= TFormat.Wrap;
            return v;
        }

        c.Flags |= FloatFlags.Inexact;
        bool toInfinity = c.Rounding == FloatRounding.Nearest || c.Rounding == (v.Sign ? FloatRounding.Down : FloatRounding.Up);
        c.RoundedUp = toInfinity;
        if (toInfinity)
            return FloatValue.Infinity(v.Sign);
        v.Significand = ulong.MaxValue << drop;
        v.Exponent = TFormat.MaxExponent;
        return v;
    }

    /// <summary>Drops the low bits of a 128-bit significand, whose exponent a carry may raise.</summary>
    private static void RoundSignificand(ref FloatValue v, int drop, ref FloatContext c)
    {
        // Lost bits, left-aligned in 64 with a sticky last one: half is the top bit alone.
        ulong lost = drop == 0 ? v.Low : (v.Significand << (64 - drop)) | (v.Low != 0 ? 1ul : 0);
        v.Low = 0;
        ulong kept = drop == 0 ? v.Significand : v.Significand >> drop << drop;
        c.RoundedUp = false;
        if (lost == 0)
            return;
        c.Flags |= FloatFlags.Inexact;
        ulong unit = 1ul << drop;
        bool up = c.Rounding switch
        {
            FloatRounding.Nearest => lost > FloatValue.LeadingBit || (lost == FloatValue.LeadingBit && (kept & unit) != 0),
            FloatRounding.Down => v.Sign,
            FloatRounding.Up => !v.Sign,
            _ => false,
        };
        v.Significand = kept;
        if (!up)
            return;
        c.RoundedUp = true;
        v.Significand += unit;
        if (v.Significand == 0)
        {
            v.Significand = FloatValue.LeadingBit;
            v.Exponent++;
        }
    }

    /// <summary>Shifts right by any count; what falls out stays visible in the last bit.</summary>
    private static void ShiftRightSticky(ref ulong high, ref ulong low, int count)
    {
        if (count <= 0)
            return;
        if (count < 64)
        {
            ulong out1 = low << (64 - count);
            low = (low >> count) | (high << (64 - count)) | (out1 != 0 ? 1ul : 0);
            high >>= count;
        }
        else if (count < 128)
        {
            ulong lost = count == 64 ? low : low | (high << (128 - count));
            low = (count == 64 ? high : high >> (count - 64)) | (lost != 0 ? 1ul : 0);
            high = 0;
        }
        else
        {
            low = (high | low) != 0 ? 1ul : 0;
            high = 0;
        }
    }
}
