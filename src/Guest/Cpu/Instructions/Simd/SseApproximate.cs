using System.Runtime.Intrinsics;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>1/x or 1/√x.</summary>
internal interface IApproximation
{
    static abstract double Of(double x);
}

internal readonly struct Reciprocal : IApproximation
{
    public static double Of(double x) => 1 / x;
}

internal readonly struct ReciprocalRoot : IApproximation
{
    public static double Of(double x) => 1 / Math.Sqrt(x);
}

/// <summary>
/// RCPPS, RSQRTPS and the scalar forms. The manuals bound the relative error by 1.5 × 2^-12 and leave the bits to the processor: Intel's and
/// AMD's tables differ. Here the result is the nearest number, as in QEMU's helper_rcpps, so that it is the same on every host. A denormal operand
/// counts as zero and a tiny result becomes zero whatever MXCSR says; there are no exceptions. SDM vol. 2, RCPPS.
/// </summary>
internal readonly struct Approximate<TFunction, TCount> : IVectorOp
    where TFunction : struct, IApproximation
    where TCount : struct, ILaneCount
{
    private const uint Magnitude = 0x7FFF_FFFF, SmallestNormal = 0x0080_0000, Infinity = 0x7F80_0000, Quiet = 0x0040_0000, Indefinite = 0xFFC0_0000;

    public static int Size => TCount.All ? 16 : 4;

    public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
    {
        Vector128<uint> r = x.AsUInt32();
        for (int i = 0; i < (TCount.All ? 4 : 1); i++)
            r = r.WithElement(i, Of(y.AsUInt32()[i]));
        return r.AsByte();
    }

    private static uint Of(uint bits)
    {
        uint magnitude = bits & Magnitude, sign = bits & ~Magnitude;
        if (magnitude > Infinity)
            return bits | Quiet;
        if (magnitude < SmallestNormal)
            return sign | Infinity;
        double value = TFunction.Of(BitConverter.UInt32BitsToSingle(bits));
        if (double.IsNaN(value))
            return Indefinite;
        uint result = BitConverter.SingleToUInt32Bits((float)value);
        return (result & Magnitude) < SmallestNormal ? sign : result;
    }
}
