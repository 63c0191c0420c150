using System.Numerics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>BT family, BSF, BSR, POPCNT, LZCNT, TZCNT, BMI1 and BMI2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Bits
{
    private interface IBitOp
    {
        static abstract bool Writes { get; }

        static abstract ulong Apply(ulong value, ulong bit);
    }

    private readonly struct BtOp : IBitOp
    {
        public static bool Writes => false;

        public static ulong Apply(ulong value, ulong bit) => value;
    }

    private readonly struct BtsOp : IBitOp
    {
        public static bool Writes => true;

        public static ulong Apply(ulong value, ulong bit) => value | bit;
    }

    private readonly struct BtrOp : IBitOp
    {
        public static bool Writes => true;

        public static ulong Apply(ulong value, ulong bit) => value & ~bit;
    }

    private readonly struct BtcOp : IBitOp
    {
        public static bool Writes => true;

        public static ulong Apply(ulong value, ulong bit) => value ^ bit;
    }

    /// <summary>Source to destination, one of the scans and counts.</summary>
    private interface IScan
    {
        static abstract void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged;
    }

    public static bool Bt(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Bt => Bt<BtOp>(t),
        Mnemonic.Bts => Bt<BtsOp>(t),
        Mnemonic.Btr => Bt<BtrOp>(t),
        _ => Bt<BtcOp>(t),
    };

    public static bool Scan(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Bsf => Scan<BsfOp>(t),
        Mnemonic.Bsr => Scan<BsrOp>(t),
        Mnemonic.Tzcnt => t.Features.Tzcnt ? Scan<TzcntOp>(t) : Scan<BsfOp>(t),
        Mnemonic.Lzcnt => t.Features.Lzcnt ? Scan<LzcntOp>(t) : Scan<BsrOp>(t),
        _ => Scan<PopcntOp>(t),
    };

    private static bool Bt<TOp>(Translator t)
        where TOp : struct, IBitOp => t.Size switch { 2 => Bt<TOp, ushort>(t), 4 => Bt<TOp, uint>(t), _ => Bt<TOp, ulong>(t) };

    private static bool Bt<TOp, T>(Translator t)
        where TOp : struct, IBitOp
        where T : unmanaged
    {
        Op* op = t.Op;
        bool byRegister = t.IsRegister(1);
        if (byRegister)
            op->Src = t.Register(1);
        else
            op->Imm = t.Instruction.GetImmediate(1) & (ulong)((8 * sizeof(T)) - 1);
        if (t.IsRegister(0))
        {
            op->Dst = t.Register(0);
            op->Handler = byRegister ? &BtReg<TOp, T> : &BtImm<TOp, T>;
            return true;
        }

        t.Memory();
        op->Handler = byRegister ? &BtMemReg<TOp, T> : &BtMemImm<TOp, T>;
        return true;
    }

    private static void SetCarry(CpuState* s, ulong value, int bit) => Flags.SetCarry(s, ((value >> bit) & 1) != 0);

    private static Block* BtReg<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBitOp
        where T : unmanaged
    {
        int bit = (int)Operand.Get<T>(s, op->Src) & ((8 * sizeof(T)) - 1);
        ulong value = Operand.Get<T>(s, op->Dst);
        SetCarry(s, value, bit);
        if (TOp.Writes)
            Operand.Set<T>(s, op->Dst, TOp.Apply(value, 1ul << bit));
        return op[1].Handler(s, op + 1);
    }

    private static Block* BtImm<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBitOp
        where T : unmanaged
    {
        ulong value = Operand.Get<T>(s, op->Dst);
        SetCarry(s, value, (int)op->Imm);
        if (TOp.Writes)
            Operand.Set<T>(s, op->Dst, TOp.Apply(value, 1ul << (int)op->Imm));
        return op[1].Handler(s, op + 1);
    }

    private static Block* BtMemImm<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBitOp
        where T : unmanaged => BtMemory<TOp, T>(s, op, Operand.Linear(s, op, sizeof(T), TOp.Writes), (int)op->Imm);

    /// <summary>The bit offset is signed and reaches beyond the operand. SDM vol. 2, BT.</summary>
    private static Block* BtMemReg<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IBitOp
        where T : unmanaged
    {
        long offset = (long)Operand.Get<T>(s, op->Src);
        int bits = 8 * sizeof(T);
        long words = offset >> BitOperations.Log2((uint)bits);
        ulong effective = Operand.Effective(s, op) + (ulong)(words * sizeof(T));
        effective = op->Form switch
        {
            AddressForm.Segment16 => (ushort)effective,
            AddressForm.Segment32 or AddressForm.Short64 => (uint)effective,
            _ => effective,
        };
        return BtMemory<TOp, T>(s, op, Operand.InSegment(s, op->Segment, effective, sizeof(T), TOp.Writes), (int)offset & (bits - 1));
    }

    private static Block* BtMemory<TOp, T>(CpuState* s, Op* op, ulong linear, int bit)
        where TOp : struct, IBitOp
        where T : unmanaged
    {
        byte* p = TOp.Writes ? Tlb.Modify(s, linear, sizeof(T)) : Tlb.Read(s, linear, sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong value = Operand.Load<T>(p);
        SetCarry(s, value, bit);
        if (TOp.Writes)
        {
            Operand.Store<T>(p, TOp.Apply(value, 1ul << bit));
            Tlb.Commit(s, p);
        }

        return op[1].Handler(s, op + 1);
    }

    private static bool Scan<TOp>(Translator t)
        where TOp : struct, IScan => t.Size switch { 2 => Scan<TOp, ushort>(t), 4 => Scan<TOp, uint>(t), _ => Scan<TOp, ulong>(t) };

    private static bool Scan<TOp, T>(Translator t)
        where TOp : struct, IScan
        where T : unmanaged
    {
        t.Op->Dst = t.Register(0);
        if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &ScanReg<TOp, T>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &ScanMem<TOp, T>;
        }

        return true;
    }

    private static Block* ScanReg<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IScan
        where T : unmanaged
    {
        TOp.Apply<T>(s, op->Dst, Operand.Zx<T>(Operand.Get<T>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* ScanMem<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IScan
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        TOp.Apply<T>(s, op->Dst, Operand.Zx<T>(Operand.Load<T>(p)));
        return op[1].Handler(s, op + 1);
    }

    private static void SetZero(CpuState* s, bool zf) => Flags.Set(s, (Flags.Get(s) & ~RflagsBits.Zf) | (zf ? RflagsBits.Zf : 0));

    private static void SetZeroCarry(CpuState* s, bool zf, bool cf) =>
        Flags.Set(s, (Flags.Get(s) & ~(RflagsBits.Zf | RflagsBits.Cf)) | (zf ? RflagsBits.Zf : 0) | (cf ? RflagsBits.Cf : 0));

    /// <summary>A zero source leaves the destination as it is (the manuals: undefined on Intel, unchanged on AMD).</summary>
    private readonly struct BsfOp : IScan
    {
        public static void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged
        {
            SetZero(s, value == 0);
            if (value != 0)
                Operand.Set<T>(s, dst, (ulong)BitOperations.TrailingZeroCount(value));
        }
    }

    private readonly struct BsrOp : IScan
    {
        public static void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged
        {
            SetZero(s, value == 0);
            if (value != 0)
                Operand.Set<T>(s, dst, (ulong)BitOperations.Log2(value));
        }
    }

    private readonly struct TzcntOp : IScan
    {
        public static void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged
        {
            ulong n = value == 0 ? (ulong)(8 * sizeof(T)) : (ulong)BitOperations.TrailingZeroCount(value);
            SetZeroCarry(s, n == 0, value == 0);
            Operand.Set<T>(s, dst, n);
        }
    }

    private readonly struct LzcntOp : IScan
    {
        public static void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged
        {
            ulong n = (ulong)(BitOperations.LeadingZeroCount(value) - (64 - (8 * sizeof(T))));
            SetZeroCarry(s, n == 0, value == 0);
            Operand.Set<T>(s, dst, n);
        }
    }

    private readonly struct PopcntOp : IScan
    {
        public static void Apply<T>(CpuState* s, byte dst, ulong value)
            where T : unmanaged
        {
            Flags.Set(s, value == 0 ? RflagsBits.Zf : 0);
            Operand.Set<T>(s, dst, (ulong)BitOperations.PopCount(value));
        }
    }
}
