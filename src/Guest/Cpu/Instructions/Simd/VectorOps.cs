using System.Numerics;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// The operations of SSE and SSE2 on 16 bytes, one struct each. SDM vol. 2, chapter 4.

internal readonly struct VectorAnd : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x & y;
}

internal readonly struct VectorAndNot : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => ~x & y;
}

internal readonly struct VectorOr : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x | y;
}

internal readonly struct VectorXor : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x ^ y;
}

internal readonly struct VectorAdd<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => (x.As<byte, T>() + y.As<byte, T>()).AsByte();
}

internal readonly struct VectorSubtract<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => (x.As<byte, T>() - y.As<byte, T>()).AsByte();
}

internal readonly struct VectorAddSaturate<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.AddSaturate(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorSubtractSaturate<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.SubtractSaturate(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorEqual<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Equals(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorGreater<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.GreaterThan(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorMax<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Max(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorMin<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Min(x.As<byte, T>(), y.As<byte, T>()).AsByte();
}

internal readonly struct VectorAverageBytes : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => (x | y) - ((x ^ y) >>> 1);
}

internal readonly struct VectorAverageWords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => ((x | y).AsUInt16() - ((x ^ y).AsUInt16() >>> 1)).AsByte();
}

internal readonly struct VectorMultiplyLow : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => (x.AsInt16() * y.AsInt16()).AsByte();
}

internal readonly struct VectorMultiplyHigh : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        (Vector128<int> xl, Vector128<int> xh) = Vector128.Widen(x.AsInt16());
        (Vector128<int> yl, Vector128<int> yh) = Vector128.Widen(y.AsInt16());
        return Vector128.Narrow((xl * yl) >> 16, (xh * yh) >> 16).AsByte();
    }
}

internal readonly struct VectorMultiplyHighUnsigned : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        (Vector128<uint> xl, Vector128<uint> xh) = Vector128.Widen(x.AsUInt16());
        (Vector128<uint> yl, Vector128<uint> yh) = Vector128.Widen(y.AsUInt16());
        return Vector128.Narrow((xl * yl) >>> 16, (xh * yh) >>> 16).AsByte();
    }
}

internal readonly struct VectorMultiplyWide : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => ((x.AsUInt64() & Vector128.Create(0xFFFF_FFFFul)) * (y.AsUInt64() & Vector128.Create(0xFFFF_FFFFul))).AsByte();
}

internal readonly struct VectorMultiplyAdd : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<int> a = x.AsInt32(), b = y.AsInt32();
        return ((((a << 16) >> 16) * ((b << 16) >> 16)) + ((a >> 16) * (b >> 16))).AsByte();
    }
}

internal readonly struct VectorAbsoluteDifferences : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<byte> difference = Vector128.Max(x, y) - Vector128.Min(x, y);
        ulong low = 0, high = 0;
        for (int i = 0; i < 8; i++)
        {
            low += difference[i];
            high += difference[i + 8];
        }

        return Vector128.Create(low, high).AsByte();
    }
}
