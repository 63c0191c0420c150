namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>
/// The x87's transcendental functions for finite, nonzero arguments, to about 120 bits: argument reduction and power series
/// (Abramowitz and Stegun, 4.1, 4.2, 4.3, 4.4). Rounded once, they are the correctly rounded values but for ties that 120 bits do not
/// decide; processors promise an error below one unit of the last place (SDM vol. 1, 8.3.10).
/// </summary>
internal static class Transcendental
{
    /// <summary>π/4, arctan 1/2, ln 2, 1/ln 2, to 128 bits.</summary>
    private static readonly WideFloat QuarterPi = new(false, -1, new UInt128(0xC90F_DAA2_2168_C234, 0xC4C6_628B_80DC_1CD1));
    private static readonly WideFloat ArcTangentOfHalf = new(false, -2, new UInt128(0xED63_382B_0DDA_7B45, 0x6FE4_45EC_BC3A_8D03));
    private static readonly WideFloat Ln2 = new(false, -1, new UInt128(0xB172_17F7_D1CF_79AB, 0xC9E3_B398_03F2_F6AF));
    private static readonly WideFloat Log2E = new(false, 0, new UInt128(0xB8AA_3B29_5C17_F0BB, 0xBE87_FED0_691D_3E88));
    private static readonly WideFloat Half = new(false, -1, UInt128.One << 127);
    private static readonly WideFloat Quarter = new(false, -2, UInt128.One << 127);
    private static readonly WideFloat ThreeQuarters = new(false, -1, new UInt128(0xC000_0000_0000_0000, 0));

    /// <summary>π/2 as the argument reduction has it: 66 bits of π (SDM vol. 1, 8.3.8), here times 2^67.</summary>
    private static readonly UInt128 HalfPi66 = new(0xC, 0x90FD_AA22_168C_234C);

    /// <summary>π × quarters of a quarter turn: 1 π/4, 2 π/2, 3 3π/4, 4 π.</summary>
    public static FloatValue PiQuarters(int n, bool negative)
    {
        WideFloat v = QuarterPi * WideFloat.Of(n);
        return (negative ? -v : v).ToInexact();
    }

    /// <summary>Sine and cosine of |x| below 2^63.</summary>
    public static void SineCosine(in FloatValue x, out WideFloat sine, out WideFloat cosine)
    {
        WideFloat r = Reduce(x, out int quadrant);
        WideFloat square = r * r;
        WideFloat s = Series(r, square, 2), c = Series(WideFloat.One, square, 1);
        (sine, cosine) = quadrant switch { 0 => (s, c), 1 => (c, -s), 2 => (-s, -c), _ => (-c, s) };
    }

    /// <summary>arctan(y/x) in the quadrant of the point (x, y).</summary>
    public static WideFloat ArcTangent(in FloatValue y, in FloatValue x)
    {
        WideFloat a = WideFloat.Of(y).Magnitude, b = WideFloat.Of(x).Magnitude;
        bool steep = b < a;
        WideFloat angle = ArcTangentOfUnit(steep ? b / a : a / b);
        if (steep)
            angle = (QuarterPi * WideFloat.Of(2)) - angle;
        if (x.Sign)
            angle = (QuarterPi * WideFloat.Of(4)) - angle;
        return y.Sign ? -angle : angle;
    }

    /// <summary>2^x − 1 for |x| of at most 1.</summary>
    public static WideFloat PowerMinusOne(in FloatValue x)
    {
        WideFloat y = WideFloat.Of(x) * Ln2, term = y, sum = y;
        for (uint n = 2; !Negligible(term, sum); n++)
        {
            term = term * y / n;
            sum += term;
        }

        return sum;
    }

    /// <summary>log2 x of a positive number that is no power of 2.</summary>
    public static WideFloat Log2(in FloatValue x)
    {
        // x = m × 2^e with m between √½ and √2.
        const ulong SquareRootOfTwo = 0xB504_F333_F9DE_6484;
        int e = x.Significand > SquareRootOfTwo ? x.Exponent + 1 : x.Exponent;
        WideFloat m = new(false, x.Exponent - e, new UInt128(x.Significand, x.Low));
        WideFloat log = Logarithm((m - WideFloat.One) / (m + WideFloat.One));
        return log + WideFloat.Of(e);
    }

    /// <summary>log2(1 + x) for |x| below 1.</summary>
    public static WideFloat Log2OfOnePlus(in FloatValue x)
    {
        WideFloat a = WideFloat.Of(x);
        return Logarithm(a / (a + WideFloat.Of(2)));
    }

    /// <summary>log2((1 + z)/(1 − z)) = 2 artanh z / ln 2.</summary>
    private static WideFloat Logarithm(WideFloat z)
    {
        WideFloat square = z * z, power = z, sum = z;
        for (uint n = 3; !Negligible(power, sum); n += 2)
        {
            power *= square;
            sum += power / n;
        }

        return sum * Log2E * WideFloat.Of(2);
    }

    /// <summary>The remainder by π/2 with the smallest magnitude, and the quotient modulo 4.</summary>
    private static WideFloat Reduce(in FloatValue x, out int quadrant)
    {
        quadrant = 0;
        if (x.Exponent < -1 || WideFloat.Of(x).Magnitude < QuarterPi)
            return WideFloat.Of(x);
        // Units of 2^-67: the significand is brought to the weight of π/2, then divided bit by bit.
        UInt128 rest = (UInt128)x.Significand << 4;
        int steps = x.Exponent;
        uint quotient = 0;
        if (steps < 0)
            rest >>= 1;
        for (int i = 0; ; i++)
        {
            quotient <<= 1;
            if (rest >= HalfPi66)
            {
                rest -= HalfPi66;
                quotient |= 1;
            }

            if (i >= steps)
                break;
            rest <<= 1;
        }

        bool beyond = rest > HalfPi66 - rest;
        if (beyond)
            (rest, quotient) = (HalfPi66 - rest, quotient + 1);
        // A negative argument turns the other way.
        quadrant = (int)(x.Sign ? 0 - quotient : quotient) & 3;
        return WideFloat.Scaled(beyond != x.Sign, rest, -67);
    }

    /// <summary>Alternating series: each term is the one before × square / (n(n+1)).</summary>
    private static WideFloat Series(WideFloat first, WideFloat square, uint n)
    {
        WideFloat term = first, sum = first;
        while (!Negligible(term, sum))
        {
            term = -(term * square / (n * (n + 1)));
            sum += term;
            n += 2;
        }

        return sum;
    }

    /// <summary>arctan t for t from 0 to 1, by the addition theorem around 0, 1/2 or 1.</summary>
    private static WideFloat ArcTangentOfUnit(WideFloat t)
    {
        if (t < Quarter)
            return ArcTangentSeries(t);
        WideFloat centre = t < ThreeQuarters ? Half : WideFloat.One;
        WideFloat angle = t < ThreeQuarters ? ArcTangentOfHalf : QuarterPi;
        return angle + ArcTangentSeries((t - centre) / (WideFloat.One + (t * centre)));
    }

    private static WideFloat ArcTangentSeries(WideFloat z)
    {
        WideFloat square = -(z * z), power = z, sum = z;
        for (uint n = 3; !Negligible(power, sum); n += 2)
        {
            power *= square;
            sum += power / n;
        }

        return sum;
    }

    private static bool Negligible(WideFloat term, WideFloat sum) => term.IsZero || term.Exponent < sum.Exponent - 130;
}
