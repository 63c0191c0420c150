using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu;

/// <summary>Where an event comes from: it decides the EXT bit and whether the gate's DPL counts.</summary>
internal enum EventKind
{
    Exception,
    External,
    Software,
}

/// <summary>Delivery through the guest's own IDT or IVT. SDM vol. 3A, 6.10-6.15.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class ExceptionDelivery
{
    /// <summary>Delivers, turning a fault on the way into #DF; false: triple fault.</summary>
    public static bool Deliver(CpuState* s, int vector, bool hasError, uint error, EventKind kind, ulong returnRip)
    {
        // A fault's handler returns to the instruction, which must not meet its breakpoint again. SDM vol. 3B, 17.3.1.1.
        uint resume = kind == EventKind.Exception && vector is not (Vectors.Db or Vectors.Df) ? RflagsBits.Rf : 0;
        if (Once(s, vector, hasError, error, kind, ref returnRip, resume))
            return true;
        while (vector != Vectors.Df)
        {
            int second = s->FaultVector;
            if (second == Vectors.Physical)
                return false;
            if (second == Vectors.Pf)
                s->Cr2 = s->FaultAddress;
            // Table 6-5: a contributory exception after one, or a contributory or page fault after a page fault, is a double fault.
            bool doubled = kind == EventKind.Exception && ((IsContributory(vector) && IsContributory(second))
                || (vector == Vectors.Pf && (IsContributory(second) || second == Vectors.Pf)));
            vector = doubled ? Vectors.Df : second;
            error = doubled ? 0 : s->FaultError;
            kind = EventKind.Exception;
            if (Once(s, vector, Vectors.HasErrorCode(vector), error, kind, ref returnRip, vector == Vectors.Df ? 0 : RflagsBits.Rf))
                return true;
        }

        return false;
    }

    /// <summary>INT n: false with the fault recorded.</summary>
    public static bool Software(CpuState* s, int vector, ulong nextRip) => Once(s, vector, false, 0, EventKind.Software, ref nextRip, 0);

    private static bool IsContributory(int vector) => vector is Vectors.De or (>= Vectors.Ts and <= Vectors.Gp);

    private static bool Once(CpuState* s, int vector, bool hasError, uint error, EventKind kind, ref ulong returnRip, uint resume)
    {
        if ((s->Cr0 & Cr0Bits.Pe) == 0)
            return Real(s, vector, returnRip);
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        int gateSize = longMode ? 16 : 8;
        uint external = kind == EventKind.Software ? 0u : 1u;
        uint gateError = ((uint)vector * 8) | 2 | external;
        if ((vector * gateSize) + gateSize - 1 > s->IdtLimit)
            return Fail(s, Vectors.Gp, gateError);
        ulong high = 0;
        if (!SystemMemory.Read(s, s->IdtBase + (ulong)(vector * gateSize), 8, out ulong low)
            || (longMode && !SystemMemory.Read(s, s->IdtBase + (ulong)(vector * gateSize) + 8, 8, out high)))
            return false;
        int type = (int)(low >> 40) & 31;
        bool task = type == 5 && !longMode;
        bool wide = type is 14 or 15;
        if (!wide && !task && (longMode || type is not (6 or 7)))
            return Fail(s, Vectors.Gp, gateError);
        if (kind == EventKind.Software && ((int)(low >> 45) & 3) < s->Cpl)
            return Fail(s, Vectors.Gp, gateError);
        if ((low & (1ul << 47)) == 0)
            return Fail(s, Vectors.Np, gateError);
        ushort selector = (ushort)(low >> 16);
        if (task)
            return TaskGate(s, selector, hasError, error, external, resume, ref returnRip);
        ulong offset = (low & 0xFFFF) | (wide ? (low >> 32) & 0xFFFF_0000 : 0) | (high << 32);
        if (!Handler(s, selector, longMode, external, out Descriptor code))
            return false;
        int cpl = code.Conforming ? s->Cpl : code.Dpl;
        Frame f = new()
        {
            Selector = selector,
            Code = code,
            Offset = offset,
            Cpl = cpl,
            Size = longMode ? 8 : wide ? 4 : 2,
            Trap = (type & 1) != 0,
            HasError = hasError,
            Error = error,
            External = external,
            Flags = s->Flags | Flags.Get(s) | resume,
            ReturnRip = returnRip,
        };
        return longMode ? Long(s, f, (int)(low >> 32) & 7) : Protected(s, f);
    }

    /// <summary>The checks of a gate's code segment. SDM vol. 2, INT n, PROTECTED-MODE.</summary>
    private static bool Handler(CpuState* s, ushort selector, bool longMode, uint external, out Descriptor code)
    {
        code = default;
        if ((selector & ~3) == 0)
            return Fail(s, Vectors.Gp, external);
        if (!Segments.Read(s, selector, Vectors.Gp, out code))
            return WithExternal(s, external);
        bool allowed = code.IsCode && code.Dpl <= s->Cpl && (!longMode || (code.Long && !code.Big));
        // From virtual-8086 mode a handler runs at CPL 0.
        if ((s->Flags & RflagsBits.Vm) != 0 && (code.Conforming || code.Dpl != 0))
            allowed = false;
        if (!allowed)
            return Fail(s, Vectors.Gp, (selector & 0xFFFCu) | external);
        return code.Present || Fail(s, Vectors.Np, (selector & 0xFFFCu) | external);
    }

    private static bool Long(CpuState* s, in Frame f, int ist)
    {
        InnerStack stack = StackSwitch.Flat(s->Gpr[(int)Gpr.Rsp]);
        if ((ist != 0 || f.Cpl != s->Cpl) && !StackSwitch.FromTask64(s, ist != 0 ? 0x1Cu + ((ulong)ist * 8) : 4 + ((ulong)f.Cpl * 8), f.External, out stack))
            return false;
        if (!Rip.IsCanonical(f.Offset))
            return Fail(s, Vectors.Gp, f.External);
        stack.Pointer &= ~0xFul;
        ulong* frame = stackalloc ulong[6];
        frame[0] = s->Ss.Selector;
        frame[1] = s->Gpr[(int)Gpr.Rsp];
        int n = Tail(s, f, frame, 2);
        if (!StackSwitch.Push(s, stack, frame, n, 8, f.Cpl))
            return StackFault(s, f.External);
        int before = s->Cpl;
        if (!FarOps.LoadCode(s, f.Selector, f.Code, f.Cpl))
            return false;
        if (f.Cpl != before)
            Segments.SetHidden(s, &s->Ss, (ushort)f.Cpl, 0, 0, 0);
        s->Gpr[(int)Gpr.Rsp] = stack.Pointer - (ulong)(n * 8);
        Arrive(s, f.Offset, f.Trap);
        return true;
    }

    private static bool Protected(CpuState* s, in Frame f)
    {
        bool virtual8086 = (s->Flags & RflagsBits.Vm) != 0;
        bool inner = f.Cpl != s->Cpl;
        InnerStack stack = StackSwitch.Current(s);
        if (inner && !StackSwitch.FromTask(s, f.Cpl, f.External, out stack))
            return false;
        ulong* frame = stackalloc ulong[10];
        int n = 0;
        if (virtual8086)
        {
            frame[n++] = s->Gs.Selector;
            frame[n++] = s->Fs.Selector;
            frame[n++] = s->Ds.Selector;
            frame[n++] = s->Es.Selector;
        }

        if (inner)
        {
            frame[n++] = s->Ss.Selector;
            frame[n++] = s->Gpr[(int)Gpr.Rsp];
        }

        n = Tail(s, f, frame, n);
        if (!StackSwitch.Fits(stack, n * f.Size))
            return Fail(s, Vectors.Ss, (inner ? stack.Selector & 0xFFFCu : 0) | f.External);
        if (f.Offset > f.Code.Limit)
            return Fail(s, Vectors.Gp, f.External);
        if (!StackSwitch.Push(s, stack, frame, n, f.Size, f.Cpl))
            return StackFault(s, f.External);
        if (!FarOps.LoadCode(s, f.Selector, f.Code, f.Cpl))
            return false;
        if (inner && !Segments.Commit(s, &s->Ss, stack.Selector, stack.Segment))
            return false;
        if (virtual8086)
            Virtual8086.Leave(s);
        CpuMode.Update(s);
        // A new stack is loaded whole; the current one moves within its width.
        if (inner)
            s->Gpr[(int)Gpr.Rsp] = stack.Mask == 0xFFFF ? (s->Gpr[(int)Gpr.Rsp] & ~0xFFFFul) | ((stack.Pointer - (ulong)(n * f.Size)) & 0xFFFF) : (uint)(stack.Pointer - (ulong)(n * f.Size));
        else
            StackSegment.SetPointer(s, stack.Pointer - (ulong)(n * f.Size));
        Arrive(s, f.Offset, f.Trap);
        return true;
    }

    /// <summary>What every frame ends with: flags, CS, the return address and the error code.</summary>
    private static int Tail(CpuState* s, in Frame f, ulong* frame, int n)
    {
        frame[n++] = f.Flags;
        frame[n++] = s->Cs.Selector;
        frame[n++] = f.ReturnRip;
        if (f.HasError)
            frame[n++] = f.Error;
        return n;
    }

    private static void Arrive(CpuState* s, ulong offset, bool trap)
    {
        s->Flags &= ~(ulong)(RflagsBits.Tf | RflagsBits.Nt | RflagsBits.Rf);
        if (!trap)
            s->Flags &= ~(ulong)RflagsBits.If;
        s->Rip = offset;
        s->ShadowAt = -1;
        CpuMode.NewCodeSegment(s);
    }

    private static bool Real(CpuState* s, int vector, ulong returnRip)
    {
        if ((vector * 4) + 3 > s->IdtLimit)
            return Fail(s, Vectors.Gp, 0);
        if (!SystemMemory.Read(s, s->IdtBase + (ulong)(vector * 4), 4, out ulong entry))
            return false;
        return ThroughVector(s, (uint)entry, s->Flags | Flags.Get(s), returnRip);
    }

    /// <summary>Enters a real-mode vector: three words are pushed. SDM vol. 3B, 21.1.4. Also of virtual-8086 mode with VME.</summary>
    public static bool ThroughVector(CpuState* s, uint entry, ulong flags, ulong returnRip)
    {
        ulong* frame = stackalloc ulong[3];
        frame[0] = flags;
        frame[1] = s->Cs.Selector;
        frame[2] = returnRip;
        InnerStack stack = StackSwitch.Current(s);
        if (!StackSwitch.Fits(stack, 6))
            return Fail(s, Vectors.Ss, 0);
        if (!StackSwitch.Push(s, stack, frame, 3, 2, s->Cpl))
            return false;
        StackSegment.SetPointer(s, s->Gpr[(int)Gpr.Rsp] - 6);
        Segments.LoadReal(s, &s->Cs, (ushort)(entry >> 16));
        s->Flags &= ~(ulong)(RflagsBits.If | RflagsBits.Tf | RflagsBits.Ac | RflagsBits.Rf);
        s->Rip = (ushort)entry;
        s->ShadowAt = -1;
        CpuMode.NewCodeSegment(s);
        return true;
    }

    /// <summary>An event through a task gate. A fault after the switch is the new task's, and so is the place it returns to.</summary>
    private static bool TaskGate(CpuState* s, ushort selector, bool hasError, uint error, uint external, uint resume, ref ulong returnRip)
    {
        TaskSwitchEnd end = TaskSwitch.To(s, selector, TaskSwitchSource.Gate, returnRip, external, resume);
        if (end == TaskSwitchEnd.Refused)
            return false;
        returnRip = s->Rip;
        return end == TaskSwitchEnd.Done && (!hasError || TaskSwitch.PushError(s, error));
    }

    private static bool StackFault(CpuState* s, uint external)
    {
        if (s->FaultVector == Vectors.Gp)
            Faults.Set(s, Vectors.Ss, external);
        return false;
    }

    private static bool WithExternal(CpuState* s, uint external)
    {
        if (s->FaultVector is not (Vectors.Pf or Vectors.Physical))
            s->FaultError |= external;
        return false;
    }

    private static bool Fail(CpuState* s, int vector, uint error)
    {
        Faults.Set(s, vector, error);
        return false;
    }

    /// <summary>A gate that has been checked, and what its handler will find pushed.</summary>
    private struct Frame
    {
        public ushort Selector;
        public Descriptor Code;
        public ulong Offset;
        public int Cpl;
        public int Size;
        public bool Trap;
        public bool HasError;
        public uint Error;
        public uint External;
        public ulong Flags;
        public ulong ReturnRip;
    }
}
