using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>MIN, MAX, CMPccPS and kin, COMISS, UCOMISS and the double forms. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class SseCompare
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Minps or Mnemonic.Vminps => SseFloat.Binary<Extreme<Minimum, SingleLanes, AllLanes>>(t),
        Mnemonic.Minpd or Mnemonic.Vminpd => SseFloat.Binary<Extreme<Minimum, DoubleLanes, AllLanes>>(t),
        Mnemonic.Minss or Mnemonic.Vminss => SseFloat.Binary<Extreme<Minimum, SingleLanes, FirstLane>>(t),
        Mnemonic.Minsd or Mnemonic.Vminsd => SseFloat.Binary<Extreme<Minimum, DoubleLanes, FirstLane>>(t),
        Mnemonic.Maxps or Mnemonic.Vmaxps => SseFloat.Binary<Extreme<Maximum, SingleLanes, AllLanes>>(t),
        Mnemonic.Maxpd or Mnemonic.Vmaxpd => SseFloat.Binary<Extreme<Maximum, DoubleLanes, AllLanes>>(t),
        Mnemonic.Maxss or Mnemonic.Vmaxss => SseFloat.Binary<Extreme<Maximum, SingleLanes, FirstLane>>(t),
        Mnemonic.Maxsd or Mnemonic.Vmaxsd => SseFloat.Binary<Extreme<Maximum, DoubleLanes, FirstLane>>(t),
        Mnemonic.Cmpps or Mnemonic.Vcmpps => Predicate<Compare<SingleLanes, AllLanes>>(t),
        Mnemonic.Cmppd or Mnemonic.Vcmppd => Predicate<Compare<DoubleLanes, AllLanes>>(t),
        Mnemonic.Cmpss or Mnemonic.Vcmpss => Predicate<Compare<SingleLanes, FirstLane>>(t),
        Mnemonic.Cmpsd or Mnemonic.Vcmpsd => Predicate<Compare<DoubleLanes, FirstLane>>(t),
        Mnemonic.Comiss or Mnemonic.Vcomiss => Flagging<SingleLanes>(t, true),
        Mnemonic.Comisd or Mnemonic.Vcomisd => Flagging<DoubleLanes>(t, true),
        Mnemonic.Ucomiss or Mnemonic.Vucomiss => Flagging<SingleLanes>(t, false),
        Mnemonic.Ucomisd or Mnemonic.Vucomisd => Flagging<DoubleLanes>(t, false),
        _ => false,
    };

    /// <summary>Eight predicates, 32 in VEX forms; the other bits mean nothing.</summary>
    private static bool Predicate<TOp>(Translator t)
        where TOp : struct, IFloatVectorOp
    {
        bool selected = SseFloat.Binary<TOp>(t);
        t.Op->Aux &= Vex.IsVex(t) ? (byte)0x1F : (byte)7;
        return selected;
    }

    private static bool Flagging<TLanes>(Translator t, bool signalQuiet)
        where TLanes : struct, IFloatLanes => Vex.IsVex(t) ? Flagging<TLanes, VexGate>(t, signalQuiet) : Flagging<TLanes, LegacyGate>(t, signalQuiet);

    private static bool Flagging<TLanes, TGate>(Translator t, bool signalQuiet)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = signalQuiet ? (byte)1 : (byte)0;
        if (t.IsRegister(1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = &FlagsOfRegisters<TLanes, TGate>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &FlagsOfMemory<TLanes, TGate>;
        }

        return true;
    }

    private static Block* FlagsOfRegisters<TLanes, TGate>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetFlags<TLanes>(s, op, *Vector.At(s, op->Src));
    }

    private static Block* FlagsOfMemory<TLanes, TGate>(CpuState* s, Op* op)
        where TLanes : struct, IFloatLanes
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, TLanes.Size, out Vector128<byte> y) ? SetFlags<TLanes>(s, op, y) : Faults.Raise(s, op);
    }

    /// <summary>ZF, PF, CF: 111 unordered, 000 greater, 001 less, 100 equal; OF, SF, AF become 0.</summary>
    private static Block* SetFlags<TLanes>(CpuState* s, Op* op, Vector128<byte> y)
        where TLanes : struct, IFloatLanes
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        FloatOrder order = Order<TLanes>(TLanes.Get(*Vector.At(s, op->Dst), 0), TLanes.Get(y, 0), op->Aux != 0, ref c);
        if (!SseFloat.Finish(s, c))
            return SseFloat.Exception(s, op);
        Flags.Set(s, order switch
        {
            FloatOrder.Unordered => Cpu.RflagsBits.Zf | Cpu.RflagsBits.Pf | Cpu.RflagsBits.Cf,
            FloatOrder.Less => Cpu.RflagsBits.Cf,
            FloatOrder.Equal => Cpu.RflagsBits.Zf,
            _ => 0,
        });
        return op[1].Handler(s, op + 1);
    }

    public static FloatOrder Order<TLanes>(ulong x, ulong y, bool signalQuiet, ref FloatContext c)
        where TLanes : struct, IFloatLanes
    {
        double a = TLanes.ToDouble(x), b = TLanes.ToDouble(y);
        bool ordinary = (Math.Abs(a) >= TLanes.SmallestNormal || a == 0) && (Math.Abs(b) >= TLanes.SmallestNormal || b == 0);
        if (!ordinary)
            return FloatMath.Compare(TLanes.Unpack(x, c), TLanes.Unpack(y, c), signalQuiet, ref c);
        return a < b ? FloatOrder.Less : a > b ? FloatOrder.Greater : FloatOrder.Equal;
    }
}

