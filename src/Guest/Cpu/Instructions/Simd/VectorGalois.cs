using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// GFNI: arithmetic on bytes as elements of GF(2^8) with the polynomial of AES, and affine maps of their bits. SDM vol. 2, GF2P8*.

internal readonly struct GaloisMultiply : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
            r = r.WithElement(i, AesTables.Multiply(x[i], y[i]));
        return r;
    }
}

/// <summary>Each byte of the first operand times the 8 × 8 matrix of bits in the second, plus the immediate.</summary>
internal readonly struct GaloisAffine : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
            r = r.WithElement(i, (byte)(Map(y.AsUInt64()[i / 8], x[i]) ^ immediate));
        return r;
    }

    /// <summary>Row 7 of the matrix, the most significant byte, makes bit 0.</summary>
    private static byte Map(ulong matrix, byte value)
    {
        int r = 0;
        for (int bit = 0; bit < 8; bit++)
            r |= (byte.PopCount((byte)((byte)(matrix >> (8 * (7 - bit))) & value)) & 1) << bit;
        return (byte)r;
    }
}

/// <summary>The same of the bytes' inverses; that of 0 is 0.</summary>
internal readonly struct GaloisAffineInverse : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        for (int i = 0; i < 16; i++)
            x = x.WithElement(i, AesTables.Reciprocal[x[i]]);
        return GaloisAffine.Apply(x, y, immediate);
    }
}
