using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// Moving elements about: unpack, pack, shuffle and shift, one struct each. SDM vol. 2, chapter 4.

internal readonly struct UnpackLow<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Interleave<T>.Low(x, y);
}

internal readonly struct UnpackHigh<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Interleave<T>.High(x, y);
}

/// <summary>Constant shuffles of both operands, in which a selector beyond the register gives zero: two host instructions and an OR.</summary>
internal static class Interleave<T>
    where T : unmanaged, IBinaryInteger<T>
{
    private const byte None = 0xFF;

    public static Vector128<byte> Low(Vector128<byte> x, Vector128<byte> y) => Unsafe.SizeOf<T>() switch
    {
        1 => Vector128.Shuffle(x, Vector128.Create(0, None, 1, None, 2, None, 3, None, 4, None, 5, None, 6, None, 7, None))
            | Vector128.Shuffle(y, Vector128.Create(None, 0, None, 1, None, 2, None, 3, None, 4, None, 5, None, 6, None, 7)),
        2 => Vector128.Shuffle(x, Vector128.Create(0, 1, None, None, 2, 3, None, None, 4, 5, None, None, 6, 7, None, None))
            | Vector128.Shuffle(y, Vector128.Create(None, None, 0, 1, None, None, 2, 3, None, None, 4, 5, None, None, 6, 7)),
        4 => Vector128.Shuffle(x, Vector128.Create(0, 1, 2, 3, None, None, None, None, 4, 5, 6, 7, None, None, None, None))
            | Vector128.Shuffle(y, Vector128.Create(None, None, None, None, 0, 1, 2, 3, None, None, None, None, 4, 5, 6, 7)),
        _ => Vector128.Create(x.AsUInt64()[0], y.AsUInt64()[0]).AsByte(),
    };

    public static Vector128<byte> High(Vector128<byte> x, Vector128<byte> y) => Unsafe.SizeOf<T>() switch
    {
        1 => Vector128.Shuffle(x, Vector128.Create(8, None, 9, None, 10, None, 11, None, 12, None, 13, None, 14, None, 15, None))
            | Vector128.Shuffle(y, Vector128.Create(None, 8, None, 9, None, 10, None, 11, None, 12, None, 13, None, 14, None, 15)),
        2 => Vector128.Shuffle(x, Vector128.Create(8, 9, None, None, 10, 11, None, None, 12, 13, None, None, 14, 15, None, None))
            | Vector128.Shuffle(y, Vector128.Create(None, None, 8, 9, None, None, 10, 11, None, None, 12, 13, None, None, 14, 15)),
        4 => Vector128.Shuffle(x, Vector128.Create(8, 9, 10, 11, None, None, None, None, 12, 13, 14, 15, None, None, None, None))
            | Vector128.Shuffle(y, Vector128.Create(None, None, None, None, 8, 9, 10, 11, None, None, None, None, 12, 13, 14, 15)),
        _ => Vector128.Create(x.AsUInt64()[1], y.AsUInt64()[1]).AsByte(),
    };
}

internal readonly struct PackSignedWords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.NarrowWithSaturation(x.AsInt16(), y.AsInt16()).AsByte();
}

internal readonly struct PackSignedDoublewords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.NarrowWithSaturation(x.AsInt32(), y.AsInt32()).AsByte();
}

internal readonly struct PackUnsignedWords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => Vector128.Narrow(Clamp(x.AsInt16()).AsUInt16(), Clamp(y.AsInt16()).AsUInt16());

    private static Vector128<short> Clamp(Vector128<short> v) => Vector128.Min(Vector128.Max(v, Vector128<short>.Zero), Vector128.Create((short)255));
}

internal readonly struct ShuffleDoublewords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> b = y.AsUInt32();
        return Vector128.Create(b[immediate & 3], b[(immediate >> 2) & 3], b[(immediate >> 4) & 3], b[immediate >> 6]).AsByte();
    }
}

internal readonly struct ShuffleLowWords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => ShuffleWords.From(y, immediate, 0);
}

internal readonly struct ShuffleHighWords : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => ShuffleWords.From(y, immediate, 4);
}

internal static class ShuffleWords
{
    public static Vector128<byte> From(Vector128<byte> y, byte immediate, int first)
    {
        Vector128<ushort> b = y.AsUInt16(), r = b;
        for (int i = 0; i < 4; i++)
            r = r.WithElement(first + i, b[first + ((immediate >> (2 * i)) & 3)]);
        return r.AsByte();
    }
}

internal readonly struct ShuffleSingles : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32(), b = y.AsUInt32();
        return Vector128.Create(a[immediate & 3], a[(immediate >> 2) & 3], b[(immediate >> 4) & 3], b[immediate >> 6]).AsByte();
    }
}

internal readonly struct ShuffleDoubles : IVectorOp
{
    public static byte HighImmediate(byte immediate) => (byte)(immediate >> 2);

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => Vector128.Create(x.AsUInt64()[immediate & 1], y.AsUInt64()[(immediate >> 1) & 1]).AsByte();
}

/// <summary>A selector with bit 7 set gives zero; else its low four bits count.</summary>
internal readonly struct ShuffleBytes : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Shuffle(x, y & Vector128.Create((byte)0x8F));
}

internal readonly struct AlignRight : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        UInt128 high = Unsafe.BitCast<Vector128<byte>, UInt128>(x), low = Unsafe.BitCast<Vector128<byte>, UInt128>(y);
        int bits = 8 * immediate;
        UInt128 r = bits switch
        {
            0 => low,
            < 128 => (low >> bits) | (high << (128 - bits)),
            < 256 => high >> (bits - 128),
            _ => UInt128.Zero,
        };
        return Unsafe.BitCast<UInt128, Vector128<byte>>(r);
    }
}

// The count is the low 64 bits of the second operand; more than the element has bits shifts all of them out.

internal readonly struct ShiftLeft<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => y.AsUInt64()[0] >= (ulong)(8 * Unsafe.SizeOf<T>()) ? default : (x.As<byte, T>() << (int)y.AsUInt64()[0]).AsByte();
}

internal readonly struct ShiftRight<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => y.AsUInt64()[0] >= (ulong)(8 * Unsafe.SizeOf<T>()) ? default : (x.As<byte, T>() >>> (int)y.AsUInt64()[0]).AsByte();
}

internal readonly struct ShiftRightSigned<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => (x.As<byte, T>() >> (int)Math.Min(y.AsUInt64()[0], (ulong)((8 * Unsafe.SizeOf<T>()) - 1))).AsByte();
}

internal readonly struct ShiftBytesLeft : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => y[0] > 15 ? default : Unsafe.BitCast<UInt128, Vector128<byte>>(Unsafe.BitCast<Vector128<byte>, UInt128>(x) << (8 * y[0]));
}

internal readonly struct ShiftBytesRight : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        => y[0] > 15 ? default : Unsafe.BitCast<UInt128, Vector128<byte>>(Unsafe.BitCast<Vector128<byte>, UInt128>(x) >> (8 * y[0]));
}
