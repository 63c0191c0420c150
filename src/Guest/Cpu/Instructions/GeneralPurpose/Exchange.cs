using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B, XLAT, BOUND, RDRAND, RDSEED.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Exchange
{
    public static bool Xadd(Translator t) => t.Size switch
    {
        1 => Select(t, &XaddOp<byte>),
        2 => Select(t, &XaddOp<ushort>),
        4 => Select(t, &XaddOp<uint>),
        _ => Select(t, &XaddOp<ulong>),
    };

    public static bool Cmpxchg(Translator t) => t.Size switch
    {
        1 => Select(t, &CmpxchgOp<byte>),
        2 => Select(t, &CmpxchgOp<ushort>),
        4 => Select(t, &CmpxchgOp<uint>),
        _ => Select(t, &CmpxchgOp<ulong>),
    };

    public static bool CmpxchgPair(Translator t)
    {
        t.Memory();
        t.Op->Handler = t.Instruction.Mnemonic == Mnemonic.Cmpxchg8b ? &Cmpxchg8b : &Cmpxchg16b;
        return true;
    }

    public static bool Xlat(Translator t)
    {
        t.Memory();
        // The index is AL, zero-extended: added by the handler.
        t.Op->IndexReg = CpuState.ZeroOffset;
        t.Op->Base = (byte)Gpr.Rbx * 8;
        t.Op->Handler = &XlatOp;
        return true;
    }

    public static bool Bound(Translator t)
    {
        t.Op->Src = t.Register(0);
        t.Memory();
        t.Op->Handler = t.Size == 2 ? &BoundOp<ushort> : &BoundOp<uint>;
        return true;
    }

    public static bool Random(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Handler = t.Size switch { 2 => &RandomOp<ushort>, 4 => &RandomOp<uint>, _ => &RandomOp<ulong> };
        return true;
    }

    private static bool Select(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Op->Src = t.Register(1);
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Aux = 1;
        }
        else
        {
            t.Memory();
        }

        t.Op->Handler = handler;
        return true;
    }

    private static Block* XaddOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        bool register = op->Aux != 0;
        byte* p = register ? (byte*)s + op->Dst : Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong old = Operand.Load<T>(p);
        ulong sum = Add.Apply<T>(s, old, Operand.Get<T>(s, op->Src));
        Operand.Set<T>(s, op->Src, old);
        if (register)
        {
            Operand.Set<T>(s, op->Dst, sum);
        }
        else
        {
            Operand.Store<T>(p, sum);
            Tlb.Commit(s, p);
        }

        return op[1].Handler(s, op + 1);
    }

    /// <summary>A failed comparison leaves even the upper half of a 32-bit destination register alone, as processors do.</summary>
    private static Block* CmpxchgOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        bool register = op->Aux != 0;
        byte* p = register ? (byte*)s + op->Dst : Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong old = Operand.Load<T>(p);
        ulong accumulator = Operand.Get<T>(s, 0);
        Sub.Apply<T>(s, accumulator, old);
        if (old == accumulator)
        {
            ulong value = Operand.Get<T>(s, op->Src);
            if (register)
            {
                Operand.Set<T>(s, op->Dst, value);
            }
            else
            {
                Operand.Store<T>(p, value);
                Tlb.Commit(s, p);
            }
        }
        else
        {
            Operand.Set<T>(s, 0, old);
        }

        return op[1].Handler(s, op + 1);
    }

    private static void SetZero(CpuState* s, bool zf) => Flags.Set(s, (Flags.Get(s) & ~RflagsBits.Zf) | (zf ? RflagsBits.Zf : 0));

    private static Block* Cmpxchg8b(CpuState* s, Op* op)
    {
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 8), 8);
        if (p == null)
            return Faults.Raise(s, op);
        ulong old = *(ulong*)p;
        bool equal = old == ((uint)s->Gpr[(int)Gpr.Rax] | (s->Gpr[(int)Gpr.Rdx] << 32));
        SetZero(s, equal);
        if (equal)
        {
            *(ulong*)p = (uint)s->Gpr[(int)Gpr.Rbx] | (s->Gpr[(int)Gpr.Rcx] << 32);
            Tlb.Commit(s, p);
        }
        else
        {
            s->Gpr[(int)Gpr.Rax] = (uint)old;
            s->Gpr[(int)Gpr.Rdx] = old >> 32;
        }

        return op[1].Handler(s, op + 1);
    }

    private static Block* Cmpxchg16b(CpuState* s, Op* op)
    {
        ulong linear = AnyAddress.Write(s, op, 16);
        if ((linear & 15) != 0 && linear != Tlb.NoAddress)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Modify(s, linear, 16);
        if (p == null)
            return Faults.Raise(s, op);
        ulong low = *(ulong*)p, high = *(ulong*)(p + 8);
        bool equal = low == s->Gpr[(int)Gpr.Rax] && high == s->Gpr[(int)Gpr.Rdx];
        SetZero(s, equal);
        if (equal)
        {
            *(ulong*)p = s->Gpr[(int)Gpr.Rbx];
            *(ulong*)(p + 8) = s->Gpr[(int)Gpr.Rcx];
        }
        else
        {
            s->Gpr[(int)Gpr.Rax] = low;
            s->Gpr[(int)Gpr.Rdx] = high;
        }

        return op[1].Handler(s, op + 1);
    }

    private static Block* XlatOp(CpuState* s, Op* op)
    {
        ulong offset = Operand.Sum(s, op) + (byte)s->Gpr[0];
        offset = op->Form switch
        {
            AddressForm.Segment16 => (ushort)offset,
            AddressForm.Segment32 or AddressForm.Short64 => (uint)offset,
            _ => offset,
        };
        byte* p = Tlb.Read(s, Operand.InSegment(s, op->Segment, offset, 1, false), 1);
        if (p == null)
            return Faults.Raise(s, op);
        *(byte*)s = *p;
        return op[1].Handler(s, op + 1);
    }

    private static Block* BoundOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2 * sizeof(T)), 2 * sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        long index = (long)Operand.Get<T>(s, op->Src);
        if (index < (long)Operand.Load<T>(p) || index > (long)Operand.Load<T>(p + sizeof(T)))
            return Faults.Raise(s, op, Vectors.Br);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>xorshift64*, so that a run repeats; always succeeds (CF = 1, the other flags 0).</summary>
    private static Block* RandomOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        ulong x = s->RandomState;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        s->RandomState = x;
        Operand.Set<T>(s, op->Dst, x * 0x2545_F491_4F6C_DD1D);
        Flags.Set(s, RflagsBits.Cf);
        return op[1].Handler(s, op + 1);
    }
}
