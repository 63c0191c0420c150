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

    /// <summary>A comparison that waits for the condition of its branch.</summary>
    private interface IForm
    {
        /// <summary>Whether the flags are those of a difference as a whole; if not, only ZF and SF follow from the result.</summary>
        static abstract bool IsDifference { get; }

        static abstract delegate*<CpuState*, Op*, Block*> With<TC>()
            where TC : struct, IDifferenceCondition;
    }

    /// <summary>The handler for a branch on this condition; null: the two stay apart.</summary>
    public static delegate*<CpuState*, Op*, Block*> Binary<TOp, T, TSource>(ConditionCode condition)
        where TOp : struct, IBinary
        where T : unmanaged
        where TSource : struct, ISource => Choose<BinaryForm<TOp, T, TSource>>(condition);

    /// <summary>The same for CMP and TEST of memory that a base register and a displacement address.</summary>
    public static delegate*<CpuState*, Op*, Block*> Memory<TUse, TOp, T>(ConditionCode condition)
        where TUse : struct, IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged => Choose<ComparisonForm<TUse, TOp, T>>(condition);

    /// <summary>The same for INC and DEC, whose overflow is not a difference's.</summary>
    public static delegate*<CpuState*, Op*, Block*> Unary<TOp, T>(ConditionCode condition)
        where TOp : struct, IUnary
        where T : unmanaged => Choose<UnaryForm<TOp, T>>(condition);

    private static delegate*<CpuState*, Op*, Block*> Choose<TForm>(ConditionCode condition)
        where TForm : struct, IForm
    {
        switch (condition)
        {
            case ConditionCode.e: return TForm.With<E>();
            case ConditionCode.ne: return TForm.With<Ne>();
            case ConditionCode.s: return TForm.With<S>();
            case ConditionCode.ns: return TForm.With<Ns>();
        }

        if (!TForm.IsDifference)
            return null;
        return condition switch
        {
            ConditionCode.b => TForm.With<B>(),
            ConditionCode.ae => TForm.With<Ae>(),
            ConditionCode.be => TForm.With<Be>(),
            ConditionCode.a => TForm.With<A>(),
            ConditionCode.l => TForm.With<L>(),
            ConditionCode.ge => TForm.With<Ge>(),
            ConditionCode.le => TForm.With<Le>(),
            ConditionCode.g => TForm.With<G>(),
            _ => null,
        };
    }

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

    private readonly struct BinaryForm<TOp, T, TSource> : IForm
        where TOp : struct, IBinary
        where T : unmanaged
        where TSource : struct, ISource
    {
        public static bool IsDifference => TOp.IsDifference && !TOp.Writes;

        public static delegate*<CpuState*, Op*, Block*> With<TC>()
            where TC : struct, IDifferenceCondition => &BinaryOp<TOp, T, TSource, TC>;
    }

    private readonly struct ComparisonForm<TUse, TOp, T> : IForm
        where TUse : struct, IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
    {
        public static bool IsDifference => TOp.IsDifference;

        public static delegate*<CpuState*, Op*, Block*> With<TC>()
            where TC : struct, IDifferenceCondition => &MemoryOp<TUse, TOp, T, TC>;
    }

    private readonly struct UnaryForm<TOp, T> : IForm
        where TOp : struct, IUnary
        where T : unmanaged
    {
        public static bool IsDifference => false;

        public static delegate*<CpuState*, Op*, Block*> With<TC>()
            where TC : struct, IDifferenceCondition => &UnaryOp<TOp, T, TC>;
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
