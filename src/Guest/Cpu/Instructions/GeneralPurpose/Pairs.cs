using System.Runtime.CompilerServices;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>What an instruction of 64-bit code is to <see cref="Pairs"/>.</summary>
internal enum PairPart : byte
{
    /// <summary>It goes by itself.</summary>
    None,
    Mov,
    AddRegister,
    SubRegister,
    OrRegister,
    XorRegister,
    AddImmediate,
    AndImmediate,
    ImulImmediate,
    Shl,
    Shr,
    Rol,
    Push,
    Pop,
    Return,
}

/// <summary>
/// Two instructions in one handler: those that compute in one register, which then goes through memory once, where no flag of either is seen; and
/// accesses to neighbouring slots of the stack, which are found by one look into the TLB. An access that misses it leaves the second instruction alone.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, followed by the second instruction's; register offsets are the translator's.
internal static unsafe class Pairs
{
    private const byte Sp = (byte)Gpr.Rsp * 8;

    /// <summary>A value computed from the one before, which is the destination's, and the op's source; no flag, no fault.</summary>
    private interface IPart
    {
        static abstract ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged;
    }

    /// <summary>Whether the handler without flags must be the one that the instruction has.</summary>
    public static bool ReplacesFlags(PairPart part) => part is > PairPart.Mov and < PairPart.Push;

    /// <summary>The handler that does both, for the first one's op; null: they stay apart.</summary>
    /// <param name="wide">Operands of 64 bits, else of 32.</param>
    public static delegate*<CpuState*, Op*, Block*> Select(Op* op, PairPart first, PairPart second, bool wide)
    {
        if (first >= PairPart.Push)
            return SelectStack(op, first, second);
        // What the second reads must not be what the first one has yet to write.
        if (second is PairPart.None or PairPart.Mov or >= PairPart.Push || op->Dst != op[1].Dst || (op[1].Src == op->Dst && second < PairPart.AddImmediate))
            return null;
        return wide ? First<ulong>(first, second) : First<uint>(first, second);
    }

    private static delegate*<CpuState*, Op*, Block*> SelectStack(Op* op, PairPart first, PairPart second) => (first, second) switch
    {
        (PairPart.Push, PairPart.Push) when op[1].Src != Sp => &PushPush,
        (PairPart.Pop, PairPart.Pop) when op->Dst != Sp => &PopPop,
        (PairPart.Pop, PairPart.Return) when op->Dst != Sp => &PopReturn,
        _ => null,
    };

    private static delegate*<CpuState*, Op*, Block*> First<T>(PairPart first, PairPart second)
        where T : unmanaged => first switch
        {
            PairPart.Mov => Second<MovPart, T>(second),
            PairPart.AddRegister => Second<RegisterPart<Add>, T>(second),
            PairPart.SubRegister => Second<RegisterPart<Sub>, T>(second),
            PairPart.OrRegister => Second<RegisterPart<Or>, T>(second),
            PairPart.XorRegister => Second<RegisterPart<Xor>, T>(second),
            PairPart.AddImmediate => Second<ImmediatePart<Add>, T>(second),
            PairPart.AndImmediate => Second<ImmediatePart<And>, T>(second),
            PairPart.ImulImmediate => Second<ImulPart, T>(second),
            PairPart.Shl => Second<ShiftPart<Shl>, T>(second),
            PairPart.Shr => Second<ShiftPart<Shr>, T>(second),
            _ => Second<ShiftPart<Rol>, T>(second),
        };

    private static delegate*<CpuState*, Op*, Block*> Second<TFirst, T>(PairPart second)
        where TFirst : struct, IPart
        where T : unmanaged => second switch
        {
            PairPart.AddRegister => &Both<TFirst, RegisterPart<Add>, T>,
            PairPart.SubRegister => &Both<TFirst, RegisterPart<Sub>, T>,
            PairPart.OrRegister => &Both<TFirst, RegisterPart<Or>, T>,
            PairPart.XorRegister => &Both<TFirst, RegisterPart<Xor>, T>,
            PairPart.AddImmediate => &Both<TFirst, ImmediatePart<Add>, T>,
            PairPart.AndImmediate => &Both<TFirst, ImmediatePart<And>, T>,
            PairPart.Shl => &Both<TFirst, ShiftPart<Shl>, T>,
            PairPart.Shr => &Both<TFirst, ShiftPart<Shr>, T>,
            PairPart.Rol => &Both<TFirst, ShiftPart<Rol>, T>,
            _ => null,
        };

    private static Block* Both<TFirst, TSecond, T>(CpuState* s, Op* op)
        where TFirst : struct, IPart
        where TSecond : struct, IPart
        where T : unmanaged
    {
        ulong value = TFirst.Apply<T>(s, op, Operand.Get<T>(s, op->Dst));
        Operand.Set<T>(s, op->Dst, TSecond.Apply<T>(s, op + 1, value));
        return op[2].Handler(s, op + 2);
    }

    private static Block* PushPush(CpuState* s, Op* op)
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp] - 16;
        ulong* p = (ulong*)Tlb.FindWrite(s, pointer, 16);
        if (p == null)
            return Stack.PushRegSlow<Stack64, ulong>(s, op);
        p[1] = Operand.Get<ulong>(s, op->Src);
        p[0] = Operand.Get<ulong>(s, op[1].Src);
        s->Gpr[(int)Gpr.Rsp] = pointer;
        return op[2].Handler(s, op + 2);
    }

    private static Block* PopPop(CpuState* s, Op* op)
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp];
        ulong* p = (ulong*)Tlb.FindRead(s, pointer, 16);
        if (p == null)
            return Stack.PopRegSlow<Stack64, ulong>(s, op);
        s->Gpr[(int)Gpr.Rsp] = pointer + 16;
        Operand.Set<ulong>(s, op->Dst, p[0]);
        Operand.Set<ulong>(s, op[1].Dst, p[1]);
        return op[2].Handler(s, op + 2);
    }

    private static Block* PopReturn(CpuState* s, Op* op)
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp];
        ulong* p = (ulong*)Tlb.FindRead(s, pointer, 16);
        if (p == null)
            return Stack.PopRegSlow<Stack64, ulong>(s, op);
        Operand.Set<ulong>(s, op->Dst, p[0]);
        s->Gpr[(int)Gpr.Rsp] = pointer + 8;
        return Branch.ReturnTo<Stack64, ulong>(s, op + 1, pointer + 8, p[1]);
    }

    private readonly struct MovPart : IPart
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged => Operand.Get<T>(s, op->Src);
    }

    private readonly struct RegisterPart<TOp> : IPart
        where TOp : struct, IBinary
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged => TOp.Result(value, Operand.Get<T>(s, op->Src));
    }

    private readonly struct ImmediatePart<TOp> : IPart
        where TOp : struct, IBinary
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged => TOp.Result(value, op->Imm);
    }

    /// <summary>Its factor is another register as often as not, so that it only begins a pair.</summary>
    private readonly struct ImulPart : IPart
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged => Operand.Get<T>(s, op->Src) * op->Imm;
    }

    private readonly struct ShiftPart<TOp> : IPart
        where TOp : struct, IShift
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Apply<T>(CpuState* s, Op* op, ulong value)
            where T : unmanaged => TOp.Result<T>(Operand.Zx<T>(value), op->Aux);
    }
}
