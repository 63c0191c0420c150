using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>Far JMP, CALL, RET, IRET: real mode, same privilege, and returns to outer privilege. SDM vol. 2; vol. 3A, 5.8.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class FarOps
{
    public static bool IsFarPointer(in Instruction i) => i.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.SegPtr64;

    public static bool JmpDirect(Translator t) => Direct(t, t.Instruction.Op0Kind == OpKind.FarBranch16 ? &JmpPointer<ushort> : &JmpPointer<uint>);

    public static bool CallDirect(Translator t) => Direct(t, t.Instruction.Op0Kind == OpKind.FarBranch16 ? &CallPointer<ushort> : &CallPointer<uint>);

    public static bool JmpIndirect(Translator t)
    {
        t.Memory();
        t.Op->Handler = t.Instruction.MemorySize switch
        {
            MemorySize.SegPtr16 => &JmpMemory<ushort>,
            MemorySize.SegPtr32 => &JmpMemory<uint>,
            _ => &JmpMemory<ulong>,
        };
        return true;
    }

    public static bool CallIndirect(Translator t)
    {
        t.Memory();
        t.Op->Handler = t.Instruction.MemorySize switch
        {
            MemorySize.SegPtr16 => &CallMemory<ushort>,
            MemorySize.SegPtr32 => &CallMemory<uint>,
            _ => &CallMemory<ulong>,
        };
        return true;
    }

    public static bool Retf(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Imm = t.Instruction.OpCount > 0 ? t.Instruction.Immediate16 : 0u;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Retfw or Code.Retfw_imm16 => &Return<ushort>,
            Code.Retfd or Code.Retfd_imm16 => &Return<uint>,
            _ => &Return<ulong>,
        };
        return true;
    }

    public static bool Iret(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Segment = (byte)SegmentName.Ss;
        t.Op->Handler = t.Instruction.Code switch
        {
            Code.Iretw => &InterruptReturn<ushort>,
            Code.Iretd => &InterruptReturn<uint>,
            _ => &InterruptReturn<ulong>,
        };
        return true;
    }

    private static bool Direct(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        uint offset = t.Instruction.Op0Kind == OpKind.FarBranch16 ? t.Instruction.FarBranch16 : t.Instruction.FarBranch32;
        t.Op->Imm = offset | ((ulong)t.Instruction.FarBranchSelector << 32);
        t.Op->Handler = handler;
        return true;
    }

    private static Block* JmpPointer<T>(CpuState* s, Op* op)
        where T : unmanaged => Jmp(s, op, (ushort)(op->Imm >> 32), (uint)op->Imm);

    private static Block* CallPointer<T>(CpuState* s, Op* op)
        where T : unmanaged => Call<T>(s, op, (ushort)(op->Imm >> 32), (uint)op->Imm);

    private static Block* JmpMemory<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T) + 2), sizeof(T) + 2);
        return p == null ? Faults.Raise(s, op) : Jmp(s, op, *(ushort*)(p + sizeof(T)), Operand.Zx<T>(Operand.Load<T>(p)));
    }

    private static Block* CallMemory<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T) + 2), sizeof(T) + 2);
        return p == null ? Faults.Raise(s, op) : Call<T>(s, op, *(ushort*)(p + sizeof(T)), Operand.Zx<T>(Operand.Load<T>(p)));
    }

    private static Block* Jmp(CpuState* s, Op* op, ushort selector, ulong offset)
    {
        if (Segments.IsReal(s))
        {
            if (offset > s->Cs.Limit)
                return Faults.Raise(s, op, Vectors.Gp);
            Faults.Finish(s, op);
            Segments.LoadReal(s, &s->Cs, selector);
            return Arrive(s, offset);
        }

        if (!Target(s, selector, offset, out Descriptor d, out bool gate))
            return gate ? CallGates.Transfer(s, op, selector, d, false) : Faults.Raise(s, op);
        if (!LoadCode(s, selector, d, s->Cpl))
            return Faults.Raise(s, op);
        Retire(s, op);
        return Arrive(s, offset);
    }

    private static Block* Call<T>(CpuState* s, Op* op, ushort selector, ulong offset)
        where T : unmanaged
    {
        if (selector == s->FarCallSelector && selector != 0)
        {
            return Faults.Exit(s, op, new CpuExit
            {
                Reason = ExitReason.FarCallThroughGate,
                Operand = selector,
                Address = offset,
                Size = (byte)sizeof(T),
            });
        }

        bool real = Segments.IsReal(s);
        Descriptor d = default;
        if (real && offset > s->Cs.Limit)
            return Faults.Raise(s, op, Vectors.Gp);
        if (!real && !Target(s, selector, offset, out d, out bool gate))
            return gate ? CallGates.Transfer(s, op, selector, d, true) : Faults.Raise(s, op);
        ulong sp = s->Gpr[(int)Gpr.Rsp];
        ulong next = Rip.Wrap(s, s->Rip + op->Offset + op->Length);
        bool code64 = s->CodeSize == CodeSize.Code64;
        // The second slot is checked before the first is written.
        ulong probe = code64 ? sp - (ulong)(2 * sizeof(T)) : StackSegment.Address(s, sp - (ulong)(2 * sizeof(T)), sizeof(T), true);
        if (Tlb.Modify(s, probe, sizeof(T)) == null)
            return Stack.Fault(s, op);
        bool pushed = code64
            ? Stack.Push<Stack64, T>(s, s->Cs.Selector) && Stack.Push<Stack64, T>(s, next)
            : Stack.Push<StackSegment, T>(s, s->Cs.Selector) && Stack.Push<StackSegment, T>(s, next);
        if (!pushed)
            return Stack.Fault(s, op);
        if (!real && !LoadCode(s, selector, d, s->Cpl))
        {
            s->Gpr[(int)Gpr.Rsp] = sp;
            return Faults.Raise(s, op);
        }

        Retire(s, op);
        if (real)
            Segments.LoadReal(s, &s->Cs, selector);
        return Arrive(s, offset);
    }

    public static void Retire(CpuState* s, Op* op) => s->Remaining += s->Current->Count - op->Index - 1;

    /// <summary>Goes on at an offset of a code segment just loaded.</summary>
    public static Block* Arrive(CpuState* s, ulong offset)
    {
        s->Rip = offset;
        CpuMode.NewCodeSegment(s);
        return null;
    }

    /// <summary>A code segment that JMP or CALL may enter at the same privilege.</summary>
    /// <param name="gate">When false: a system descriptor, to be seen to by <see cref="CallGates"/>.</param>
    private static bool Target(CpuState* s, ushort selector, ulong offset, out Descriptor d, out bool gate)
    {
        gate = false;
        d = default;
        if ((selector & ~3) == 0)
            return Segments.Fail(s, Vectors.Gp, 0);
        if (!Segments.Read(s, selector, Vectors.Gp, out d))
            return false;
        if (d.IsSystem)
        {
            gate = true;
            return false;
        }

        bool allowed = d.IsCode && (d.Conforming ? d.Dpl <= s->Cpl : (selector & 3) <= s->Cpl && d.Dpl == s->Cpl);
        if (!allowed || (d.Long && d.Big && (s->Efer & EferBits.Lma) != 0))
            return Segments.Fail(s, Vectors.Gp, selector);
        if (!d.Present)
            return Segments.Fail(s, Vectors.Np, selector);
        return InLimit(s, d, offset) || Segments.Fail(s, Vectors.Gp, 0);
    }

    public static bool InLimit(CpuState* s, Descriptor d, ulong offset) =>
        d.Long && (s->Efer & EferBits.Lma) != 0 ? Rip.IsCanonical(offset) : offset <= d.Limit;

    /// <summary>Loads CS from a checked descriptor; RPL becomes the new CPL.</summary>
    public static bool LoadCode(CpuState* s, ushort selector, Descriptor d, int cpl)
    {
        if (!Segments.Commit(s, &s->Cs, (ushort)((selector & ~3) | cpl), d))
            return false;
        s->Cpl = (byte)cpl;
        return true;
    }

    private static bool PopValue<T>(CpuState* s, int slot, out ulong value)
        where T : unmanaged
    {
        byte* p = s->CodeSize == CodeSize.Code64 ? Stack.Peek<Stack64, T>(s, (ulong)(slot * sizeof(T))) : Stack.Peek<StackSegment, T>(s, (ulong)(slot * sizeof(T)));
        value = p == null ? 0 : Operand.Zx<T>(Operand.Load<T>(p));
        return p != null;
    }

    private static void MoveStack(CpuState* s, ulong pointer)
    {
        if (s->CodeSize == CodeSize.Code64)
            Stack64.SetPointer(s, pointer);
        else
            StackSegment.SetPointer(s, pointer);
    }

    private static Block* Return<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if (!PopValue<T>(s, 0, out ulong rip) || !PopValue<T>(s, 1, out ulong cs))
            return Faults.Raise(s, op);
        ulong sp = s->Gpr[(int)Gpr.Rsp] + (ulong)(2 * sizeof(T)) + op->Imm;
        if (Segments.IsReal(s))
        {
            if (rip > s->Cs.Limit)
                return Faults.Raise(s, op, Vectors.Gp);
            Retire(s, op);
            MoveStack(s, sp);
            Segments.LoadReal(s, &s->Cs, (ushort)cs);
            return Arrive(s, rip);
        }

        if (!ReturnTarget(s, (ushort)cs, rip, out Descriptor d))
            return Faults.Raise(s, op);
        int cpl = (int)cs & 3;
        if (cpl == s->Cpl)
        {
            if (!LoadCode(s, (ushort)cs, d, cpl))
                return Faults.Raise(s, op);
            Retire(s, op);
            MoveStack(s, sp);
            return Arrive(s, rip);
        }

        int extra = (int)(op->Imm / (ulong)sizeof(T));
        if (!PopValue<T>(s, 2 + extra, out ulong newSp) || !PopValue<T>(s, 3 + extra, out ulong ss))
            return Faults.Raise(s, op);
        if (!Outer(s, (ushort)cs, d, (ushort)ss, cpl, newSp + op->Imm))
            return Faults.Raise(s, op);
        Retire(s, op);
        return Arrive(s, rip);
    }

    /// <summary>CS and RIP of a far return. SDM vol. 2, RET.</summary>
    private static bool ReturnTarget(CpuState* s, ushort selector, ulong rip, out Descriptor d)
    {
        d = default;
        if ((selector & ~3) == 0)
            return Segments.Fail(s, Vectors.Gp, 0);
        if (!Segments.Read(s, selector, Vectors.Gp, out d))
            return false;
        int rpl = selector & 3;
        if (!d.IsCode || rpl < s->Cpl || (d.Conforming ? d.Dpl > rpl : d.Dpl != rpl) || (d.Long && d.Big && (s->Efer & EferBits.Lma) != 0))
            return Segments.Fail(s, Vectors.Gp, selector);
        if (!d.Present)
            return Segments.Fail(s, Vectors.Np, selector);
        return InLimit(s, d, rip) || Segments.Fail(s, Vectors.Gp, 0);
    }

    /// <summary>Return to an outer privilege level: SS and SP too, and data segments the new level may not have are nulled.</summary>
    private static bool Outer(CpuState* s, ushort cs, Descriptor code, ushort ss, int cpl, ulong sp)
    {
        // The null SS rule looks at the mode being returned to.
        bool to64 = code.Long && (s->Efer & EferBits.Lma) != 0;
        Descriptor stack = default;
        bool nullStack = (ss & ~3) == 0;
        if (nullStack && !(to64 && cpl < 3 && (ss & 3) == cpl))
            return Segments.Fail(s, Vectors.Gp, 0);
        if (!nullStack && !Segments.CheckStack(s, ss, cpl, Vectors.Gp, out stack))
            return false;
        if (!LoadCode(s, cs, code, cpl))
            return false;
        if (nullStack)
            Segments.SetHidden(s, &s->Ss, ss, 0, 0, 0);
        else
            Segments.Commit(s, &s->Ss, ss, stack);
        CpuMode.Update(s);
        MoveStack(s, sp);
        for (int i = 0; i < 6; i++)
        {
            SegmentState* g = Operand.Segment(s, i);
            bool conforming = (g->Access & 0xC) == 0xC;
            if (i is (int)SegmentName.Cs or (int)SegmentName.Ss || (g->Access & 0x80) == 0 || conforming)
                continue;
            if (((g->Access >> 5) & 3) < cpl)
                Segments.SetHidden(s, g, 0, 0, 0, 0);
        }

        return true;
    }

    private static Block* InterruptReturn<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        // Also an IRET that faults unblocks NMIs. SDM vol. 3C, 27.2.3.
        s->NmiBlocked = 0;
        bool restricted = Virtual8086.Restricted(s);
        if (restricted && (sizeof(T) != 2 || (s->Cr4 & Cr4Bits.Vme) == 0))
            return Faults.Raise(s, op, Vectors.Gp, 0, SystemOps.Privileged(PrivilegedOperation.Iret));
        if ((s->Flags & RflagsBits.Nt) != 0 && !Segments.IsReal(s))
            return TaskReturn(s, op);
        if (!PopValue<T>(s, 0, out ulong rip) || !PopValue<T>(s, 1, out ulong cs) || !PopValue<T>(s, 2, out ulong flags))
            return Faults.Raise(s, op);
        ulong sp = s->Gpr[(int)Gpr.Rsp] + (ulong)(3 * sizeof(T));
        if (Segments.IsReal(s))
        {
            if (rip > s->Cs.Limit)
                return Faults.Raise(s, op, Vectors.Gp);
            if (restricted)
                return VirtualReturn(s, op, rip, cs, flags, sp);
            Retire(s, op);
            MoveStack(s, sp);
            Segments.LoadReal(s, &s->Cs, (ushort)cs);
            RestoreFlags<T>(s, (uint)flags, s->Cpl);
            return Arrive(s, rip);
        }

        if ((s->Efer & EferBits.Lma) == 0 && sizeof(T) == 4 && (flags & RflagsBits.Vm) != 0 && s->Cpl == 0)
            return ToVirtual8086(s, op);
        if (!ReturnTarget(s, (ushort)cs, rip, out Descriptor d))
            return Faults.Raise(s, op);
        int before = s->Cpl;
        int cpl = (int)cs & 3;
        if (cpl == before && s->CodeSize != CodeSize.Code64)
        {
            if (!LoadCode(s, (ushort)cs, d, cpl))
                return Faults.Raise(s, op);
            Retire(s, op);
            MoveStack(s, sp);
        }
        else
        {
            // From 64-bit mode SS:RSP are popped at any privilege change, none included.
            if (!PopValue<T>(s, 3, out ulong newSp) || !PopValue<T>(s, 4, out ulong ss))
                return Faults.Raise(s, op);
            if (!Outer(s, (ushort)cs, d, (ushort)ss, cpl, newSp))
                return Faults.Raise(s, op);
            Retire(s, op);
        }

        RestoreFlags<T>(s, (uint)flags, before);
        return Arrive(s, rip);
    }

    /// <summary>IRETD into virtual-8086 mode: nine doublewords. SDM vol. 2, IRET, RETURN-TO-VIRTUAL-8086-MODE.</summary>
    private static Block* ToVirtual8086(CpuState* s, Op* op)
    {
        ulong* frame = stackalloc ulong[9];
        for (int i = 0; i < 9; i++)
        {
            if (!PopValue<uint>(s, i, out frame[i]))
                return Faults.Raise(s, op);
        }

        if (!Virtual8086.Enter(s, frame))
            return Faults.Raise(s, op);
        Retire(s, op);
        return Arrive(s, frame[0]);
    }

    /// <summary>16-bit IRET inside virtual-8086 mode under VME.</summary>
    private static Block* VirtualReturn(CpuState* s, Op* op, ulong rip, ulong cs, ulong flags, ulong sp)
    {
        if (!Virtual8086.SetImage(s, (uint)flags))
            return Faults.Raise(s, op);
        Retire(s, op);
        MoveStack(s, sp);
        Segments.LoadReal(s, &s->Cs, (ushort)cs);
        return Arrive(s, rip);
    }

    /// <summary>IRET with NT set: back to the task that the link field of the TSS names; #GP(0) in long mode.</summary>
    private static Block* TaskReturn(CpuState* s, Op* op)
    {
        if ((s->Efer & EferBits.Lma) != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        if (!SystemMemory.Read(s, s->Tr.Base, 2, out ulong link))
            return Faults.Raise(s, op);
        return TaskSwitch.By(s, op, (ushort)link, TaskSwitchSource.Iret);
    }

    /// <summary>RFLAGS popped at the privilege before the return. SDM vol. 2, IRET.</summary>
    private static void RestoreFlags<T>(CpuState* s, uint flags, int cpl)
        where T : unmanaged
    {
        uint may = RflagsBits.Tf | RflagsBits.Df | RflagsBits.Nt | RflagsBits.Ac | RflagsBits.Id | RflagsBits.Rf;
        if (cpl == 0)
            may |= RflagsBits.Iopl | RflagsBits.Vif | RflagsBits.Vip;
        if (cpl <= SystemOps.Iopl(s))
            may |= RflagsBits.If;
        if (sizeof(T) == 2)
            may &= 0xFFFF;
        if (Virtual8086.Active(s))
            may &= ~(RflagsBits.Iopl | RflagsBits.Vif | RflagsBits.Vip);
        Flags.Set(s, flags);
        s->Flags = (s->Flags & ~(ulong)may) | (flags & may) | RflagsBits.Fixed;
    }
}
