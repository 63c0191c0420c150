using System.Numerics;

namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>
/// Exact operations on unpacked numbers: special operands, their exceptions, and a result of 128 bits that <see cref="Round{TFormat}"/>
/// then rounds once to the destination's format. IEEE 754-2008; SDM vol. 1, 4.8 and 4.9 for what it leaves open.
/// </summary>
internal static partial class FloatMath
{
    public static FloatValue Add(FloatValue a, FloatValue b, ref FloatContext c)
    {
        if (TakeNan(a, b, ref c, out FloatValue nan))
            return nan;
        if (a.Class == FloatClass.Infinity && b.Class == FloatClass.Infinity && a.Sign != b.Sign)
            return Invalid(ref c);
        NoteDenormals(a, b, ref c);
        if (a.Class == FloatClass.Infinity)
            return a;
        if (b.Class == FloatClass.Infinity)
            return b;
        if (b.Class == FloatClass.Zero)
            return a.Class == FloatClass.Zero && a.Sign != b.Sign ? FloatValue.Zero(c.Rounding == FloatRounding.Down) : a;
        if (a.Class == FloatClass.Zero)
            return b;
        return a.Sign == b.Sign ? AddMagnitudes(a, b) : SubtractMagnitudes(a, b, ref c);
    }

    public static FloatValue Subtract(FloatValue a, FloatValue b, ref FloatContext c)
    {
        if (!b.IsNan)
            b.Sign = !b.Sign;
        return Add(a, b, ref c);
    }

    public static FloatValue Multiply(FloatValue a, FloatValue b, ref FloatContext c)
    {
        if (TakeNan(a, b, ref c, out FloatValue nan))
            return nan;
        bool sign = a.Sign ^ b.Sign;
        bool infinite = a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity;
        bool zero = a.Class == FloatClass.Zero || b.Class == FloatClass.Zero;
        if (infinite && zero)
            return Invalid(ref c);
        NoteDenormals(a, b, ref c);
        if (infinite)
            return FloatValue.Infinity(sign);
        if (zero)
            return FloatValue.Zero(sign);
        FloatValue r = new() { Class = FloatClass.Finite, Sign = sign, Exponent = a.Exponent + b.Exponent + 1 };
        r.Significand = Math.BigMul(a.Significand, b.Significand, out r.Low);
        return Normalised(r);
    }

    /// <summary>a × b + d with one rounding to come: the product's 128 bits are exact for 32- and 64-bit operands. Of several NaNs a, then b, then d goes on.</summary>
    public static FloatValue MultiplyAdd(FloatValue a, FloatValue b, FloatValue d, ref FloatContext c)
    {
        if (d.Class == FloatClass.SignalingNan)
            c.Flags |= FloatFlags.Invalid;
        if (TakeNan(a, b, ref c, out FloatValue nan) || TakeNan(d, d, ref c, out nan))
            return nan;
        bool infinite = a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity;
        if (infinite && d.Class == FloatClass.Infinity && (a.Sign ^ b.Sign) != d.Sign)
            return Invalid(ref c);
        FloatValue product = Multiply(a, b, ref c);
        return product.IsNan ? product : Add(product, d, ref c);
    }

    public static FloatValue Divide(FloatValue a, FloatValue b, ref FloatContext c)
    {
        if (TakeNan(a, b, ref c, out FloatValue nan))
            return nan;
        bool sign = a.Sign ^ b.Sign;
        if (a.Class == b.Class && a.Class is FloatClass.Infinity or FloatClass.Zero)
            return Invalid(ref c);
        if (b.Class == FloatClass.Zero && a.Class != FloatClass.Infinity)
        {
            c.Flags |= FloatFlags.DivideByZero;
            return FloatValue.Infinity(sign);
        }

        NoteDenormals(a, b, ref c);
        if (a.Class == FloatClass.Infinity)
            return FloatValue.Infinity(sign);
        if (a.Class == FloatClass.Zero || b.Class == FloatClass.Infinity)
            return FloatValue.Zero(sign);
        FloatValue r = new() { Class = FloatClass.Finite, Sign = sign, Exponent = a.Exponent - b.Exponent };
        // The dividend must be below the divisor for the quotient to fit 64 bits.
        ulong high = a.Significand, low = 0;
        if (high >= b.Significand)
            (high, low) = (high >> 1, high << 63);
        else
            r.Exponent--;
        r.Significand = DivideWide(high, low, b.Significand, out ulong remainder);
        r.Low = DivideWide(remainder, 0, b.Significand, out remainder) | (remainder != 0 ? 1ul : 0);
        return r;
    }

