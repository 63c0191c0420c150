using System.Runtime.CompilerServices;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>
/// A comparison and the conditional branch after it in one handler, in 64-bit code: the branch is decided by the values in hand, not by the flags just
/// stored. The comparison can neither fault nor write memory, so nothing can come between the two; one of memory that misses the TLB, which may fault
/// or be watched, does without its branch.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, followed by the branch's two slots; register offsets are the translator's.
internal static unsafe class CompareAndBranch
{
    /// <summary>Where the second operand comes from.</summary>
    internal interface ISource
    {
        static abstract ulong Get<T>(CpuState* s, Op* op)
            where T : unmanaged;
    }

    /// <summary>A comparison with memory.</summary>
    internal interface IMemoryComparison : IMemoryUse
    {
        static abstract ulong X(CpuState* s, Op* op, byte* operand);

        static abstract ulong Y(CpuState* s, Op* op, byte* operand);
    }

    /// <summary>The handler for a branch on this condition; null: the two stay apart.</summary>
    public static delegate*<CpuState*, Op*, Block*> Binary<TOp, T, TSource>(ConditionCode condition)
        where TOp : struct, IBinary
        where T : unmanaged
        where TSource : struct, ISource
    {
        switch (condition)
        {
            case ConditionCode.e: return &BinaryOp<TOp, T, TSource, E>;
            case ConditionCode.ne: return &BinaryOp<TOp, T, TSource, Ne>;
            case ConditionCode.s: return &BinaryOp<TOp, T, TSource, S>;
            case ConditionCode.ns: return &BinaryOp<TOp, T, TSource, Ns>;
        }

        if (TOp.Writes || !TOp.IsDifference)
            return null;
        return condition switch
        {
            ConditionCode.b => &BinaryOp<TOp, T, TSource, B>,
            ConditionCode.ae => &BinaryOp<TOp, T, TSource, Ae>,
            ConditionCode.be => &BinaryOp<TOp, T, TSource, Be>,
            ConditionCode.a => &BinaryOp<TOp, T, TSource, A>,
            ConditionCode.l => &BinaryOp<TOp, T, TSource, L>,
            ConditionCode.ge => &BinaryOp<TOp, T, TSource, Ge>,
            ConditionCode.le => &BinaryOp<TOp, T, TSource, Le>,
            ConditionCode.g => &BinaryOp<TOp, T, TSource, G>,
            _ => null,
        };
    }

    /// <summary>The same for CMP and TEST of memory that a base register and a displacement address.</summary>
    public static delegate*<CpuState*, Op*, Block*> Memory<TUse, TOp, T>(ConditionCode condition)
        where TUse : struct, IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
    {
        switch (condition)
        {
            case ConditionCode.e: return &MemoryOp<TUse, TOp, T, E>;
            case ConditionCode.ne: return &MemoryOp<TUse, TOp, T, Ne>;
            case ConditionCode.s: return &MemoryOp<TUse, TOp, T, S>;
            case ConditionCode.ns: return &MemoryOp<TUse, TOp, T, Ns>;
        }

        if (!TOp.IsDifference)
            return null;
        return condition switch
        {
            ConditionCode.b => &MemoryOp<TUse, TOp, T, B>,
            ConditionCode.ae => &MemoryOp<TUse, TOp, T, Ae>,
            ConditionCode.be => &MemoryOp<TUse, TOp, T, Be>,
            ConditionCode.a => &MemoryOp<TUse, TOp, T, A>,
            ConditionCode.l => &MemoryOp<TUse, TOp, T, L>,
            ConditionCode.ge => &MemoryOp<TUse, TOp, T, Ge>,
            ConditionCode.le => &MemoryOp<TUse, TOp, T, Le>,
            ConditionCode.g => &MemoryOp<TUse, TOp, T, G>,
            _ => null,
        };
    }

    /// <summary>The same for INC and DEC, whose overflow is not a difference's.</summary>
    public static delegate*<CpuState*, Op*, Block*> Unary<TOp, T>(ConditionCode condition)
        where TOp : struct, IUnary
        where T : unmanaged => condition switch
        {
            ConditionCode.e => &UnaryOp<TOp, T, E>,
            ConditionCode.ne => &UnaryOp<TOp, T, Ne>,
            ConditionCode.s => &UnaryOp<TOp, T, S>,
            ConditionCode.ns => &UnaryOp<TOp, T, Ns>,
            _ => null,
        };

    private static Block* BinaryOp<TOp, T, TSource, TC>(CpuState* s, Op* op)
        where TOp : struct, IBinary
        where T : unmanaged
        where TSource : struct, ISource
        where TC : struct, IDifferenceCondition
    {
        ulong x = Operand.Get<T>(s, op->Dst), y = TSource.Get<T>(s, op), r = TOp.Apply<T>(s, x, y);
        if (TOp.Writes)
            Operand.Set<T>(s, op->Dst, r);
        // A result of logic has the flags of its difference from 0.
        return Branch.Decide(s, op + 1, TOp.IsDifference ? TC.OfDifference(x, y, r) : TC.OfDifference(r, 0, r));
    }

    private static Block* MemoryOp<TUse, TOp, T, TC>(CpuState* s, Op* op)
        where TUse : struct, IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
        where TC : struct, IDifferenceCondition
    {
        byte* p = Tlb.FindRead(s, Base64.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return MemoryForm.ReadSlow<TUse, T, Base64>(s, op);
        ulong x = TUse.X(s, op, p), y = TUse.Y(s, op, p), r = TOp.Apply<T>(s, x, y);
        return Branch.Decide(s, op + 1, TOp.IsDifference ? TC.OfDifference(x, y, r) : TC.OfDifference(r, 0, r));
    }

    private static Block* UnaryOp<TOp, T, TC>(CpuState* s, Op* op)
        where TOp : struct, IUnary
        where T : unmanaged
        where TC : struct, IDifferenceCondition
    {
        ulong r = TOp.Apply<T>(s, Operand.Get<T>(s, op->Dst));
        Operand.Set<T>(s, op->Dst, r);
        return Branch.Decide(s, op + 1, TC.OfDifference(r, 0, r));
    }

    internal readonly struct FromRegister : ISource
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Get<T>(CpuState* s, Op* op)
            where T : unmanaged => Operand.Get<T>(s, op->Src);
    }

    internal readonly struct FromImmediate : ISource
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Get<T>(CpuState* s, Op* op)
            where T : unmanaged => op->Imm;
    }
}
