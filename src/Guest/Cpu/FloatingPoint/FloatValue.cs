using System.Numerics;

namespace XenSim.Guest.Cpu.FloatingPoint;

internal enum FloatClass : byte
{
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignalingNan,

    /// <summary>80-bit encodings that no operation makes any more: pseudo-NaN, pseudo-infinity, unnormal. SDM vol. 1, table 8-3.</summary>
    Unsupported,
}

/// <summary>
/// A number unpacked from its format. Finite: significand × 2^(exponent − 63), bit 63 set, with <see cref="Low"/> 64 bits more below
/// (the last of them sticky) between an operation and its rounding. NaN: the payload left-aligned, bit 63 set and bit 62 saying quiet.
/// </summary>
/// <remarks>The scheme of unpacking, exact operation, sticky bit and one rounding step is that of J. Hauser's Berkeley SoftFloat.</remarks>
internal struct FloatValue
{
    public const ulong LeadingBit = 1ul << 63;
    public const ulong QuietBit = 1ul << 62;

    public ulong Significand;
    public ulong Low;
    public int Exponent;
    public bool Sign;

    /// <summary>Was denormal (or pseudo-denormal) in its format: raises the denormal-operand exception when used.</summary>
    public bool Denormal;
    public FloatClass Class;

    /// <summary>"Real indefinite": the result of a masked invalid operation. SDM vol. 1, table 4-3.</summary>
    public static FloatValue Indefinite => new() { Class = FloatClass.QuietNan, Sign = true, Significand = LeadingBit | QuietBit };

    public readonly bool IsNan => Class is FloatClass.QuietNan or FloatClass.SignalingNan;

    public static FloatValue Zero(bool sign) => new() { Sign = sign };

    public static FloatValue Infinity(bool sign) => new() { Sign = sign, Class = FloatClass.Infinity };

    /// <summary>Unpacks 32 or 64 bits. Denormals become zero if the context says so.</summary>
    public static FloatValue Unpack<TFormat>(ulong bits, in FloatContext c)
        where TFormat : struct, IFloatFormat
    {
        int fractionBits = TFormat.Precision - 1, exponentBits = BitOperations.PopCount((uint)TFormat.SpecialExponent);
        int field = (int)(bits >> fractionBits) & TFormat.SpecialExponent;
        ulong fraction = (bits & ((1ul << fractionBits) - 1)) << (63 - fractionBits);
        FloatValue v = new() { Sign = (bits >> (fractionBits + exponentBits) & 1) != 0 };
        if (field == TFormat.SpecialExponent)
            v.SetSpecial(LeadingBit | fraction);
        else if (field != 0)
            (v.Class, v.Significand, v.Exponent) = (FloatClass.Finite, LeadingBit | fraction, field - TFormat.MaxExponent);
        else if (fraction != 0 && !c.DenormalsAreZero)
            v.Normalise(fraction, 1 - TFormat.MaxExponent);
        return v;
    }

    /// <summary>Unpacks an x87 register.</summary>
    public static FloatValue UnpackExtended(ushort signExponent, ulong significand)
    {
        int field = signExponent & 0x7FFF;
        FloatValue v = new() { Sign = signExponent >> 15 != 0 };
        if (field == 0)
        {
            if (significand != 0)
                v.Normalise(significand, 1 - ExtendedFormat.MaxExponent);
        }
        else if ((significand & LeadingBit) == 0)
        {
            v.Class = FloatClass.Unsupported;
        }
        else if (field == 0x7FFF)
        {
            v.SetSpecial(significand);
        }
        else
        {
            (v.Class, v.Significand, v.Exponent) = (FloatClass.Finite, significand, field - ExtendedFormat.MaxExponent);
        }

        return v;
    }

    public static FloatValue FromInteger(ulong magnitude, bool sign)
    {
        if (magnitude == 0)
            return Zero(sign);
        int shift = BitOperations.LeadingZeroCount(magnitude);
        return new FloatValue { Class = FloatClass.Finite, Sign = sign, Significand = magnitude << shift, Exponent = 63 - shift };
    }

    public static FloatValue FromInteger(long value) => FromInteger(value < 0 ? 0 - (ulong)value : (ulong)value, value < 0);

    /// <summary>Packs what <see cref="FloatMath.Round{TFormat}"/> left into 32 or 64 bits.</summary>
    public readonly ulong Pack<TFormat>()
        where TFormat : struct, IFloatFormat
    {
        int fractionBits = TFormat.Precision - 1, exponentBits = BitOperations.PopCount((uint)TFormat.SpecialExponent);
        ulong bits = (Significand << 1) >> (64 - fractionBits);
        return Class switch
        {
            FloatClass.Zero => 0,
            FloatClass.Finite => bits | ((ulong)Field<TFormat>() << fractionBits),
            FloatClass.Infinity => (ulong)TFormat.SpecialExponent << fractionBits,
            _ => bits | ((ulong)TFormat.SpecialExponent << fractionBits),
        } | (Sign ? 1ul << (fractionBits + exponentBits) : 0);
    }

    /// <summary>Packs what <see cref="FloatMath.Round{TFormat}"/> left into an x87 register.</summary>
    public readonly (ushort SignExponent, ulong Significand) PackExtended()
    {
        int field = Class switch { FloatClass.Zero => 0, FloatClass.Finite => Field<ExtendedFormat>(), _ => 0x7FFF };
        ulong significand = Class switch { FloatClass.Zero => 0, FloatClass.Infinity => LeadingBit, _ => Significand };
        return ((ushort)(field | (Sign ? 0x8000 : 0)), significand);
    }

    /// <summary>A rounded number without its leading bit is denormal.</summary>
    private readonly int Field<TFormat>()
        where TFormat : struct, IFloatFormat => (Significand & LeadingBit) != 0 ? Exponent + TFormat.MaxExponent : 0;

    private void SetSpecial(ulong significand)
    {
        if (significand == LeadingBit)
        {
            Class = FloatClass.Infinity;
            return;
        }

        Significand = significand;
        Class = (significand & QuietBit) != 0 ? FloatClass.QuietNan : FloatClass.SignalingNan;
    }

    private void Normalise(ulong significand, int exponent)
    {
        int shift = BitOperations.LeadingZeroCount(significand);
        (Class, Denormal, Significand, Exponent) = (FloatClass.Finite, true, significand << shift, exponent - shift);
    }
}
