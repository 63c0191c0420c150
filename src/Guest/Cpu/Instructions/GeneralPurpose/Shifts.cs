using System.Runtime.CompilerServices;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>A shift or rotate of a value (zero-extended from the size of T) by a masked count that is not zero. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IShift
{
    static abstract ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged;

    /// <summary>What it does with the flags when its operand is a register and its count not 0.</summary>
    static abstract FlagUse Flags { get; }

    /// <summary>What it is to <see cref="Pairs"/> when its count is an immediate.</summary>
    static abstract PairPart Part { get; }

    /// <summary>The result, not extended, without a flag; RCL and RCR have none.</summary>
    static abstract ulong Result<T>(ulong x, int count)
        where T : unmanaged;
}

// SAFETY: as above.
internal readonly unsafe struct Shl : IShift
{
    public static PairPart Part => PairPart.Shl;

    public static FlagUse Flags => FlagUse.Replaced;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged
        => x << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T);
        ulong r = Operand.Sx<T>(x << count);
        bool cf = count <= bits && ((x >> (bits - count)) & 1) != 0;
        Cpu.Flags.SetExplicit(s, r, cf, cf != ((long)r < 0));
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Shr : IShift
{
    public static PairPart Part => PairPart.Shr;

    public static FlagUse Flags => FlagUse.Replaced;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged
        => x >> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        ulong r = Operand.Sx<T>(x >> count);
        Cpu.Flags.SetExplicit(s, r, ((x >> (count - 1)) & 1) != 0, (long)Operand.Sx<T>(x) < 0);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Sar : IShift
{
    public static PairPart Part => PairPart.None;

    public static FlagUse Flags => FlagUse.Replaced;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged
        => (ulong)((long)Operand.Sx<T>(x) >> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        long wide = (long)Operand.Sx<T>(x);
        ulong r = (ulong)(wide >> count);
        Cpu.Flags.SetExplicit(s, r, ((wide >> (count - 1)) & 1) != 0, false);
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Rol : IShift
{
    public static PairPart Part => PairPart.Rol;

    public static FlagUse Flags => FlagUse.Seen;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T), n = count & (bits - 1);
        return sizeof(T) switch
        {
            8 => System.Numerics.BitOperations.RotateLeft(x, n),
            4 => System.Numerics.BitOperations.RotateLeft((uint)x, n),
            _ => Operand.Zx<T>((x << n) | (x >> (bits - n))),
        };
    }

    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T);
        ulong r = Result<T>(x, count);
        bool cf = (r & 1) != 0;
        Shift.SetRotateFlags(s, cf, cf != (((r >> (bits - 1)) & 1) != 0));
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Ror : IShift
{
    public static PairPart Part => PairPart.None;

    public static FlagUse Flags => FlagUse.Seen;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T), n = count & (bits - 1);
        return sizeof(T) switch
        {
            8 => System.Numerics.BitOperations.RotateRight(x, n),
            4 => System.Numerics.BitOperations.RotateRight((uint)x, n),
            _ => Operand.Zx<T>((x >> n) | (x << (bits - n))),
        };
    }

    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T);
        ulong r = Result<T>(x, count);
        bool cf = ((r >> (bits - 1)) & 1) != 0;
        Shift.SetRotateFlags(s, cf, cf != (((r >> (bits - 2)) & 1) != 0));
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Rcl : IShift
{
    public static PairPart Part => PairPart.None;

    public static FlagUse Flags => FlagUse.Seen;

    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged => throw new System.Diagnostics.UnreachableException();

    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T);
        bool cf = Cpu.Flags.Cf(s);
        count %= bits + 1;
        ulong r = x;
        for (int i = 0; i < count; i++)
        {
            bool top = ((r >> (bits - 1)) & 1) != 0;
            r = Operand.Zx<T>((r << 1) | (cf ? 1u : 0u));
            cf = top;
        }

        Shift.SetRotateFlags(s, cf, cf != (((r >> (bits - 1)) & 1) != 0));
        return r;
    }
}

