using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>MMX moves: MOVD, MOVQ, MOVNTQ, MOVQ2DQ, MOVDQ2Q, PINSRW, PEXTRW, PMOVMSKB, MASKMOVQ, EMMS. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class MmxMove
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Movd or Mnemonic.Movq => Move(t),
        Mnemonic.Movntq => Store<ulong>(t),
        Mnemonic.Movq2dq => Between(t, 1, &ToXmm),
        Mnemonic.Movdq2q => Between(t, 0, &FromXmm),
        Mnemonic.Pinsrw => InsertWord(t),
        Mnemonic.Pextrw => Word(t, &ExtractWord),
        Mnemonic.Pmovmskb => Word(t, &SignMask),
        Mnemonic.Maskmovq => MaskedStore(t),
        _ => false,
    };

    /// <summary>EMMS has no operand.</summary>
    public static bool SelectEmms(Translator t)
    {
        t.Op->Handler = &Emms;
        return true;
    }

    private static bool Move(Translator t)
    {
        if (!Mmx.IsMmx(t, 0))
            return t.IsMemory(0) ? t.Size == 4 ? Store<uint>(t) : Store<ulong>(t) : ToGeneral(t);
        t.Op->Dst = Mmx.Number(t, 0);
        bool four = t.SourceSize == 4;
        if (t.IsMemory(1))
        {
            t.Memory();
            t.Op->Handler = four ? &Load<uint> : &Load<ulong>;
        }
        else if (Mmx.IsMmx(t, 1))
        {
            t.Op->Src = Mmx.Number(t, 1);
            t.Op->Handler = &Copy;
        }
        else
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = four ? &FromGeneral<uint> : &FromGeneral<ulong>;
        }

        return true;
    }

    private static bool ToGeneral(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = Mmx.Number(t, 1);
        t.Op->Handler = t.Size == 4 ? &ToRegister<uint> : &ToRegister<ulong>;
        return true;
    }

    private static bool Store<T>(Translator t)
        where T : unmanaged
    {
        t.Op->Src = Mmx.Number(t, 1);
        t.Memory();
        t.Op->Handler = &StoreTo<T>;
        return true;
    }

    private static bool Between(Translator t, int mmx, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Op->Dst = mmx == 0 ? Mmx.Number(t, 0) : Vector.Number(t, 0);
        t.Op->Src = mmx == 1 ? Mmx.Number(t, 1) : Vector.Number(t, 1);
        t.Op->Handler = handler;
        return true;
    }

    private static bool InsertWord(Translator t)
    {
        t.Op->Dst = Mmx.Number(t, 0);
        t.Op->Aux = (byte)(t.Instruction.Immediate8 & 3);
        if (t.IsRegister(1))
            t.Op->Src = t.Register(1);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(1) ? &InsertFromGeneral : &InsertFromMemory;
        return true;
    }

    private static bool Word(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = Mmx.Number(t, 1);
        t.Op->Aux = (byte)(t.Instruction.Immediate8 & 3);
        t.Op->Handler = handler;
        return true;
    }

    private static bool MaskedStore(Translator t)
    {
        t.Op->Dst = Mmx.Number(t, 1);
        t.Op->Src = Mmx.Number(t, 2);
        t.MemoryAtDi();
        t.Op->Handler = &MaskedStoreBytes;
        return true;
    }

    // SAFETY (all handlers): as in Mmx.
    private static Block* Emms(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        s->X87Tags = 0;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Load<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Mmx.Enter(s);
        Mmx.Set(s, op->Dst, Operand.Zx<T>(Operand.Load<T>(p)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Copy(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Mmx.Set(s, op->Dst, Mmx.Get(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* FromGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Mmx.Set(s, op->Dst, Operand.Zx<T>(Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ToRegister<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Operand.Set<T>(s, op->Dst, Mmx.Get(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreTo<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Mmx.Enter(s);
        Operand.Store<T>(p, Mmx.Get(s, op->Src));
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>#UD or #NM of SSE, then #MF.</summary>
    public static int FaultOfBoth(CpuState* s)
    {
        int fault = FloatState.SseFault(s);
        return fault >= 0 ? fault : Mmx.Fault(s);
    }

    private static Block* ToXmm(CpuState* s, Op* op)
    {
        int fault = FaultOfBoth(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        *Vector.At(s, op->Dst) = Vector128.CreateScalar(Mmx.Get(s, op->Src)).AsByte();
        return op[1].Handler(s, op + 1);
    }

    private static Block* FromXmm(CpuState* s, Op* op)
    {
        int fault = FaultOfBoth(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Mmx.Set(s, op->Dst, Vector.At(s, op->Src)->AsUInt64()[0]);
        return op[1].Handler(s, op + 1);
    }

    private static Block* InsertFromGeneral(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Insert(s, op, (ushort)Operand.Get<ushort>(s, op->Src));
    }

    private static Block* InsertFromMemory(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        return p == null ? Faults.Raise(s, op) : Insert(s, op, *(ushort*)p);
    }

    private static Block* Insert(CpuState* s, Op* op, ushort word)
    {
        int shift = 16 * op->Aux;
        Mmx.Enter(s);
        Mmx.Set(s, op->Dst, (Mmx.Get(s, op->Dst) & ~(0xFFFFul << shift)) | ((ulong)word << shift));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtractWord(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Operand.Set<uint>(s, op->Dst, (ushort)(Mmx.Get(s, op->Src) >> (16 * op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* SignMask(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Mmx.Enter(s);
        Operand.Set<uint>(s, op->Dst, Vector128.CreateScalar(Mmx.Get(s, op->Src)).AsByte().ExtractMostSignificantBits());
        return op[1].Handler(s, op + 1);
    }

    private static Block* MaskedStoreBytes(CpuState* s, Op* op)
    {
        int fault = Mmx.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 8), 8);
        if (p == null)
            return Faults.Raise(s, op);
        Mmx.Enter(s);
        ulong value = Mmx.Get(s, op->Dst), mask = Mmx.Get(s, op->Src);
        for (int i = 0; i < 8; i++)
        {
            if ((mask >> ((8 * i) + 7) & 1) != 0)
                p[i] = (byte)(value >> (8 * i));
        }

        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }
}
