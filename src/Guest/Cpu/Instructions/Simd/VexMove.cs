using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>AVX moves of registers, halves and elements, VZEROUPPER, VZEROALL, and the forms whose destination is not a vector. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexMove
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Vmovaps or Mnemonic.Vmovapd or Mnemonic.Vmovdqa or Mnemonic.Vmovntps or Mnemonic.Vmovntpd or Mnemonic.Vmovntdq or Mnemonic.Vmovntdqa => Whole(t, true),
        Mnemonic.Vmovups or Mnemonic.Vmovupd or Mnemonic.Vmovdqu or Mnemonic.Vlddqu => Whole(t, false),
        Mnemonic.Vmovd or Mnemonic.Vmovq => Low(t),
        Mnemonic.Vmovss => Scalar<uint>(t),
        Mnemonic.Vmovsd => Scalar<ulong>(t),
        Mnemonic.Vmovlps or Mnemonic.Vmovlpd => Half<ReplaceLow>(t, 0),
        Mnemonic.Vmovhps or Mnemonic.Vmovhpd => Half<ReplaceHigh>(t, 1),
        Mnemonic.Vmovhlps => Vex.Binary<HighToLow>(t),
        Mnemonic.Vmovlhps => Vex.Binary<ReplaceHigh>(t),
        Mnemonic.Vmovmskps => Mask<uint>(t),
        Mnemonic.Vmovmskpd => Mask<ulong>(t),
        Mnemonic.Vpmovmskb => Mask<byte>(t),
        Mnemonic.Vzeroupper => Zero(t, 0),
        Mnemonic.Vzeroall => Zero(t, 1),
        Mnemonic.Vptest => Test(t, &TestRegisters<VectorTest>, &TestMemory<VectorTest>),
        Mnemonic.Vtestps => Test(t, &TestRegisters<SignTest<int>>, &TestMemory<SignTest<int>>),
        Mnemonic.Vtestpd => Test(t, &TestRegisters<SignTest<long>>, &TestMemory<SignTest<long>>),
        _ => false,
    };

    private static bool Whole(Translator t, bool aligned)
    {
        bool load = t.IsRegister(0);
        bool wide = Vex.IsWide(t, 0) || Vex.IsWide(t, 1);
        t.Op->Aux = aligned ? wide ? (byte)31 : (byte)15 : (byte)0;
        t.Op->Dst = Vector.Number(t, load ? 0 : 1);
        if (load && t.IsRegister(1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Handler = wide ? &CopyWide : &CopyNarrow;
            return true;
        }

        t.Memory();
        t.Op->Handler = load ? wide ? &LoadWide : &LoadNarrow : wide ? &StoreWide : &StoreNarrow;
        return true;
    }

    private static bool Low(Translator t)
    {
        bool toVector = t.IsRegister(0) && t.Instruction.Op0Register.IsXMM();
        int other = toVector ? 1 : 0;
        t.Op->Dst = Vector.Number(t, 1 - other);
        if (t.IsMemory(other))
        {
            bool four = t.Instruction.MemorySize.GetSize() == 4;
            t.Memory();
            t.Op->Handler = toVector ? four ? &LoadElement<uint> : &LoadElement<ulong> : four ? &StoreElement<uint> : &StoreElement<ulong>;
        }
        else if (t.Instruction.GetOpRegister(other).IsXMM())
        {
            (t.Op->Dst, t.Op->Src) = (Vector.Number(t, 0), Vector.Number(t, 1));
            t.Op->Handler = &CopyLow;
        }
        else
        {
            bool four = t.Instruction.GetOpRegister(other).GetSize() == 4;
            t.Op->Src = t.Register(other);
            t.Op->Handler = toVector ? four ? &FromGeneral<uint> : &FromGeneral<ulong> : four ? &ToGeneral<uint> : &ToGeneral<ulong>;
        }

        return true;
    }

    /// <summary>Between registers the first operand gives the rest; from memory the rest is zero.</summary>
    private static bool Scalar<T>(Translator t)
        where T : unmanaged
    {
        if (t.Instruction.OpCount == 3)
            return Vex.Binary<ReplaceElement<T>>(t);
        bool load = t.IsRegister(0);
        t.Op->Dst = Vector.Number(t, load ? 0 : 1);
        t.Memory();
        t.Op->Handler = load ? &LoadElement<T> : &StoreElement<T>;
        return true;
    }

    private static bool Half<TOp>(Translator t, byte half)
        where TOp : struct, IVectorOp
    {
        if (t.Instruction.OpCount == 3)
            return Vex.Binary<TOp>(t);
        t.Op->Dst = Vector.Number(t, 1);
        t.Op->Aux = half;
        t.Memory();
        t.Op->Handler = &StoreElement<ulong>;
        return true;
    }

    private static bool Mask<T>(Translator t)
        where T : unmanaged, INumber<T>
    {
        t.Op->Dst = t.Register(0);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = Vex.IsWide(t, 1) ? (byte)1 : (byte)0;
        t.Op->Handler = &MaskOf<T>;
        return true;
    }

    private static bool Zero(Translator t, byte all)
    {
        t.Op->Aux = all;
        t.Op->Handler = &ZeroRegisters;
        return true;
    }

    private static bool Test(Translator t, delegate*<CpuState*, Op*, Block*> registers, delegate*<CpuState*, Op*, Block*> memory)
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = Vex.IsWide(t, 0) ? (byte)1 : (byte)0;
        if (t.IsRegister(1))
            t.Op->Src = Vector.Number(t, 1);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(1) ? registers : memory;
        return true;
    }

    // SAFETY (all handlers): as in Vex.
    private static Block* CopyNarrow(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vex.Set(s, op->Dst, *Vector.At(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* CopyWide(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vex.Set(s, op->Dst, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Host address of the operand, with the alignment that Aux asks for; null with the fault recorded.</summary>
    private static byte* Place(CpuState* s, Op* op, int size, bool write)
    {
        ulong linear = write ? AnyAddress.Write(s, op, size) : AnyAddress.Read(s, op, size);
        if ((linear & op->Aux) != 0 && linear != Tlb.NoAddress)
        {
            Faults.Set(s, Vectors.Gp);
            return null;
        }

        return write ? Tlb.Modify(s, linear, size) : Tlb.Read(s, linear, size);
    }

    private static Block* LoadNarrow(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Place(s, op, 16, false);
        if (p == null)
            return Faults.Raise(s, op);
        Vex.Set(s, op->Dst, *(Vector128<byte>*)p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* LoadWide(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Place(s, op, 32, false);
        if (p == null)
            return Faults.Raise(s, op);
        Vex.Set(s, op->Dst, *(Vector128<byte>*)p, *(Vector128<byte>*)(p + 16));
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreNarrow(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Place(s, op, 16, true);
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)p = *Vector.At(s, op->Dst);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreWide(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Place(s, op, 32, true);
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)p = *Vector.At(s, op->Dst);
        *(Vector128<byte>*)(p + 16) = *Vex.High(s, op->Dst);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* LoadElement<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Vex.Set(s, op->Dst, Vector128.CreateScalar(*(T*)p).As<T, byte>());
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreElement<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        *(T*)p = *((T*)Vector.At(s, op->Dst) + op->Aux);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* CopyLow(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vex.Set(s, op->Dst, Vector128.CreateScalar(Vector.At(s, op->Src)->AsUInt64()[0]).AsByte());
        return op[1].Handler(s, op + 1);
    }

    private static Block* FromGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vex.Set(s, op->Dst, Vector128.CreateScalar(Operand.Zx<T>(Operand.Get<T>(s, op->Src))).AsByte());
        return op[1].Handler(s, op + 1);
    }

    private static Block* ToGeneral<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Operand.Set<T>(s, op->Src, Vector.At(s, op->Dst)->AsUInt64()[0]);
        return op[1].Handler(s, op + 1);
    }

    private static Block* MaskOf<T>(CpuState* s, Op* op)
        where T : unmanaged, INumber<T>
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        uint mask = Vector.At(s, op->Src)->As<byte, T>().ExtractMostSignificantBits();
        if (op->Aux != 0)
            mask |= Vex.High(s, op->Src)->As<byte, T>().ExtractMostSignificantBits() << Vector128<T>.Count;
        Operand.Set<uint>(s, op->Dst, mask);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Outside 64-bit mode registers 8-15 stay as they are.</summary>
    private static Block* ZeroRegisters(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        for (int i = 0; i < (s->CodeSize == CodeSize.Code64 ? 16 : 8); i++)
            Vex.Set(s, i, op->Aux != 0 ? default : *Vector.At(s, i));
        return op[1].Handler(s, op + 1);
    }

    private interface ITestOp
    {
        /// <summary>What of the bits counts.</summary>
        static abstract Vector128<byte> Of(Vector128<byte> bits);
    }

    private readonly struct VectorTest : ITestOp
    {
        public static Vector128<byte> Of(Vector128<byte> bits) => bits;
    }

    private readonly struct SignTest<T> : ITestOp
        where T : unmanaged, IBinaryInteger<T>
    {
        public static Vector128<byte> Of(Vector128<byte> bits) => Vector128.LessThan(bits.As<byte, T>(), Vector128<T>.Zero).AsByte();
    }

    private static Block* TestRegisters<TTest>(CpuState* s, Op* op)
        where TTest : struct, ITestOp
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetFlags<TTest>(s, op, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* TestMemory<TTest>(CpuState* s, Op* op)
        where TTest : struct, ITestOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        int size = op->Aux != 0 ? 32 : 16;
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, size), size);
        return p == null ? Faults.Raise(s, op) : SetFlags<TTest>(s, op, *(Vector128<byte>*)p, op->Aux != 0 ? *(Vector128<byte>*)(p + 16) : default);
    }

    private static Block* SetFlags<TTest>(CpuState* s, Op* op, Vector128<byte> y, Vector128<byte> yHigh)
        where TTest : struct, ITestOp
    {
        Vector128<byte> x = *Vector.At(s, op->Dst), common = TTest.Of(x & y), outside = TTest.Of(~x & y);
        if (op->Aux != 0)
        {
            x = *Vex.High(s, op->Dst);
            common |= TTest.Of(x & yHigh);
            outside |= TTest.Of(~x & yHigh);
        }

        Vector.SetTestFlags(s, common, outside);
        return op[1].Handler(s, op + 1);
    }

    private readonly struct ReplaceElement<T> : IVectorOp
        where T : unmanaged
    {
        public static int Size => sizeof(T);

        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x.As<byte, T>().WithElement(0, y.As<byte, T>()[0]).AsByte();
    }

    private readonly struct ReplaceLow : IVectorOp
    {
        public static int Size => 8;

        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x.AsUInt64().WithElement(0, y.AsUInt64()[0]).AsByte();
    }

    private readonly struct ReplaceHigh : IVectorOp
    {
        public static int Size => 8;

        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x.AsUInt64().WithElement(1, y.AsUInt64()[0]).AsByte();
    }

    private readonly struct HighToLow : IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => x.AsUInt64().WithElement(0, y.AsUInt64()[1]).AsByte();
    }
}
