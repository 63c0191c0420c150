using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>SSE and SSE2 moves: whole registers, halves, low elements, general registers, masks. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VectorMove
{
    private const byte Aligned = 1;

    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movdqa or Mnemonic.Movntps or Mnemonic.Movntpd or Mnemonic.Movntdq or Mnemonic.Movntdqa => Whole(t, Aligned),
        Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu => Whole(t, 0),
        Mnemonic.Movq or Mnemonic.Movd => Low(t),
        Mnemonic.Movss => Scalar(t, 4),
        Mnemonic.Movsd => Scalar(t, 8),
        Mnemonic.Movlps or Mnemonic.Movlpd => Half(t, 0),
        Mnemonic.Movhps or Mnemonic.Movhpd => Half(t, 8),
        Mnemonic.Movhlps => Halves(t, 0, 8),
        Mnemonic.Movlhps => Halves(t, 8, 0),
        Mnemonic.Movmskps => Mask(t, 4),
        Mnemonic.Movmskpd => Mask(t, 8),
        Mnemonic.Pmovmskb => Mask(t, 1),
        Mnemonic.Pinsrw => Insert(t),
        Mnemonic.Pextrw when t.IsRegister(0) => Extract(t),
        _ => false,
    };

    private static bool IsXmm(Translator t, int operand) => t.IsRegister(operand) && t.Instruction.GetOpRegister(operand) is >= Register.XMM0 and <= Register.XMM15;

    /// <summary>Place of an XMM register's byte in <see cref="CpuState"/>.</summary>
    private static byte* At(CpuState* s, int number) => (byte*)(s->Xmm + (2 * number));

    private static bool Whole(Translator t, byte aligned)
    {
        t.Op->Aux = aligned;
        bool load = IsXmm(t, 0);
        t.Op->Dst = Vector.Number(t, load ? 0 : 1);
        if (load && IsXmm(t, 1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = &CopyWhole;
            return true;
        }

        t.Memory();
        t.Op->Handler = load ? &LoadWhole : &StoreWhole;
        return true;
    }

    /// <summary>MOVD and MOVQ: the rest of an XMM destination becomes zero.</summary>
    private static bool Low(Translator t)
    {
        bool toXmm = IsXmm(t, 0);
        int other = toXmm ? 1 : 0;
        t.Op->Dst = Vector.Number(t, 1 - other);
        if (t.IsMemory(other))
        {
            t.Memory();
            bool four = t.Instruction.MemorySize.GetSize() == 4;
            t.Op->Handler = toXmm ? four ? &LoadZero<uint> : &LoadZero<ulong> : four ? &StoreAt<uint> : &StoreAt<ulong>;
        }
        else if (IsXmm(t, other))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Dst = Vector.Number(t, 0);
            t.Op->Handler = &CopyLowZero;
        }
        else
        {
            t.Op->Src = t.Register(other);
            bool four = t.Instruction.GetOpRegister(other).GetSize() == 4;
            t.Op->Handler = toXmm ? four ? &FromGeneral<uint> : &FromGeneral<ulong> : four ? &ToGeneral<uint> : &ToGeneral<ulong>;
        }

        return true;
    }

    /// <summary>MOVSS and MOVSD: between registers the rest of the destination stays, from memory it becomes zero.</summary>
    private static bool Scalar(Translator t, int size)
    {
        bool load = IsXmm(t, 0);
        t.Op->Dst = Vector.Number(t, load ? 0 : 1);
        if (load && IsXmm(t, 1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = size == 4 ? &CopyPart<uint> : &CopyPart<ulong>;
            return true;
        }

        t.Memory();
        t.Op->Handler = load ? size == 4 ? &LoadZero<uint> : &LoadZero<ulong> : size == 4 ? &StoreAt<uint> : &StoreAt<ulong>;
        return true;
    }

    private static bool Half(Translator t, byte offset)
    {
        bool load = IsXmm(t, 0);
        t.Op->Dst = Vector.Number(t, load ? 0 : 1);
        t.Op->Aux = offset;
        t.Memory();
        t.Op->Handler = load ? &LoadHalf : &StoreAt<ulong>;
        return true;
    }

    private static bool Halves(Translator t, byte to, byte from)
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = to;
        t.Op->Scale = from;
        t.Op->Handler = &CopyPart<ulong>;
        return true;
    }

    private static bool Mask(Translator t, int size)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Handler = size switch { 1 => &MaskOf<byte>, 4 => &MaskOf<uint>, _ => &MaskOf<ulong> };
        return true;
    }

    private static bool Insert(Translator t)
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = (byte)((t.Instruction.Immediate8 & 7) * 2);
        if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &InsertGeneral;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &InsertMemory;
        }

        return true;
    }

    private static bool Extract(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = (byte)((t.Instruction.Immediate8 & 7) * 2);
        t.Op->Handler = &ExtractWord;
        return true;
    }

    // SAFETY (all handlers): register numbers are 0-15 and CpuState has 16 XMM registers of 16 bytes, offsets with their size stay
    // inside one; Tlb gives a host address good for the size asked for.
    private static Block* CopyWhole(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(Vector128<byte>*)At(s, op->Dst) = *(Vector128<byte>*)At(s, op->Src);
        return op[1].Handler(s, op + 1);
    }

    private static Block* LoadWhole(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Read(s, op, 16);
        if (op->Aux == Aligned && (linear & 15) != 0 && linear != Tlb.NoAddress)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Read(s, linear, 16);
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)At(s, op->Dst) = *(Vector128<byte>*)p;
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreWhole(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Write(s, op, 16);
        if (op->Aux == Aligned && (linear & 15) != 0 && linear != Tlb.NoAddress)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Modify(s, linear, 16);
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)p = *(Vector128<byte>*)At(s, op->Dst);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* LoadZero<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<T>*)At(s, op->Dst) = Vector128.CreateScalar(*(T*)p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* LoadHalf(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 8), 8);
        if (p == null)
            return Faults.Raise(s, op);
        *(ulong*)(At(s, op->Dst) + op->Aux) = *(ulong*)p;
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreAt<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        *(T*)p = *(T*)(At(s, op->Dst) + op->Aux);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* CopyPart<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(T*)(At(s, op->Dst) + op->Aux) = *(T*)(At(s, op->Src) + op->Scale);
        return op[1].Handler(s, op + 1);
    }

    private static Block* CopyLowZero(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(Vector128<ulong>*)At(s, op->Dst) = Vector128.CreateScalar(*(ulong*)At(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* FromGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(Vector128<ulong>*)At(s, op->Dst) = Vector128.CreateScalar(Operand.Zx<T>(Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ToGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Operand.Set<T>(s, op->Src, *(ulong*)At(s, op->Dst));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MaskOf<T>(CpuState* s, Op* op)
        where T : unmanaged, INumber<T>
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Operand.Set<uint>(s, op->Dst, (*(Vector128<T>*)At(s, op->Src)).ExtractMostSignificantBits());
        return op[1].Handler(s, op + 1);
    }

    private static Block* InsertGeneral(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(ushort*)(At(s, op->Dst) + op->Aux) = (ushort)Operand.Get<ushort>(s, op->Src);
        return op[1].Handler(s, op + 1);
    }

    private static Block* InsertMemory(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        *(ushort*)(At(s, op->Dst) + op->Aux) = *(ushort*)p;
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtractWord(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Operand.Set<uint>(s, op->Dst, *(ushort*)(At(s, op->Src) + op->Aux));
        return op[1].Handler(s, op + 1);
    }
}
