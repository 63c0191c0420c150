using System.Runtime.CompilerServices;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>One of the sixteen conditions of Jcc, SETcc, CMOVcc. SDM vol. 1, appendix B.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface ICondition
{
    static abstract bool Test(CpuState* s);
}

/// <summary>A condition that a difference decides without its flags. OF and PF alone are not among them.</summary>
// SAFETY: as above.
internal unsafe interface IDifferenceCondition : ICondition
{
    /// <summary>The condition after <paramref name="x"/> - <paramref name="y"/>, all sign-extended.</summary>
    static abstract bool OfDifference(ulong x, ulong y, ulong difference);
}

// SAFETY: as above.
internal readonly unsafe struct O : ICondition
{
    public static bool Test(CpuState* s) => Flags.Of(s);
}

internal readonly unsafe struct No : ICondition
{
    public static bool Test(CpuState* s) => !Flags.Of(s);
}

// SAFETY: as above.
internal readonly unsafe struct B : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.Cf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => x < y;
}

// SAFETY: as above.
internal readonly unsafe struct Ae : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.Cf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => x >= y;
}

// SAFETY: as above.
internal readonly unsafe struct E : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.Zf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => difference == 0;
}

// SAFETY: as above.
internal readonly unsafe struct Ne : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.Zf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => difference != 0;
}

// SAFETY: as above.
internal readonly unsafe struct Be : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.Cf(s) || Flags.Zf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => x <= y;
}

// SAFETY: as above.
internal readonly unsafe struct A : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.Cf(s) && !Flags.Zf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => x > y;
}

// SAFETY: as above.
internal readonly unsafe struct S : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.Sf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)difference < 0;
}

// SAFETY: as above.
internal readonly unsafe struct Ns : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.Sf(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)difference >= 0;
}

// SAFETY: as above.
internal readonly unsafe struct P : ICondition
{
    public static bool Test(CpuState* s) => Flags.Pf(s);
}

internal readonly unsafe struct Np : ICondition
{
    public static bool Test(CpuState* s) => !Flags.Pf(s);
}

// SAFETY: as above.
internal readonly unsafe struct L : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.Less(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)x < (long)y;
}

// SAFETY: as above.
internal readonly unsafe struct Ge : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.Less(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)x >= (long)y;
}

// SAFETY: as above.
internal readonly unsafe struct Le : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => Flags.LessOrEqual(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)x <= (long)y;
}

// SAFETY: as above.
internal readonly unsafe struct G : IDifferenceCondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(CpuState* s) => !Flags.LessOrEqual(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OfDifference(ulong x, ulong y, ulong difference) => (long)x > (long)y;
}

/// <summary>SETcc and CMOVcc.</summary>
// SAFETY: as above.
internal static unsafe class Conditional
{
    public static bool Setcc(Translator t) => t.Instruction.ConditionCode switch
    {
        ConditionCode.o => Setcc<O>(t),
        ConditionCode.no => Setcc<No>(t),
        ConditionCode.b => Setcc<B>(t),
        ConditionCode.ae => Setcc<Ae>(t),
        ConditionCode.e => Setcc<E>(t),
        ConditionCode.ne => Setcc<Ne>(t),
        ConditionCode.be => Setcc<Be>(t),
        ConditionCode.a => Setcc<A>(t),
        ConditionCode.s => Setcc<S>(t),
        ConditionCode.ns => Setcc<Ns>(t),
        ConditionCode.p => Setcc<P>(t),
        ConditionCode.np => Setcc<Np>(t),
        ConditionCode.l => Setcc<L>(t),
        ConditionCode.ge => Setcc<Ge>(t),
        ConditionCode.le => Setcc<Le>(t),
        _ => Setcc<G>(t),
    };

    public static bool Cmovcc(Translator t) => t.Instruction.ConditionCode switch
    {
        ConditionCode.o => Cmovcc<O>(t),
        ConditionCode.no => Cmovcc<No>(t),
        ConditionCode.b => Cmovcc<B>(t),
        ConditionCode.ae => Cmovcc<Ae>(t),
        ConditionCode.e => Cmovcc<E>(t),
        ConditionCode.ne => Cmovcc<Ne>(t),
        ConditionCode.be => Cmovcc<Be>(t),
        ConditionCode.a => Cmovcc<A>(t),
        ConditionCode.s => Cmovcc<S>(t),
        ConditionCode.ns => Cmovcc<Ns>(t),
        ConditionCode.p => Cmovcc<P>(t),
        ConditionCode.np => Cmovcc<Np>(t),
        ConditionCode.l => Cmovcc<L>(t),
        ConditionCode.ge => Cmovcc<Ge>(t),
        ConditionCode.le => Cmovcc<Le>(t),
        _ => Cmovcc<G>(t),
    };

    private static bool Setcc<TC>(Translator t)
        where TC : struct, ICondition
    {
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = &SetReg<TC>;
            return true;
        }

        t.Memory();
        t.Op->Handler = &SetMem<TC>;
        return true;
    }

    private static Block* SetReg<TC>(CpuState* s, Op* op)
        where TC : struct, ICondition
    {
        *((byte*)s + op->Dst) = TC.Test(s) ? (byte)1 : (byte)0;
        return op[1].Handler(s, op + 1);
    }

    private static Block* SetMem<TC>(CpuState* s, Op* op)
        where TC : struct, ICondition
    {
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 1), 1);
        if (p == null)
            return Faults.Raise(s, op);
        *p = TC.Test(s) ? (byte)1 : (byte)0;
        return op[1].Handler(s, op + 1);
    }

    private static bool Cmovcc<TC>(Translator t)
        where TC : struct, ICondition => t.Size switch
        {
            2 => Cmovcc<TC, ushort>(t),
            4 => Cmovcc<TC, uint>(t),
            _ => Cmovcc<TC, ulong>(t),
        };

    private static bool Cmovcc<TC, T>(Translator t)
        where TC : struct, ICondition
        where T : unmanaged
    {
        t.Op->Dst = t.Register(0);
        if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &CmovReg<TC, T>;
            return true;
        }

        t.Op->Handler = t.Memory() switch
        {
            AddressForm.Flat64 => &CmovMem<TC, T, Flat64>,
            AddressForm.Segment32 => &CmovMem<TC, T, Segment32>,
            _ => &CmovMem<TC, T, AnyAddress>,
        };
        return true;
    }

    private static Block* CmovReg<TC, T>(CpuState* s, Op* op)
        where TC : struct, ICondition
        where T : unmanaged
    {
        // A 32-bit form clears the upper half even when the condition is false.
        Operand.Set<T>(s, op->Dst, TC.Test(s) ? Operand.Get<T>(s, op->Src) : Operand.Get<T>(s, op->Dst));
        return op[1].Handler(s, op + 1);
    }

    private static Block* CmovMem<TC, T, TA>(CpuState* s, Op* op)
        where TC : struct, ICondition
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.Read(s, TA.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, TC.Test(s) ? Operand.Load<T>(p) : Operand.Get<T>(s, op->Dst));
        return op[1].Handler(s, op + 1);
    }
}
