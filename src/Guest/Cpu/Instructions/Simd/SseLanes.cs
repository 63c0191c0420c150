using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>The elements of an XMM register as numbers of one format.</summary>
internal interface IFloatLanes
{
    static abstract int Count { get; }

    /// <summary>Unit: bytes.</summary>
    static abstract int Size { get; }

    static abstract double SmallestNormal { get; }

    static abstract ulong Get(Vector128<byte> v, int lane);

    static abstract Vector128<byte> With(Vector128<byte> v, int lane, ulong bits);

    static abstract FloatValue Unpack(ulong bits, in FloatContext c);

    static abstract ulong RoundPack(FloatValue v, ref FloatContext c);

    /// <summary>The value in the host's arithmetic, exact.</summary>
    static abstract double ToDouble(ulong bits);

    static abstract ulong FromDouble(double value);

    /// <summary>
    /// The host's result, rounded to nearest, where nothing but inexact can have been raised in the lanes of <paramref name="mask"/>:
    /// operands normal or zero, results normal and above the smallest one (below which tininess begins), or a zero that is exact.
    /// </summary>
    /// <param name="inexactIsKnown">Inexact is raised already; else only exact results are taken.</param>
    static abstract bool TryFast<TKernel>(Vector128<byte> x, Vector128<byte> y, uint mask, bool inexactIsKnown, out Vector128<byte> r)
        where TKernel : struct, IFloatKernel;

    /// <summary>Lanes that hold a normal number or zero, as a mask.</summary>
    static abstract uint Plain(Vector128<byte> v);
}

internal readonly struct SingleLanes : IFloatLanes
{
    private const uint Magnitude = 0x7FFF_FFFF, Infinity = 0x7F80_0000, AboveSmallest = 0x0080_0001;

    public static int Count => 4;

    public static int Size => 4;

    public static double SmallestNormal => 1.17549435082228750797e-38;

    public static ulong Get(Vector128<byte> v, int lane) => v.AsUInt32().GetElement(lane);

    public static Vector128<byte> With(Vector128<byte> v, int lane, ulong bits) => v.AsUInt32().WithElement(lane, (uint)bits).AsByte();

    public static FloatValue Unpack(ulong bits, in FloatContext c) => FloatValue.Unpack<SingleFormat>(bits, c);

    public static ulong RoundPack(FloatValue v, ref FloatContext c) => FloatMath.Round<SingleFormat>(v, ref c).Pack<SingleFormat>();

    public static double ToDouble(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    public static ulong FromDouble(double value) => BitConverter.SingleToUInt32Bits((float)value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFast<TKernel>(Vector128<byte> x, Vector128<byte> y, uint mask, bool inexactIsKnown, out Vector128<byte> r)
        where TKernel : struct, IFloatKernel
    {
        Vector128<float> a = x.AsSingle(), b = y.AsSingle(), v = TKernel.Apply(a, b);
        r = v.AsByte();
        Vector128<uint> xm = x.AsUInt32() & Vector128.Create(Magnitude), ym = y.AsUInt32() & Vector128.Create(Magnitude), rm = v.AsUInt32() & Vector128.Create(Magnitude);
        Vector128<uint> xz = Vector128.Equals(xm, Vector128<uint>.Zero), yz = Vector128.Equals(ym, Vector128<uint>.Zero), rz = Vector128.Equals(rm, Vector128<uint>.Zero);
        Vector128<uint> good = (Normal(xm) | xz) & (Normal(ym) | yz) & (Normal(rm) | (rz & TKernel.ZeroIsExact(xz, yz)));
        if ((good.ExtractMostSignificantBits() & mask) != mask)
            return false;
        for (int i = 0; !inexactIsKnown && i < 4; i++)
        {
            if ((mask >> i & 1) != 0 && !TKernel.IsExact(a[i], b[i], v[i]))
                return false;
        }

        return true;
    }

    public static uint Plain(Vector128<byte> v)
    {
        Vector128<uint> m = v.AsUInt32() & Vector128.Create(Magnitude);
        return (Normal(m) | Vector128.Equals(m, Vector128<uint>.Zero)).ExtractMostSignificantBits();
    }

    private static Vector128<uint> Normal(Vector128<uint> magnitude) =>
        Vector128.LessThan((magnitude - Vector128.Create(AboveSmallest)), Vector128.Create(Infinity - AboveSmallest));
}

internal readonly struct DoubleLanes : IFloatLanes
{
    private const ulong Magnitude = 0x7FFF_FFFF_FFFF_FFFF, Infinity = 0x7FF0_0000_0000_0000, AboveSmallest = 0x0010_0000_0000_0001;

    public static int Count => 2;

    public static int Size => 8;

    public static double SmallestNormal => 2.2250738585072014e-308;

    public static ulong Get(Vector128<byte> v, int lane) => v.AsUInt64().GetElement(lane);

    public static Vector128<byte> With(Vector128<byte> v, int lane, ulong bits) => v.AsUInt64().WithElement(lane, bits).AsByte();

    public static FloatValue Unpack(ulong bits, in FloatContext c) => FloatValue.Unpack<DoubleFormat>(bits, c);

    public static ulong RoundPack(FloatValue v, ref FloatContext c) => FloatMath.Round<DoubleFormat>(v, ref c).Pack<DoubleFormat>();

    public static double ToDouble(ulong bits) => BitConverter.UInt64BitsToDouble(bits);

    public static ulong FromDouble(double value) => BitConverter.DoubleToUInt64Bits(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFast<TKernel>(Vector128<byte> x, Vector128<byte> y, uint mask, bool inexactIsKnown, out Vector128<byte> r)
        where TKernel : struct, IFloatKernel
    {
        Vector128<double> a = x.AsDouble(), b = y.AsDouble(), v = TKernel.Apply(a, b);
        r = v.AsByte();
        Vector128<ulong> xm = x.AsUInt64() & Vector128.Create(Magnitude), ym = y.AsUInt64() & Vector128.Create(Magnitude), rm = v.AsUInt64() & Vector128.Create(Magnitude);
        Vector128<ulong> xz = Vector128.Equals(xm, Vector128<ulong>.Zero), yz = Vector128.Equals(ym, Vector128<ulong>.Zero), rz = Vector128.Equals(rm, Vector128<ulong>.Zero);
        Vector128<ulong> good = (Normal(xm) | xz) & (Normal(ym) | yz) & (Normal(rm) | (rz & TKernel.ZeroIsExact(xz, yz)));
        if ((good.ExtractMostSignificantBits() & mask) != mask)
            return false;
        for (int i = 0; !inexactIsKnown && i < 2; i++)
        {
            if ((mask >> i & 1) != 0 && !TKernel.IsExact(a[i], b[i], v[i]))
                return false;
        }

        return true;
    }

    public static uint Plain(Vector128<byte> v)
    {
        Vector128<ulong> m = v.AsUInt64() & Vector128.Create(Magnitude);
        return (Normal(m) | Vector128.Equals(m, Vector128<ulong>.Zero)).ExtractMostSignificantBits();
    }

    // Magnitudes are below 2^63 and so compare as signed, which hosts do in one instruction; a wrapped difference is negative.
    private static Vector128<ulong> Normal(Vector128<ulong> magnitude)
    {
        Vector128<long> above = (magnitude - Vector128.Create(AboveSmallest)).AsInt64();
        return (Vector128.GreaterThanOrEqual(above, Vector128<long>.Zero) & Vector128.LessThan(above, Vector128.Create((long)(Infinity - AboveSmallest)))).AsUInt64();
    }
}
