namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>MUL, IMUL, DIV, IDIV, and MULX.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class MulDiv
{
    private const byte Rax = (byte)Gpr.Rax * 8, Rdx = (byte)Gpr.Rdx * 8;

    private interface IWide
    {
        /// <summary>False: #DE.</summary>
        static abstract bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged;
    }

    public static bool Mul(Translator t) => Select<MulOp>(t);

    public static bool Div(Translator t) => Select<DivOp>(t);

    public static bool Idiv(Translator t) => Select<IdivOp>(t);

    public static bool Imul(Translator t)
    {
        if (t.Instruction.OpCount == 1)
            return Select<ImulOp>(t);
        return t.Size switch { 2 => Imul<ushort>(t), 4 => Imul<uint>(t), _ => Imul<ulong>(t) };
    }

    public static bool Mulx(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = t.Register(1);
        t.Op->Aux = t.IsRegister(2) ? t.Register(2) : (byte)0xFF;
        if (!t.IsRegister(2))
            t.Memory();
        t.Op->Handler = t.Size == 4 ? &MulxOp<uint> : &MulxOp<ulong>;
        return true;
    }

    private static bool Select<TOp>(Translator t)
        where TOp : struct, IWide => t.Size switch
        {
            1 => Select<TOp, byte>(t),
            2 => Select<TOp, ushort>(t),
            4 => Select<TOp, uint>(t),
            _ => Select<TOp, ulong>(t),
        };

    private static bool Select<TOp, T>(Translator t)
        where TOp : struct, IWide
        where T : unmanaged
    {
        if (t.IsRegister(0))
        {
            t.Op->Src = t.Register(0);
            t.Op->Handler = &Register<TOp, T>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &Memory<TOp, T>;
        }

        return true;
    }

    private static Block* Register<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IWide
        where T : unmanaged
    {
        if (!TOp.Apply<T>(s, Operand.Get<T>(s, op->Src)))
            return Faults.Raise(s, op, Vectors.De);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Memory<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IWide
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        if (!TOp.Apply<T>(s, Operand.Load<T>(p)))
            return Faults.Raise(s, op, Vectors.De);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Sets AX, or the (E/R)DX:(E/R)AX pair.</summary>
    private static void SetPair<T>(CpuState* s, ulong high, ulong low)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            Operand.Set<ushort>(s, Rax, (byte)low | (high << 8));
            return;
        }

        Operand.Set<T>(s, Rax, low);
        Operand.Set<T>(s, Rdx, high);
    }

    /// <summary>The pair of an operand narrower than 64 bits: AX, DX:AX or EDX:EAX.</summary>
    private static ulong NarrowPair<T>(CpuState* s)
        where T : unmanaged => sizeof(T) == 1
        ? *(ushort*)s
        : (Operand.Zx<T>(s->Gpr[(int)Gpr.Rdx]) << (8 * sizeof(T))) | Operand.Zx<T>(s->Gpr[(int)Gpr.Rax]);

    private readonly struct MulOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            ulong high = Math.BigMul(Operand.Zx<T>(s->Gpr[0]), Operand.Zx<T>(operand), out ulong low);
            if (sizeof(T) < 8)
                high = low >> (8 * sizeof(T));
            SetPair<T>(s, high, low);
            Flags.SetExplicit(s, Operand.Sx<T>(low), high != 0, high != 0);
            return true;
        }
    }

    private readonly struct ImulOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            long high = Math.BigMul((long)Operand.Sx<T>(s->Gpr[0]), (long)operand, out long low);
            if (sizeof(T) < 8)
                high = low >> (8 * sizeof(T));
            long result = (long)Operand.Sx<T>((ulong)low);
            SetPair<T>(s, (ulong)high, (ulong)low);
            bool overflow = high != result >> 63;
            Flags.SetExplicit(s, (ulong)result, overflow, overflow);
            return true;
        }
    }

    private readonly struct DivOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            ulong divisor = Operand.Zx<T>(operand);
            ulong high = sizeof(T) == 8 ? s->Gpr[(int)Gpr.Rdx] : 0;
            ulong low = sizeof(T) == 8 ? s->Gpr[(int)Gpr.Rax] : NarrowPair<T>(s);
            if (high >= divisor)
                return false;
            if (high != 0)
                return Divide128(s, new UInt128(high, low), divisor);
            (ulong quotient, ulong remainder) = Math.DivRem(low, divisor);
            if (quotient != Operand.Zx<T>(quotient))
                return false;
            SetQuotient<T>(s, quotient, remainder);
            return true;
        }

        private static bool Divide128(CpuState* s, UInt128 dividend, ulong divisor)
        {
            ulong quotient = (ulong)(dividend / divisor);
            SetQuotient<ulong>(s, quotient, (ulong)dividend - (quotient * divisor));
            return true;
        }
    }

    private readonly struct IdivOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            long divisor = (long)operand;
            if (divisor == 0)
                return false;
            if (sizeof(T) == 8 && (long)s->Gpr[(int)Gpr.Rdx] != (long)s->Gpr[(int)Gpr.Rax] >> 63)
                return Divide128(s, new Int128(s->Gpr[(int)Gpr.Rdx], s->Gpr[(int)Gpr.Rax]), divisor);
            int shift = sizeof(T) == 8 ? 0 : 64 - (16 * sizeof(T));
            long dividend = sizeof(T) == 8 ? (long)s->Gpr[(int)Gpr.Rax] : (long)(NarrowPair<T>(s) << shift) >> shift;
            if (divisor == -1 && dividend == long.MinValue)
                return false;
            (long quotient, long remainder) = Math.DivRem(dividend, divisor);
            if (quotient != (long)Operand.Sx<T>((ulong)quotient))
                return false;
            SetQuotient<T>(s, (ulong)quotient, (ulong)remainder);
            return true;
        }

        private static bool Divide128(CpuState* s, Int128 dividend, long divisor)
        {
            if (divisor == -1 && dividend == Int128.MinValue)
                return false;
            Int128 quotient = dividend / divisor;
            if (quotient != (long)quotient)
                return false;
            SetQuotient<ulong>(s, (ulong)quotient, (ulong)(dividend - (quotient * divisor)));
            return true;
        }
    }

    private static void SetQuotient<T>(CpuState* s, ulong quotient, ulong remainder)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            Operand.Set<ushort>(s, Rax, (quotient & 0xFF) | (remainder << 8));
            return;
        }

        Operand.Set<T>(s, Rax, quotient);
        Operand.Set<T>(s, Rdx, remainder);
    }

    private static bool Imul<T>(Translator t)
        where T : unmanaged
    {
        Op* op = t.Op;
        op->Dst = t.Register(0);
        bool three = t.Instruction.OpCount == 3;
        if (three)
            op->Imm = t.Immediate(2);
        if (t.IsRegister(1))
        {
            op->Src = t.Register(1);
            op->Handler = three ? &ImulRegImm<T> : &ImulReg<T>;
            t.UsesFlags(FlagUse.Replaced, three ? &ImulRegImmOnly<T> : &ImulRegOnly<T>);
            if (three && sizeof(T) >= 4)
                t.PairsAs(PairPart.ImulImmediate);
            return true;
        }

        t.Memory();
        op->Handler = three ? &ImulMemImm<T> : &ImulMem<T>;
        return true;
    }

    private static ulong Multiply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        long high = sizeof(T) == 8 ? Math.BigMul((long)x, (long)y, out long product) : (product = (long)x * (long)y) >> 63;
        ulong low = Operand.Sx<T>((ulong)product);
        bool overflow = product != (long)low || high != (long)low >> 63;
        Flags.SetExplicit(s, low, overflow, overflow);
        return low;
    }

    private static Block* ImulReg<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Multiply<T>(s, Operand.Get<T>(s, op->Dst), Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ImulRegImm<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Multiply<T>(s, Operand.Get<T>(s, op->Src), op->Imm));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ImulRegOnly<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Get<T>(s, op->Dst) * Operand.Get<T>(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ImulRegImmOnly<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Get<T>(s, op->Src) * op->Imm);
        return op[1].Handler(s, op + 1);
    }

    private static Block* ImulMem<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, Multiply<T>(s, Operand.Get<T>(s, op->Dst), Operand.Load<T>(p)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ImulMemImm<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, Multiply<T>(s, Operand.Load<T>(p), op->Imm));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MulxOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        ulong y;
        if (op->Aux != 0xFF)
        {
            y = Operand.Get<T>(s, op->Aux);
        }
        else
        {
            byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
            if (p == null)
                return Faults.Raise(s, op);
            y = Operand.Load<T>(p);
        }

        UInt128 product = (UInt128)Operand.Zx<T>(s->Gpr[(int)Gpr.Rdx]) * Operand.Zx<T>(y);
        Operand.Set<T>(s, op->Src, (ulong)product);
        Operand.Set<T>(s, op->Dst, (ulong)(product >> (8 * sizeof(T))));
        return op[1].Handler(s, op + 1);
    }
}
