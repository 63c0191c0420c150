using System.Runtime.CompilerServices;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>The stack of 64-bit mode, or of a segment.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal unsafe interface IStack
{
    static abstract ulong Address(CpuState* s, ulong pointer, int size, bool write);

    static abstract void SetPointer(CpuState* s, ulong pointer);
}

// SAFETY: as above.
internal readonly unsafe struct Stack64 : IStack
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Address(CpuState* s, ulong pointer, int size, bool write) => pointer;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetPointer(CpuState* s, ulong pointer) => s->Gpr[(int)Gpr.Rsp] = pointer;
}

// SAFETY: as above.
internal readonly unsafe struct StackSegment : IStack
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Address(CpuState* s, ulong pointer, int size, bool write) => write
        ? Operand.InSegmentWrite(s, (int)SegmentName.Ss, pointer & s->StackMask, size)
        : Operand.InSegmentRead(s, (int)SegmentName.Ss, pointer & s->StackMask, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetPointer(CpuState* s, ulong pointer) =>
        s->Gpr[(int)Gpr.Rsp] = (s->Gpr[(int)Gpr.Rsp] & ~s->StackMask) | (pointer & s->StackMask);
}

/// <summary>PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE.</summary>
// SAFETY: as above.
internal static unsafe class Stack
{
    private const byte Sp = (byte)Gpr.Rsp * 8;

