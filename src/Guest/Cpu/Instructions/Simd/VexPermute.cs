using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>AVX's and AVX2's own: broadcasts, permutations, 128-bit inserts and extracts, variable shifts, masked moves. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexPermute
{
    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Vbroadcastss or Mnemonic.Vpbroadcastd => Broadcast<uint>(t),
        Mnemonic.Vbroadcastsd or Mnemonic.Vpbroadcastq => Broadcast<ulong>(t),
        Mnemonic.Vpbroadcastb => Broadcast<byte>(t),
        Mnemonic.Vpbroadcastw => Broadcast<ushort>(t),
        Mnemonic.Vbroadcastf128 or Mnemonic.Vbroadcasti128 => Full<Broadcast128>(t, 16),
        Mnemonic.Vinsertf128 or Mnemonic.Vinserti128 => Full<Insert128>(t, 16),
        Mnemonic.Vperm2f128 or Mnemonic.Vperm2i128 => Full<Permute128>(t, 32),
        Mnemonic.Vpermq or Mnemonic.Vpermpd => Full<PermuteQuadwords>(t, 32),
        Mnemonic.Vpermd or Mnemonic.Vpermps => Full<PermuteDoublewords>(t, 32),
        Mnemonic.Vextractf128 or Mnemonic.Vextracti128 => Extract(t),
        Mnemonic.Vpermilps => t.IsImmediate(2) ? Vex.Binary<ShuffleDoublewords>(t) : Vex.Binary<SelectSingles>(t),
        Mnemonic.Vpermilpd => t.IsImmediate(2) ? Vex.Binary<SelectDoublesByImmediate>(t) : Vex.Binary<SelectDoubles>(t),
        Mnemonic.Vpblendd => Vex.Binary<BlendByImmediate<uint>>(t),
        Mnemonic.Vpsllvd => Vex.Binary<VariableShift<uint, LeftShift>>(t),
        Mnemonic.Vpsllvq => Vex.Binary<VariableShift<ulong, LeftShift>>(t),
        Mnemonic.Vpsrlvd => Vex.Binary<VariableShift<uint, RightShift>>(t),
        Mnemonic.Vpsrlvq => Vex.Binary<VariableShift<ulong, RightShift>>(t),
        Mnemonic.Vpsravd => Vex.Binary<VariableShift<int, RightShift>>(t),
        Mnemonic.Vmaskmovps or Mnemonic.Vpmaskmovd => MaskedMove<uint>(t),
        Mnemonic.Vmaskmovpd or Mnemonic.Vpmaskmovq => MaskedMove<ulong>(t),
        _ => false,
    };

    /// <summary>What becomes of whole 32-byte operands. The first may be absent.</summary>
    private interface IFullOp
    {
        static abstract (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate);
    }

    private static bool Full<TOp>(Translator t, byte size)
        where TOp : struct, IFullOp
    {
        bool memory = Vex.Operands(t);
        t.Op->Handler = memory ? size == 32 ? &FullMemory32<TOp> : &FullMemory16<TOp> : &FullRegisters<TOp>;
        return true;
    }

    private static bool Broadcast<T>(Translator t)
        where T : unmanaged
    {
        bool wide = Vex.IsWide(t, 0), memory = Vex.Operands(t);
        t.Op->Aux = wide ? (byte)1 : (byte)0;
        t.Op->Handler = memory ? &BroadcastMemory<T> : &BroadcastRegister<T>;
        return true;
    }

    private static bool Extract(Translator t)
    {
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Aux = (byte)(t.Instruction.Immediate8 & 1);
        if (t.IsRegister(0))
            t.Op->Dst = Vector.Number(t, 0);
        else
            t.Memory();
        t.Op->Handler = t.IsRegister(0) ? &ExtractRegister : &ExtractMemory;
        return true;
    }

    private static bool MaskedMove<T>(Translator t)
        where T : unmanaged, IBinaryInteger<T>
    {
        bool load = t.IsRegister(0), wide = Vex.IsWide(t, 1);
        t.Op->Src = Vector.Number(t, 1);
        t.Op->Dst = Vector.Number(t, load ? 0 : 2);
        t.Op->Aux = (byte)((wide ? 32 : 16) / sizeof(T));
        t.Memory();
        t.Op->Handler = load ? &MaskedLoad<T> : &MaskedStore<T>;
        return true;
    }

    // SAFETY (all handlers): as in Vex.
    private static Block* FullRegisters<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFullOp
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetFull<TOp>(s, op, op->Base, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* FullMemory16<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFullOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vector.Load(s, op, 16, true, out Vector128<byte> y) ? SetFull<TOp>(s, op, op->Src, y, default) : Faults.Raise(s, op);
    }

    private static Block* FullMemory32<TOp>(CpuState* s, Op* op)
        where TOp : struct, IFullOp
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        return Vex.LoadWide(s, op, out Vector128<byte> y, out Vector128<byte> yHigh) ? SetFull<TOp>(s, op, op->Src, y, yHigh) : Faults.Raise(s, op);
    }

    private static Block* SetFull<TOp>(CpuState* s, Op* op, byte first, Vector128<byte> y, Vector128<byte> yHigh)
        where TOp : struct, IFullOp
    {
        (Vector128<byte> low, Vector128<byte> high) = TOp.Apply(*Vector.At(s, first), *Vex.High(s, first), y, yHigh, op->Aux);
        Vex.Set(s, op->Dst, low, high);
        return op[1].Handler(s, op + 1);
    }

    private static Block* BroadcastRegister<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : SetAll(s, op, *(T*)Vector.At(s, op->Src));
    }

    private static Block* BroadcastMemory<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        return p == null ? Faults.Raise(s, op) : SetAll(s, op, *(T*)p);
    }

    private static Block* SetAll<T>(CpuState* s, Op* op, T value)
        where T : unmanaged
    {
        Vector128<byte> all = Vector128.Create(value).As<T, byte>();
        Vex.Set(s, op->Dst, all, op->Aux != 0 ? all : default);
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtractRegister(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vex.Set(s, op->Dst, op->Aux != 0 ? *Vex.High(s, op->Src) : *Vector.At(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ExtractMemory(CpuState* s, Op* op)
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 16), 16);
        if (p == null)
            return Faults.Raise(s, op);
        *(Vector128<byte>*)p = op->Aux != 0 ? *Vex.High(s, op->Src) : *Vector.At(s, op->Src);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static T Element<T>(CpuState* s, int register, int index)
        where T : unmanaged => index < 16 / sizeof(T) ? ((T*)Vector.At(s, register))[index] : ((T*)Vex.High(s, register))[index - (16 / sizeof(T))];

    /// <summary>Elements whose mask has its sign bit are read, each by itself: the others cannot fault. They become zero.</summary>
    private static Block* MaskedLoad<T>(CpuState* s, Op* op)
        where T : unmanaged, IBinaryInteger<T>
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Read(s, op, op->Aux * sizeof(T));
        T* r = stackalloc T[32 / sizeof(T)];
        for (int i = 0; i < 32 / sizeof(T); i++)
        {
            r[i] = T.Zero;
            if (i >= op->Aux || (Element<T>(s, op->Src, i) >> ((8 * sizeof(T)) - 1)) == T.Zero)
                continue;
            byte* p = Tlb.Read(s, linear == Tlb.NoAddress ? linear : linear + (ulong)(i * sizeof(T)), sizeof(T));
            if (p == null)
                return Faults.Raise(s, op);
            r[i] = *(T*)p;
        }

        Vex.Set(s, op->Dst, *(Vector128<byte>*)r, *((Vector128<byte>*)r + 1));
        return op[1].Handler(s, op + 1);
    }

    /// <summary>All chosen elements are checked before the first is stored.</summary>
    private static Block* MaskedStore<T>(CpuState* s, Op* op)
        where T : unmanaged, IBinaryInteger<T>
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong linear = AnyAddress.Write(s, op, op->Aux * sizeof(T));
        for (int pass = 0; pass < 2; pass++)
        {
            for (int i = 0; i < op->Aux; i++)
            {
                if ((Element<T>(s, op->Src, i) >> ((8 * sizeof(T)) - 1)) == T.Zero)
                    continue;
                byte* p = Tlb.Modify(s, linear == Tlb.NoAddress ? linear : linear + (ulong)(i * sizeof(T)), sizeof(T));
                if (p == null)
                    return Faults.Raise(s, op);
                if (pass == 0)
                    continue;
                *(T*)p = Element<T>(s, op->Dst, i);
                Tlb.Commit(s, p);
            }
        }

        return op[1].Handler(s, op + 1);
    }

    private readonly struct Broadcast128 : IFullOp
    {
        public static (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate) => (y, y);
    }

    private readonly struct Insert128 : IFullOp
    {
        public static (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate) =>
            (immediate & 1) != 0 ? (x, y) : (y, xHigh);
    }

    private readonly struct Permute128 : IFullOp
    {
        public static (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate)
        {
            return (Choose(immediate), Choose(immediate >> 4));

            Vector128<byte> Choose(int control) => (control & 8) != 0 ? default : (control & 3) switch { 0 => x, 1 => xHigh, 2 => y, _ => yHigh };
        }
    }

    private readonly struct PermuteQuadwords : IFullOp
    {
        public static (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate)
        {
            return (Vector128.Create(Choose(immediate), Choose(immediate >> 2)).AsByte(), Vector128.Create(Choose(immediate >> 4), Choose(immediate >> 6)).AsByte());

            ulong Choose(int control) => ((control & 2) != 0 ? yHigh : y).AsUInt64()[control & 1];
        }
    }

    /// <summary>The first operand selects from the second.</summary>
    private readonly struct PermuteDoublewords : IFullOp
    {
        public static (Vector128<byte> Low, Vector128<byte> High) Apply(Vector128<byte> x, Vector128<byte> xHigh, Vector128<byte> y, Vector128<byte> yHigh, byte immediate)
        {
            Vector128<uint> low = default, high = default;
            for (int i = 0; i < 4; i++)
            {
                low = low.WithElement(i, Choose(x.AsUInt32()[i]));
                high = high.WithElement(i, Choose(xHigh.AsUInt32()[i]));
            }

            return (low.AsByte(), high.AsByte());

            uint Choose(uint control) => ((control & 4) != 0 ? yHigh : y).AsUInt32()[(int)(control & 3)];
        }
    }

    private readonly struct SelectSingles : IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) => Vector128.Shuffle(x.AsUInt32(), y.AsUInt32() & Vector128.Create(3u)).AsByte();
    }

    /// <summary>Bit 1 of each selector.</summary>
    private readonly struct SelectDoubles : IVectorOp
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
            Vector128.Shuffle(x.AsUInt64(), (y.AsUInt64() >> 1) & Vector128.Create(1ul)).AsByte();
    }

    private readonly struct SelectDoublesByImmediate : IVectorOp
    {
        public static byte HighImmediate(byte immediate) => (byte)(immediate >> 2);

        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate) =>
            Vector128.Create(y.AsUInt64()[immediate & 1], y.AsUInt64()[(immediate >> 1) & 1]).AsByte();
    }

    private interface IShiftKind
    {
        static abstract T Apply<T>(T value, int count)
            where T : IBinaryInteger<T>;
    }

    private readonly struct LeftShift : IShiftKind
    {
        public static T Apply<T>(T value, int count)
            where T : IBinaryInteger<T> => value << count;
    }

    private readonly struct RightShift : IShiftKind
    {
        public static T Apply<T>(T value, int count)
            where T : IBinaryInteger<T> => value >> count;
    }

    /// <summary>A count of the element's width or more gives zero, or copies of the sign.</summary>
    private readonly struct VariableShift<T, TKind> : IVectorOp
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        where TKind : struct, IShiftKind
    {
        public static Vector128<byte> Apply(Vector128<byte> x, Vector128<byte> y, byte immediate)
        {
            Vector128<T> r = default;
            int bits = 8 * sizeof(T);
            for (int i = 0; i < Vector128<T>.Count; i++)
            {
                ulong count = sizeof(T) == 4 ? y.AsUInt32()[i] : y.AsUInt64()[i];
                T value = x.As<byte, T>()[i];
                T beyond = T.MinValue == T.Zero ? T.Zero : value >> (bits - 1);
                r = r.WithElement(i, count >= (ulong)bits ? beyond : TKind.Apply(value, (int)count));
            }

            return r.AsByte();
        }
    }
}
