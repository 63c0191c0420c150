using XenSim.Guest.Cpu.FloatingPoint;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>A floating-point format in memory.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IX87Target
{
    static abstract int Size { get; }

    static abstract FloatValue Round(in FloatValue value, ref FloatContext c);

    static abstract void Store(byte* p, in FloatValue value);
}

// SAFETY: as above.
internal readonly unsafe struct SingleTarget : IX87Target
{
    public static int Size => 4;

    public static FloatValue Round(in FloatValue value, ref FloatContext c) => FloatMath.Round<SingleFormat>(value, ref c);

    public static void Store(byte* p, in FloatValue value) => *(uint*)p = (uint)value.Pack<SingleFormat>();
}

// SAFETY: as above.
internal readonly unsafe struct DoubleTarget : IX87Target
{
    public static int Size => 8;

    public static FloatValue Round(in FloatValue value, ref FloatContext c) => FloatMath.Round<DoubleFormat>(value, ref c);

    public static void Store(byte* p, in FloatValue value) => *(ulong*)p = value.Pack<DoubleFormat>();
}

/// <summary>Loads, stores, constants, exchanges and the stack pointer. SDM vol. 1, 8.3.3 and 8.3.4; vol. 2.</summary>
// SAFETY: as above.
internal static unsafe partial class X87
{
    private static Block* LoadMemory<TSource>(CpuState* s, Op* op)
        where TSource : struct, IX87Source
    {
        if (!Ready(s, op))
            return null;
        byte* p = Read(s, op, TSource.Size);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        FloatValue value = TSource.Load(p, c);
        if (IsEmpty(s, 7))
            value = FloatMath.Convert(value, ref c);
        Push(s, value, ref c);
        return Next(s, op);
    }

    /// <summary>The 80 bits as they are, without any exception of the value.</summary>
    private static Block* LoadExtended(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        byte* p = Read(s, op, 10);
        if (p == null)
            return null;
        PushRaw(s, *(ushort*)(p + 8), *(ulong*)p);
        return Next(s, op);
    }

    private static Block* LoadRegister(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        int r = Physical(s, op->Src) * 2;
        if (!IsEmpty(s, op->Src))
            PushRaw(s, (ushort)s->X87[r + 1], s->X87[r]);
        else if (StackError(s, false))
            PushIndefinite(s);
        return Next(s, op);
    }

    private static void PushRaw(CpuState* s, ushort high, ulong low)
    {
        if (!IsEmpty(s, 7))
        {
            if (StackError(s, true))
                PushIndefinite(s);
            return;
        }

        SetTop(s, Top(s) - 1);
        PutRaw(s, 0, high, low);
        s->X87Status &= unchecked((ushort)~C1);
    }

    private static void PushIndefinite(CpuState* s)
    {
        SetTop(s, Top(s) - 1);
        Put(s, 0, FloatValue.Indefinite);
    }

    /// <summary>Correct to the last bit in every rounding mode. SDM vol. 2, FLD1…; the digits are those of the constants themselves.</summary>
    private static Block* LoadConstant(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        FloatRounding rounding = (FloatRounding)((s->X87Control >> 10) & 3);
        bool up = rounding == FloatRounding.Up;
        bool upOrNearest = up || rounding == FloatRounding.Nearest;
        (ushort high, ulong low, bool increment) = op->Aux switch
        {
            0 => ((ushort)0, 0ul, false),
            1 => ((ushort)0x3FFF, 1ul << 63, false),
            2 => ((ushort)0x4000, 0xD49A_784B_CD1B_8AFEul, up),
            3 => ((ushort)0x3FFF, 0xB8AA_3B29_5C17_F0BBul, upOrNearest),
            4 => ((ushort)0x4000, 0xC90F_DAA2_2168_C234ul, upOrNearest),
            5 => ((ushort)0x3FFD, 0x9A20_9A84_FBCF_F798ul, upOrNearest),
            _ => ((ushort)0x3FFE, 0xB172_17F7_D1CF_79ABul, upOrNearest),
        };
        PushRaw(s, high, low + (increment ? 1ul : 0));
        return Next(s, op);
    }

