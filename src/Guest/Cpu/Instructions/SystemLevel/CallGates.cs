using XenSim.Guest.Cpu.Instructions.GeneralPurpose;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>Far JMP and CALL through call gates, task gates and TSS descriptors. SDM vol. 2, JMP and CALL; vol. 3A, 5.8.3 to 5.8.5.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class CallGates
{
    private const int TaskSegment16 = 1, Gate16 = 4, TaskGate = 5, TaskSegment32 = 9, Gate32 = 12;

    /// <summary>A transfer whose selector names the system descriptor <paramref name="d"/>.</summary>
    public static Block* Transfer(CpuState* s, Op* op, ushort selector, Descriptor d, bool call)
    {
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        bool known = longMode ? d.Type == Gate32 : d.Type is TaskSegment16 or Gate16 or TaskGate or TaskSegment32 or Gate32;
        bool local = (selector & 4) != 0;
        if (!known || d.Dpl < s->Cpl || d.Dpl < (selector & 3) || (local && d.Type is TaskSegment16 or TaskSegment32))
        {
            CpuExit decoded = new() { Reason = ExitReason.PrivilegedInstruction, Operation = call ? PrivilegedOperation.CallFar : PrivilegedOperation.JmpFar, Operand = selector };
            return Faults.Raise(s, op, Vectors.Gp, (uint)selector & 0xFFFC, decoded);
        }

        if (!d.Present)
            return Faults.Raise(s, op, Vectors.Np, (uint)selector & 0xFFFC);
        ulong high = 0;
        if (longMode && !Segments.ReadHigh(s, selector, out high))
            return Faults.Raise(s, op);
        // The type field of a 64-bit gate's upper half must be 0. SDM vol. 3A, figure 5-9.
        if ((high & 0x1F00_0000_0000) != 0)
            return Faults.Raise(s, op, Vectors.Gp, (uint)selector & 0xFFFC);
        if (d.Type is not (Gate16 or Gate32))
            return TaskSwitch.By(s, op, d.Type == TaskGate ? (ushort)(d.Raw >> 16) : selector, call ? TaskSwitchSource.Call : TaskSwitchSource.Jmp);

        Target t = new()
        {
            Selector = (ushort)(d.Raw >> 16),
            Offset = (d.Raw & 0xFFFF) | (d.Type == Gate32 ? (d.Raw >> 32) & 0xFFFF_0000 : 0) | (high << 32),
            Size = longMode ? 8 : d.Type == Gate32 ? 4 : 2,
            Parameters = longMode ? 0 : (int)(d.Raw >> 32) & 31,
        };
        if (!CheckCode(s, ref t, call, longMode))
            return Faults.Raise(s, op);
        bool inner = call && !t.Code.Conforming && t.Code.Dpl < s->Cpl;
        bool done = !call ? Jump(s, t) : inner ? Inward(s, op, t, longMode) : Level(s, op, t, longMode);
        if (!done)
            return Stack.Fault(s, op);
        FarOps.Retire(s, op);
        return FarOps.Arrive(s, t.Offset);
    }

    private static bool CheckCode(CpuState* s, ref Target t, bool call, bool longMode)
    {
        if ((t.Selector & ~3) == 0)
            return Segments.Fail(s, Vectors.Gp, 0);
        if (!Segments.Read(s, t.Selector, Vectors.Gp, out t.Code))
            return false;
        Descriptor d = t.Code;
        bool allowed = d.IsCode && d.Dpl <= s->Cpl && (call || d.Conforming || d.Dpl == s->Cpl) && (!longMode || (d.Long && !d.Big));
        if (!allowed)
            return Segments.Fail(s, Vectors.Gp, t.Selector);
        if (!d.Present)
            return Segments.Fail(s, Vectors.Np, t.Selector);
        return (longMode ? Rip.IsCanonical(t.Offset) : t.Offset <= d.Limit) || Segments.Fail(s, Vectors.Gp, 0);
    }

    private static bool Jump(CpuState* s, in Target t) => FarOps.LoadCode(s, t.Selector, t.Code, s->Cpl);

    /// <summary>CALL at the same privilege: CS and the return address are pushed in the gate's size.</summary>
    private static bool Level(CpuState* s, Op* op, in Target t, bool longMode)
    {
        InnerStack stack = longMode ? StackSwitch.Flat(s->Gpr[(int)Gpr.Rsp]) : StackSwitch.Current(s);
        ulong* frame = stackalloc ulong[2];
        frame[0] = s->Cs.Selector;
        frame[1] = Next(s, op);
        if (!longMode && !StackSwitch.Fits(stack, 2 * t.Size))
            return Segments.Fail(s, Vectors.Ss, 0);
        if (!StackSwitch.Push(s, stack, frame, 2, t.Size, s->Cpl))
            return NotCanonical(s);
        if (!FarOps.LoadCode(s, t.Selector, t.Code, s->Cpl))
            return false;
        ulong pointer = stack.Pointer - (ulong)(2 * t.Size);
        s->Gpr[(int)Gpr.Rsp] = longMode ? pointer : (s->Gpr[(int)Gpr.Rsp] & ~stack.Mask) | (pointer & stack.Mask);
        return true;
    }

    /// <summary>CALL to an inner privilege level: a stack from the TSS, and the parameters copied to it.</summary>
    private static bool Inward(CpuState* s, Op* op, in Target t, bool longMode)
    {
        int cpl = t.Code.Dpl;
        InnerStack stack;
        if (!(longMode ? StackSwitch.FromTask64(s, 4 + ((ulong)cpl * 8), 0, out stack) : StackSwitch.FromTask(s, cpl, 0, out stack)))
            return false;
        ulong* frame = stackalloc ulong[36];
        int n = 0;
        frame[n++] = s->Ss.Selector;
        frame[n++] = s->Gpr[(int)Gpr.Rsp];
        // The highest parameter is pushed first.
        for (int i = t.Parameters - 1; i >= 0; i--)
        {
            ulong at = s->Gpr[(int)Gpr.Rsp] + (ulong)(i * t.Size);
            byte* p = Tlb.Read(s, StackSegment.Address(s, at, t.Size, false), t.Size);
            if (p == null)
                return false;
            frame[n++] = t.Size == 2 ? *(ushort*)p : *(uint*)p;
        }

        frame[n++] = s->Cs.Selector;
        frame[n++] = Next(s, op);
        if (!longMode && !StackSwitch.Fits(stack, n * t.Size))
            return Segments.Fail(s, Vectors.Ss, stack.Selector);
        if (!StackSwitch.Push(s, stack, frame, n, t.Size, cpl))
            return NotCanonical(s);
        if (!FarOps.LoadCode(s, t.Selector, t.Code, cpl))
            return false;
        ulong pointer = stack.Pointer - (ulong)(n * t.Size);
        if (longMode)
        {
            Segments.SetHidden(s, &s->Ss, (ushort)cpl, 0, 0, 0);
            s->Gpr[(int)Gpr.Rsp] = pointer;
            return true;
        }

        if (!Segments.Commit(s, &s->Ss, stack.Selector, stack.Segment))
            return false;
        s->Gpr[(int)Gpr.Rsp] = stack.Mask == 0xFFFF ? (s->Gpr[(int)Gpr.Rsp] & ~0xFFFFul) | (pointer & 0xFFFF) : (uint)pointer;
        return true;
    }

    private static ulong Next(CpuState* s, Op* op) => Rip.Wrap(s, s->Rip + op->Offset + op->Length);

    /// <summary>A frame outside the canonical space is a stack fault.</summary>
    private static bool NotCanonical(CpuState* s)
    {
        if (s->FaultVector == Vectors.Gp)
            Faults.Set(s, Vectors.Ss);
        return false;
    }

    private struct Target
    {
        public ushort Selector;
        public Descriptor Code;
        public ulong Offset;
        public int Size;
        public int Parameters;
    }
}
