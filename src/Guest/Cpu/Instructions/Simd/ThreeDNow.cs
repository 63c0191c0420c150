using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>
/// 3DNow! and its extensions: two singles in an MMX register, without exceptions, flags or rounding control. Denormals count as zero, what is too large
/// becomes the largest number, what is too small zero. AMD 21928 and 22466; APM vol. 5.
/// </summary>
internal static class ThreeDNow
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pfadd => Mmx.Binary<BothSingles<SingleSum>>(t),
        Mnemonic.Pfsub => Mmx.Binary<BothSingles<SingleDifference>>(t),
        Mnemonic.Pfsubr => Mmx.Binary<BothSingles<SingleReverseDifference>>(t),
        Mnemonic.Pfmul => Mmx.Binary<BothSingles<SingleProduct>>(t),
        Mnemonic.Pfmax => Mmx.Binary<BothSingles<SingleMaximum>>(t),
        Mnemonic.Pfmin => Mmx.Binary<BothSingles<SingleMinimum>>(t),
        Mnemonic.Pfcmpeq => Mmx.Binary<BothSingles<SingleEqual>>(t),
        Mnemonic.Pfcmpge => Mmx.Binary<BothSingles<SingleNotLess>>(t),
        Mnemonic.Pfcmpgt => Mmx.Binary<BothSingles<SingleGreater>>(t),
        Mnemonic.Pfacc => Mmx.Binary<Accumulated<SingleSum, SingleSum>>(t),
        Mnemonic.Pfnacc => Mmx.Binary<Accumulated<SingleDifference, SingleDifference>>(t),
        Mnemonic.Pfpnacc => Mmx.Binary<Accumulated<SingleDifference, SingleSum>>(t),
        Mnemonic.Pf2id => Mmx.Binary<BothSingles<SingleToDoubleword>>(t),
        Mnemonic.Pf2iw => Mmx.Binary<BothSingles<SingleToWord>>(t),
        Mnemonic.Pi2fd => Mmx.Binary<BothSingles<DoublewordToSingle>>(t),
        Mnemonic.Pi2fw => Mmx.Binary<BothSingles<WordToSingle>>(t),
        Mnemonic.Pfrcp => Mmx.Binary<LowSingle<Reciprocal>>(t),
        Mnemonic.Pfrsqrt => Mmx.Binary<LowSingle<ReciprocalRoot>>(t),
        Mnemonic.Pfrcpit1 or Mnemonic.Pfrcpit2 or Mnemonic.Pfrsqit1 => Mmx.Binary<SecondOperand>(t),
        Mnemonic.Pswapd => Mmx.Binary<SwappedDoublewords>(t),
        Mnemonic.Pmulhrw => Mmx.Binary<RoundedHighProduct>(t),
        Mnemonic.Pavgusb => Mmx.Binary<VectorAverageBytes>(t),
        _ => false,
    };
}

/// <summary>One element of 32 bits from two.</summary>
internal interface ISingleOp
{
    static abstract uint Apply(uint x, uint y);
}

/// <summary>The number format of 3DNow!. Infinities and NaNs are not supported by it; they give what IEEE 754 gives, a NaN always the same.</summary>
internal static class Single3DNow
{
    public const uint Sign = 0x8000_0000, Largest = 0x7F7F_FFFF, SmallestNormal = 0x0080_0000;
    private const uint Special = 0x7F80_0000, Indefinite = 0xFFC0_0000;

    public static bool IsFinite(uint bits) => (bits & Special) != Special;

    /// <summary>A denormal is a zero of its sign.</summary>
    public static float Operand(uint bits) => BitConverter.UInt32BitsToSingle((bits & ~Sign) < SmallestNormal ? bits & Sign : bits);

    /// <param name="operandsFinite">An infinite result has overflowed.</param>
    public static uint Result(float value, bool operandsFinite)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value), sign = bits & Sign;
        if ((bits & ~Sign) < SmallestNormal)
            return sign;
        if (float.IsNaN(value))
            return Indefinite;
        return operandsFinite && !IsFinite(bits) ? sign | Largest : bits;
    }

    public static uint Result(float value, uint x, uint y) => Result(value, IsFinite(x) && IsFinite(y));

    public static uint Mask(bool condition) => condition ? uint.MaxValue : 0;
}

internal readonly struct BothSingles<TOp> : IVectorOp
    where TOp : struct, ISingleOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32(), b = y.AsUInt32();
        return Vector128.Create(TOp.Apply(a[0], b[0]), TOp.Apply(a[1], b[1]), 0, 0).AsByte();
    }
}

/// <summary>The low result from the two elements of the destination, the high one from those of the source.</summary>
internal readonly struct Accumulated<TLow, THigh> : IVectorOp
    where TLow : struct, ISingleOp
    where THigh : struct, ISingleOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32(), b = y.AsUInt32();
        return Vector128.Create(TLow.Apply(a[0], a[1]), THigh.Apply(b[0], b[1]), 0, 0).AsByte();
    }
}