    public static FloatValue SquareRoot(FloatValue a, ref FloatContext c)
    {
        if (TakeNan(a, a, ref c, out FloatValue nan))
            return nan;
        if (a.Class == FloatClass.Zero)
            return a;
        if (a.Sign)
            return Invalid(ref c);
        NoteDenormals(a, a, ref c);
        if (a.Class == FloatClass.Infinity)
            return a;
        // An even exponent: the root of significand × 2^64 (or 2^63) has exactly 64 bits.
        bool odd = (a.Exponent & 1) != 0;
        UInt128 radicand = odd ? (UInt128)a.Significand << 64 : (UInt128)a.Significand << 63;
        ulong root = Root(radicand);
        UInt128 rest = radicand - ((UInt128)root * root);
        FloatValue r = new() { Class = FloatClass.Finite, Exponent = a.Exponent >> 1, Significand = root };
        // The next bit of the root is set when the rest exceeds root + 1/4; nothing else can be exact half-way.
        if (rest != 0)
            r.Low = rest > root ? FloatValue.LeadingBit | 1 : 1;
        return r;
    }

    /// <summary>To another format: quiets a NaN and notes a denormal; <see cref="Round{TFormat}"/> does the rest.</summary>
    public static FloatValue Convert(FloatValue a, ref FloatContext c)
    {
        if (TakeNan(a, a, ref c, out FloatValue nan))
            return nan;
        NoteDenormals(a, a, ref c);
        return a;
    }

    /// <summary>Quieted: the NaN that a NaN operand gives; #IA for a signalling one or an unsupported encoding.</summary>
    public static bool TakeNan(in FloatValue a, in FloatValue b, ref FloatContext c, out FloatValue nan)
    {
        nan = default;
        if (a.Class < FloatClass.QuietNan && b.Class < FloatClass.QuietNan)
            return false;
        if (a.Class == FloatClass.Unsupported || b.Class == FloatClass.Unsupported)
        {
            nan = Invalid(ref c);
            return true;
        }

        if (a.Class == FloatClass.SignalingNan || b.Class == FloatClass.SignalingNan)
            c.Flags |= FloatFlags.Invalid;
        nan = !a.IsNan ? b : !b.IsNan || !c.LargerNan ? a : Larger(a, b);
        nan.Class = FloatClass.QuietNan;
        nan.Significand |= FloatValue.QuietBit;
        return true;
    }

    /// <summary>Raises #IA and gives the real indefinite.</summary>
    public static FloatValue Invalid(ref FloatContext c)
    {
        c.Flags |= FloatFlags.Invalid;
        return FloatValue.Indefinite;
    }

    public static void NoteDenormals(in FloatValue a, in FloatValue b, ref FloatContext c)
    {
        if (a.Denormal || b.Denormal)
            c.Flags |= FloatFlags.Denormal;
    }

    /// <summary>
    /// The x87's choice between two NaNs: a quiet one before a signalling one, then the larger significand, then the positive one.
    /// SDM vol. 1, table 4-7.
    /// </summary>
    private static FloatValue Larger(in FloatValue a, in FloatValue b)
    {
        if (a.Class != b.Class)
            return a.Class == FloatClass.QuietNan ? a : b;
        if (a.Significand != b.Significand)
            return a.Significand > b.Significand ? a : b;
        return a.Sign ? b : a;
    }

