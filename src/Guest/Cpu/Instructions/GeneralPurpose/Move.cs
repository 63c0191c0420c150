using System.Runtime.CompilerServices;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>MOV, MOVZX, MOVSX, LEA, XCHG, BSWAP, MOVNTI, MOVBE, CBW family.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Move
{
    public static bool Mov(Translator t)
    {
        // MOV Sreg and MOV CR/DR are families of their own.
        if (t.IsRegister(0) && t.Instruction.Op0Register.IsSegmentRegister())
            return SegmentOps.MovToSegment(t);
        if (t.IsRegister(1) && t.Instruction.Op1Register.IsSegmentRegister())
            return SegmentOps.MovFromSegment(t);
        if (t.IsRegister(0) && (t.Instruction.Op0Register.IsCR() || t.Instruction.Op0Register.IsDR()))
            return SystemOps.MovToControl(t);
        if (t.IsRegister(1) && (t.Instruction.Op1Register.IsCR() || t.Instruction.Op1Register.IsDR()))
            return SystemOps.MovFromControl(t);
        if ((t.IsRegister(0) && !t.Instruction.Op0Register.IsGPR()) || (t.IsRegister(1) && !t.Instruction.Op1Register.IsGPR()))
            return false;
        return t.Size switch { 1 => Mov<byte>(t), 2 => Mov<ushort>(t), 4 => Mov<uint>(t), _ => Mov<ulong>(t) };
    }

    public static bool Movzx(Translator t) => t.SourceSize == 1
        ? t.Size switch { 2 => Extend<ushort, byte, Zero>(t), 4 => Extend<uint, byte, Zero>(t), _ => Extend<ulong, byte, Zero>(t) }
        : t.Size switch { 2 => Extend<ushort, ushort, Zero>(t), 4 => Extend<uint, ushort, Zero>(t), _ => Extend<ulong, ushort, Zero>(t) };

    public static bool Movsx(Translator t) => t.SourceSize switch
    {
        1 => t.Size switch { 2 => Extend<ushort, byte, Sign>(t), 4 => Extend<uint, byte, Sign>(t), _ => Extend<ulong, byte, Sign>(t) },
        2 => t.Size switch { 2 => Extend<ushort, ushort, Sign>(t), 4 => Extend<uint, ushort, Sign>(t), _ => Extend<ulong, ushort, Sign>(t) },
        _ => t.Size switch { 2 => Extend<ushort, uint, Sign>(t), 4 => Extend<uint, uint, Sign>(t), _ => Extend<ulong, uint, Sign>(t) },
    };

    public static bool Lea(Translator t)
    {
        t.Op->Dst = t.Register(0);
        t.UsesFlags(FlagUse.Passed);
        AddressForm form = t.Memory();
        bool flat = form is AddressForm.Flat64 or AddressForm.Based64;
        t.Op->Handler = t.Size switch
        {
            2 => &LeaAny<ushort>,
            4 => form == AddressForm.Segment32 || flat ? &LeaFlat<uint> : &LeaAny<uint>,
            _ => flat ? &LeaFlat<ulong> : &LeaAny<ulong>,
        };
        return true;
    }

    public static bool Xchg(Translator t) => t.Size switch { 1 => Xchg<byte>(t), 2 => Xchg<ushort>(t), 4 => Xchg<uint>(t), _ => Xchg<ulong>(t) };

    public static bool Movbe(Translator t) => t.Size switch { 2 => Movbe<ushort>(t), 4 => Movbe<uint>(t), _ => Movbe<ulong>(t) };

    public static bool Bswap(Translator t)
    {
        t.UsesFlags(FlagUse.Passed);
        t.Op->Dst = t.Register(0);
        t.Op->Handler = t.Size switch { 2 => &Bswap16, 4 => &Bswap32, _ => &Bswap64 };
        return true;
    }

    /// <summary>CBW, CWDE, CDQE: the accumulator's lower half sign-extended.</summary>
    public static bool ExtendAccumulator(Translator t)
    {
        t.UsesFlags(FlagUse.Passed);
        t.Op->Handler = t.Instruction.Mnemonic switch
        {
            Mnemonic.Cbw => &RegExtend<ushort, byte, Sign>,
            Mnemonic.Cwde => &RegExtend<uint, ushort, Sign>,
            _ => &RegExtend<ulong, uint, Sign>,
        };
        return true;
    }

    /// <summary>CWD, CDQ, CQO: the accumulator's sign in (E/R)DX.</summary>
    public static bool SignIntoData(Translator t)
    {
        t.UsesFlags(FlagUse.Passed);
        t.Op->Handler = t.Instruction.Mnemonic switch
        {
            Mnemonic.Cwd => &SignData<ushort>,
            Mnemonic.Cdq => &SignData<uint>,
            _ => &SignData<ulong>,
        };
        return true;
    }

    private interface IExtension
    {
        static abstract ulong Apply<T>(ulong value)
            where T : unmanaged;
    }

    private readonly struct Zero : IExtension
    {
        public static ulong Apply<T>(ulong value)
            where T : unmanaged => Operand.Zx<T>(value);
    }

    private readonly struct Sign : IExtension
    {
        public static ulong Apply<T>(ulong value)
            where T : unmanaged => value;
    }

    private static bool Mov<T>(Translator t)
        where T : unmanaged
    {
        Op* op = t.Op;
        if (t.IsRegister(0))
        {
            op->Dst = t.Register(0);
            if (t.IsRegister(1))
            {
                op->Src = t.Register(1);
                op->Handler = &MovRegReg<T>;
                t.UsesFlags(FlagUse.Passed);
                if (sizeof(T) >= 4)
                    t.PairsAs(PairPart.Mov);
            }
            else if (t.IsMemory(1))
            {
                MemoryForm.Read<MovRegMem<T>, T>(t);
            }
            else
            {
                op->Imm = t.Immediate(1);
                op->Handler = &MovRegImm<T>;
                t.UsesFlags(FlagUse.Passed);
            }

            return true;
        }

        if (t.IsRegister(1))
        {
            op->Src = t.Register(1);
            MemoryForm.Modify<MovMemReg<T>, T>(t);
        }
        else
        {
            op->Imm = t.Immediate(1);
            MemoryForm.Modify<MovMemImm<T>, T>(t);
        }

        return true;
    }

    private static Block* MovRegReg<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Get<T>(s, op->Src));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MovRegImm<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, op->Imm);
        return op[1].Handler(s, op + 1);
    }

    private readonly struct MovRegMem<T> : IMemoryUse
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand) => Operand.Set<T>(s, op->Dst, Operand.Load<T>(operand));
    }

    private readonly struct MovMemReg<T> : IMemoryUse
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand) => Operand.Store<T>(operand, Operand.Get<T>(s, op->Src));
    }

    private readonly struct MovMemImm<T> : IMemoryUse
        where T : unmanaged
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand) => Operand.Store<T>(operand, op->Imm);
    }

    private static bool Extend<TTo, TFrom, TExtension>(Translator t)
        where TTo : unmanaged
        where TFrom : unmanaged
        where TExtension : struct, IExtension
    {
        t.Op->Dst = t.Register(0);
        if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &RegExtend<TTo, TFrom, TExtension>;
            t.UsesFlags(FlagUse.Passed);
            return true;
        }

        MemoryForm.Read<MemExtend<TTo, TFrom, TExtension>, TFrom>(t);
        return true;
    }

    private static Block* RegExtend<TTo, TFrom, TExtension>(CpuState* s, Op* op)
        where TTo : unmanaged
        where TFrom : unmanaged
        where TExtension : struct, IExtension
    {
        Operand.Set<TTo>(s, op->Dst, TExtension.Apply<TFrom>(Operand.Get<TFrom>(s, op->Src)));
        return op[1].Handler(s, op + 1);
    }

    private readonly struct MemExtend<TTo, TFrom, TExtension> : IMemoryUse
        where TTo : unmanaged
        where TFrom : unmanaged
        where TExtension : struct, IExtension
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void At(CpuState* s, Op* op, byte* operand) => Operand.Set<TTo>(s, op->Dst, TExtension.Apply<TFrom>(Operand.Load<TFrom>(operand)));
    }

    private static Block* SignData<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, (byte)Gpr.Rdx * 8, (ulong)((long)Operand.Get<T>(s, 0) >> 63));
        return op[1].Handler(s, op + 1);
    }

    private static Block* LeaFlat<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Sum(s, op));
        return op[1].Handler(s, op + 1);
    }

    private static Block* LeaAny<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Effective(s, op));
        return op[1].Handler(s, op + 1);
    }

    private static bool Xchg<T>(Translator t)
        where T : unmanaged
    {
        if (t.IsRegister(0) && t.IsRegister(1))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Src = t.Register(1);
            t.Op->Handler = &XchgRegReg<T>;
            return true;
        }

        t.Op->Src = t.Register(t.IsRegister(0) ? 0 : 1);
        t.Op->Handler = t.Memory() switch
        {
            AddressForm.Flat64 => &XchgMemReg<T, Flat64>,
            AddressForm.Segment32 => &XchgMemReg<T, Segment32>,
            _ => &XchgMemReg<T, AnyAddress>,
        };
        return true;
    }

    private static Block* XchgRegReg<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        ulong x = Operand.Get<T>(s, op->Dst);
        Operand.Set<T>(s, op->Dst, Operand.Get<T>(s, op->Src));
        Operand.Set<T>(s, op->Src, x);
        return op[1].Handler(s, op + 1);
    }

    private static Block* XchgMemReg<T, TA>(CpuState* s, Op* op)
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.Modify(s, TA.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong old = Operand.Load<T>(p);
        Operand.Store<T>(p, Operand.Get<T>(s, op->Src));
        Tlb.Commit(s, p);
        Operand.Set<T>(s, op->Src, old);
        return op[1].Handler(s, op + 1);
    }

    private static bool Movbe<T>(Translator t)
        where T : unmanaged
    {
        t.Memory();
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = &MovbeLoad<T>;
        }
        else
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &MovbeStore<T>;
        }

        return true;
    }

    private static ulong Reverse<T>(ulong value)
        where T : unmanaged => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value) >> (64 - (8 * sizeof(T)));

    private static Block* MovbeLoad<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, Reverse<T>(Operand.Load<T>(p)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* MovbeStore<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        Operand.Store<T>(p, Reverse<T>(Operand.Get<T>(s, op->Src)));
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>The manuals leave the 16-bit form undefined; processors clear the register.</summary>
    private static Block* Bswap16(CpuState* s, Op* op)
    {
        Operand.Set<ushort>(s, op->Dst, 0);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Bswap32(CpuState* s, Op* op)
    {
        Operand.Set<uint>(s, op->Dst, Reverse<uint>(Operand.Get<uint>(s, op->Dst)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Bswap64(CpuState* s, Op* op)
    {
        Operand.Set<ulong>(s, op->Dst, Reverse<ulong>(Operand.Get<ulong>(s, op->Dst)));
        return op[1].Handler(s, op + 1);
    }
}