// SAFETY: as above.
internal readonly unsafe struct Rcr : IShift
{
    public static PairPart Part => PairPart.None;

    public static FlagUse Flags => FlagUse.Seen;

    public static ulong Result<T>(ulong x, int count)
        where T : unmanaged => throw new System.Diagnostics.UnreachableException();

    public static ulong Apply<T>(CpuState* s, ulong x, int count)
        where T : unmanaged
    {
        int bits = 8 * sizeof(T);
        bool cf = Cpu.Flags.Cf(s);
        count %= bits + 1;
        ulong r = x;
        for (int i = 0; i < count; i++)
        {
            bool low = (r & 1) != 0;
            r = (r >> 1) | (cf ? 1ul << (bits - 1) : 0);
            cf = low;
        }

        Shift.SetRotateFlags(s, cf, (((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1) != 0);
        return r;
    }
}

/// <summary>Shifts and rotates by 1, CL or an immediate; SHLD, SHRD; the BMI2 forms without flags.</summary>
// SAFETY: as above.
internal static unsafe class Shift
{
    public static bool Select<TOp>(Translator t)
        where TOp : struct, IShift => t.Size switch
        {
            1 => Select<TOp, byte>(t),
            2 => Select<TOp, ushort>(t),
            4 => Select<TOp, uint>(t),
            _ => Select<TOp, ulong>(t),
        };

    /// <summary>SHLD and SHRD.</summary>
    public static bool Double(Translator t)
    {
        bool left = t.Instruction.Mnemonic == Mnemonic.Shld;
        Op* op = t.Op;
        op->Src = t.Register(1);
        bool byCl = t.IsRegister(2);
        op->Aux = (byte)(byCl ? 0x80 : t.Instruction.Immediate8 & (t.Size == 8 ? 63 : 31));
        if (t.IsRegister(0))
        {
            op->Dst = t.Register(0);
            op->Scale = 0xFF;
        }
        else
        {
            t.Memory();
        }

        op->Handler = t.Size switch
        {
            2 => left ? &DoubleOp<ushort, Left> : &DoubleOp<ushort, Right>,
            4 => left ? &DoubleOp<uint, Left> : &DoubleOp<uint, Right>,
            _ => left ? &DoubleOp<ulong, Left> : &DoubleOp<ulong, Right>,
        };
        return true;
    }

    /// <summary>Rotates touch CF and OF only.</summary>
    public static void SetRotateFlags(CpuState* s, bool cf, bool of)
    {
        // The result stays what ZF, SF and PF come from.
        uint af = Cpu.Flags.Af(s) ? RflagsBits.Af : 0;
        s->FlagKind = Cpu.Flags.Explicit | (s->FlagKind & (RflagsBits.Sf | RflagsBits.Pf)) | af | (of ? RflagsBits.Of : 0);
        s->X = 0;
        s->Y = cf ? 1u : 0u;
    }

    private static bool Select<TOp, T>(Translator t)
        where TOp : struct, IShift
        where T : unmanaged
    {
        Op* op = t.Op;
        bool byCl = t.IsRegister(1);
        op->Aux = (byte)(byCl ? 0 : t.Instruction.GetImmediate(1) & (sizeof(T) == 8 ? 63u : 31u));
        if (t.IsRegister(0))
        {
            op->Dst = t.Register(0);
            op->Handler = byCl ? &RegCl<TOp, T> : op->Aux == 0 ? &RegZero<T> : &RegImm<TOp, T>;
            if (!byCl)
                t.UsesFlags(op->Aux == 0 ? FlagUse.Passed : TOp.Flags, op->Aux == 0 || t.Instruction.Mnemonic is Mnemonic.Rcl or Mnemonic.Rcr ? null : &RegImmOnly<TOp, T>);
            if (op->Aux != 0 && sizeof(T) >= 4)
                t.PairsAs(TOp.Part);
            return true;
        }

        op->Scale = 0;
        AddressForm form = t.Memory();
        if (byCl)
        {
            op->Handler = form switch
            {
                AddressForm.Flat64 => &MemCl<TOp, T, Flat64>,
                AddressForm.Segment32 => &MemCl<TOp, T, Segment32>,
                _ => &MemCl<TOp, T, AnyAddress>,
            };
        }
        else
        {
            op->Handler = form switch
            {
                AddressForm.Flat64 => &MemImm<TOp, T, Flat64>,
                AddressForm.Segment32 => &MemImm<TOp, T, Segment32>,
                _ => &MemImm<TOp, T, AnyAddress>,
            };
        }

        return true;
    }

    private static Block* RegImm<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IShift
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Apply<T>(s, Operand.Zx<T>(Operand.Get<T>(s, op->Dst)), op->Aux));
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegImmOnly<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IShift
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, TOp.Result<T>(Operand.Zx<T>(Operand.Get<T>(s, op->Dst)), op->Aux));
        return op[1].Handler(s, op + 1);
    }

    /// <summary>A zero count changes no flag, but a 32-bit form still writes its register.</summary>
    private static Block* RegZero<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Get<T>(s, op->Dst));
        return op[1].Handler(s, op + 1);
    }

    private static Block* RegCl<TOp, T>(CpuState* s, Op* op)
        where TOp : struct, IShift
        where T : unmanaged
    {
        int count = (int)s->Gpr[(int)Gpr.Rcx] & (sizeof(T) == 8 ? 63 : 31);
        ulong x = Operand.Zx<T>(Operand.Get<T>(s, op->Dst));
        Operand.Set<T>(s, op->Dst, count == 0 ? x : TOp.Apply<T>(s, x, count));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MemImm<TOp, T, TA>(CpuState* s, Op* op)
        where TOp : struct, IShift
        where T : unmanaged
        where TA : struct, IAddress => Memory<TOp, T, TA>(s, op, op->Aux);

    private static Block* MemCl<TOp, T, TA>(CpuState* s, Op* op)
        where TOp : struct, IShift
        where T : unmanaged
        where TA : struct, IAddress => Memory<TOp, T, TA>(s, op, (int)s->Gpr[(int)Gpr.Rcx] & (sizeof(T) == 8 ? 63 : 31));

    private static Block* Memory<TOp, T, TA>(CpuState* s, Op* op, int count)
        where TOp : struct, IShift
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.Modify(s, TA.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        if (count != 0)
        {
            Operand.Store<T>(p, TOp.Apply<T>(s, Operand.Zx<T>(Operand.Load<T>(p)), count));
            Tlb.Commit(s, p);
        }

        return op[1].Handler(s, op + 1);
    }

    private interface IDirection
    {
        static abstract bool IsLeft { get; }
    }

    private readonly struct Left : IDirection
    {
        public static bool IsLeft => true;
    }

    private readonly struct Right : IDirection
    {
        public static bool IsLeft => false;
    }

    private static Block* DoubleOp<T, TD>(CpuState* s, Op* op)
        where T : unmanaged
        where TD : struct, IDirection
    {
        int bits = 8 * sizeof(T);
        int count = op->Aux == 0x80 ? (int)s->Gpr[(int)Gpr.Rcx] & (bits == 64 ? 63 : 31) : op->Aux;
        bool register = op->Scale == 0xFF;
        byte* p = register ? (byte*)s + op->Dst : Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong x = Operand.Zx<T>(Operand.Load<T>(p));
        ulong r = count == 0 ? x : DoubleShift<T, TD>(s, x, Operand.Zx<T>(Operand.Get<T>(s, op->Src)), count);
        if (register)
        {
            Operand.Set<T>(s, op->Dst, r);
        }
        else
        {
            Operand.Store<T>(p, r);
            Tlb.Commit(s, p);
        }

        return op[1].Handler(s, op + 1);
    }

    /// <summary>Counts above 16 of the 16-bit form give an undefined result (SDM vol. 2, SHLD); here the operand repeats.</summary>
    private static ulong DoubleShift<T, TD>(CpuState* s, ulong x, ulong y, int count)
        where T : unmanaged
        where TD : struct, IDirection
    {
        int bits = 8 * sizeof(T);
        bool cf;
        ulong r;
        if (TD.IsLeft)
        {
            if (bits == 16)
            {
                // x:y:x, shifted left; the top word is the result.
                ulong three = (x << 32) | (y << 16) | x;
                r = (three >> (32 - count)) & 0xFFFF;
                cf = ((three >> (48 - count)) & 1) != 0;
            }
            else
            {
                r = Operand.Zx<T>((x << count) | (y >> (bits - count)));
                cf = ((x >> (bits - count)) & 1) != 0;
            }
        }
        else if (bits == 16)
        {
            ulong three = (x << 32) | (y << 16) | x;
            r = (three >> count) & 0xFFFF;
            cf = ((three >> (count - 1)) & 1) != 0;
        }
        else
        {
            r = Operand.Zx<T>((x >> count) | (y << (bits - count)));
            cf = ((x >> (count - 1)) & 1) != 0;
        }

        Cpu.Flags.SetExplicit(s, Operand.Sx<T>(r), cf, (((r ^ x) >> (bits - 1)) & 1) != 0);
        return r;
    }
}
