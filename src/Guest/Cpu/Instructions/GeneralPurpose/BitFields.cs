using System.Numerics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>BMI1 and BMI2 in their VEX encodings, but MULX: three operands in general registers. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class BitFields
{
    private const byte OtherIsImmediate = 1;

    /// <summary>Both operands zero-extended: the register-or-memory one, and the VEX.vvvv register or immediate.</summary>
    private interface IFieldOp
    {
        static abstract ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged;
    }

    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Andn => Select<Andn>(t, 2, 1),
        Mnemonic.Bextr when t.Instruction.Code.Encoding() == EncodingKind.VEX => Select<Bextr>(t, 1, 2),
        Mnemonic.Blsi => Select<Blsi>(t, 1, 0),
        Mnemonic.Blsmsk => Select<Blsmsk>(t, 1, 0),
        Mnemonic.Blsr => Select<Blsr>(t, 1, 0),
        Mnemonic.Bzhi => Select<Bzhi>(t, 1, 2),
        Mnemonic.Pdep => Select<Pdep>(t, 2, 1),
        Mnemonic.Pext => Select<Pext>(t, 2, 1),
        Mnemonic.Rorx => Select<Rorx>(t, 1, 2),
        Mnemonic.Sarx => Select<Sarx>(t, 1, 2),
        Mnemonic.Shlx => Select<Shlx>(t, 1, 2),
        Mnemonic.Shrx => Select<Shrx>(t, 1, 2),
        _ => false,
    };

    private static bool Select<TOp>(Translator t, int value, int other)
        where TOp : struct, IFieldOp => t.Size == 4 ? Select<TOp, uint>(t, value, other) : Select<TOp, ulong>(t, value, other);

    private static bool Select<TOp, T>(Translator t, int value, int other)
        where TOp : struct, IFieldOp
        where T : unmanaged
    {
        t.Op->Dst = t.Register(0);
        bool immediate = !t.IsRegister(other);
        t.Op->Aux = immediate ? t.Instruction.Immediate8 : t.Register(other);
        if (t.IsRegister(value))
        {
            t.Op->Src = t.Register(value);
            t.Op->Scale = immediate ? OtherIsImmediate : (byte)0;
            t.Op->Handler = &Registers<TOp, T>;
            return true;
        }

        t.Memory();
        t.Op->Src = immediate ? OtherIsImmediate : (byte)0;
        t.Op->Handler = &Memory<TOp, T>;
        return true;
    }

    private static ulong Other<T>(CpuState* s, Op* op, byte kind)
        where T : unmanaged => kind == OtherIsImmediate ? op->Aux : Operand.Zx<T>(Operand.Get<T>(s, op->Aux));

    private static Block* Registers<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IFieldOp
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Apply<T>(s, Operand.Zx<T>(Operand.Get<T>(s, op->Src)), Other<T>(s, op, op->Scale)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Memory<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IFieldOp
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, TOp.Apply<T>(s, Operand.Zx<T>(Operand.Load<T>(p)), Other<T>(s, op, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    /// <summary>ZF and SF of the result, CF as given, OF = 0; AF and PF are undefined and become 0.</summary>
    private static ulong Flagged<T>(CpuState* s, ulong result, bool carry)
        where T : unmanaged
    {
        ulong r = Operand.Zx<T>(result);
        Flags.Set(s, (r == 0 ? Cpu.RflagsBits.Zf : 0) | (r >> ((8 * sizeof(T)) - 1) != 0 ? Cpu.RflagsBits.Sf : 0) | (carry ? Cpu.RflagsBits.Cf : 0));
        return result;
    }

    private readonly struct Andn : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => Flagged<T>(s, ~other & value, false);
    }

    /// <summary>Start in bits 7:0, length in bits 15:8.</summary>
    private readonly struct Bextr : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged
        {
            int start = (byte)other, length = (byte)(other >> 8);
            ulong shifted = start >= 8 * sizeof(T) ? 0 : value >> start;
            return Flagged<T>(s, length >= 64 ? shifted : shifted & ((1ul << length) - 1), false);
        }
    }

    private readonly struct Blsi : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => Flagged<T>(s, value & (0 - value), value != 0);
    }

    private readonly struct Blsmsk : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => Flagged<T>(s, value ^ (value - 1), value == 0);
    }

    private readonly struct Blsr : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => Flagged<T>(s, value & (value - 1), value == 0);
    }

    private readonly struct Bzhi : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged
        {
            int from = (byte)other;
            bool beyond = from >= 8 * sizeof(T);
            return Flagged<T>(s, beyond ? value : value & ((1ul << from) - 1), beyond);
        }
    }

    private readonly struct Pdep : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged
        {
            ulong r = 0;
            for (ulong mask = value; mask != 0; mask &= mask - 1, other >>= 1)
                r |= (other & 1) != 0 ? mask & (0 - mask) : 0;
            return r;
        }
    }

    private readonly struct Pext : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged
        {
            ulong r = 0;
            int at = 0;
            for (ulong mask = value; mask != 0; mask &= mask - 1, at++)
                r |= (other >> BitOperations.TrailingZeroCount(mask) & 1) << at;
            return r;
        }
    }

    private readonly struct Rorx : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => sizeof(T) == 4 ? uint.RotateRight((uint)value, (int)other & 31) : ulong.RotateRight(value, (int)other & 63);
    }

    private readonly struct Sarx : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => (ulong)((long)Operand.Sx<T>(value) >> Count<T>(other));
    }

    private readonly struct Shlx : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => value << Count<T>(other);
    }

    private readonly struct Shrx : IFieldOp
    {
        public static ulong Apply<T>(CpuState* s, ulong value, ulong other)
            where T : unmanaged => value >> Count<T>(other);
    }

    private static int Count<T>(ulong other)
        where T : unmanaged => (int)other & ((8 * sizeof(T)) - 1);
}
