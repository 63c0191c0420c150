using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>Conversions between MMX registers of two integers and XMM registers: CVTPI2PS, CVTPI2PD, CVT(T)PS2PI, CVT(T)PD2PI. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class MmxConvert
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Cvtpi2ps => FromIntegers<SingleLanes>(t),
        Mnemonic.Cvtpi2pd => FromIntegers<DoubleLanes>(t),
        Mnemonic.Cvtps2pi => ToIntegers<SingleLanes, ByControl>(t),
        Mnemonic.Cvttps2pi => ToIntegers<SingleLanes, Truncated>(t),
        Mnemonic.Cvtpd2pi => ToIntegers<DoubleLanes, ByControl>(t),
        Mnemonic.Cvttpd2pi => ToIntegers<DoubleLanes, Truncated>(t),
        _ => false,
    };

    private static bool FromIntegers<TLanes>(Translator t)
        where TLanes : struct, IFloatLanes
    {
        t.Op->Dst = Vector.Number(t, 0);
        if (t.IsRegister(1))
            t.Op->Src = Mmx.Number(t, 1);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(1) ? &FromRegister<TLanes> : &FromMemory<TLanes>;
        return true;
    }

    private static bool ToIntegers<TLanes, TRounding>(Translator t)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
    {
        t.Op->Dst = Mmx.Number(t, 0);
        if (t.IsRegister(1))
            t.Op->Src = Vector.Number(t, 1);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(1) ? &RegisterToIntegers<TLanes, TRounding> : &MemoryToIntegers<TLanes, TRounding>;
        return true;
    }

    private static Block* FromRegister<TLanes>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
    {
        int fault = MmxMove.FaultOfBoth(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Convert<TLanes>(s, op, Mmx.Get(s, op->Src), true);
    }

    /// <summary>A memory operand leaves the x87 state alone.</summary>
    private static Block* FromMemory<TLanes>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 8), 8);
        // SAFETY: Tlb gives 8 good bytes.
        return p == null ? Faults.Raise(s, op) : Convert<TLanes>(s, op, *(ulong*)p, false);
    }

    /// <summary>Singles replace the low half; doubles take all of the register.</summary>
    private static Block* Convert<TLanes>(CpuState* s, Op* op, ulong integers, bool enter)
        where TLanes : struct, IFloatLanes
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        Vector128<byte> r = *Vector.At(s, op->Dst);
        r = TLanes.With(r, 0, SseConvert.FromInteger<TLanes>((int)integers, ref c));
        r = TLanes.With(r, 1, SseConvert.FromInteger<TLanes>((int)(integers >> 32), ref c));
        if (enter)
            Mmx.Enter(s);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        *Vector.At(s, op->Dst) = r;
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegisterToIntegers<TLanes, TRounding>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
    {
        int fault = MmxMove.FaultOfBoth(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Round<TLanes, TRounding>(s, op, *Vector.At(s, op->Src));
    }

    private static Block* MemoryToIntegers<TLanes, TRounding>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
    {
        int fault = MmxMove.FaultOfBoth(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, 2 * TLanes.Size, out Vector128<byte> y) ? Round<TLanes, TRounding>(s, op, y) : Faults.Raise(s, op);
    }

    private static Block* Round<TLanes, TRounding>(CpuState* s, Op* op, Vector128<byte> y)
        where TLanes : struct, IFloatLanes
        where TRounding : struct, IIntegerRounding
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        uint low = (uint)SseConvert.ToInteger<TLanes>(TLanes.Get(y, 0), 32, TRounding.Of(c.Rounding), ref c);
        uint high = (uint)SseConvert.ToInteger<TLanes>(TLanes.Get(y, 1), 32, TRounding.Of(c.Rounding), ref c);
        // The x87 state changes even if #XM follows.
        Mmx.Enter(s);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        Mmx.Set(s, op->Dst, low | ((ulong)high << 32));
        return op[1].Handler(s, op + 1);
    }
}