    private static FloatValue AddMagnitudes(FloatValue a, FloatValue b)
    {
        if (a.Exponent < b.Exponent)
            (a, b) = (b, a);
        ShiftRightSticky(ref b.Significand, ref b.Low, a.Exponent - b.Exponent);
        UInt128 x = new(a.Significand, a.Low), y = new(b.Significand, b.Low), sum = x + y;
        bool carry = sum < x;
        a.Significand = (ulong)(sum >> 64);
        a.Low = (ulong)sum;
        if (carry)
        {
            ShiftRightSticky(ref a.Significand, ref a.Low, 1);
            a.Significand |= FloatValue.LeadingBit;
            a.Exponent++;
        }

        return a;
    }

    private static FloatValue SubtractMagnitudes(FloatValue a, FloatValue b, ref FloatContext c)
    {
        bool less = a.Exponent != b.Exponent ? a.Exponent < b.Exponent
            : a.Significand != b.Significand ? a.Significand < b.Significand : a.Low < b.Low;
        if (less)
            (a, b) = (b, a);
        ShiftRightSticky(ref b.Significand, ref b.Low, a.Exponent - b.Exponent);
        UInt128 rest = new UInt128(a.Significand, a.Low) - new UInt128(b.Significand, b.Low);
        if (rest == 0)
            return FloatValue.Zero(c.Rounding == FloatRounding.Down);
        a.Significand = (ulong)(rest >> 64);
        a.Low = (ulong)rest;
        return Normalised(a);
    }

    /// <summary>Shifts a nonzero result left until bit 63 is set.</summary>
    private static FloatValue Normalised(FloatValue v)
    {
        if (v.Significand == 0)
            (v.Significand, v.Low, v.Exponent) = (v.Low, 0, v.Exponent - 64);
        int shift = BitOperations.LeadingZeroCount(v.Significand);
        if (shift == 0)
            return v;
        v.Significand = (v.Significand << shift) | (v.Low >> (64 - shift));
        v.Low <<= shift;
        v.Exponent -= shift;
        return v;
    }

    /// <summary>
    /// 128 by 64 bits with a normalised divisor above the dividend's high half: two digits of 32 bits (Knuth, TAOCP vol. 2, 4.3.1, algorithm D).
    /// </summary>
    public static ulong DivideWide(ulong high, ulong low, ulong divisor, out ulong remainder)
    {
        ulong d1 = divisor >> 32, d0 = (uint)divisor;
        ulong q1 = Digit(high, low >> 32, divisor, d1, d0, out ulong rest);
        ulong q0 = Digit(rest, (uint)low, divisor, d1, d0, out remainder);
        return (q1 << 32) | q0;
    }

    private static ulong Digit(ulong high, ulong next, ulong divisor, ulong d1, ulong d0, out ulong rest)
    {
        ulong q = high / d1, r = high - (q * d1);
        while (q >> 32 != 0 || q * d0 > ((r << 32) | next))
        {
            q--;
            r += d1;
            if (r >> 32 != 0)
                break;
        }

        rest = ((high << 32) | next) - (q * divisor);
        return q;
    }

    /// <summary>Integer square root of a number of 127 or 128 bits: one Newton step from a double's root, then at most a few units off.</summary>
    private static ulong Root(UInt128 n)
    {
        double estimate = Math.Sqrt((double)(ulong)(n >> 64)) * 4294967296.0;
        ulong r = estimate >= 18446744073709549568.0 ? ulong.MaxValue : (ulong)estimate | FloatValue.LeadingBit;
        ulong high = (ulong)(n >> 64);
        ulong q = high >= r ? ulong.MaxValue : DivideWide(high, (ulong)n, r, out _);
        r = (r >> 1) + (q >> 1) + (r & q & 1);
        while ((UInt128)r * r > n)
            r--;
        while (r != ulong.MaxValue && (UInt128)(r + 1) * (r + 1) <= n)
            r++;
        return r;
    }
}
