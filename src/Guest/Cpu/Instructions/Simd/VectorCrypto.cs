using System.Collections.Immutable;
using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

// AES-NI, PCLMULQDQ and the SHA extensions. FIPS 197 and FIPS 180-4 by way of SDM vol. 2.
// SHA does not check alignment, as Zen 3 was seen not to; the SDM's exception class asks for it.

internal static class AesTables
{
    /// <summary>Inverses in GF(2^8); 0 stands for that of 0.</summary>
    public static readonly ImmutableArray<byte> Reciprocal = Reciprocals();

    /// <summary>S-box and its inverse, from inversion in GF(2^8) and the affine map of FIPS 197, 5.1.1.</summary>
    public static readonly ImmutableArray<byte> Substitute = [.. Reciprocal.Select(Map)], Inverse = Invert(Substitute);

    public static byte Double(byte b) => (byte)((b << 1) ^ ((b & 0x80) != 0 ? 0x1B : 0));

    /// <summary>Product in GF(2^8).</summary>
    public static byte Multiply(byte b, int by)
    {
        int r = 0;
        for (; by != 0; by >>= 1, b = Double(b))
            r ^= (by & 1) != 0 ? b : 0;
        return (byte)r;
    }

    private static byte Map(byte q) => (byte)(q ^ byte.RotateLeft(q, 1) ^ byte.RotateLeft(q, 2) ^ byte.RotateLeft(q, 3) ^ byte.RotateLeft(q, 4) ^ 0x63);

    private static ImmutableArray<byte> Reciprocals()
    {
        byte[] reciprocals = new byte[256];
        // 3 generates the group: p runs over 3^n while q runs over 3^-n.
        byte p = 1, q = 1;
        do
        {
            p = (byte)(p ^ Double(p));
            q ^= (byte)(q << 1);
            q ^= (byte)(q << 2);
            q ^= (byte)(q << 4);
            q ^= (byte)((q & 0x80) != 0 ? 9 : 0);
            reciprocals[p] = q;
        }
        while (p != 1);
        return [.. reciprocals];
    }

    private static ImmutableArray<byte> Invert(ImmutableArray<byte> substitute)
    {
        byte[] inverse = new byte[256];
        for (int i = 0; i < 256; i++)
            inverse[substitute[i]] = (byte)i;
        return [.. inverse];
    }
}

/// <summary>The steps of a round on a state of four columns.</summary>
internal static class AesRound
{
    /// <summary>ShiftRows and SubBytes; backwards their inverses.</summary>
    public static Vector128<byte> ShiftAndSubstitute(Vector128<byte> state, bool forward)
    {
        ImmutableArray<byte> table = forward ? AesTables.Substitute : AesTables.Inverse;
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
        {
            int from = (i + ((forward ? 4 : 12) * (i & 3))) & 15;
            r = r.WithElement(i, table[state[from]]);
        }

        return r;
    }

    /// <summary>MixColumns, or its inverse.</summary>
    public static Vector128<byte> MixColumns(Vector128<byte> state, bool forward)
    {
        (int a, int b, int c, int d) = forward ? (2, 3, 1, 1) : (14, 11, 13, 9);
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
        {
            int column = i & ~3;
            byte value = (byte)(AesTables.Multiply(state[i], a) ^ AesTables.Multiply(state[column | ((i + 1) & 3)], b)
                ^ AesTables.Multiply(state[column | ((i + 2) & 3)], c) ^ AesTables.Multiply(state[column | ((i + 3) & 3)], d));
            r = r.WithElement(i, value);
        }

        return r;
    }
}

internal readonly struct AesEncrypt : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => AesRound.MixColumns(AesRound.ShiftAndSubstitute(x, true), true) ^ y;
}

internal readonly struct AesEncryptLast : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => AesRound.ShiftAndSubstitute(x, true) ^ y;
}

internal readonly struct AesDecrypt : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => AesRound.MixColumns(AesRound.ShiftAndSubstitute(x, false), false) ^ y;
}

internal readonly struct AesDecryptLast : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => AesRound.ShiftAndSubstitute(x, false) ^ y;
}

internal readonly struct AesInverseMixColumns : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => AesRound.MixColumns(y, false);
}

internal readonly struct AesKeyAssist : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        uint a = Substitute(y.AsUInt32()[1]), b = Substitute(y.AsUInt32()[3]);
        return Vector128.Create(a, uint.RotateRight(a, 8) ^ immediate, b, uint.RotateRight(b, 8) ^ immediate).AsByte();
    }

    private static uint Substitute(uint word)
    {
        ImmutableArray<byte> s = AesTables.Substitute;
        return s[(byte)word] | ((uint)s[(byte)(word >> 8)] << 8) | ((uint)s[(byte)(word >> 16)] << 16) | ((uint)s[(byte)(word >> 24)] << 24);
    }
}

