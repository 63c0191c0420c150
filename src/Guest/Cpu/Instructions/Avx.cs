using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions;

/// <summary>How many bytes of a register an AVX instruction works on.</summary>
internal interface IVectorLength
{
    static abstract bool Wide { get; }
}

internal readonly struct Length128 : IVectorLength
{
    public static bool Wide => false;
}

internal readonly struct Length256 : IVectorLength
{
    public static bool Wide => true;
}

/// <summary>
/// VEX forms of moves, logic, comparisons, integer arithmetic and broadcasts: what C libraries search and copy with. A 128-bit form clears
/// the upper half of its destination; a 256-bit integer operation is the 128-bit one on both halves. SDM vol. 1, 14.1 to 14.3; vol. 2.
/// </summary>
internal static unsafe class Avx
{
    private const ulong SseAndAvx = CpuFeatures.Sse | CpuFeatures.Avx;
    private const byte Aligned = 1;

    public static bool Select(Translator t)
    {
        if (t.Instruction.Code.ToOpCode().Encoding != EncodingKind.VEX)
            return false;
        return IsWide(t.Instruction) ? Select<Length256>(t) : Select<Length128>(t);
    }

    private static bool IsWide(in Instruction i)
    {
        for (int n = 0; n < i.OpCount; n++)
        {
            if (i.GetOpKind(n) == OpKind.Register && i.GetOpRegister(n) is >= Register.YMM0 and <= Register.YMM15)
                return true;
        }

        return i.Code is Code.VEX_Vzeroall;
    }

    private static bool Select<TLength>(Translator t)
        where TLength : struct, IVectorLength
        => SelectMove<TLength>(t) || SelectBinary<TLength>(t);

