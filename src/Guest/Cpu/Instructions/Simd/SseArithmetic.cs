using System.Runtime.Intrinsics;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>An arithmetic operation twice: by the host, for operands that need nothing special, and exactly.</summary>
internal interface IFloatKernel
{
    static abstract Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y);

    /// <summary>Lanes in which a zero result is no underflow, from lanes in which the operands are zero.</summary>
    static abstract Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y);

    /// <summary>True only if <paramref name="r"/> is known to be the exact result.</summary>
    static abstract bool IsExact(double x, double y, double r);

    /// <inheritdoc cref="IsExact(double, double, double)"/>
    static abstract bool IsExact(float x, float y, float r);

    static abstract FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c);
}

internal readonly struct FloatAdd : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => x + y;

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => Vector128<T>.AllBitsSet;

    public static bool IsExact(double x, double y, double r) => Residual.OfSum(x, y, r) == 0;

    public static bool IsExact(float x, float y, float r) => Residual.OfSum(x, y, r) == 0;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) => FloatMath.Add(x, y, ref c);
}

internal readonly struct FloatSubtract : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => x - y;

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => Vector128<T>.AllBitsSet;

    public static bool IsExact(double x, double y, double r) => Residual.OfSum(x, -y, r) == 0;

    public static bool IsExact(float x, float y, float r) => Residual.OfSum(x, -y, r) == 0;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) => FloatMath.Subtract(x, y, ref c);
}

/// <summary>Even lanes subtract, odd lanes add.</summary>
internal readonly struct FloatAddSubtract : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y)
    {
        Vector128<T> even = Vector128<T>.Count == 2
            ? Vector128.Create(ulong.MaxValue, 0).As<ulong, T>()
            : Vector128.Create(uint.MaxValue, 0, uint.MaxValue, 0).As<uint, T>();
        return Vector128.ConditionalSelect(even, x - y, x + y);
    }

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => Vector128<T>.AllBitsSet;

    // The residual against the operation that was not done is 0 only if y is.
    public static bool IsExact(double x, double y, double r) => Residual.OfSum(x, y, r) == 0 || Residual.OfSum(x, -y, r) == 0;

    public static bool IsExact(float x, float y, float r) => Residual.OfSum(x, y, r) == 0 || Residual.OfSum(x, -y, r) == 0;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) =>
        (lane & 1) == 0 ? FloatMath.Subtract(x, y, ref c) : FloatMath.Add(x, y, ref c);
}

internal readonly struct FloatMultiply : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => x * y;

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => x | y;

    public static bool IsExact(double x, double y, double r) => r == 0 || (Math.Abs(r) > Residual.Smallest && Math.FusedMultiplyAdd(x, y, -r) == 0);

    public static bool IsExact(float x, float y, float r) => (double)x * y == r;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) => FloatMath.Multiply(x, y, ref c);
}

internal readonly struct FloatDivide : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => x / y;

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => x & ~y;

    public static bool IsExact(double x, double y, double r) => x == 0 || (Math.Abs(x) > Residual.Smallest && Math.FusedMultiplyAdd(-r, y, x) == 0);

    public static bool IsExact(float x, float y, float r) => (double)r * y == x;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) => FloatMath.Divide(x, y, ref c);
}

/// <summary>Of the second operand.</summary>
internal readonly struct FloatSquareRoot : IFloatKernel
{
    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => Vector128.Sqrt(y);

    public static Vector128<T> ZeroIsExact<T>(Vector128<T> x, Vector128<T> y) => y;

    public static bool IsExact(double x, double y, double r) => y == 0 || (y > Residual.Smallest && Math.FusedMultiplyAdd(-r, r, y) == 0);

    public static bool IsExact(float x, float y, float r) => (double)r * r == y;

    public static FloatValue Exact(FloatValue x, FloatValue y, int lane, ref FloatContext c) => FloatMath.SquareRoot(y, ref c);
}

/// <summary>Rounding errors as numbers: they tell inexact without a second way of computing.</summary>
internal static class Residual
{
    /// <summary>2^-900: a residual of anything larger does not itself underflow.</summary>
    public const double Smallest = 1.1830521861667747e-271;

