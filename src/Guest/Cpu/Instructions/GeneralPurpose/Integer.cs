using System.Runtime.CompilerServices;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>Two operands in (sign-extended from the size of T), one result out, flags set.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IBinary
{
    /// <summary>False for CMP and TEST.</summary>
    static abstract bool Writes { get; }

    static abstract ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged;

    /// <summary>False for ADC and SBB, which read CF.</summary>
    static abstract bool ReplacesFlags { get; }

    /// <summary>SUB and CMP: the flags are those of a difference.</summary>
    static abstract bool IsDifference { get; }

    /// <summary>A conditional branch often follows: SUB, CMP, AND and TEST.</summary>
    static abstract bool Decides { get; }

    /// <summary>What it is to <see cref="Pairs"/> with a register as its source.</summary>
    static abstract PairPart WithRegister { get; }

    /// <summary>The same with an immediate.</summary>
    static abstract PairPart WithImmediate { get; }

    /// <summary>The result, not extended, without a flag; not called for ADC and SBB.</summary>
    static abstract ulong Result(ulong x, ulong y);
}

// SAFETY: as above.
internal readonly unsafe struct Add : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.AddRegister;

    public static PairPart WithImmediate => PairPart.AddImmediate;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => false;

    public static bool Decides => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong r = Operand.Sx<T>(x + y);
        Flags.SetAdd<T>(s, y, r);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Adc : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.None;

    public static PairPart WithImmediate => PairPart.None;

    public static bool IsDifference => false;

    public static bool Decides => false;

    public static bool ReplacesFlags => false;

    public static ulong Result(ulong x, ulong y) => throw new System.Diagnostics.UnreachableException();

    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong c = Flags.Cf(s) ? 1u : 0u;
        ulong r = Operand.Sx<T>(x + y + c);
        bool carry = c == 0 ? r < y : r <= y;
        Flags.SetExplicit(s, r, carry, (long)((x ^ r) & (y ^ r)) < 0, (uint)(x ^ y ^ r) & RflagsBits.Af);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Sub : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.SubRegister;

    public static PairPart WithImmediate => PairPart.None;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => true;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong r = Operand.Sx<T>(x - y);
        Flags.SetSub(s, x, y, r);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Cmp : IBinary
{
    public static bool Writes => false;

    public static PairPart WithRegister => PairPart.None;

    public static PairPart WithImmediate => PairPart.None;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => true;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged => Sub.Apply<T>(s, x, y);
}

// SAFETY: as above.
internal readonly unsafe struct Sbb : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.None;

    public static PairPart WithImmediate => PairPart.None;

    public static bool IsDifference => false;

    public static bool Decides => false;

    public static bool ReplacesFlags => false;

    public static ulong Result(ulong x, ulong y) => throw new System.Diagnostics.UnreachableException();

    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong c = Flags.Cf(s) ? 1u : 0u;
        ulong r = Operand.Sx<T>(x - y - c);
        bool borrow = c == 0 ? x < y : x <= y;
        Flags.SetExplicit(s, r, borrow, (long)((x ^ y) & (x ^ r)) < 0, (uint)(x ^ y ^ r) & RflagsBits.Af);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct And : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.None;

    public static PairPart WithImmediate => PairPart.AndImmediate;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => false;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x & y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong r = x & y;
        Flags.SetLogic(s, r);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Test : IBinary
{
    public static bool Writes => false;

    public static PairPart WithRegister => PairPart.None;

    public static PairPart WithImmediate => PairPart.None;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => false;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x & y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged => And.Apply<T>(s, x, y);
}

// SAFETY: as above.
internal readonly unsafe struct Or : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.OrRegister;

    public static PairPart WithImmediate => PairPart.None;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => false;

    public static bool Decides => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x | y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong r = x | y;
        Flags.SetLogic(s, r);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Xor : IBinary
{
    public static bool Writes => true;

    public static PairPart WithRegister => PairPart.XorRegister;

    public static PairPart WithImmediate => PairPart.None;

    public static bool ReplacesFlags => true;

    public static bool IsDifference => false;

    public static bool Decides => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x, ulong y) => x ^ y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        ulong r = x ^ y;
        Flags.SetLogic(s, r);
        return r;
    }
}

/// <summary>One operand in place.</summary>
// SAFETY: as above.
internal unsafe interface IUnary
{
    static abstract ulong Apply<T>(CpuState* s, ulong x)
        where T : unmanaged;