    /// <summary>Pushes; false with the fault recorded and nothing changed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Push<TStack, T>(CpuState* s, ulong value)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp] - (ulong)sizeof(T);
        byte* p = Tlb.Modify(s, TStack.Address(s, pointer, sizeof(T), true), sizeof(T));
        if (p == null)
            return false;
        Operand.Store<T>(p, value);
        Tlb.Commit(s, p);
        TStack.SetPointer(s, pointer);
        return true;
    }

    /// <summary>Host address of a stack slot, or null with the fault recorded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Peek<TStack, T>(CpuState* s, ulong offset)
        where TStack : struct, IStack
        where T : unmanaged =>
        Tlb.Read(s, TStack.Address(s, s->Gpr[(int)Gpr.Rsp] + offset, sizeof(T), false), sizeof(T));

    /// <summary>A fault of a stack access in an op whose own operand has another segment.</summary>
    public static Block* Fault(CpuState* s, Op* op)
    {
        if (s->FaultVector == Vectors.Address)
            Faults.Set(s, Vectors.Ss);
        return Faults.Raise(s, op);
    }

    public static bool Push(Translator t) => t.StackSize switch
    {
        2 => t.Bits == 64 ? Push<Stack64, ushort>(t) : Push<StackSegment, ushort>(t),
        4 => Push<StackSegment, uint>(t),
        _ => Push<Stack64, ulong>(t),
    };

    public static bool Pop(Translator t) => t.StackSize switch
    {
        2 => t.Bits == 64 ? Pop<Stack64, ushort>(t) : Pop<StackSegment, ushort>(t),
        4 => Pop<StackSegment, uint>(t),
        _ => Pop<Stack64, ulong>(t),
    };

    public static bool Pusha(Translator t)
    {
        t.Op->Handler = t.Instruction.Code == Code.Pushaw ? &PushAll<ushort> : &PushAll<uint>;
        return true;
    }

    public static bool Popa(Translator t)
    {
        t.Op->Handler = t.Instruction.Code == Code.Popaw ? &PopAll<ushort> : &PopAll<uint>;
        return true;
    }

    public static bool Pushf(Translator t)
    {
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Pushfw => t.Bits == 64 ? &PushFlags<Stack64, ushort> : &PushFlags<StackSegment, ushort>,
            Code.Pushfd => &PushFlags<StackSegment, uint>,
            _ => &PushFlags<Stack64, ulong>,
        };
        return true;
    }

    public static bool Popf(Translator t)
    {
        t.EndsBlock = true; // TF and AC may change what follows.
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Popfw => t.Bits == 64 ? &PopFlags<Stack64, ushort> : &PopFlags<StackSegment, ushort>,
            Code.Popfd => &PopFlags<StackSegment, uint>,
            _ => &PopFlags<Stack64, ulong>,
        };
        return true;
    }

    public static bool Leave(Translator t)
    {
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Leavew => t.Bits == 64 ? &LeaveOp<Stack64, ushort> : &LeaveOp<StackSegment, ushort>,
            Code.Leaved => &LeaveOp<StackSegment, uint>,
            _ => &LeaveOp<Stack64, ulong>,
        };
        return true;
    }

    public static bool Enter(Translator t)
    {
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Imm = t.Instruction.Immediate16;
        t.Op->Aux = (byte)(t.Instruction.Immediate8_2nd & 31);
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Enterw_imm16_imm8 => t.Bits == 64 ? &EnterOp<Stack64, ushort> : &EnterOp<StackSegment, ushort>,
            Code.Enterd_imm16_imm8 => &EnterOp<StackSegment, uint>,
            _ => &EnterOp<Stack64, ulong>,
        };
        return true;
    }

    private static bool Push<TStack, T>(Translator t)
        where TStack : struct, IStack
        where T : unmanaged
    {
        Op* op = t.Op;
        if (t.IsMemory(0))
        {
            t.Memory();
            op->Handler = &PushMem<TStack, T>;
            return true;
        }

        op->Segment = (byte)SegmentName.Ss;
        if (t.IsRegister(0))
        {
            if (t.Instruction.Op0Register.IsSegmentRegister())
            {
                op->Src = (byte)SegmentOps.Number(t.Instruction.Op0Register);
                op->Handler = &PushSegment<TStack, T>;
                return true;
            }

            op->Src = t.Register(0);
            op->Handler = &PushReg<TStack, T>;
            if (sizeof(T) == 8)
                t.PairsAs(PairPart.Push);
            return true;
        }

        op->Imm = t.Immediate(0);
        op->Handler = &PushImm<TStack, T>;
        return true;
    }

    private static bool Pop<TStack, T>(Translator t)
        where TStack : struct, IStack
        where T : unmanaged
    {
        if (t.IsMemory(0))
        {
            t.Memory();
            t.Op->Handler = &PopMem<TStack, T>;
            return true;
        }

        t.Op->Segment = (byte)SegmentName.Ss;
        if (t.Instruction.Op0Register.IsSegmentRegister())
        {
            t.EndsBlock = true;
            t.Op->Dst = (byte)SegmentOps.Number(t.Instruction.Op0Register);
            t.Op->Handler = &PopSegment<TStack, T>;
            return true;
        }

        t.Op->Dst = t.Register(0);
        t.Op->Handler = &PopReg<TStack, T>;
        if (sizeof(T) == 8)
            t.PairsAs(PairPart.Pop);
        return true;
    }

    private static Block* PushReg<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp] - (ulong)sizeof(T);
        byte* p = Tlb.FindWrite(s, TStack.Address(s, pointer, sizeof(T), true), sizeof(T));
        if (p == null)
            return PushRegSlow<TStack, T>(s, op);
        Operand.Store<T>(p, Operand.Get<T>(s, op->Src));
        TStack.SetPointer(s, pointer);
        return op[1].Handler(s, op + 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Block* PushRegSlow<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        if (!Push<TStack, T>(s, Operand.Get<T>(s, op->Src)))
            return Faults.Raise(s, op);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PushImm<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        if (!Push<TStack, T>(s, op->Imm))
            return Faults.Raise(s, op);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PushMem<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        if (!Push<TStack, T>(s, Operand.Load<T>(p)))
            return Fault(s, op);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>A 32-bit push of a selector writes 16 bits and leaves the rest of the slot, as current processors do. SDM vol. 2, PUSH.</summary>
    private static Block* PushSegment<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp] - (ulong)sizeof(T);
        int written = sizeof(T) == 4 ? 2 : sizeof(T);
        byte* p = Tlb.Modify(s, TStack.Address(s, pointer, written, true), written);
        if (p == null)
            return Faults.Raise(s, op);
        ushort selector = Operand.Segment(s, op->Src)->Selector;
        if (sizeof(T) == 8)
            *(ulong*)p = selector;
        else
            *(ushort*)p = selector;
        Tlb.Commit(s, p);
        TStack.SetPointer(s, pointer);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PopReg<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp];
        byte* p = Tlb.FindRead(s, TStack.Address(s, pointer, sizeof(T), false), sizeof(T));
        if (p == null)
            return PopRegSlow<TStack, T>(s, op);
        TStack.SetPointer(s, pointer + (ulong)sizeof(T));
        Operand.Set<T>(s, op->Dst, Operand.Load<T>(p));
        return op[1].Handler(s, op + 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Block* PopRegSlow<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        byte* p = Peek<TStack, T>(s, 0);
        if (p == null)
            return Faults.Raise(s, op);
        ulong value = Operand.Load<T>(p);
        TStack.SetPointer(s, s->Gpr[(int)Gpr.Rsp] + (ulong)sizeof(T));
        Operand.Set<T>(s, op->Dst, value);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>The address uses the stack pointer after the pop. SDM vol. 2, POP.</summary>
    private static Block* PopMem<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        byte* p = Peek<TStack, T>(s, 0);
        if (p == null)
            return Fault(s, op);
        ulong value = Operand.Load<T>(p);
        ulong before = s->Gpr[(int)Gpr.Rsp];
        TStack.SetPointer(s, before + (ulong)sizeof(T));
        byte* q = Tlb.Modify(s, AnyAddress.Write(s, op, sizeof(T)), sizeof(T));
        if (q == null)
        {
            s->Gpr[(int)Gpr.Rsp] = before;
            return Faults.Raise(s, op);
        }

        Operand.Store<T>(q, value);
        Tlb.Commit(s, q);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PopSegment<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        byte* p = Peek<TStack, T>(s, 0);
        if (p == null)
            return Faults.Raise(s, op);
        ushort selector = *(ushort*)p;
        if (!Segments.Load(s, (SegmentName)op->Dst, selector))
            return Faults.Raise(s, op);
        TStack.SetPointer(s, s->Gpr[(int)Gpr.Rsp] + (ulong)sizeof(T));
        if (op->Dst == (byte)SegmentName.Ss)
            SystemOps.StartShadow(s, op, true);
        return Faults.Finish(s, op);
    }

    private static Block* PushAll<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        op->Segment = (byte)SegmentName.Ss;
        ulong before = s->Gpr[(int)Gpr.Rsp];
        // Probe the whole area first: a fault must leave nothing pushed that a retry would see differently.
        for (int i = 1; i <= 8; i++)
        {
            if (Tlb.Modify(s, StackSegment.Address(s, before - (ulong)(i * sizeof(T)), sizeof(T), true), sizeof(T)) == null)
                return Faults.Raise(s, op);
        }

        for (int i = 0; i < 8; i++)
            Push<StackSegment, T>(s, i == (int)Gpr.Rsp ? before : s->Gpr[i]);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PopAll<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        op->Segment = (byte)SegmentName.Ss;
        for (int i = 0; i < 8; i++)
        {
            if (Peek<StackSegment, T>(s, (ulong)(i * sizeof(T))) == null)
                return Faults.Raise(s, op);
        }

        for (int i = 0; i < 8; i++)
        {
            int register = 7 - i;
            if (register != (int)Gpr.Rsp)
                Operand.Set<T>(s, (byte)(register * 8), Operand.Load<T>(Peek<StackSegment, T>(s, (ulong)(i * sizeof(T)))));
        }

        StackSegment.SetPointer(s, s->Gpr[(int)Gpr.Rsp] + (ulong)(8 * sizeof(T)));
        return op[1].Handler(s, op + 1);
    }

    private static Block* PushFlags<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        bool restricted = Virtual8086.Restricted(s);
        if (restricted && (sizeof(T) != 2 || (s->Cr4 & Cr4Bits.Vme) == 0))
            return Faults.Raise(s, op, Vectors.Gp);
        ulong value = restricted ? Virtual8086.Image(s) : (s->Flags | Flags.Get(s)) & ~(ulong)(RflagsBits.Rf | RflagsBits.Vm);
        if (!Push<TStack, T>(s, value))
            return Faults.Raise(s, op);
        return op[1].Handler(s, op + 1);
    }

    private static Block* PopFlags<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        bool restricted = Virtual8086.Restricted(s);
        if (restricted && (sizeof(T) != 2 || (s->Cr4 & Cr4Bits.Vme) == 0))
            return Faults.Raise(s, op, Vectors.Gp);
        byte* p = Peek<TStack, T>(s, 0);
        if (p == null)
            return Faults.Raise(s, op);
        ulong value = Operand.Load<T>(p);
        if (restricted && !Virtual8086.SetImage(s, (uint)value))
            return Faults.Raise(s, op);
        TStack.SetPointer(s, s->Gpr[(int)Gpr.Rsp] + (ulong)sizeof(T));
        if (!restricted)
            SystemOps.SetFlags(s, (uint)value, sizeof(T));
        return Faults.Finish(s, op);
    }

    private static Block* LeaveOp<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong frame = s->Gpr[(int)Gpr.Rbp];
        byte* p = Tlb.Read(s, TStack.Address(s, frame, sizeof(T), false), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        ulong value = Operand.Load<T>(p);
        TStack.SetPointer(s, frame + (ulong)sizeof(T));
        Operand.Set<T>(s, (byte)Gpr.Rbp * 8, value);
        return op[1].Handler(s, op + 1);
    }

    private static Block* EnterOp<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        int size = sizeof(T);
        ulong pointer = s->Gpr[(int)Gpr.Rsp];
        ulong frame = s->Gpr[(int)Gpr.Rbp];
        int level = op->Aux;
        ulong frameTemp = pointer - (ulong)size;
        ulong at = pointer;
        for (int i = 0; i <= level; i++)
        {
            ulong value = i == 0 ? frame : frameTemp;
            if (i > 0 && i < level)
            {
                byte* from = Tlb.Read(s, TStack.Address(s, frame - (ulong)(i * size), size, false), size);
                if (from == null)
                    return Faults.Raise(s, op);
                value = Operand.Load<T>(from);
            }

            // What is pushed before a fault stays below the stack pointer, which does not move: so do processors.
            at -= (ulong)size;
            byte* to = Tlb.Modify(s, TStack.Address(s, at, size, true), size);
            if (to == null)
                return Faults.Raise(s, op);
            Operand.Store<T>(to, value);
            Tlb.Commit(s, to);
        }

        // The new top of the stack is probed for a write. SDM vol. 2, ENTER.
        if (Tlb.Modify(s, TStack.Address(s, at - op->Imm, size, true), size) == null)
            return Faults.Raise(s, op);
        TStack.SetPointer(s, at - op->Imm);
        Operand.Set<T>(s, (byte)Gpr.Rbp * 8, sizeof(T) == 4 && s->StackMask == 0xFFFF ? (uint)frameTemp : frameTemp);
        return op[1].Handler(s, op + 1);
    }
}