    /// <summary>Knuth's two-sum (TAOCP vol. 2, 4.2.2, theorem B): exact unless it overflows.</summary>
    public static double OfSum(double x, double y, double r)
    {
        double b = r - x;
        return (x - (r - b)) + (y - b);
    }

    /// <inheritdoc cref="OfSum(double, double, double)"/>
    public static float OfSum(float x, float y, float r)
    {
        float b = r - x;
        return (x - (r - b)) + (y - b);
    }
}

/// <summary>Every lane.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal readonly unsafe struct Packed<TKernel, TLanes> : IFloatVectorOp
    where TKernel : struct, IFloatKernel
    where TLanes : struct, IFloatLanes
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        uint all = (1u << TLanes.Count) - 1;
        if (SseControl.MayUseHost(s->Mxcsr) && TLanes.TryFast<TKernel>(x, y, all, SseControl.InexactIsRaised(s->Mxcsr), out result))
            return true;
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = x;
        for (int i = 0; i < TLanes.Count; i++)
            result = TLanes.With(result, i, SseControl.Exact<TKernel, TLanes>(x, y, i, ref c));
        return SseFloat.Finish(s, c);
    }
}

/// <summary>Lane 0; the others stay those of the first operand.</summary>
// SAFETY: as above.
internal readonly unsafe struct Scalar<TKernel, TLanes> : IFloatVectorOp
    where TKernel : struct, IFloatKernel
    where TLanes : struct, IFloatLanes
{
    public static int Size => TLanes.Size;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        if (SseControl.MayUseHost(s->Mxcsr) && TLanes.TryFast<TKernel>(x, y, 1, SseControl.InexactIsRaised(s->Mxcsr), out Vector128<byte> fast))
        {
            result = TLanes.With(x, 0, TLanes.Get(fast, 0));
            return true;
        }

        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = TLanes.With(x, 0, SseControl.Exact<TKernel, TLanes>(x, y, 0, ref c));
        return SseFloat.Finish(s, c);
    }
}

/// <summary>Neighbours within each operand: the results of the first come first.</summary>
// SAFETY: as above.
internal readonly unsafe struct Horizontal<TKernel, TLanes> : IFloatVectorOp
    where TKernel : struct, IFloatKernel
    where TLanes : struct, IFloatLanes
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        Vector128<byte> even = x, odd = x;
        int half = TLanes.Count / 2;
        for (int i = 0; i < half; i++)
        {
            even = TLanes.With(TLanes.With(even, i, TLanes.Get(x, 2 * i)), half + i, TLanes.Get(y, 2 * i));
            odd = TLanes.With(TLanes.With(odd, i, TLanes.Get(x, (2 * i) + 1)), half + i, TLanes.Get(y, (2 * i) + 1));
        }

        return Packed<TKernel, TLanes>.Apply(s, even, odd, 0, out result);
    }
}

/// <summary>MXCSR as the operations look at it. SDM vol. 1, 10.2.3.</summary>
internal static class SseControl
{
    private const uint Inexact = 0x20, DenormalsAreZero = 0x40, InexactMask = 0x1000, RoundingControl = 0x6000;

    /// <summary>Round to nearest, inexact masked: with ordinary operands the host's arithmetic is the guest's.</summary>
    public static bool MayUseHost(uint mxcsr) => (mxcsr & (InexactMask | RoundingControl)) == InexactMask;

    public static bool InexactIsRaised(uint mxcsr) => (mxcsr & Inexact) != 0;

    public static bool Daz(uint mxcsr) => (mxcsr & DenormalsAreZero) != 0;

    public static ulong Exact<TKernel, TLanes>(Vector128<byte> x, Vector128<byte> y, int lane, ref FloatContext c)
        where TKernel : struct, IFloatKernel
        where TLanes : struct, IFloatLanes
    {
        FloatValue a = TLanes.Unpack(TLanes.Get(x, lane), c), b = TLanes.Unpack(TLanes.Get(y, lane), c);
        return TLanes.RoundPack(TKernel.Exact(a, b, lane, ref c), ref c);
    }
}