    /// <summary>What it does with the flags when its operand is a register.</summary>
    static abstract FlagUse Flags { get; }

    /// <summary>Counters count with it: a conditional branch often follows.</summary>
    static abstract bool Decides { get; }

    /// <summary>The result, not extended, without a flag.</summary>
    static abstract ulong Result(ulong x);
}

// SAFETY: as above.
internal readonly unsafe struct Inc : IUnary
{
    public static FlagUse Flags => FlagUse.Seen;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x) => x + 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x)
        where T : unmanaged
    {
        ulong r = Operand.Sx<T>(x + 1);
        Cpu.Flags.SetExplicit(s, r, Cpu.Flags.Cf(s), (long)(~x & r) < 0, (uint)(x ^ r) & RflagsBits.Af);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Dec : IUnary
{
    public static FlagUse Flags => FlagUse.Seen;

    public static bool Decides => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x) => x - 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x)
        where T : unmanaged
    {
        ulong r = Operand.Sx<T>(x - 1);
        Cpu.Flags.SetExplicit(s, r, Cpu.Flags.Cf(s), (long)(x & ~r) < 0, (uint)(x ^ r) & RflagsBits.Af);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Neg : IUnary
{
    public static FlagUse Flags => FlagUse.Replaced;

    public static bool Decides => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x) => 0 - x;

    public static ulong Apply<T>(CpuState* s, ulong x)
        where T : unmanaged => Sub.Apply<T>(s, 0, x);
}

// SAFETY: as above.
internal readonly unsafe struct Not : IUnary
{
    public static FlagUse Flags => FlagUse.Passed;

    public static bool Decides => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result(ulong x) => ~x;

    public static ulong Apply<T>(CpuState* s, ulong x)
        where T : unmanaged => ~x;
}

/// <summary>The plumbing of binary and unary operations over all operand forms and sizes.</summary>
// SAFETY: as above.
internal static unsafe class Integer
{
    public static bool Binary<TOp>(Translator t)
        where TOp : struct, IBinary => t.Size switch
        {
            1 => Binary<TOp, byte>(t),
            2 => Binary<TOp, ushort>(t),
            4 => Binary<TOp, uint>(t),
            _ => Binary<TOp, ulong>(t),
        };

    public static bool Unary<TOp>(Translator t)
        where TOp : struct, IUnary => t.Size switch
        {
            1 => Unary<TOp, byte>(t),
            2 => Unary<TOp, ushort>(t),
            4 => Unary<TOp, uint>(t),
            _ => Unary<TOp, ulong>(t),
        };

    private static bool Binary<TOp, T>(Translator t)
        where TOp : struct, IBinary
        where T : unmanaged
    {
        Op* op = t.Op;
        if (t.IsRegister(0))
        {
            op->Dst = t.Register(0);
            if (t.IsRegister(1))
            {
                op->Src = t.Register(1);
                op->Handler = &RegReg<TOp, T>;
                if (TOp.ReplacesFlags)
                    t.UsesFlags(FlagUse.Replaced, TOp.Writes ? &RegRegOnly<TOp, T> : null);
                if (TOp.Decides && sizeof(T) != 2)
                    t.Fuse = &CompareAndBranch.Binary<TOp, T, CompareAndBranch.FromRegister>;
                if (sizeof(T) >= 4)
                    t.PairsAs(TOp.WithRegister);
            }
            else if (t.IsMemory(1))
            {
                MemoryForm.Read<RegMem<TOp, T>, T>(t);
                FuseMemory<TOp, RegMem<TOp, T>, T>(t);
            }
            else
            {
                op->Imm = t.Immediate(1);
                op->Handler = &RegImm<TOp, T>;
                if (TOp.ReplacesFlags)
                    t.UsesFlags(FlagUse.Replaced, TOp.Writes ? &RegImmOnly<TOp, T> : null);
                if (TOp.Decides && sizeof(T) != 2)
                    t.Fuse = &CompareAndBranch.Binary<TOp, T, CompareAndBranch.FromImmediate>;
                if (sizeof(T) >= 4)
                    t.PairsAs(TOp.WithImmediate);
            }

            return true;
        }

        if (t.IsRegister(1))
        {
            op->Src = t.Register(1);
            Memory<TOp, MemReg<TOp, T>, T>(t);
        }
        else
        {
            op->Imm = t.Immediate(1);
            Memory<TOp, MemImm<TOp, T>, T>(t);
        }

        return true;
    }

