using System.Runtime.Intrinsics;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>F16C: VCVTPH2PS and VCVTPS2PH. Half-precision denormals are always honoured. SDM vol. 1, 14.4.1.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexHalf
{
    private const byte ByMxcsr = 4;

    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Iced.Intel.Mnemonic.Vcvtph2ps => VexFloat.Widening<HalvesToSingles>(t),
        Iced.Intel.Mnemonic.Vcvtps2ph => ToHalves(t),
        _ => false,
    };

    private static bool ToHalves(Translator t)
    {
        bool wide = Vex.IsWide(t, 1);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = t.Instruction.Immediate8;
        if (t.IsRegister(0))
        {
            t.Op->Dst = Vector.Number(t, 0);
            t.Op->Handler = wide ? &ToRegister<AllLanes> : &ToRegister<FirstLane>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = wide ? &ToMemory<AllLanes> : &ToMemory<FirstLane>;
        }

        return true;
    }

    /// <summary>Eight halves of 256 bits, or four of 128. False: an unmasked exception.</summary>
    private static bool Convert(CpuState* s, Op* op, bool wide, out Vector128<byte> r)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        c.FlushToZero = false;
        if ((op->Aux & ByMxcsr) == 0)
            c.Rounding = (FloatRounding)(op->Aux & 3);
        Vector128<ushort> halves = default;
        for (int i = 0; i < (wide ? 8 : 4); i++)
        {
            uint bits = (i < 4 ? *Vector.At(s, op->Src) : *Vex.High(s, op->Src)).AsUInt32()[i & 3];
            FloatValue v = FloatMath.Convert(FloatValue.Unpack<SingleFormat>(bits, c), ref c);
            halves = halves.WithElement(i, (ushort)FloatMath.Round<HalfFormat>(v, ref c).Pack<HalfFormat>());
        }

        r = halves.AsByte();
        return SseFloat.Finish(s, c);
    }

    private static Block* ToRegister<TWide>(CpuState* s, Op* op)
        where TWide : struct, ILaneCount
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        if (!Convert(s, op, TWide.All, out Vector128<byte> r))
            return SseFloat.Exception(s, op);
        Vex.Set(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* ToMemory<TWide>(CpuState* s, Op* op)
        where TWide : struct, ILaneCount
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        int size = TWide.All ? 16 : 8;
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, size), size);
        if (p == null)
            return Faults.Raise(s, op);
        if (!Convert(s, op, TWide.All, out Vector128<byte> r))
            return SseFloat.Exception(s, op);
        // SAFETY: Tlb gives a host address good for the size asked for.
        if (TWide.All)
            *(Vector128<byte>*)p = r;
        else
            *(ulong*)p = r.AsUInt64()[0];
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }
}

/// <summary>Exact; only a signalling NaN is an exception.</summary>
// SAFETY: as above.
internal readonly unsafe struct HalvesToSingles : IFloatVectorOp
{
    public static int Size => 8;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        c.DenormalsAreZero = false;
        result = default;
        for (int i = 0; i < 4; i++)
        {
            FloatValue v = FloatValue.Unpack<HalfFormat>(y.AsUInt16()[i], c);
            v.Denormal = false;
            result = SingleLanes.With(result, i, SingleLanes.RoundPack(FloatMath.Convert(v, ref c), ref c));
        }

        return SseFloat.Finish(s, c);
    }
}
