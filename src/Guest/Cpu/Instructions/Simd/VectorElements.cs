using System.Runtime.Intrinsics;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>SSE4.1's PEXTRB/W/D/Q, EXTRACTPS, PINSRB/D/Q, INSERTPS; MASKMOVDQU; SSE4a's EXTRQ and INSERTQ. SDM vol. 2; APM vol. 4.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VectorElements
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pextrb or Mnemonic.Vpextrb => Extract<byte>(t),
        Mnemonic.Pextrw or Mnemonic.Vpextrw => Extract<ushort>(t),
        Mnemonic.Pextrd or Mnemonic.Extractps or Mnemonic.Vpextrd or Mnemonic.Vextractps => Extract<uint>(t),
        Mnemonic.Pextrq or Mnemonic.Vpextrq => Extract<ulong>(t),
        Mnemonic.Pinsrb or Mnemonic.Vpinsrb => Insert<byte>(t),
        Mnemonic.Vpinsrw => Insert<ushort>(t),
        Mnemonic.Pinsrd or Mnemonic.Vpinsrd => Insert<uint>(t),
        Mnemonic.Pinsrq or Mnemonic.Vpinsrq => Insert<ulong>(t),
        Mnemonic.Insertps or Mnemonic.Vinsertps => InsertSingle(t),
        Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu => MaskedStore(t),
        Mnemonic.Extrq => Field(t, &ExtractField),
        Mnemonic.Insertq => Field(t, &InsertField),
        Mnemonic.Movntss => StreamLow<uint>(t),
        Mnemonic.Movntsd => StreamLow<ulong>(t),
        _ => false,
    };

    private static bool Extract<T>(Translator t)
        where T : unmanaged
    {
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = (byte)(t.Instruction.Immediate8 & ((16 / sizeof(T)) - 1));
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = Vex.IsVex(t) ? &ExtractToRegister<T, VexGate> : &ExtractToRegister<T, LegacyGate>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = Vex.IsVex(t) ? &ExtractToMemory<T, VexGate> : &ExtractToMemory<T, LegacyGate>;
        }

        return true;
    }

    /// <summary>The other elements come from the destination, or from the first operand of a VEX form; the place is in Aux.</summary>
    private static bool Insert<T>(Translator t)
        where T : unmanaged
    {
        bool vex = Vex.IsVex(t);
        int source = vex ? 2 : 1;
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = (byte)(t.Instruction.Immediate8 & ((16 / sizeof(T)) - 1));
        if (t.IsRegister(source))
        {
            t.Op->Src = t.Register(source);
            t.Op->Base = Vector.Number(t, source - 1);
            t.Op->Handler = vex ? &InsertFromRegister<T, VexGate> : &InsertFromRegister<T, LegacyGate>;
        }
        else
        {
            t.Memory();
            t.Op->Src = Vector.Number(t, source - 1);
            t.Op->Handler = vex ? &InsertFromMemory<T, VexGate> : &InsertFromMemory<T, LegacyGate>;
        }

        return true;
    }

    /// <summary>The element of a memory operand is itself: bits 7:6 count for registers only.</summary>
    private static bool InsertSingle(Translator t)
    {
        bool selected = Vector.Binary<InsertSingleOp>(t);
        if (t.IsMemory(t.Instruction.OpCount - 2))
            t.Op->Aux &= 0x3F;
        return selected;
    }

    private static bool MaskedStore(Translator t)
    {
        t.Op->Dst = Vector.Number(t, 1);
        t.Op->Src = Vector.Number(t, 2);
        t.MemoryAtDi();
        t.Op->Handler = Vex.IsVex(t) ? &MaskedStoreBytes<VexGate> : &MaskedStoreBytes<LegacyGate>;
        return true;
    }

    private static bool Field(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Op->Dst = Vector.Number(t, 0);
        bool immediate = t.Instruction.GetOpKind(t.Instruction.OpCount - 1) is OpKind.Immediate8 or OpKind.Immediate8_2nd;
        if (t.IsRegister(1))
            t.Op->Src = Vector.Number(t, 1);
        t.Op->Imm = immediate ? 0x1_0000u | t.Instruction.Immediate8 | ((uint)t.Instruction.Immediate8_2nd << 8) : 0;
        t.Op->Handler = handler;
        return true;
    }

    private static bool StreamLow<T>(Translator t)
        where T : unmanaged
    {
        t.Op->Src = Vector.Number(t, 1);
        t.Memory();
        t.Op->Handler = &ExtractToMemory<T, LegacyGate>;
        return true;
    }

    // SAFETY (all handlers): register numbers are 0-15 and an element's index keeps it inside its register; Tlb gives a host address good for the size asked for.
    private static Block* ExtractToRegister<T, TGate>(CpuState* s, Op* op)
        where T : unmanaged
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *(ulong*)((byte*)s + op->Dst) = Operand.Zx<T>(Operand.Load<T>((byte*)((T*)Vector.At(s, op->Src) + op->Aux)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtractToMemory<T, TGate>(CpuState* s, Op* op)
        where T : unmanaged
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        *(T*)p = *((T*)Vector.At(s, op->Src) + op->Aux);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* InsertFromRegister<T, TGate>(CpuState* s, Op* op)
        where T : unmanaged
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetElement<T, TGate>(s, op, op->Base, *(T*)((byte*)s + op->Src));
    }

    private static Block* InsertFromMemory<T, TGate>(CpuState* s, Op* op)
        where T : unmanaged
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        return p == null ? Faults.Raise(s, op) : SetElement<T, TGate>(s, op, op->Src, *(T*)p);
    }

    private static Block* SetElement<T, TGate>(CpuState* s, Op* op, byte from, T value)
        where T : unmanaged
        where TGate : struct, IVectorGate
    {
        *Vector.At(s, op->Dst) = Vector.At(s, from)->As<byte, T>().WithElement(op->Aux, value).As<T, byte>();
        TGate.ClearUpper(s, op->Dst);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Bytes whose mask byte has its top bit set go to DS:RDI; the whole destination must be writable even so.</summary>
    private static Block* MaskedStoreBytes<TGate>(CpuState* s, Op* op)
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 16), 16);
        if (p == null)
            return Faults.Raise(s, op);
        Vector128<sbyte> chosen = Vector128.LessThan(Vector.At(s, op->Src)->AsSByte(), Vector128<sbyte>.Zero);
        *(Vector128<byte>*)p = Vector128.ConditionalSelect(chosen.AsByte(), *Vector.At(s, op->Dst), *(Vector128<byte>*)p);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Length in bits 5:0 (0: 64) and index in bits 13:8 of the second register or of two immediates.</summary>
    private static (ulong Mask, int Index) FieldOf(ulong lengthAndIndex)
    {
        int length = (int)lengthAndIndex & 63, index = (int)(lengthAndIndex >> 8) & 63;
        return (length == 0 ? ulong.MaxValue : (1ul << length) - 1, index);
    }

    private static Block* ExtractField(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        (ulong mask, int index) = FieldOf(op->Imm != 0 ? op->Imm : Vector.At(s, op->Src)->AsUInt64()[0]);
        ulong* r = (ulong*)Vector.At(s, op->Dst);
        r[0] = (r[0] >> index) & mask;
        // The upper half is undefined in the manual; processors leave 0.
        r[1] = 0;
        return op[1].Handler(s, op + 1);
    }

    private static Block* InsertField(CpuState* s, Op* op)
    {
        int fault = FloatState.SseFault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong* source = (ulong*)Vector.At(s, op->Src);
        (ulong mask, int index) = FieldOf(op->Imm != 0 ? op->Imm : source[1]);
        ulong* r = (ulong*)Vector.At(s, op->Dst);
        r[0] = (r[0] & ~(mask << index)) | ((source[0] & mask) << index);
        r[1] = 0;
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Immediate: source element 7:6, destination element 5:4, elements to clear 3:0.</summary>
    private readonly struct InsertSingleOp : IVectorOp
    {
        public static int Size => 4;

        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        {
            Vector128<uint> r = x.AsUInt32().WithElement((immediate >> 4) & 3, y.AsUInt32()[immediate >> 6]);
            for (int i = 0; i < 4; i++)
            {
                if ((immediate >> i & 1) != 0)
                    r = r.WithElement(i, 0u);
            }

            return r.AsByte();
        }
    }
}