    private static Block* RegReg<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBinary
        where T : unmanaged
    {
        ulong r = TOp.Apply<T>(s, Operand.Get<T>(s, op->Dst), Operand.Get<T>(s, op->Src));
        if (TOp.Writes)
            Operand.Set<T>(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegImm<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBinary
        where T : unmanaged
    {
        ulong r = TOp.Apply<T>(s, Operand.Get<T>(s, op->Dst), op->Imm);
        if (TOp.Writes)
            Operand.Set<T>(s, op->Dst, r);
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegRegOnly<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBinary
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Result(Operand.Get<T>(s, op->Dst), Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegImmOnly<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBinary
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Result(Operand.Get<T>(s, op->Dst), op->Imm));
        return op[1].Handler(s, op + 1);
    }

    private static void Memory<TOp, TUse, T>(Translator t)
        where TOp : struct, IBinary
        where TUse : struct, CompareAndBranch.IMemoryComparison
        where T : unmanaged
    {
        if (TOp.Writes)
        {
            MemoryForm.Modify<TUse, T>(t);
            return;
        }

        MemoryForm.Read<TUse, T>(t);
        FuseMemory<TOp, TUse, T>(t);
    }

    private static void FuseMemory<TOp, TUse, T>(Translator t)
        where TOp : struct, IBinary
        where TUse : struct, CompareAndBranch.IMemoryComparison
        where T : unmanaged
    {
        if (!TOp.Writes && sizeof(T) != 2 && t.Op->Form == AddressForm.Flat64 && t.Op->IndexReg == CpuState.ZeroOffset)
            t.Fuse = &CompareAndBranch.Memory<TUse, TOp, T>;
    }

    private readonly struct RegMem<TOp, T> : CompareAndBranch.IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong X(CpuState* s, Op* op, byte* operand) => Operand.Get<T>(s, op->Dst);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Y(CpuState* s, Op* op, byte* operand) => Operand.Load<T>(operand);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand)
        {
            ulong r = TOp.Apply<T>(s, X(s, op, operand), Y(s, op, operand));
            if (TOp.Writes)
                Operand.Set<T>(s, op->Dst, r);
        }
    }

    private readonly struct MemReg<TOp, T> : CompareAndBranch.IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong X(CpuState* s, Op* op, byte* operand) => Operand.Load<T>(operand);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Y(CpuState* s, Op* op, byte* operand) => Operand.Get<T>(s, op->Src);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand)
        {
            ulong r = TOp.Apply<T>(s, X(s, op, operand), Y(s, op, operand));
            if (TOp.Writes)
                Operand.Store<T>(operand, r);
        }
    }

    private readonly struct MemImm<TOp, T> : CompareAndBranch.IMemoryComparison
        where TOp : struct, IBinary
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong X(CpuState* s, Op* op, byte* operand) => Operand.Load<T>(operand);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Y(CpuState* s, Op* op, byte* operand) => op->Imm;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand)
        {
            ulong r = TOp.Apply<T>(s, X(s, op, operand), Y(s, op, operand));
            if (TOp.Writes)
                Operand.Store<T>(operand, r);
        }
    }

    private static bool Unary<TOp, T>(Translator t)
        where TOp : struct, IUnary
        where T : unmanaged
    {
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = &UnaryReg<TOp, T>;
            t.UsesFlags(TOp.Flags, TOp.Flags == FlagUse.Passed ? null : &UnaryRegOnly<TOp, T>);
            if (TOp.Decides && sizeof(T) >= 4)
                t.Fuse = &CompareAndBranch.Unary<TOp, T>;
            return true;
        }

        MemoryForm.Modify<UnaryMem<TOp, T>, T>(t);
        return true;
    }

    private static Block* UnaryReg<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IUnary
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Apply<T>(s, Operand.Get<T>(s, op->Dst)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* UnaryRegOnly<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IUnary
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Result(Operand.Get<T>(s, op->Dst)));
        return op[1].Handler(s, op + 1);
    }

    private readonly struct UnaryMem<TOp, T> : IMemoryUse
        where TOp : struct, IUnary
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand) => Operand.Store<T>(operand, TOp.Apply<T>(s, Operand.Load<T>(operand)));
    }
}