    private static bool SelectMove<TLength>(Translator t)
        where TLength : struct, IVectorLength
    {
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Vmovdqa or Mnemonic.Vmovaps or Mnemonic.Vmovapd or Mnemonic.Vmovntdq or Mnemonic.Vmovntps or Mnemonic.Vmovntpd:
                return Whole<TLength>(t, Aligned);
            case Mnemonic.Vmovdqu or Mnemonic.Vmovups or Mnemonic.Vmovupd or Mnemonic.Vlddqu:
                return Whole<TLength>(t, 0);
            case Mnemonic.Vmovd or Mnemonic.Vmovq:
                return Low(t);
            case Mnemonic.Vpmovmskb:
                t.Op->Dst = t.Register(0);
                t.Op->Src = Number(t, 1);
                t.Op->Handler = &MaskOfBytes<TLength>;
                return true;
            case Mnemonic.Vpbroadcastb:
                return Broadcast<byte, TLength>(t);
            case Mnemonic.Vpbroadcastw:
                return Broadcast<ushort, TLength>(t);
            case Mnemonic.Vpbroadcastd or Mnemonic.Vbroadcastss:
                return Broadcast<uint, TLength>(t);
            case Mnemonic.Vpbroadcastq or Mnemonic.Vbroadcastsd:
                return Broadcast<ulong, TLength>(t);
            case Mnemonic.Vzeroupper:
                t.Op->Handler = &ZeroUpper;
                return true;
            case Mnemonic.Vzeroall:
                t.Op->Handler = &ZeroAll;
                return true;
            default:
                return false;
        }
    }

    private static bool SelectBinary<TLength>(Translator t)
        where TLength : struct, IVectorLength
        => t.Instruction.Mnemonic switch
        {
            Mnemonic.Vpand or Mnemonic.Vandps or Mnemonic.Vandpd => Binary<VectorAnd, TLength>(t),
            Mnemonic.Vpandn or Mnemonic.Vandnps or Mnemonic.Vandnpd => Binary<VectorAndNot, TLength>(t),
            Mnemonic.Vpor or Mnemonic.Vorps or Mnemonic.Vorpd => Binary<VectorOr, TLength>(t),
            Mnemonic.Vpxor or Mnemonic.Vxorps or Mnemonic.Vxorpd => Binary<VectorXor, TLength>(t),
            Mnemonic.Vpaddb => Binary<VectorAdd<byte>, TLength>(t),
            Mnemonic.Vpaddw => Binary<VectorAdd<ushort>, TLength>(t),
            Mnemonic.Vpaddd => Binary<VectorAdd<uint>, TLength>(t),
            Mnemonic.Vpaddq => Binary<VectorAdd<ulong>, TLength>(t),
            Mnemonic.Vpsubb => Binary<VectorSubtract<byte>, TLength>(t),
            Mnemonic.Vpsubw => Binary<VectorSubtract<ushort>, TLength>(t),
            Mnemonic.Vpsubd => Binary<VectorSubtract<uint>, TLength>(t),
            Mnemonic.Vpsubq => Binary<VectorSubtract<ulong>, TLength>(t),
            Mnemonic.Vpcmpeqb => Binary<VectorEqual<byte>, TLength>(t),
            Mnemonic.Vpcmpeqw => Binary<VectorEqual<ushort>, TLength>(t),
            Mnemonic.Vpcmpeqd => Binary<VectorEqual<uint>, TLength>(t),
            Mnemonic.Vpcmpgtb => Binary<VectorGreater<sbyte>, TLength>(t),
            Mnemonic.Vpcmpgtw => Binary<VectorGreater<short>, TLength>(t),
            Mnemonic.Vpcmpgtd => Binary<VectorGreater<int>, TLength>(t),
            Mnemonic.Vpminub => Binary<VectorMin<byte>, TLength>(t),
            Mnemonic.Vpminud => Binary<VectorMin<uint>, TLength>(t),
            Mnemonic.Vpminsw => Binary<VectorMin<short>, TLength>(t),
            Mnemonic.Vpmaxub => Binary<VectorMax<byte>, TLength>(t),
            Mnemonic.Vpmaxsw => Binary<VectorMax<short>, TLength>(t),
            Mnemonic.Vpshufb => Binary<ShuffleBytes, TLength>(t),
            Mnemonic.Vpunpcklbw => Binary<UnpackLow<byte>, TLength>(t),
            Mnemonic.Vpunpckhbw => Binary<UnpackHigh<byte>, TLength>(t),
            _ => false,
        };

    private static byte Number(Translator t, int operand) => (byte)t.Instruction.GetOpRegister(operand).GetNumber();

    private static bool IsVector(Translator t, int operand) => t.IsRegister(operand) && t.Instruction.GetOpRegister(operand) is >= Register.XMM0 and <= Register.YMM15;

    private static bool Whole<TLength>(Translator t, byte aligned)
        where TLength : struct, IVectorLength
    {
        t.Op->Aux = aligned;
        if (!IsVector(t, 0))
        {
            t.Op->Src = Number(t, 1);
            t.Memory();
            t.Op->Handler = &Store<TLength>;
            return true;
        }

        t.Op->Dst = Number(t, 0);
        if (IsVector(t, 1))
        {
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &Copy<TLength>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &Load<TLength>;
        }

        return true;
    }

    /// <summary>VMOVD and VMOVQ: between a low element and a general register or memory.</summary>
    private static bool Low(Translator t)
    {
        bool toVector = IsVector(t, 0);
        int other = toVector ? 1 : 0;
        bool four = t.IsMemory(other) ? t.Instruction.MemorySize.GetSize() == 4 : !IsVector(t, other) && t.Instruction.GetOpRegister(other).GetSize() == 4;
        t.Op->Dst = Number(t, 1 - other);
        if (t.IsMemory(other))
        {
            t.Memory();
            t.Op->Handler = toVector ? four ? &LoadLow<uint> : &LoadLow<ulong> : four ? &StoreLow<uint> : &StoreLow<ulong>;
        }
        else if (IsVector(t, other))
        {
            t.Op->Dst = Number(t, 0);
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &CopyLow;
        }
        else
        {
            t.Op->Src = t.Register(other);
            t.Op->Handler = toVector ? four ? &FromGeneral<uint> : &FromGeneral<ulong> : four ? &ToGeneral<uint> : &ToGeneral<ulong>;
        }

        return true;
    }

    private static bool Broadcast<T, TLength>(Translator t)
        where T : unmanaged
        where TLength : struct, IVectorLength
    {
        t.Op->Dst = Number(t, 0);
        if (IsVector(t, 1))
        {
            t.Op->Src = Number(t, 1);
            t.Op->Handler = &BroadcastRegister<T, TLength>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &BroadcastMemory<T, TLength>;
        }

        return true;
    }

    private static bool Binary<TOp, TLength>(Translator t)
        where TOp : struct, IVectorOp
        where TLength : struct, IVectorLength
    {
        t.Op->Dst = Number(t, 0);
        t.Op->Aux = Number(t, 1);
        if (t.IsRegister(2))
        {
            t.Op->Src = Number(t, 2);
            t.Op->Handler = &Registers<TOp, TLength>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &Memory<TOp, TLength>;
        }

        return true;
    }

    /// <summary>Vector of the fault, or -1. SDM vol. 2, table 2-20: #UD unless CR4.OSXSAVE and XCR0 allow AVX, #NM when CR0.TS is set.</summary>
    private static int Fault(CpuState* s)
        => (s->Cr4 & Cr4Bits.OsXsave) == 0 || (s->Xcr0 & SseAndAvx) != SseAndAvx ? Vectors.Ud : (s->Cr0 & Cr0Bits.Ts) != 0 ? Vectors.Nm : -1;

    private static Vector128<byte>* LowHalf(CpuState* s, int number) => (Vector128<byte>*)(s->Xmm + (2 * number));

    private static Vector128<byte>* HighHalf(CpuState* s, int number) => (Vector128<byte>*)(s->YmmHigh + (2 * number));

    private static int Bytes<TLength>()
        where TLength : struct, IVectorLength
        => TLength.Wide ? 32 : 16;

    // SAFETY (all handlers): register numbers are 0-15 and CpuState has 16 halves of each kind; Tlb gives a host address good for the size asked for.
    private static Block* Registers<TOp, TLength>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *LowHalf(s, op->Dst) = TOp.Apply(*LowHalf(s, op->Aux), *LowHalf(s, op->Src), 0);
        *HighHalf(s, op->Dst) = TLength.Wide ? TOp.Apply(*HighHalf(s, op->Aux), *HighHalf(s, op->Src), 0) : default;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Memory<TOp, TLength>(CpuState* s, Op* op)
        where TOp : struct, IVectorOp
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, Bytes<TLength>()), Bytes<TLength>());
        if (p == null)
            return Faults.Raise(s, op);
        *LowHalf(s, op->Dst) = TOp.Apply(*LowHalf(s, op->Aux), *(Vector128<byte>*)p, 0);
        *HighHalf(s, op->Dst) = TLength.Wide ? TOp.Apply(*HighHalf(s, op->Aux), *(Vector128<byte>*)(p + 16), 0) : default;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Copy<TLength>(CpuState* s, Op* op)
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        *LowHalf(s, op->Dst) = *LowHalf(s, op->Src);
        *HighHalf(s, op->Dst) = TLength.Wide ? *HighHalf(s, op->Src) : default;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Load<TLength>(CpuState* s, Op* op)
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Read(s, op, Bytes<TLength>());
        if (IsMisaligned<TLength>(op, linear))
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Read(s, linear, Bytes<TLength>());
        if (p == null)
            return Faults.Raise(s, op);
        *LowHalf(s, op->Dst) = *(Vector128<byte>*)p;
        *HighHalf(s, op->Dst) = TLength.Wide ? *(Vector128<byte>*)(p + 16) : default;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Store<TLength>(CpuState* s, Op* op)
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Write(s, op, Bytes<TLength>());
        if (IsMisaligned<TLength>(op, linear))
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Tlb.Modify(s, linear, Bytes<TLength>());
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)p = *LowHalf(s, op->Src);
        if (TLength.Wide)
            *(Vector128<byte>*)(p + 16) = *HighHalf(s, op->Src);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static bool IsMisaligned<TLength>(Op* op, ulong linear)
        where TLength : struct, IVectorLength
        => op->Aux == Aligned && (linear & (ulong)(Bytes<TLength>() - 1)) != 0 && linear != Tlb.NoAddress;

    private static void SetLow(CpuState* s, int number, ulong value)
    {
        *LowHalf(s, number) = Vector128.CreateScalar(value).AsByte();
        *HighHalf(s, number) = default;
    }

    private static Block* LoadLow<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        SetLow(s, op->Dst, sizeof(T) == 4 ? *(uint*)p : *(ulong*)p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreLow<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        *(T*)p = *(T*)LowHalf(s, op->Dst);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* CopyLow(CpuState* s, Op* op)
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        SetLow(s, op->Dst, *(ulong*)LowHalf(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* FromGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        SetLow(s, op->Dst, Operand.Zx<T>(Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ToGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Operand.Set<T>(s, op->Src, *(ulong*)LowHalf(s, op->Dst));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MaskOfBytes<TLength>(CpuState* s, Op* op)
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        uint mask = LowHalf(s, op->Src)->ExtractMostSignificantBits();
        if (TLength.Wide)
            mask |= HighHalf(s, op->Src)->ExtractMostSignificantBits() << 16;
        Operand.Set<uint>(s, op->Dst, mask);
        return op[1].Handler(s, op + 1);
    }

    private static Block* BroadcastRegister<T, TLength>(CpuState* s, Op* op)
        where T : unmanaged
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Fill<T, TLength>(s, op->Dst, *(T*)LowHalf(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* BroadcastMemory<T, TLength>(CpuState* s, Op* op)
        where T : unmanaged
        where TLength : struct, IVectorLength
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Fill<T, TLength>(s, op->Dst, *(T*)p);
        return op[1].Handler(s, op + 1);
    }

    private static void Fill<T, TLength>(CpuState* s, int number, T value)
        where T : unmanaged
        where TLength : struct, IVectorLength
    {
        Vector128<byte> all = Vector128.Create(value).AsByte();
        *LowHalf(s, number) = all;
        *HighHalf(s, number) = TLength.Wide ? all : default;
    }

    private static Block* ZeroUpper(CpuState* s, Op* op)
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        for (int i = 0; i < 16; i++)
            *HighHalf(s, i) = default;
        return op[1].Handler(s, op + 1);
    }

    private static Block* ZeroAll(CpuState* s, Op* op)
    {
        int fault = Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        for (int i = 0; i < 16; i++)
            *LowHalf(s, i) = *HighHalf(s, i) = default;
        return op[1].Handler(s, op + 1);
    }
}
