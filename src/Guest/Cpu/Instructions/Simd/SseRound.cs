using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>SSE4.1's ROUNDPS family and dot products. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class SseRound
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Roundps or Mnemonic.Vroundps => SseFloat.Binary<RoundLanes<SingleLanes, AllLanes>>(t),
        Mnemonic.Roundpd or Mnemonic.Vroundpd => SseFloat.Binary<RoundLanes<DoubleLanes, AllLanes>>(t),
        Mnemonic.Roundss or Mnemonic.Vroundss => SseFloat.Binary<RoundLanes<SingleLanes, FirstLane>>(t),
        Mnemonic.Roundsd or Mnemonic.Vroundsd => SseFloat.Binary<RoundLanes<DoubleLanes, FirstLane>>(t),
        Mnemonic.Dpps or Mnemonic.Vdpps => SseFloat.Binary<DotProduct<SingleLanes>>(t),
        Mnemonic.Dppd or Mnemonic.Vdppd => SseFloat.Binary<DotProduct<DoubleLanes>>(t),
        _ => false,
    };

    /// <summary>The host's exact rounding to an integral value.</summary>
    public static double Integral(double x, FloatRounding rounding) => rounding switch
    {
        FloatRounding.Nearest => Math.Round(x, MidpointRounding.ToEven),
        FloatRounding.Down => Math.Floor(x),
        FloatRounding.Up => Math.Ceiling(x),
        _ => Math.Truncate(x),
    };
}

/// <summary>Immediate: bits 1:0 rounding unless bit 2 takes MXCSR's; bit 3 keeps inexact quiet. A denormal operand is no exception here.</summary>
// SAFETY: as above.
internal readonly unsafe struct RoundLanes<TLanes, TCount> : IFloatVectorOp
    where TLanes : struct, IFloatLanes
    where TCount : struct, ILaneCount
{
    private const byte ByMxcsr = 4, Quiet = 8;

    public static int Size => TCount.All ? 16 : TLanes.Size;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        if ((immediate & ByMxcsr) == 0)
            c.Rounding = (FloatRounding)(immediate & 3);
        result = x;
        for (int i = 0; i < (TCount.All ? TLanes.Count : 1); i++)
            result = TLanes.With(result, i, Round(TLanes.Get(y, i), (immediate & Quiet) != 0, ref c));
        return SseFloat.Finish(s, c);
    }

    private static ulong Round(ulong bits, bool quiet, ref FloatContext c)
    {
        double x = TLanes.ToDouble(bits);
        if (double.IsNaN(x))
            return TLanes.RoundPack(FloatMath.RoundToIntegral(TLanes.Unpack(bits, c), quiet, ref c), ref c);
        if (c.DenormalsAreZero && Math.Abs(x) < TLanes.SmallestNormal)
            return TLanes.FromDouble(Math.CopySign(0, x));
        double r = SseRound.Integral(x, c.Rounding);
        if (r != x && !quiet)
            c.Flags |= FloatFlags.Inexact;
        return TLanes.FromDouble(r);
    }
}

/// <summary>
/// Products of the lanes that the high half of the immediate selects (0 for the others), added in pairs and then the pairs, put in the lanes
/// that its low half selects. Each step rounds; an unmasked exception ends it after its step.
/// </summary>
// SAFETY: as above.
internal readonly unsafe struct DotProduct<TLanes> : IFloatVectorOp
    where TLanes : struct, IFloatLanes
{
    public static int Size => 16;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result) =>
        Both(s, x, y, default, default, false, immediate, out result, out _);

    /// <summary>16 bytes, or twice 16 step by step.</summary>
    public static bool Both(CpuState* s, Vector128<byte> x, Vector128<byte> y, Vector128<byte> xHigh, Vector128<byte> yHigh, bool wide, byte immediate, out Vector128<byte> low, out Vector128<byte> high)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        low = Products(x, y, immediate, ref c);
        high = wide ? Products(xHigh, yHigh, immediate, ref c) : default;
        if (!SseFloat.Finish(s, c))
            return false;
        for (int count = TLanes.Count / 2; count > 0; count /= 2)
        {
            c = FloatContext.FromMxcsr(s->Mxcsr);
            low = Sums(low, count, ref c);
            high = wide ? Sums(high, count, ref c) : default;
            if (!SseFloat.Finish(s, c))
                return false;
        }

        low = Spread(low, immediate);
        high = Spread(high, immediate);
        return true;
    }

    private static Vector128<byte> Products(Vector128<byte> x, Vector128<byte> y, byte immediate, ref FloatContext c)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < TLanes.Count; i++)
        {
            if ((immediate >> (4 + i) & 1) != 0)
                r = TLanes.With(r, i, SseControl.Exact<FloatMultiply, TLanes>(x, y, i, ref c));
        }

        return r;
    }

    private static Vector128<byte> Sums(Vector128<byte> v, int count, ref FloatContext c)
    {
        (Vector128<byte> even, Vector128<byte> odd) = Pairs(v);
        Vector128<byte> r = default;
        for (int i = 0; i < count; i++)
            r = TLanes.With(r, i, SseControl.Exact<FloatAdd, TLanes>(even, odd, i, ref c));
        return r;
    }

    private static Vector128<byte> Spread(Vector128<byte> sum, byte immediate)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < TLanes.Count; i++)
            r = TLanes.With(r, i, (immediate >> i & 1) != 0 ? TLanes.Get(sum, 0) : 0);
        return r;
    }

    private static (Vector128<byte> Even, Vector128<byte> Odd) Pairs(Vector128<byte> v)
    {
        Vector128<byte> even = default, odd = default;
        for (int i = 0; i < TLanes.Count / 2; i++)
        {
            even = TLanes.With(even, i, TLanes.Get(v, 2 * i));
            odd = TLanes.With(odd, i, TLanes.Get(v, (2 * i) + 1));
        }

        return (even, odd);
    }
}
