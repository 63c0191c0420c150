using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// The operations of SSE4.1 and SSE4.2 on 16 bytes, one struct each. SDM vol. 2, chapter 4.

/// <summary>Immediate bit n chooses the second operand's element n. With wider operands each 16 bytes take <see cref="Vector128{T}.Count"/> bits more (PBLENDW: the same).</summary>
internal readonly struct BlendByImmediate<T> : IVectorOp
    where T : unmanaged
{
    public static byte HighImmediate(byte immediate) => Vector128<T>.Count == 8 ? immediate : (byte)(immediate >> Vector128<T>.Count);

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<T> r = x.As<byte, T>();
        for (int i = 0; i < Vector128<T>.Count; i++)
        {
            if ((immediate >> i & 1) != 0)
                r = r.WithElement(i, y.As<byte, T>()[i]);
        }

        return r.AsByte();
    }
}

internal readonly struct MultiplyWideSigned : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
        Vector128.Create((long)x.AsInt32()[0] * y.AsInt32()[0], (long)x.AsInt32()[2] * y.AsInt32()[2]).AsByte();
}

internal readonly struct MultiplyLowDoublewords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => (x.AsInt32() * y.AsInt32()).AsByte();
}

internal readonly struct PackUnsignedDoublewords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
        Vector128.Narrow(Clamp(x.AsInt32()).AsUInt32(), Clamp(y.AsInt32()).AsUInt32()).AsByte();

    private static Vector128<int> Clamp(Vector128<int> v) => Vector128.Min(Vector128.Max(v, Vector128<int>.Zero), Vector128.Create(0xFFFF));
}

/// <summary>The smallest word and its index; the first of equals.</summary>
internal readonly struct MinimumWordPosition : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        int at = 0;
        for (int i = 1; i < 8; i++)
        {
            if (y.AsUInt16()[i] < y.AsUInt16()[at])
                at = i;
        }

        return Vector128.CreateScalar(y.AsUInt16()[at] | ((uint)at << 16)).AsByte();
    }
}

/// <summary>Eight sums of four absolute differences: a sliding window of the first operand against one block of the second. 32 bytes: the high half takes immediate bits 5:3.</summary>
internal readonly struct BlockDifferences : IVectorOp
{
    public static byte HighImmediate(byte immediate) => (byte)(immediate >> 3);

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        int window = (immediate & 4) != 0 ? 4 : 0, block = (immediate & 3) * 4;
        Vector128<ushort> r = default;
        for (int i = 0; i < 8; i++)
        {
            int sum = 0;
            for (int k = 0; k < 4; k++)
                sum += Math.Abs(x[window + i + k] - y[block + k]);
            r = r.WithElement(i, (ushort)sum);
        }

        return r.AsByte();
    }
}

/// <summary>The mask's sign bits choose the second operand's elements.</summary>
internal readonly struct BlendBySign<T> : IVectorMaskOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, Vector128<byte> mask) =>
        Vector128.ConditionalSelect(Vector128.LessThan(mask.As<byte, T>(), Vector128<T>.Zero).AsByte(), y, x);
}

/// <summary>The low elements, extended as the type they have.</summary>
internal readonly struct Widen<TFrom, TTo> : IVectorOp
    where TFrom : unmanaged, IBinaryInteger<TFrom>
    where TTo : unmanaged, IBinaryInteger<TTo>
{
    public static int Size => 16 * Unsafe.SizeOf<TFrom>() / Unsafe.SizeOf<TTo>();

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<TTo> r = default;
        for (int i = 0; i < Vector128<TTo>.Count; i++)
            r = r.WithElement(i, TTo.CreateTruncating(y.As<byte, TFrom>()[i]));
        return r.AsByte();
    }
}