    private static Block* StoreRegister(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        int r = Physical(s, 0) * 2;
        if (!IsEmpty(s, 0))
        {
            PutRaw(s, op->Dst, (ushort)s->X87[r + 1], s->X87[r]);
            s->X87Status &= unchecked((ushort)~C1);
            Pop(s, op->Aux);
        }
        else if (op->Src != 0)
        {
            // FSTPNCE: "no stack exception". It pops, and that is all.
            s->X87Status &= unchecked((ushort)~C1);
            Pop(s, op->Aux);
        }
        else if (StackError(s, false))
        {
            Put(s, op->Dst, FloatValue.Indefinite);
            Pop(s, op->Aux);
        }

        return Next(s, op);
    }

    private static Block* StoreFloat<TTarget>(CpuState* s, Op* op)
        where TTarget : struct, IX87Target
    {
        if (!Ready(s, op))
            return null;
        byte* p = Modify(s, op, TTarget.Size);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        FloatValue r = FloatValue.Indefinite;
        bool empty = IsEmpty(s, 0);
        if (!empty)
        {
            r = Get(s, 0);
            if (FloatMath.TakeNan(r, r, ref c, out FloatValue nan))
                r = nan;
            r = TTarget.Round(r, ref c);
            if ((c.Unmasked & (FloatFlags.Overflow | FloatFlags.Underflow)) != 0)
                c.Flags &= ~FloatFlags.Inexact;
            Report(s, c);
        }

        // A destination in memory is not written when the result cannot be represented and the exception is unmasked.
        const uint Blocking = FloatFlags.BeforeComputation | FloatFlags.Overflow | FloatFlags.Underflow;
        if (empty ? StackError(s, false) : (c.Unmasked & Blocking) == 0)
        {
            TTarget.Store(p, r);
            Tlb.Commit(s, p);
            Pop(s, op->Aux);
        }
        else if (!empty)
        {
            s->X87Status &= unchecked((ushort)~C1);
        }

        return Next(s, op);
    }

    private static Block* StoreExtended(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        byte* p = Modify(s, op, 10);
        if (p == null)
            return null;
        int r = Physical(s, 0) * 2;
        (ushort high, ulong low) = IsEmpty(s, 0) ? FloatValue.Indefinite.PackExtended() : ((ushort)s->X87[r + 1], s->X87[r]);
        if (IsEmpty(s, 0) && !StackError(s, false))
            return Next(s, op);
        if (!IsEmpty(s, 0))
            s->X87Status &= unchecked((ushort)~C1);
        *(ulong*)p = low;
        *(ushort*)(p + 8) = high;
        Tlb.Commit(s, p);
        Pop(s, op->Aux);
        return Next(s, op);
    }

    private static Block* StoreInteger(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        int size = op->Src;
        byte* p = Modify(s, op, size);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        if (op->Dst != 0)
            c.Rounding = FloatRounding.Truncate;
        long value = long.MinValue >> (64 - (size * 8));
        bool store;
        if (IsEmpty(s, 0))
        {
            store = StackError(s, false);
        }
        else
        {
            value = FloatMath.ToSigned(Get(s, 0), size * 8, ref c);
            Report(s, c);
            store = !c.IsStopped;
        }

        if (store)
        {
            if (size == 2)
                *(short*)p = (short)value;
            else if (size == 4)
                *(int*)p = (int)value;
            else
                *(long*)p = value;
            Tlb.Commit(s, p);
            Pop(s, op->Aux);
        }

        return Next(s, op);
    }

    /// <summary>18 decimal digits, two to a byte, and a sign. SDM vol. 1, 4.7. Digits above 9 are undefined there; they count with their weight.</summary>
    private static Block* Fbld(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        byte* p = Read(s, op, 10);
        if (p == null)
            return null;
        ulong value = 0;
        for (int i = 8; i >= 0; i--)
            value = (value * 100) + (ulong)((p[i] >> 4) * 10) + (ulong)(p[i] & 15);
        FloatContext c = Context(s);
        Push(s, FloatValue.FromInteger(value, (p[9] & 0x80) != 0), ref c);
        return Next(s, op);
    }

