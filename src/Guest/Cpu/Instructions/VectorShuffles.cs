using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions;

// Moving elements about: unpack, pack, shuffle and shift, one struct each. SDM vol. 2, chapter 4.

internal readonly struct UnpackLow<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Interleave<T>.From(x, y, 0);
}

internal readonly struct UnpackHigh<T> : IVectorOp
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Interleave<T>.From(x, y, Vector128<T>.Count / 2);
}

internal static class Interleave<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static Vector128<byte> From(Vector128<byte> x, Vector128<byte> y, int first)
    {
        Vector128<T> a = x.As<byte, T>(), b = y.As<byte, T>(), r = default;
        for (int i = 0; i < Vector128<T>.Count / 2; i++)
            r = r.WithElement(2 * i, a[first + i]).WithElement((2 * i) + 1, b[first + i]);
        return r.AsByte();
    }
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