/// <summary>How many lanes an instruction works on.</summary>
internal interface ILaneCount
{
    static abstract bool All { get; }
}

internal readonly struct AllLanes : ILaneCount
{
    public static bool All => true;
}

internal readonly struct FirstLane : ILaneCount
{
    public static bool All => false;
}

internal interface IExtreme
{
    static abstract Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y);

    static abstract FloatOrder FirstIf { get; }
}

internal readonly struct Minimum : IExtreme
{
    public static FloatOrder FirstIf => FloatOrder.Less;

    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => Vector128.ConditionalSelect(Vector128.LessThan(x, y), x, y);
}

internal readonly struct Maximum : IExtreme
{
    public static FloatOrder FirstIf => FloatOrder.Greater;

    public static Vector128<T> Apply<T>(Vector128<T> x, Vector128<T> y) => Vector128.ConditionalSelect(Vector128.GreaterThan(x, y), x, y);
}

/// <summary>The second operand unless the first is strictly less (greater); any NaN is an invalid operand, passed on as it is.</summary>
// SAFETY: as above.
internal readonly unsafe struct Extreme<TExtreme, TLanes, TCount> : IFloatVectorOp
    where TExtreme : struct, IExtreme
    where TLanes : struct, IFloatLanes
    where TCount : struct, ILaneCount
{
    public static int Size => TCount.All ? 16 : TLanes.Size;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        uint lanes = TCount.All ? (1u << TLanes.Count) - 1 : 1;
        if ((TLanes.Plain(x) & TLanes.Plain(y) & lanes) == lanes)
        {
            Vector128<byte> r = TLanes.Size == 4 ? TExtreme.Apply(x.AsSingle(), y.AsSingle()).AsByte() : TExtreme.Apply(x.AsDouble(), y.AsDouble()).AsByte();
            result = TCount.All ? r : TLanes.With(x, 0, TLanes.Get(r, 0));
            return true;
        }

        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = x;
        for (int i = 0; i < (TCount.All ? TLanes.Count : 1); i++)
        {
            FloatValue a = TLanes.Unpack(TLanes.Get(x, i), c), b = TLanes.Unpack(TLanes.Get(y, i), c);
            bool first = FloatMath.Compare(a, b, true, ref c) == TExtreme.FirstIf;
            // A denormal that counts as zero comes out as one.
            bool zero = (first ? a : b).Class == FloatClass.Zero;
            ulong bits = TLanes.Get(first ? x : y, i);
            result = TLanes.With(result, i, zero ? bits & (1ul << ((8 * TLanes.Size) - 1)) : bits);
        }

        return SseFloat.Finish(s, c);
    }
}

/// <summary>
/// All ones where the predicate of the immediate holds. SDM vol. 2, table 3-1: bit 2 negates; bit 3, in VEX forms, makes it hold (or not)
/// for unordered operands the other way round; bit 4 swaps which predicates signal quiet NaNs.
/// </summary>
// SAFETY: as above.
internal readonly unsafe struct Compare<TLanes, TCount> : IFloatVectorOp
    where TLanes : struct, IFloatLanes
    where TCount : struct, ILaneCount
{
    public static int Size => TCount.All ? 16 : TLanes.Size;

    public static bool Apply(CpuState* s, Vector128<byte> x, Vector128<byte> y, byte immediate, out Vector128<byte> result)
    {
        FloatContext c = FloatContext.FromMxcsr(s->Mxcsr);
        result = x;
        bool signal = (immediate & 3) is 1 or 2 != ((immediate & 0x10) != 0);
        for (int i = 0; i < (TCount.All ? TLanes.Count : 1); i++)
        {
            FloatOrder order = SseCompare.Order<TLanes>(TLanes.Get(x, i), TLanes.Get(y, i), signal, ref c);
            result = TLanes.With(result, i, Holds(immediate & 0xF, order) ? ulong.MaxValue : 0);
        }

        return SseFloat.Finish(s, c);
    }

    private static bool Holds(int predicate, FloatOrder order) => predicate switch
    {
        0 => order == FloatOrder.Equal,
        1 => order == FloatOrder.Less,
        2 => order is FloatOrder.Less or FloatOrder.Equal,
        3 => order == FloatOrder.Unordered,
        4 => order != FloatOrder.Equal,
        5 => order != FloatOrder.Less,
        6 => order is FloatOrder.Greater or FloatOrder.Unordered,
        7 => order != FloatOrder.Unordered,
        8 => order is FloatOrder.Equal or FloatOrder.Unordered,
        9 => order is FloatOrder.Less or FloatOrder.Unordered,
        10 => order != FloatOrder.Greater,
        11 => false,
        12 => order is FloatOrder.Less or FloatOrder.Greater,
        13 => order is FloatOrder.Greater or FloatOrder.Equal,
        14 => order == FloatOrder.Greater,
        _ => true,
    };
}
