using System.Runtime.CompilerServices;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>
/// Near branches. RIP of the block head moves by a delta held in the op; the next block is the one linked to, if it is still verified
/// for that RIP. A conditional branch has its fall-through link in the op after it.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Branch
{
    public static bool Jmp(Translator t)
    {
        t.EndsBlock = true;
        Op* op = t.Op;
        switch (t.Instruction.Op0Kind)
        {
            case OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64:
                t.BranchTarget();
                op->Handler = t.Operand16 ? &Relative<Wrap16> : t.Bits == 64 ? &Relative<Wrap64> : &Relative<Wrap32>;
                return true;
            case OpKind.FarBranch16 or OpKind.FarBranch32:
                return FarOps.JmpDirect(t);
            case OpKind.Register:
                op->Src = t.Register(0);
                op->Handler = t.Size switch { 2 => &IndirectReg<ushort>, 4 => &IndirectReg<uint>, _ => &IndirectReg<ulong> };
                return true;
            default:
                if (FarOps.IsFarPointer(t.Instruction))
                    return FarOps.JmpIndirect(t);
                t.Memory();
                op->Handler = t.Size switch { 2 => &IndirectMem<ushort>, 4 => &IndirectMem<uint>, _ => &IndirectMem<ulong> };
                return true;
        }
    }

    public static bool Call(Translator t)
    {
        t.EndsBlock = true;
        Op* op = t.Op;
        op->Segment = (byte)SegmentName.Ss;
        switch (t.Instruction.Op0Kind)
        {
            case OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64:
                t.BranchTarget();
                op->Handler = t.Operand16 ? &CallRelative<Wrap16, StackSegment, ushort> : t.Bits == 64 ? &CallRelative<Wrap64, Stack64, ulong> : &CallRelative<Wrap32, StackSegment, uint>;
                return true;
            case OpKind.FarBranch16 or OpKind.FarBranch32:
                return FarOps.CallDirect(t);
            case OpKind.Register:
                op->Src = t.Register(0);
                op->Handler = t.Size switch { 2 => &CallReg<ushort>, 4 => &CallReg<uint>, _ => &CallReg<ulong> };
                return true;
            default:
                if (FarOps.IsFarPointer(t.Instruction))
                    return FarOps.CallIndirect(t);
                t.Memory();
                op->Handler = t.Size switch { 2 => &CallMem<ushort>, 4 => &CallMem<uint>, _ => &CallMem<ulong> };
                return true;
        }
    }

    public static bool Ret(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Imm = t.Instruction.OpCount > 0 ? t.Instruction.Immediate16 : 0u;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Retnq or Code.Retnq_imm16 => &Return<Stack64, ulong>,
            Code.Retnd or Code.Retnd_imm16 => &Return<StackSegment, uint>,
            _ => t.Bits == 64 ? &Return<Stack64, ushort> : &Return<StackSegment, ushort>,
        };
        if (t.Instruction.Code is Code.Retnq or Code.Retnq_imm16)
            t.PairsAs(PairPart.Return);
        return true;
    }

    public static bool Jcc(Translator t)
    {
        t.EndsBlock = true;
        t.Slots = 2;
        t.BranchTarget();
        return t.Instruction.ConditionCode switch
        {
            ConditionCode.o => Jcc<O>(t),
            ConditionCode.no => Jcc<No>(t),
            ConditionCode.b => Jcc<B>(t),
            ConditionCode.ae => Jcc<Ae>(t),
            ConditionCode.e => Jcc<E>(t),
            ConditionCode.ne => Jcc<Ne>(t),
            ConditionCode.be => Jcc<Be>(t),
            ConditionCode.a => Jcc<A>(t),
            ConditionCode.s => Jcc<S>(t),
            ConditionCode.ns => Jcc<Ns>(t),
            ConditionCode.p => Jcc<P>(t),
            ConditionCode.np => Jcc<Np>(t),
            ConditionCode.l => Jcc<L>(t),
            ConditionCode.ge => Jcc<Ge>(t),
            ConditionCode.le => Jcc<Le>(t),
            _ => Jcc<G>(t),
        };
    }

    /// <summary>LOOP, LOOPE, LOOPNE, JCXZ, JECXZ, JRCXZ.</summary>
    public static bool Loop(Translator t)
    {
        t.EndsBlock = true;
        t.Slots = 2;
        t.BranchTarget();
        Mnemonic m = t.Instruction.Mnemonic;
        t.Op->Aux = m switch { Mnemonic.Loope => 1, Mnemonic.Loopne => 0, _ => 2 };
        t.Op->Src = (byte)Gpr.Rcx * 8;
        int counter = t.CounterSize;
        bool decrement = m is Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne;
        t.Op->Scale = (byte)(t.Operand16 ? 16 : t.Bits);
        t.Op->Handler = decrement
            ? counter switch { 2 => &LoopOp<ushort>, 4 => &LoopOp<uint>, _ => &LoopOp<ulong> }
            : counter switch { 2 => &JcxzOp<ushort>, 4 => &JcxzOp<uint>, _ => &JcxzOp<ulong> };
        return true;
    }

    /// <summary>End of a block without a branch; no instruction of its own.</summary>
    public static Block* FallThrough(CpuState* s, Op* op)
    {
        s->Rip = Rip.Wrap(s, s->Rip + op->Offset);
        return Follow(s, op);
    }

    /// <summary>Replaces every op of a block whose bytes have changed: leave before the instruction, look RIP up again.</summary>
    public static Block* LeaveBlock(CpuState* s, Op* op)
    {
        Faults.Leave(s, op);
        return null;
    }

    private interface IWrap
    {
        static abstract ulong Apply(ulong rip);

        /// <summary>RIP of the instruction after the branch.</summary>
        static abstract ulong Next(CpuState* s, ulong rip);
    }

    private readonly struct Wrap16 : IWrap
    {
        public static ulong Apply(ulong rip) => (ushort)rip;

        public static ulong Next(CpuState* s, ulong rip) => Rip.Wrap(s, rip);
    }

    private readonly struct Wrap32 : IWrap
    {
        public static ulong Apply(ulong rip) => (uint)rip;

        public static ulong Next(CpuState* s, ulong rip) => (uint)rip;
    }

    private readonly struct Wrap64 : IWrap
    {
        public static ulong Apply(ulong rip) => rip;

        public static ulong Next(CpuState* s, ulong rip) => rip;
    }

    /// <summary>Goes on with the linked block if it is verified for RIP, else with whatever a look-up gives.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block* Follow(CpuState* s, Op* link)
    {
        Block* b = (Block*)link->Imm;
        return IsVerified(s, b, s->Rip) ? Enter(s, b) : Relink(s, link);
    }

    /// <summary>Takes a branch. A verified link needs no other check: its target is canonical and within CS.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block* Go(CpuState* s, Op* op, ulong target)
    {
        Block* b = (Block*)op->Imm;
        if (!IsVerified(s, b, target))
            return GoUnverified(s, op, target);
        s->Rip = target;
        return Enter(s, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsVerified(CpuState* s, Block* b, ulong target) => b->VerifiedRip == target && b->VerifiedKey == s->CodeKey;

    /// <summary>
    /// Executes the verified block at RIP without a way through the run loop, which is given it only when it does not fit into what may still be started.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block* Enter(CpuState* s, Block* b)
    {
        long left = s->Remaining - b->Count;
        if (left < 0)
            return b;
        s->Remaining = left;
        s->Current = b;
        Op* first = (Op*)((byte*)b + BlockCache.BlockHeader);
        return first->Handler(s, first);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* GoUnverified(CpuState* s, Op* op, ulong target)
    {
        if (!Reachable(s, target))
            return GeneralProtection(s, op);
        s->Rip = target;
        return Relink(s, op);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* Relink(CpuState* s, Op* link)
    {
        BlockCache cache = VirtualCpu.Of(s).Memory.Code;
        // What the debugger watches was touched by this very instruction: the run loop reports it first.
        if (cache.IsFull || s->Debugged != 0)
            return null;
        Block* b = cache.Find(s);
        if (b != null && b->VerifiedRip == s->Rip)
            link->Imm = (ulong)b;
        return b;
    }

    /// <summary>The block at RIP if the jump cache has it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Block* Indirect(CpuState* s) => Cached(s, s->Rip);

    /// <summary>The verified block at a RIP, which is then canonical and within CS, if the jump cache has it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block* Cached(CpuState* s, ulong rip)
    {
        Block* b = s->JumpCache[BlockCache.JumpIndex(rip)];
        return IsVerified(s, b, rip) ? b : null;
    }

    /// <summary>A near branch target outside the code segment or not canonical is #GP(0) at the branch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Reachable(CpuState* s, ulong target) =>
        s->CodeSize == CodeSize.Code64 ? Rip.IsCanonical(target) : target <= s->Cs.Limit;

    private static Block* GeneralProtection(CpuState* s, Op* op) => Faults.Raise(s, op, Vectors.Gp);

    private static Block* Relative<TW>(CpuState* s, Op* op)
        where TW : struct, IWrap => Go(s, op, TW.Apply(s->Rip + (ulong)op->Disp));

    private static bool Jcc<TC>(Translator t)
        where TC : struct, ICondition
    {
        t.Op->Handler = t.Operand16 ? &JccOp<TC, Wrap16> : t.Bits == 64 ? &JccOp<TC, Wrap64> : &JccOp<TC, Wrap32>;
        if (t.Bits == 64 && !t.Operand16)
            t.FuseWithPrevious(t.Instruction.ConditionCode);
        return true;
    }

    /// <summary>A conditional branch of 64-bit code that is decided already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Block* Decide(CpuState* s, Op* op, bool taken)
    {
        if (taken)
            return Go(s, op, s->Rip + (ulong)op->Disp);
        s->Rip += (ulong)op[1].Disp;
        return Follow(s, op + 1);
    }

    private static Block* JccOp<TC, TW>(CpuState* s, Op* op)
        where TC : struct, ICondition
        where TW : struct, IWrap
    {
        if (TC.Test(s))
            return Go(s, op, TW.Apply(s->Rip + (ulong)op->Disp));
        s->Rip = TW.Next(s, s->Rip + (ulong)op[1].Disp);
        return Follow(s, op + 1);
    }

    private static Block* Taken(CpuState* s, Op* op, bool taken)
    {
        ulong next = s->Rip + op->Offset + op->Length;
        ulong target = taken ? s->Rip + (ulong)op->Disp : next;
        if (taken && op->Scale == 16)
            target = (ushort)target;
        target = Rip.Wrap(s, target);
        if (!Reachable(s, target))
            return null;
        s->Rip = target;
        return taken ? Follow(s, op) : Follow(s, op + 1);
    }

    private static Block* LoopOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        ulong count = Operand.Sx<T>(Operand.Get<T>(s, op->Src) - 1);
        bool taken = count != 0 && (op->Aux == 2 || Flags.Zf(s) == (op->Aux == 1));
        if (taken && !Reachable(s, Rip.Wrap(s, s->Rip + (ulong)op->Disp)))
            return GeneralProtection(s, op);
        Operand.Set<T>(s, op->Src, count);
        return Taken(s, op, taken);
    }

    private static Block* JcxzOp<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        bool taken = Operand.Get<T>(s, op->Src) == 0;
        if (taken && !Reachable(s, Rip.Wrap(s, s->Rip + (ulong)op->Disp)))
            return GeneralProtection(s, op);
        return Taken(s, op, taken);
    }

    private static Block* To(CpuState* s, Op* op, ulong target)
    {
        Block* b = Cached(s, target);
        if (b == null && !Reachable(s, target))
            return GeneralProtection(s, op);
        s->Rip = target;
        return b != null ? Enter(s, b) : null;
    }

    private static Block* IndirectReg<T>(CpuState* s, Op* op)
        where T : unmanaged => To(s, op, Operand.Zx<T>(Operand.Get<T>(s, op->Src)));

    private static Block* IndirectMem<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        return To(s, op, Operand.Zx<T>(Operand.Load<T>(p)));
    }

    private static Block* CallRelative<TW, TStack, T>(CpuState* s, Op* op)
        where TW : struct, IWrap
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong target = TW.Apply(s->Rip + (ulong)op->Disp), pointer = s->Gpr[(int)Gpr.Rsp] - (ulong)sizeof(T);
        Block* b = (Block*)op->Imm;
        byte* p = Tlb.FindWrite(s, TStack.Address(s, pointer, sizeof(T), true), sizeof(T));
        if (p == null || !IsVerified(s, b, target))
            return CallSlow<TW, TStack, T>(s, op);
        Operand.Store<T>(p, s->Rip + op->Offset + op->Length);
        TStack.SetPointer(s, pointer);
        s->Rip = target;
        return Enter(s, b);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* CallSlow<TW, TStack, T>(CpuState* s, Op* op)
        where TW : struct, IWrap
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong target = TW.Apply(s->Rip + (ulong)op->Disp);
        if (!IsVerified(s, (Block*)op->Imm, target) && !Reachable(s, target))
            return GeneralProtection(s, op);
        if (!Stack.Push<TStack, T>(s, s->Rip + op->Offset + op->Length))
            return Faults.Raise(s, op);
        s->Rip = target;
        return Follow(s, op);
    }

    private static Block* CallReg<T>(CpuState* s, Op* op)
        where T : unmanaged => CallTo<T>(s, op, Operand.Zx<T>(Operand.Get<T>(s, op->Src)));

    private static Block* CallMem<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        return CallTo<T>(s, op, Operand.Zx<T>(Operand.Load<T>(p)));
    }

    private static Block* CallTo<T>(CpuState* s, Op* op, ulong target)
        where T : unmanaged
    {
        if (!Reachable(s, target))
            return GeneralProtection(s, op);
        ulong next = s->Rip + op->Offset + op->Length;
        bool pushed = s->CodeSize == CodeSize.Code64 ? Stack.Push<Stack64, T>(s, next) : Stack.Push<StackSegment, T>(s, next);
        if (!pushed)
            return Stack.Fault(s, op);
        s->Rip = target;
        return Indirect(s);
    }

    private static Block* Return<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        ulong pointer = s->Gpr[(int)Gpr.Rsp];
        byte* p = Tlb.FindRead(s, TStack.Address(s, pointer, sizeof(T), false), sizeof(T));
        if (p == null)
            return ReturnSlow<TStack, T>(s, op);
        return ReturnTo<TStack, T>(s, op, pointer, Operand.Zx<T>(Operand.Load<T>(p)));
    }

    /// <summary>A return whose address has been read already.</summary>
    /// <param name="pointer">The stack pointer before.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Block* ReturnTo<TStack, T>(CpuState* s, Op* op, ulong pointer, ulong target)
        where TStack : struct, IStack
        where T : unmanaged
    {
        Block* b = s->JumpCache[BlockCache.JumpIndex(target)];
        if (!IsVerified(s, b, target))
            return ReturnSlow<TStack, T>(s, op);
        TStack.SetPointer(s, pointer + (ulong)sizeof(T) + op->Imm);
        s->Rip = target;
        return Enter(s, b);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* ReturnSlow<TStack, T>(CpuState* s, Op* op)
        where TStack : struct, IStack
        where T : unmanaged
    {
        byte* p = Stack.Peek<TStack, T>(s, 0);
        if (p == null)
            return Faults.Raise(s, op);
        ulong target = Operand.Zx<T>(Operand.Load<T>(p));
        Block* b = Cached(s, target);
        if (b == null && !Reachable(s, target))
            return GeneralProtection(s, op);
        TStack.SetPointer(s, s->Gpr[(int)Gpr.Rsp] + (ulong)sizeof(T) + op->Imm);
        s->Rip = target;
        return b;
    }
}