    private static Block* Fbstp(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        byte* p = Modify(s, op, 10);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        bool store;
        long value = 0;
        FloatValue a = Get(s, 0);
        if (IsEmpty(s, 0))
        {
            store = StackError(s, false);
            c.Flags = FloatFlags.Invalid;
        }
        else
        {
            value = FloatMath.ToSigned(a, 64, ref c);
            if (value is >= 1_000_000_000_000_000_000 or <= -1_000_000_000_000_000_000)
            {
                c.Flags = FloatFlags.Invalid;
                c.RoundedUp = false;
            }

            Report(s, c);
            store = !c.IsStopped;
        }

        if (store)
        {
            StoreDecimal(p, value, a.Sign, (c.Flags & FloatFlags.Invalid) != 0);
            Tlb.Commit(s, p);
            Pop(s, 1);
        }

        return Next(s, op);
    }

    private static void StoreDecimal(byte* p, long value, bool sign, bool indefinite)
    {
        ulong rest = value < 0 ? 0 - (ulong)value : (ulong)value;
        for (int i = 0; i < 9; i++)
        {
            ulong pair = rest % 100;
            rest /= 100;
            p[i] = indefinite ? (byte)(i < 7 ? 0 : i == 7 ? 0xC0 : 0xFF) : (byte)(((pair / 10) << 4) | (pair % 10));
        }

        // Packed BCD indefinite: FFFF C000 0000 0000 0000H.
        if (indefinite)
            p[8] = 0xFF;
        p[9] = indefinite ? (byte)0xFF : sign ? (byte)0x80 : (byte)0;
    }

    private static Block* Fxch(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (IsEmpty(s, 0) || IsEmpty(s, op->Src))
        {
            if (!StackError(s, false))
                return Next(s, op);
            if (IsEmpty(s, 0))
                Put(s, 0, FloatValue.Indefinite);
            if (IsEmpty(s, op->Src))
                Put(s, op->Src, FloatValue.Indefinite);
        }
        else
        {
            s->X87Status &= unchecked((ushort)~C1);
        }

        int a = Physical(s, 0) * 2, b = Physical(s, op->Src) * 2;
        (s->X87[a], s->X87[b]) = (s->X87[b], s->X87[a]);
        (s->X87[a + 1], s->X87[b + 1]) = (s->X87[b + 1], s->X87[a + 1]);
        return Next(s, op);
    }

    private static Block* Fchs(CpuState* s, Op* op) => Sign(s, op, 0xFFFF, 0x8000);

    private static Block* Fabs(CpuState* s, Op* op) => Sign(s, op, 0x7FFF, 0);

    private static Block* Sign(CpuState* s, Op* op, ushort keep, ushort flip)
    {
        if (!Ready(s, op))
            return null;
        if (HasTop(s))
        {
            ulong* high = &s->X87[(Physical(s, 0) * 2) + 1];
            *high = (*high & keep) ^ flip;
            s->X87Status &= unchecked((ushort)~C1);
        }

        return Next(s, op);
    }

    private static Block* Ffree(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        s->X87Tags &= (ushort)~(1 << Physical(s, op->Src));
        s->X87Status &= unchecked((ushort)~C1);
        if (op->Aux != 0)
            Pop(s);
        return Next(s, op);
    }

    private static Block* MoveTop(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        SetTop(s, Top(s) + op->Aux);
        s->X87Status &= unchecked((ushort)~C1);
        return Next(s, op);
    }

    private static Block* MoveIf<TC>(CpuState* s, Op* op)
        where TC : struct, ICondition
    {
        if (!Ready(s, op))
            return null;
        if (IsEmpty(s, 0) || IsEmpty(s, op->Src))
        {
            if (StackError(s, false))
                Put(s, 0, FloatValue.Indefinite);
        }
        else
        {
            int r = Physical(s, op->Src) * 2;
            if (TC.Test(s))
                PutRaw(s, 0, (ushort)s->X87[r + 1], s->X87[r]);
        }

        return Next(s, op);
    }
}