/// <summary>Immediate bits 0 and 4 choose the halves.</summary>
internal readonly struct CarrylessMultiply : IVectorOp
{
    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        ulong a = x.AsUInt64()[immediate & 1], b = y.AsUInt64()[(immediate >> 4) & 1], low = 0, high = 0;
        for (int i = 0; i < 64; i++)
        {
            ulong taken = 0 - ((b >> i) & 1);
            low ^= (a << i) & taken;
            high ^= i == 0 ? 0 : (a >> (64 - i)) & taken;
        }

        return Vector128.Create(low, high).AsByte();
    }
}

/// <summary>Four rounds of SHA-1; A in the highest element. SDM vol. 2, SHA1RNDS4.</summary>
internal readonly struct Sha1Rounds : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> abcd = x.AsUInt32(), w = y.AsUInt32();
        uint a = abcd[3], b = abcd[2], c = abcd[1], d = abcd[0], e = 0;
        uint k = (immediate & 3) switch { 0 => 0x5A827999, 1 => 0x6ED9EBA1, 2 => 0x8F1BBCDC, _ => 0xCA62C1D6 };
        for (int i = 3; i >= 0; i--)
        {
            uint f = (immediate & 3) switch { 0 => (b & c) ^ (~b & d), 2 => (b & c) ^ (b & d) ^ (c & d), _ => b ^ c ^ d };
            uint next = f + uint.RotateLeft(a, 5) + w[i] + e + k;
            (a, b, c, d, e) = (next, a, uint.RotateLeft(b, 30), c, d);
        }

        return Vector128.Create(d, c, b, a).AsByte();
    }
}

internal readonly struct Sha1NextE : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
        y.AsUInt32().WithElement(3, y.AsUInt32()[3] + uint.RotateLeft(x.AsUInt32()[3], 30)).AsByte();
}

internal readonly struct Sha1Message1 : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32(), b = y.AsUInt32();
        return Vector128.Create(b[2] ^ a[0], b[3] ^ a[1], a[0] ^ a[2], a[1] ^ a[3]).AsByte();
    }
}

internal readonly struct Sha1Message2 : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32(), b = y.AsUInt32();
        uint w16 = uint.RotateLeft(a[3] ^ b[2], 1), w17 = uint.RotateLeft(a[2] ^ b[1], 1), w18 = uint.RotateLeft(a[1] ^ b[0], 1);
        return Vector128.Create(uint.RotateLeft(a[0] ^ w16, 1), w18, w17, w16).AsByte();
    }
}

internal readonly struct Sha256Message1 : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32();
        return Vector128.Create(a[0] + Sigma(a[1]), a[1] + Sigma(a[2]), a[2] + Sigma(a[3]), a[3] + Sigma(y.AsUInt32()[0])).AsByte();
    }

    private static uint Sigma(uint v) => uint.RotateRight(v, 7) ^ uint.RotateRight(v, 18) ^ (v >> 3);
}

internal readonly struct Sha256Message2 : IVectorOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> a = x.AsUInt32();
        uint w16 = a[0] + Sigma(y.AsUInt32()[2]), w17 = a[1] + Sigma(y.AsUInt32()[3]);
        return Vector128.Create(w16, w17, a[2] + Sigma(w16), a[3] + Sigma(w17)).AsByte();
    }

    private static uint Sigma(uint v) => uint.RotateRight(v, 17) ^ uint.RotateRight(v, 19) ^ (v >> 10);
}

/// <summary>Two rounds of SHA-256; the message words are implied in XMM0.</summary>
internal readonly struct Sha256Rounds : IVectorMaskOp
{
    public static bool Unaligned => true;

    public static Vector128<byte> Apply(Vector128<byte> cdgh, Vector128<byte> abef, Vector128<byte> words)
    {
        Vector128<uint> x = cdgh.AsUInt32(), y = abef.AsUInt32(), w = words.AsUInt32();
        uint a = y[3], b = y[2], c = x[3], d = x[2], e = y[1], f = y[0], g = x[1], h = x[0];
        for (int i = 0; i < 2; i++)
        {
            uint t1 = h + (uint.RotateRight(e, 6) ^ uint.RotateRight(e, 11) ^ uint.RotateRight(e, 25)) + ((e & f) ^ (~e & g)) + w[i];
            uint t2 = (uint.RotateRight(a, 2) ^ uint.RotateRight(a, 13) ^ uint.RotateRight(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
        }

        return Vector128.Create(f, e, b, a).AsByte();
    }
}
