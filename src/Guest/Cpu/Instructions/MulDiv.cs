namespace XenSim.Guest.Cpu.Instructions;

/// <summary>MUL, IMUL, DIV, IDIV, and MULX.</summary>
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

    /// <summary>AX, or the (E/R)DX:(E/R)AX pair.</summary>
    private static void SetPair<T>(CpuState* s, UInt128 value)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            Operand.Set<ushort>(s, Rax, (ulong)value);
            return;
        }

        Operand.Set<T>(s, Rax, (ulong)value);
        Operand.Set<T>(s, Rdx, (ulong)(value >> (8 * sizeof(T))));
    }

    private static UInt128 Pair<T>(CpuState* s)
        where T : unmanaged => sizeof(T) == 1
        ? *(ushort*)s
        : ((UInt128)Operand.Zx<T>(s->Gpr[(int)Gpr.Rdx]) << (8 * sizeof(T))) | Operand.Zx<T>(s->Gpr[(int)Gpr.Rax]);

    private readonly struct MulOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            UInt128 product = (UInt128)Operand.Zx<T>(s->Gpr[0]) * Operand.Zx<T>(operand);
            SetPair<T>(s, product);
            bool overflow = product >> (8 * sizeof(T)) != 0;
            Flags.SetExplicit(s, Operand.Sx<T>((ulong)product), overflow, overflow);
            return true;
        }
    }

    private readonly struct ImulOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            Int128 product = (Int128)(long)Operand.Sx<T>(s->Gpr[0]) * (long)operand;
            SetPair<T>(s, (UInt128)product);
            ulong low = Operand.Sx<T>((ulong)product);
            bool overflow = product != (long)low;
            Flags.SetExplicit(s, low, overflow, overflow);
            return true;
        }
    }

    private readonly struct DivOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            ulong divisor = Operand.Zx<T>(operand);
            if (divisor == 0)
                return false;
            UInt128 dividend = Pair<T>(s);
            UInt128 quotient = dividend >> 64 == 0 ? (ulong)dividend / divisor : dividend / divisor;
            if (quotient >> (8 * sizeof(T)) != 0)
                return false;
            ulong remainder = (ulong)(dividend - (quotient * divisor));
            SetQuotient<T>(s, (ulong)quotient, remainder);
            return true;
        }
    }

    private readonly struct IdivOp : IWide
    {
        public static bool Apply<T>(CpuState* s, ulong operand)
            where T : unmanaged
        {
            if (operand == 0)
                return false;
            int shift = 128 - (16 * sizeof(T));
            Int128 dividend = (Int128)(Pair<T>(s) << shift) >> shift;
            Int128 divisor = (long)operand;
            if (divisor == -1 && dividend == Int128.MinValue)
                return false;
            Int128 quotient = dividend / divisor;
            if (quotient != (long)Operand.Sx<T>((ulong)quotient))
                return false;
            SetQuotient<T>(s, (ulong)quotient, (ulong)(dividend - (quotient * divisor)));
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
            return true;
        }

        t.Memory();
        op->Handler = three ? &ImulMemImm<T> : &ImulMem<T>;
        return true;
    }

    private static ulong Multiply<T>(CpuState* s, ulong x, ulong y)
        where T : unmanaged
    {
        Int128 product = (Int128)(long)x * (long)y;
        ulong low = Operand.Sx<T>((ulong)product);
        bool overflow = product != (long)low;
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
