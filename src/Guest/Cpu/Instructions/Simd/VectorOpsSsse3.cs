using System.Numerics;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// The operations of SSE3 and SSSE3 on 16 bytes, one struct each. SDM vol. 2, chapter 4.

internal readonly struct DuplicateEvenSingles : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Shuffle(y.AsUInt32(), Vector128.Create(0u, 0, 2, 2)).AsByte();
}

internal readonly struct DuplicateOddSingles : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Shuffle(y.AsUInt32(), Vector128.Create(1u, 1, 3, 3)).AsByte();
}

/// <summary>A memory operand is the low 8 bytes alone.</summary>
internal readonly struct DuplicateLowDouble : IVectorOp
{
    public static int Size => 8;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Create(y.AsUInt64()[0]).AsByte();
}

/// <summary>How two neighbours become one element.</summary>
internal interface IPairOp
{
    static abstract Vector128<T> Apply<T>(Vector128<T> even, Vector128<T> odd);
}

internal readonly struct PairSum : IPairOp
{
    public static Vector128<T> Apply<T>(Vector128<T> even, Vector128<T> odd) => even + odd;
}

internal readonly struct PairSaturatedSum : IPairOp
{
    public static Vector128<T> Apply<T>(Vector128<T> even, Vector128<T> odd) => Vector128.AddSaturate(even, odd);
}

internal readonly struct PairDifference : IPairOp
{
    public static Vector128<T> Apply<T>(Vector128<T> even, Vector128<T> odd) => even - odd;
}

internal readonly struct PairSaturatedDifference : IPairOp
{
    public static Vector128<T> Apply<T>(Vector128<T> even, Vector128<T> odd) => Vector128.SubtractSaturate(even, odd);
}

/// <summary>PHADD and PHSUB: neighbours of the first operand, then of the second.</summary>
internal readonly struct Neighbours<TPair, T> : IVectorOp
    where TPair : struct, IPairOp
    where T : unmanaged
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<T> a = x.As<byte, T>(), b = y.As<byte, T>(), even = default, odd = default;
        int half = Vector128<T>.Count / 2;
        for (int i = 0; i < half; i++)
        {
            even = even.WithElement(i, a[2 * i]).WithElement(half + i, b[2 * i]);
            odd = odd.WithElement(i, a[(2 * i) + 1]).WithElement(half + i, b[(2 * i) + 1]);
        }

        return TPair.Apply(even, odd).AsByte();
    }
}

/// <summary>Unsigned bytes of the first operand by signed bytes of the second, pairs added with saturation.</summary>
internal readonly struct MultiplyAddBytes : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<short> evenX = (x.AsUInt16() & Vector128.Create((ushort)0xFF)).AsInt16(), oddX = (x.AsUInt16() >>> 8).AsInt16();
        Vector128<short> evenY = (y.AsInt16() << 8) >> 8, oddY = y.AsInt16() >> 8;
        return Vector128.AddSaturate(evenX * evenY, oddX * oddY).AsByte();
    }
}

/// <summary>Bits 30:15 of the product, rounded.</summary>
internal readonly struct MultiplyHighRounded : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        (Vector128<int> xl, Vector128<int> xh) = Vector128.Widen(x.AsInt16());
        (Vector128<int> yl, Vector128<int> yh) = Vector128.Widen(y.AsInt16());
        return Vector128.Narrow(Round(xl * yl), Round(xh * yh)).AsByte();
    }

    private static Vector128<int> Round(Vector128<int> product) => ((product >> 14) + Vector128<int>.One) >> 1;
}

internal readonly struct ApplySign<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<T> a = x.As<byte, T>(), b = y.As<byte, T>();
        Vector128<T> signed = Vector128.ConditionalSelect(Vector128.LessThan(b, Vector128<T>.Zero), -a, a);
        return (signed & ~Vector128.Equals(b, Vector128<T>.Zero)).AsByte();
    }
}

/// <summary>The most negative number stays as it is.</summary>
internal readonly struct AbsoluteValue<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<T> b = y.As<byte, T>();
        return Vector128.ConditionalSelect(Vector128.LessThan(b, Vector128<T>.Zero), -b, b).AsByte();
    }
}
