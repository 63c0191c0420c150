using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Tests;

/// <summary>The software arithmetic against the host's own, which IEEE 754 defines to the bit for round-to-nearest; directed modes and flags against silicon elsewhere.</summary>
public sealed class FloatMathTests
{
    private const int Pairs = 300_000;

    private static readonly double[] Corners =
    [
        0, -0.0, 1, -1, 1.5, double.Epsilon, -double.Epsilon, 2.2250738585072014E-308, 2.225073858507201E-308, double.MaxValue, double.MinValue,
        double.PositiveInfinity, double.NegativeInfinity, 4503599627370496.5, 9007199254740993, 1.0000000000000002, 0.99999999999999989,
    ];

    [Fact]
    public void Double_operations_equal_the_hosts()
    {
        Random random = new(1);
        for (int i = 0; i < Pairs; i++)
        {
            double x = AnyDouble(random), y = AnyDouble(random);
            Same(x + y, Binary(x, y, FloatMath.Add), x, y);
            Same(x - y, Binary(x, y, FloatMath.Subtract), x, y);
            Same(x * y, Binary(x, y, FloatMath.Multiply), x, y);
            Same(x / y, Binary(x, y, FloatMath.Divide), x, y);
            Same(Math.Sqrt(x), Unary<DoubleFormat, DoubleFormat>(BitConverter.DoubleToUInt64Bits(x), FloatMath.SquareRoot), x, 0);
        }
    }

    [Fact]
    public void Single_operations_and_narrowing_equal_the_hosts()
    {
        Random random = new(2);
        for (int i = 0; i < Pairs; i++)
        {
            float x = (float)AnyDouble(random), y = BitConverter.UInt32BitsToSingle((uint)random.NextInt64());
            if (float.IsNaN(y))
                continue;
            Assert.Equal(Bits(x + y), Binary32(x, y, FloatMath.Add));
            Assert.Equal(Bits(x * y), Binary32(x, y, FloatMath.Multiply));
            Assert.Equal(Bits(x / y), Binary32(x, y, FloatMath.Divide));
            double wide = AnyDouble(random);
            Assert.Equal(Bits((float)wide), (uint)Unary<DoubleFormat, SingleFormat>(BitConverter.DoubleToUInt64Bits(wide), FloatMath.Convert));
        }
    }

    [Fact]
    public void An_80_bit_quotient_and_root_multiply_back_to_within_their_last_bit()
    {
        Random random = new(3);
        for (int i = 0; i < 20_000; i++)
        {
            ulong a = (ulong)random.NextInt64() | FloatValue.LeadingBit, b = (ulong)random.NextInt64() | FloatValue.LeadingBit;
            ulong quotient = FloatMath.DivideWide(a >> 1, a << 63, b, out ulong rest);
            Assert.Equal(((UInt128)a << 63) - rest, (UInt128)quotient * b);
            Assert.True(rest < b);
            FloatContext c = FloatContext.FromX87Control(0xF7F);
            FloatValue root = FloatMath.SquareRoot(FloatValue.UnpackExtended(0x3FFF, a), ref c);
            UInt128 n = (UInt128)a << 63, r = root.Significand;
            Assert.True(r * r <= n && (r + 1) * (r + 1) > n);
        }
    }

    [Theory]
    [InlineData(0, 2, -2, 2)]
    [InlineData(1, 2, -3, 1)]
    [InlineData(2, 3, -2, 2)]
    [InlineData(3, 2, -2, 1)]
    public void Integers_follow_the_rounding_mode(int rounding, long twoAndHalf, long minusTwoAndHalf, long oneAndThreeQuarters)
    {
        Assert.Equal(twoAndHalf, ToInteger(2.5, (FloatRounding)rounding));
        Assert.Equal(minusTwoAndHalf, ToInteger(-2.5, (FloatRounding)rounding));
        Assert.Equal(oneAndThreeQuarters, ToInteger(1.75, (FloatRounding)rounding));
    }

    private delegate FloatValue TwoOperands(FloatValue a, FloatValue b, ref FloatContext c);

    private delegate FloatValue OneOperand(FloatValue a, ref FloatContext c);

    private static long ToInteger(double x, FloatRounding rounding)
    {
        FloatContext c = new() { Rounding = rounding, Masks = FloatFlags.All };
        long r = FloatMath.ToSigned(FloatValue.Unpack<DoubleFormat>(BitConverter.DoubleToUInt64Bits(x), c), 32, ref c);
        Assert.Equal(FloatFlags.Inexact, c.Flags);
        return r;
    }

    private static ulong Binary(double x, double y, TwoOperands f) => Binary<DoubleFormat>(BitConverter.DoubleToUInt64Bits(x), BitConverter.DoubleToUInt64Bits(y), f);

    private static uint Binary32(float x, float y, TwoOperands f) => (uint)Binary<SingleFormat>(Bits(x), Bits(y), f);

    private static uint Bits(float x) => BitConverter.SingleToUInt32Bits(x);

    private static ulong Binary<T>(ulong x, ulong y, TwoOperands f)
        where T : struct, IFloatFormat
    {
        FloatContext c = FloatContext.FromMxcsr(0x1F80);
        return FloatMath.Round<T>(f(FloatValue.Unpack<T>(x, c), FloatValue.Unpack<T>(y, c), ref c), ref c).Pack<T>();
    }

    private static ulong Unary<TFrom, TTo>(ulong x, OneOperand f)
        where TFrom : struct, IFloatFormat
        where TTo : struct, IFloatFormat
    {
        FloatContext c = FloatContext.FromMxcsr(0x1F80);
        return FloatMath.Round<TTo>(f(FloatValue.Unpack<TFrom>(x, c), ref c), ref c).Pack<TTo>();
    }

    private static void Same(double truth, ulong ours, double x, double y) =>
        Assert.True(BitConverter.DoubleToUInt64Bits(truth) == ours, $"{x:R} {y:R}: {ours:x}, not {BitConverter.DoubleToUInt64Bits(truth):x}");

    private static double AnyDouble(Random random)
    {
        double x = random.Next(4) switch
        {
            0 => Corners[random.Next(Corners.Length)],
            1 => random.Next(-1000, 1000) / 8.0,
            2 => Math.ScaleB(random.NextDouble() - 0.5, random.Next(-1074, 1024)),
            _ => BitConverter.UInt64BitsToDouble((ulong)random.NextInt64(long.MinValue, long.MaxValue)),
        };
        return double.IsNaN(x) ? 0.5 : x;
    }
}
