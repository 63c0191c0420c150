namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>
/// A number with 128 bits of significand, for series whose result is then rounded to 64: operations cut, each with an error below
/// 2^-126 of its result. Value: significand × 2^(exponent − 127), bit 127 set; significand 0 is zero. No exponent limits.
/// </summary>
internal readonly struct WideFloat(bool negative, int exponent, UInt128 significand)
{
    public readonly bool Negative = negative;
    public readonly int Exponent = exponent;
    public readonly UInt128 Significand = significand;

    public static WideFloat One => new(false, 0, UInt128.One << 127);

    public bool IsZero => Significand == 0;

    public WideFloat Magnitude => new(false, Exponent, Significand);

    public static WideFloat Of(in FloatValue v) => v.Class == FloatClass.Zero ? default : new WideFloat(v.Sign, v.Exponent, new UInt128(v.Significand, v.Low));

    /// <summary>significand × 2^exponent, for any significand.</summary>
    public static WideFloat Scaled(bool negative, UInt128 significand, int exponent)
    {
        if (significand == 0)
            return default;
        int shift = (int)UInt128.LeadingZeroCount(significand);
        return new WideFloat(negative, exponent + 127 - shift, significand << shift);
    }

    public static WideFloat Of(int value) => Scaled(value < 0, (UInt128)(uint)Math.Abs(value), 0);

    public static WideFloat operator -(WideFloat a) => new(!a.Negative, a.Exponent, a.Significand);

    public static WideFloat operator -(WideFloat a, WideFloat b) => a + -b;

    public static WideFloat operator +(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
            return b;
        if (b.IsZero)
            return a;
        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
            (a, b) = (b, a);
        int distance = a.Exponent - b.Exponent;
        if (distance > 127)
            return a;
        UInt128 y = b.Significand >> distance;
        if (a.Negative != b.Negative)
            return Scaled(a.Negative, a.Significand - y, a.Exponent - 127);
        UInt128 sum = a.Significand + y;
        return sum >= a.Significand ? new WideFloat(a.Negative, a.Exponent, sum) : new WideFloat(a.Negative, a.Exponent + 1, (sum >> 1) | (UInt128.One << 127));
    }

    public static WideFloat operator *(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
            return default;
        ulong a1 = (ulong)(a.Significand >> 64), a0 = (ulong)a.Significand, b1 = (ulong)(b.Significand >> 64), b0 = (ulong)b.Significand;
        UInt128 low = Math.BigMul(a0, b0), first = Math.BigMul(a1, b0), second = Math.BigMul(a0, b1), high = Math.BigMul(a1, b1);
        UInt128 middle = (low >> 64) + (ulong)first + (ulong)second;
        high += (first >> 64) + (second >> 64) + (middle >> 64);
        int exponent = a.Exponent + b.Exponent;
        bool negative = a.Negative != b.Negative;
        return high >> 127 != 0 ? new WideFloat(negative, exponent + 1, high) : new WideFloat(negative, exponent, (high << 1) | ((middle >> 63) & 1));
    }

    /// <summary>Long division, bit by bit.</summary>
    public static WideFloat operator /(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
            return default;
        UInt128 rest = a.Significand, quotient = 0;
        int exponent = a.Exponent - b.Exponent;
        if (rest < b.Significand)
            exponent--;
        else
            (rest, quotient) = (rest - b.Significand, 1);
        for (int bits = (int)quotient; bits < 128; bits++)
        {
            bool carry = rest >> 127 != 0;
            rest <<= 1;
            quotient <<= 1;
            if (carry || rest >= b.Significand)
            {
                rest -= b.Significand;
                quotient |= 1;
            }
        }

        return new WideFloat(a.Negative != b.Negative, exponent, quotient);
    }

    public static WideFloat operator /(WideFloat a, uint b) => a.IsZero ? default : Scaled(a.Negative, a.Significand / b, a.Exponent - 127);

    public static bool operator <(WideFloat a, WideFloat b) => (a - b) is { Negative: true, IsZero: false };

    public static bool operator >(WideFloat a, WideFloat b) => b < a;

    /// <summary>For the one rounding that follows. The last bit is set: none of these results is exact.</summary>
    public FloatValue ToInexact()
    {
        if (IsZero)
            return FloatValue.Zero(Negative);
        return new FloatValue
        {
            Class = FloatClass.Finite,
            Sign = Negative,
            Exponent = Exponent,
            Significand = (ulong)(Significand >> 64),
            Low = (ulong)Significand | 1,
        };
    }
}
