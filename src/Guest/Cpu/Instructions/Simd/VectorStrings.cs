using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>SSE4.2 text comparisons: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM. SDM vol. 1, 12.9.2; vol. 2, 4.1.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VectorStrings
{
    private const byte Explicit = 1, Index = 2, Wide = 4;

    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pcmpestri or Mnemonic.Vpcmpestri => Compare(t, Explicit | Index),
        Mnemonic.Pcmpestri64 or Mnemonic.Vpcmpestri64 => Compare(t, Explicit | Index | Wide),
        Mnemonic.Pcmpestrm or Mnemonic.Vpcmpestrm => Compare(t, Explicit),
        Mnemonic.Pcmpestrm64 or Mnemonic.Vpcmpestrm64 => Compare(t, Explicit | Wide),
        Mnemonic.Pcmpistri or Mnemonic.Vpcmpistri => Compare(t, Index),
        Mnemonic.Pcmpistrm or Mnemonic.Vpcmpistrm => Compare(t, 0),
        _ => false,
    };

    private static bool Compare(Translator t, byte kind)
    {
        t.Op->Dst = Vector.Number(t, 0);
        t.Op->Aux = t.Instruction.Immediate8;
        if (t.IsRegister(1))
        {
            t.Op->Src = Vector.Number(t, 1);
            t.Op->Scale = kind;
            t.Op->Handler = Vex.IsVex(t) ? &Registers<VexGate> : &Registers<LegacyGate>;
            return true;
        }

        t.Memory();
        t.Op->Src = kind;
        t.Op->Handler = Vex.IsVex(t) ? &Memory<VexGate> : &Memory<LegacyGate>;
        return true;
    }

    private static Block* Registers<TGate>(CpuState* s, Op* op)
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Execute<TGate>(s, op, *Vector.At(s, op->Src), op->Scale);
    }

    /// <summary>The memory operand need not be aligned.</summary>
    private static Block* Memory<TGate>(CpuState* s, Op* op)
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 16), 16);
        // SAFETY: Tlb gives 16 good bytes.
        return p == null ? Faults.Raise(s, op) : Execute<TGate>(s, op, *(Vector128<byte>*)p, op->Src);
    }

    private static Block* Execute<TGate>(CpuState* s, Op* op, Vector128<byte> second, byte kind)
        where TGate : struct, IVectorGate
    {
        Text a = new(*Vector.At(s, op->Dst), op->Aux), b = new(second, op->Aux);
        if ((kind & Explicit) != 0)
        {
            a.Length = a.Clamp(Length(s->Gpr[(int)Gpr.Rax], kind));
            b.Length = b.Clamp(Length(s->Gpr[(int)Gpr.Rdx], kind));
        }

        uint all = (1u << a.Count) - 1;
        uint result = Aggregate(a, b, op->Aux);
        // Polarity: 1 negates, 3 negates where the second text is valid.
        result = ((op->Aux >> 4) & 3) switch { 1 => ~result & all, 3 => result ^ ((1u << b.Length) - 1), _ => result };
        if ((kind & Index) != 0)
        {
            s->Gpr[(int)Gpr.Rcx] = result == 0 ? (uint)a.Count : (op->Aux & 0x40) != 0 ? (uint)BitOperations.Log2(result) : (uint)BitOperations.TrailingZeroCount(result);
        }
        else
        {
            *Vector.At(s, 0) = (op->Aux & 0x40) != 0 ? Expand(result, a.Count) : Vector128.CreateScalar(result).AsByte();
            TGate.ClearUpper(s, 0);
        }

        Flags.Set(s, (result != 0 ? Cpu.RflagsBits.Cf : 0) | (b.Length < b.Count ? Cpu.RflagsBits.Zf : 0)
            | (a.Length < a.Count ? Cpu.RflagsBits.Sf : 0) | ((result & 1) != 0 ? Cpu.RflagsBits.Of : 0));
        return op[1].Handler(s, op + 1);
    }

    private static long Length(ulong register, byte kind) => (kind & Wide) != 0 ? (long)register : (int)register;

    private static uint Aggregate(in Text a, in Text b, byte control) => ((control >> 2) & 3) switch
    {
        0 => EqualAny(a, b),
        1 => Ranges(a, b),
        2 => EqualEach(a, b),
        _ => EqualOrdered(a, b),
    };

    private static uint EqualAny(in Text a, in Text b)
    {
        uint r = 0;
        for (int j = 0; j < b.Length; j++)
        {
            for (int i = 0; i < a.Length; i++)
                r |= a[i] == b[j] ? 1u << j : 0;
        }

        return r;
    }

    /// <summary>The first text holds pairs: lower and upper limit.</summary>
    private static uint Ranges(in Text a, in Text b)
    {
        uint r = 0;
        for (int j = 0; j < b.Length; j++)
        {
            for (int i = 0; i + 1 < a.Length; i += 2)
                r |= b[j] >= a[i] && b[j] <= a[i + 1] ? 1u << j : 0;
        }

        return r;
    }

    /// <summary>Beyond both ends counts as equal, beyond one as different.</summary>
    private static uint EqualEach(in Text a, in Text b)
    {
        uint r = 0;
        for (int i = 0; i < a.Count; i++)
        {
            bool inA = i < a.Length, inB = i < b.Length;
            r |= (inA && inB ? a[i] == b[i] : inA == inB) ? 1u << i : 0;
        }

        return r;
    }

    /// <summary>Where the first text begins within the second, also when cut off by its register's end.</summary>
    private static uint EqualOrdered(in Text a, in Text b)
    {
        uint r = 0;
        for (int j = 0; j < b.Count; j++)
        {
            bool equal = true;
            for (int i = 0; equal && i < a.Length && i + j < b.Count; i++)
                equal = i + j < b.Length && a[i] == b[i + j];
            r |= equal ? 1u << j : 0;
        }

        return r;
    }

    private static Vector128<byte> Expand(uint bits, int count)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
            r = r.WithElement(i, (bits >> (count == 8 ? i / 2 : i) & 1) != 0 ? (byte)0xFF : (byte)0);
        return r;
    }

    /// <summary>Elements of a register: control bit 0 says words, bit 1 signed.</summary>
    private struct Text
    {
        private readonly Vector128<byte> _value;
        private readonly byte _control;

        public Text(Vector128<byte> value, byte control)
        {
            _value = value;
            _control = control;
            Count = (control & 1) != 0 ? 8 : 16;
            uint zeroes = (control & 1) != 0
                ? Vector128.Equals(value.AsUInt16(), Vector128<ushort>.Zero).ExtractMostSignificantBits()
                : Vector128.Equals(value, Vector128<byte>.Zero).ExtractMostSignificantBits();
            Length = zeroes == 0 ? Count : BitOperations.TrailingZeroCount(zeroes);
        }

        public int Count { get; }

        /// <summary>Valid elements: those before the first zero, or as many as a register says.</summary>
        public int Length { get; set; }

        public readonly int this[int i] => (_control & 3) switch
        {
            0 => _value[i],
            1 => _value.AsUInt16()[i],
            2 => (sbyte)_value[i],
            _ => _value.AsInt16()[i],
        };

        /// <summary>The magnitude, saturated.</summary>
        public readonly int Clamp(long length) => length == long.MinValue ? Count : (int)Math.Min(Math.Abs(length), Count);
    }
}
