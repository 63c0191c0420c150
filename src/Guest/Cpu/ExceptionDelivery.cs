using XenSim.Guest.Cpu.Instructions;

namespace XenSim.Guest.Cpu;

/// <summary>Where an event comes from: it decides the EXT bit and whether the gate's DPL counts.</summary>
internal enum EventKind
{
    Exception,
    External,
    Software,
}

/// <summary>Delivery through the guest's own IDT or IVT. SDM vol. 3A, 6.10-6.15.</summary>
internal static unsafe class ExceptionDelivery
{
    /// <summary>Delivers, turning a fault on the way into #DF; false: triple fault.</summary>
    public static bool Deliver(CpuState* s, int vector, bool hasError, uint error, EventKind kind, ulong returnRip)
    {
        if (Once(s, vector, hasError, error, kind, returnRip))
            return true;
        if (s->Stop == StopKind.Exit)
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
            if (Once(s, vector, Vectors.HasErrorCode(vector), error, kind, returnRip))
                return true;
            if (s->Stop == StopKind.Exit)
                return true;
        }

        return false;
    }

    /// <summary>INT n: false with the fault recorded.</summary>
    public static bool Software(CpuState* s, int vector, ulong nextRip) => Once(s, vector, false, 0, EventKind.Software, nextRip);

    private static bool IsContributory(int vector) => vector is Vectors.De or (>= Vectors.Ts and <= Vectors.Gp);

    private static bool Once(CpuState* s, int vector, bool hasError, uint error, EventKind kind, ulong returnRip)
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
        if (type == 5 && !longMode)
            return TaskGate(s);
        bool wide = type is 14 or 15;
        if (!wide && (longMode || type is not (6 or 7)))
            return Fail(s, Vectors.Gp, gateError);
        if (kind == EventKind.Software && ((int)(low >> 45) & 3) < s->Cpl)
            return Fail(s, Vectors.Gp, gateError);
        if ((low & (1ul << 47)) == 0)
            return Fail(s, Vectors.Np, gateError);
        ushort selector = (ushort)(low >> 16);
        ulong offset = (low & 0xFFFF) | (wide ? (low >> 32) & 0xFFFF_0000 : 0) | (high << 32);
        if ((selector & ~3) == 0)
            return Fail(s, Vectors.Gp, external);
        if (!Segments.Read(s, selector, Vectors.Gp, out Descriptor code))
            return WithExternal(s, external);
        if (!code.IsCode || code.Dpl > s->Cpl || (longMode && (!code.Long || code.Big)))
            return Fail(s, Vectors.Gp, (selector & 0xFFFCu) | external);
        if (!code.Present)
            return Fail(s, Vectors.Np, (selector & 0xFFFCu) | external);
        int cpl = code.Conforming ? s->Cpl : code.Dpl;
        bool trap = (type & 1) != 0;
        return longMode
            ? Long(s, code, selector, offset, cpl, (int)(low >> 32) & 7, trap, hasError, error, external, returnRip)
            : Protected(s, code, selector, offset, cpl, wide ? 4 : 2, trap, hasError, error, external, returnRip);
    }

    private static bool Long(CpuState* s, Descriptor code, ushort selector, ulong offset, int cpl, int ist, bool trap, bool hasError, uint error, uint external, ulong returnRip)
    {
        ulong sp = s->Gpr[(int)Gpr.Rsp];
        bool switched = ist != 0 || cpl != s->Cpl;
        if (switched)
        {
            ulong at = ist != 0 ? 0x1Cu + ((ulong)ist * 8) : 4 + ((ulong)cpl * 8);
            if (at + 7 > s->Tr.Limit)
                return Fail(s, Vectors.Ts, (s->Tr.Selector & 0xFFFCu) | external);
            if (!SystemMemory.Read(s, s->Tr.Base + at, 8, out sp))
                return false;
            if (!Rip.IsCanonical(sp))
                return Fail(s, Vectors.Ss, external);
        }

        if (!Rip.IsCanonical(offset))
            return Fail(s, Vectors.Gp, external);
        sp &= ~0xFul;
        ulong* frame = stackalloc ulong[6];
        int n = 0;
        frame[n++] = s->Ss.Selector;
        frame[n++] = s->Gpr[(int)Gpr.Rsp];
        frame[n++] = s->Flags | Flags.Get(s);
        frame[n++] = s->Cs.Selector;
        frame[n++] = returnRip;
        if (hasError)
            frame[n++] = error;
        if (!Push(s, sp, frame, n, 8, cpl, ulong.MaxValue, 0))
            return StackFault(s, external);
        if (!FarOps.LoadCode(s, selector, code, cpl))
            return false;
        if (switched && cpl != ((int)frame[3] & 3))
            Segments.SetHidden(s, &s->Ss, (ushort)cpl, 0, 0, 0);
        s->Gpr[(int)Gpr.Rsp] = sp - (ulong)(n * 8);
        Arrive(s, offset, trap);
        return true;
    }

    private static bool Protected(CpuState* s, Descriptor code, ushort selector, ulong offset, int cpl, int size, bool trap, bool hasError, uint error, uint external, ulong returnRip)
    {
        bool inner = cpl != s->Cpl;
        ulong sp = s->Gpr[(int)Gpr.Rsp];
        ulong stackBase = s->Ss.Base;
        ulong mask = s->StackMask;
        uint limit = s->Ss.Limit;
        ushort newSs = 0;
        Descriptor stack = default;
        if (inner)
        {
            // A 32-bit TSS (type 9/11) has SS:ESP for each inner level at 4 + 8n. SDM vol. 3A, figure 7-2.
            if ((s->Tr.Access & 0x8) == 0 || 4 + (cpl * 8) + 5 > s->Tr.Limit)
                return Fail(s, Vectors.Ts, (s->Tr.Selector & 0xFFFCu) | external);
            if (!SystemMemory.Read(s, s->Tr.Base + 4 + (ulong)(cpl * 8), 4, out sp) || !SystemMemory.Read(s, s->Tr.Base + 8 + (ulong)(cpl * 8), 2, out ulong ss))
                return false;
            newSs = (ushort)ss;
            if ((newSs & ~3) == 0)
                return Fail(s, Vectors.Ts, external);
            if (!Segments.CheckStack(s, newSs, cpl, Vectors.Ts, out stack))
                return WithExternal(s, external);
            stackBase = stack.Base;
            mask = stack.Big ? 0xFFFF_FFFFul : 0xFFFF;
            limit = stack.Limit;
        }

        if (offset > code.Limit)
            return Fail(s, Vectors.Gp, external);
        ulong* frame = stackalloc ulong[6];
        int n = 0;
        if (inner)
        {
            frame[n++] = s->Ss.Selector;
            frame[n++] = s->Gpr[(int)Gpr.Rsp];
        }

        frame[n++] = s->Flags | Flags.Get(s);
        frame[n++] = s->Cs.Selector;
        frame[n++] = returnRip;
        if (hasError)
            frame[n++] = error;
        bool expandDown = inner ? (stack.Type & 4) != 0 : (s->Ss.Access & 4) != 0;
        ulong bottom = (sp - (ulong)(n * size)) & mask;
        if (!expandDown && bottom + (ulong)(n * size) - 1 > limit)
            return Fail(s, Vectors.Ss, (inner ? newSs & 0xFFFCu : 0) | external);
        if (!Push(s, sp, frame, n, size, cpl, mask, stackBase))
            return StackFault(s, external);
        if (!FarOps.LoadCode(s, selector, code, cpl))
            return false;
        if (inner && !Segments.Commit(s, &s->Ss, newSs, stack))
            return false;
        CpuMode.Update(s);
        StackSegment.SetPointer(s, sp - (ulong)(n * size));
        s->Flags &= ~(ulong)RflagsBits.Vm;
        Arrive(s, offset, trap);
        return true;
    }

    private static void Arrive(CpuState* s, ulong offset, bool trap)
    {
        s->Flags &= ~(ulong)(RflagsBits.Tf | RflagsBits.Nt | RflagsBits.Rf);
        if (!trap)
            s->Flags &= ~(ulong)RflagsBits.If;
        s->Rip = offset;
        CpuMode.NewEpoch(s);
        CpuMode.Update(s);
    }

    /// <summary>Writes a frame after probing all of it, so that a fault leaves memory as it was.</summary>
    private static bool Push(CpuState* s, ulong sp, ulong* frame, int n, int size, int cpl, ulong mask, ulong stackBase)
    {
        for (int i = 0; i < n; i++)
        {
            if (!SystemMemory.Probe(s, stackBase + ((sp - (ulong)((i + 1) * size)) & mask), size, cpl))
                return false;
        }

        for (int i = 0; i < n; i++)
            SystemMemory.Write(s, stackBase + ((sp - (ulong)((i + 1) * size)) & mask), frame[i], size, cpl);
        return true;
    }

    private static bool Real(CpuState* s, int vector, ulong returnRip)
    {
        if ((vector * 4) + 3 > s->IdtLimit)
            return Fail(s, Vectors.Gp, 0);
        ulong* frame = stackalloc ulong[3];
        frame[0] = s->Flags | Flags.Get(s);
        frame[1] = s->Cs.Selector;
        frame[2] = returnRip;
        if (!SystemMemory.Read(s, s->IdtBase + (ulong)(vector * 4), 4, out ulong entry)
            || !Push(s, s->Gpr[(int)Gpr.Rsp], frame, 3, 2, 0, s->StackMask, s->Ss.Base))
            return false;
        StackSegment.SetPointer(s, s->Gpr[(int)Gpr.Rsp] - 6);
        Segments.LoadReal(s, &s->Cs, (ushort)(entry >> 16));
        s->Flags &= ~(ulong)(RflagsBits.If | RflagsBits.Tf | RflagsBits.Ac | RflagsBits.Rf);
        s->Rip = (ushort)entry;
        CpuMode.NewEpoch(s);
        CpuMode.Update(s);
        return true;
    }

    private static bool TaskGate(CpuState* s)
    {
        s->Exit = new CpuExit { Reason = ExitReason.Unimplemented, NextRip = s->Rip };
        s->Stop = StopKind.Exit;
        return false;
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
}