internal readonly struct SingleSum : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Result(Single3DNow.Operand(x) + Single3DNow.Operand(y), x, y);
}

internal readonly struct SingleDifference : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Result(Single3DNow.Operand(x) - Single3DNow.Operand(y), x, y);
}

internal readonly struct SingleReverseDifference : ISingleOp
{
    public static uint Apply(uint x, uint y) => SingleDifference.Apply(y, x);
}

internal readonly struct SingleProduct : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Result(Single3DNow.Operand(x) * Single3DNow.Operand(y), x, y);
}

/// <summary>A zero that wins is positive.</summary>
internal readonly struct SingleMaximum : ISingleOp
{
    public static uint Apply(uint x, uint y)
    {
        float a = Single3DNow.Operand(x), b = Single3DNow.Operand(y), greater = a > b ? a : b;
        return greater == 0 ? 0 : Single3DNow.Result(greater, false);
    }
}

internal readonly struct SingleMinimum : ISingleOp
{
    public static uint Apply(uint x, uint y)
    {
        float a = Single3DNow.Operand(x), b = Single3DNow.Operand(y), less = a < b ? a : b;
        return less == 0 ? 0 : Single3DNow.Result(less, false);
    }
}

internal readonly struct SingleEqual : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Mask(Single3DNow.Operand(x) == Single3DNow.Operand(y));
}

internal readonly struct SingleNotLess : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Mask(Single3DNow.Operand(x) >= Single3DNow.Operand(y));
}

internal readonly struct SingleGreater : ISingleOp
{
    public static uint Apply(uint x, uint y) => Single3DNow.Mask(Single3DNow.Operand(x) > Single3DNow.Operand(y));
}

/// <summary>Truncated; what does not fit becomes the nearest that does.</summary>
internal readonly struct SingleToDoubleword : ISingleOp
{
    public static uint Apply(uint x, uint y) => Within(y, int.MinValue, int.MaxValue);

    /// <summary>A NaN, which has no order, goes by its sign.</summary>
    public static uint Within(uint bits, int lowest, int highest)
    {
        float value = Single3DNow.Operand(bits);
        if (float.IsNaN(value))
            return (uint)((bits & Single3DNow.Sign) != 0 ? lowest : highest);
        return value <= lowest ? (uint)lowest : value >= highest ? (uint)highest : (uint)(int)value;
    }
}

internal readonly struct SingleToWord : ISingleOp
{
    public static uint Apply(uint x, uint y) => SingleToDoubleword.Within(y, short.MinValue, short.MaxValue);
}

/// <summary>Digits that the significand has no room for are cut off. APM vol. 5, PI2FD.</summary>
internal readonly struct DoublewordToSingle : ISingleOp
{
    private const int SignificandBits = 24;

    public static uint Apply(uint x, uint y)
    {
        uint magnitude = (int)y < 0 ? 0 - y : y;
        int excess = 32 - SignificandBits - System.Numerics.BitOperations.LeadingZeroCount(magnitude);
        if (excess > 0)
            magnitude &= uint.MaxValue << excess;
        return BitConverter.SingleToUInt32Bits(magnitude) | (y & Single3DNow.Sign);
    }
}

internal readonly struct WordToSingle : ISingleOp
{
    public static uint Apply(uint x, uint y) => BitConverter.SingleToUInt32Bits((short)y);
}

/// <summary>
/// PFRCP, PFRSQRT: of the low element, into both, with its sign. The manual promises 14 and 15 bits and leaves the rest to the processor; here it is the nearest
/// number, as in QEMU's helper_pfrcp, and the steps that would refine it (<see cref="SecondOperand"/>) have nothing left to do.
/// </summary>
internal readonly struct LowSingle<TFunction> : IVectorOp
    where TFunction : struct, IApproximation
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        uint bits = y.AsUInt32()[0];
        float magnitude = Single3DNow.Operand(bits & ~Single3DNow.Sign);
        uint result = Single3DNow.Result((float)TFunction.Of(magnitude), Single3DNow.IsFinite(bits)) | (bits & Single3DNow.Sign);
        return Vector128.Create(result, result, 0, 0).AsByte();
    }
}

/// <summary>
/// PFRCPIT1, PFRSQIT1, PFRCPIT2: in the sequences of 21928 the last one's source is the approximation, which is the result already. As in QEMU.
/// </summary>
internal readonly struct SecondOperand : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => y;
}

internal readonly struct SwappedDoublewords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Create(y.AsUInt32()[1], y.AsUInt32()[0], 0, 0).AsByte();
}

internal readonly struct RoundedHighProduct : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<short> r = default;
        for (int i = 0; i < 4; i++)
            r = r.WithElement(i, (short)(((x.AsInt16()[i] * y.AsInt16()[i]) + 0x8000) >> 16));
        return r.AsByte();
    }
}
