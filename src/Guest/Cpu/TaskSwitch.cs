using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu;

/// <summary>What asked for a task switch.</summary>
internal enum TaskSwitchSource : byte
{
    Call,
    Iret,
    Jmp,

    /// <summary>A task gate in the IDT.</summary>
    Gate,
}

/// <summary>How a task switch ended.</summary>
internal enum TaskSwitchEnd : byte
{
    Done,

    /// <summary>A fault of the old task is recorded, which is as it was.</summary>
    Refused,

    /// <summary>The switch has happened; a fault of the new task, at its first instruction, is recorded.</summary>
    Faulted,
}

/// <summary>
/// The hardware task switch of protected mode: JMP, CALL, an event through a task gate, IRET with NT set. SDM vol. 3A, 7.3. Up to the commit
/// point a fault belongs to the old task and nothing has happened; after it, to the new one.
/// </summary>
// SAFETY: s is the state of a live vCPU; memory is reached through SystemMemory, which checks it.
internal static unsafe class TaskSwitch
{
    private const int BusyBit = 2, TrapOffset = 0x64, Wide = 8;

    /// <summary>Bytes of a 16- and a 32-bit TSS that a switch touches: up to the link's neighbour, or the trap bit. SDM vol. 3A, 7.2.1 and 7.6.</summary>
    private const uint Limit16 = 0x2B, Limit32 = 0x67;

    /// <summary>JMP, CALL and IRET: the instruction is retired unless the old task has a fault.</summary>
    public static Block* By(CpuState* s, Op* op, ushort selector, TaskSwitchSource source)
    {
        TaskSwitchEnd end = To(s, selector, source, Rip.Wrap(s, s->Rip + op->Offset + op->Length), 0, 0);
        if (end == TaskSwitchEnd.Refused)
            return Faults.Raise(s, op);
        if (end == TaskSwitchEnd.Faulted)
            return RaiseInNewTask(s, op);
        FarOps.Retire(s, op);
        return null;
    }

    /// <summary>The instruction has switched and is retired; what is recorded happens at the new task's first one.</summary>
    public static Block* RaiseInNewTask(CpuState* s, Op* op)
    {
        FarOps.Retire(s, op);
        s->NextRip = s->Rip;
        s->Exit = default;
        s->Stop = StopKind.Fault;
        return null;
    }

    /// <param name="nextRip">Where the old task will go on.</param>
    /// <param name="external">The EXT bit of error codes.</param>
    /// <param name="resume">RF of the old task's flags.</param>
    public static TaskSwitchEnd To(CpuState* s, ushort selector, TaskSwitchSource source, ulong nextRip, uint external, uint resume)
    {
        if (!Find(s, selector, source, external, out Descriptor d) || !Reachable(s, d))
            return TaskSwitchEnd.Refused;
        Save(s, source, nextRip, resume);
        bool nested = source is TaskSwitchSource.Call or TaskSwitchSource.Gate;
        if (nested)
            SystemMemory.Write(s, d.Base, s->Tr.Selector, 2);
        else
            Release(s);
        if (source != TaskSwitchSource.Iret)
            SystemMemory.Write(s, d.Linear + 5, (byte)((d.Raw >> 40) | BusyBit), 1);
        return Load(s, selector, d, nested, external) ? TaskSwitchEnd.Done : TaskSwitchEnd.Faulted;
    }

    /// <summary>The error code of the event that came through a task gate, on the new task's stack. False with the fault recorded.</summary>
    public static bool PushError(CpuState* s, uint error)
    {
        int size = (s->Tr.Access & Wide) != 0 ? 4 : 2;
        InnerStack stack = StackSwitch.Current(s);
        ulong frame = error;
        if (!StackSwitch.Fits(stack, size))
            return Fail(s, Vectors.Ss, 0);
        if (!StackSwitch.Push(s, stack, &frame, 1, size, s->Cpl))
            return false;
        StackSegment.SetPointer(s, s->Gpr[(int)Gpr.Rsp] - (ulong)size);
        return true;
    }

    /// <summary>The new task's TSS descriptor: in the GDT, available (busy for IRET), present, long enough.</summary>
    private static bool Find(CpuState* s, ushort selector, TaskSwitchSource source, uint external, out Descriptor d)
    {
        bool back = source == TaskSwitchSource.Iret;
        int vector = back ? Vectors.Ts : Vectors.Gp;
        uint error = (selector & 0xFFFCu) | external;
        d = default;
        if ((selector & ~3) == 0 || (selector & 4) != 0)
            return Fail(s, vector, error);
        if (!Segments.Read(s, selector, vector, out d))
        {
            if (s->FaultVector == vector)
                s->FaultError |= external;
            return false;
        }

        int wanted = back ? BusyBit | 1 : 1;
        if (!d.IsSystem || (d.Type & ~Wide) != wanted)
            return Fail(s, vector, error);
        if (!d.Present)
            return Fail(s, Vectors.Np, error);
        return d.Limit >= ((d.Type & Wide) != 0 ? Limit32 : Limit16) || Fail(s, Vectors.Ts, error);
    }

    /// <summary>Both TSSs and the descriptors can be accessed: after this, saving and loading the images do not fault.</summary>
    private static bool Reachable(CpuState* s, Descriptor d)
    {
        bool wide = (s->Tr.Access & Wide) != 0, newWide = (d.Type & Wide) != 0;
        if (s->Tr.Limit < (wide ? Limit32 : Limit16))
            return Fail(s, Vectors.Ts, s->Tr.Selector & 0xFFFCu);
        return SystemMemory.Probe(s, s->Tr.Base, (int)(wide ? Limit32 : Limit16) + 1, PageWalk.ImplicitSupervisor)
            && SystemMemory.Probe(s, d.Base, (int)(newWide ? Limit32 : Limit16) + 1, PageWalk.ImplicitSupervisor)
            && SystemMemory.Probe(s, d.Linear, 8, PageWalk.ImplicitSupervisor)
            && SystemMemory.Probe(s, s->GdtBase + (uint)(s->Tr.Selector & ~7), 8, PageWalk.ImplicitSupervisor);
    }

    /// <summary>The old task is no longer busy: it is not waited in by another.</summary>
    private static void Release(CpuState* s)
    {
        ulong at = s->GdtBase + (uint)(s->Tr.Selector & ~7) + 5;
        SystemMemory.Read(s, at, 1, out ulong access);
        SystemMemory.Write(s, at, access & ~(ulong)BusyBit, 1);
    }

    /// <summary>The dynamic fields of the old task's TSS. SDM vol. 3A, figures 7-2 and 7-10.</summary>
    private static void Save(CpuState* s, TaskSwitchSource source, ulong nextRip, uint resume)
    {
        ulong flags = s->Flags | Flags.Get(s) | resume;
        if (source == TaskSwitchSource.Iret)
            flags &= ~(ulong)RflagsBits.Nt;
        bool wide = (s->Tr.Access & Wide) != 0;
        int size = wide ? 4 : 2, segments = wide ? 6 : 4;
        ulong at = s->Tr.Base + (wide ? 0x20u : 0x0Eu);
        SystemMemory.Write(s, at, nextRip, size);
        SystemMemory.Write(s, at + (ulong)size, flags, size);
        for (int r = 0; r < 8; r++)
            SystemMemory.Write(s, at + (ulong)((2 + r) * size), s->Gpr[r], size);
        for (int g = 0; g < segments; g++)
            SystemMemory.Write(s, at + (ulong)((10 + g) * size), Operand.Segment(s, g)->Selector, 2);
    }

    private static bool Load(CpuState* s, ushort selector, Descriptor d, bool nested, uint external)
    {
        bool wide = (d.Type & Wide) != 0;
        int size = wide ? 4 : 2, segments = wide ? 6 : 4;
        ulong at = d.Base + (wide ? 0x20u : 0x0Eu);
        ulong* image = stackalloc ulong[17];
        for (int i = 0; i < 10 + segments + 1; i++)
            SystemMemory.Read(s, at + (ulong)(i * size), i < 10 ? size : 2, out image[i]);
        ulong trap = 0, directory = 0;
        if (wide)
        {
            SystemMemory.Read(s, d.Base + TrapOffset, 1, out trap);
            SystemMemory.Read(s, d.Base + 0x1C, 4, out directory);
        }

        // The commit point: from here on a fault is the new task's.
        Segments.SetHidden(s, &s->Tr, selector, d.Base, d.Limit, (ushort)(d.Access | BusyBit));
        s->Cr0 |= Cr0Bits.Ts;
        if (wide && (s->Cr0 & Cr0Bits.Pg) != 0)
            SystemRegisters.SetCr3(s, directory);
        Registers(s, image, wide, nested);
        // L0-L3 and LE belong to the task. SDM vol. 3B, 17.2.4.
        s->Debug[7] &= ~0x155ul;
        Breakpoints.Update(s);
        if ((trap & 1) != 0)
        {
            s->PendingDebug |= TaskSwitched;
            Breakpoints.Arm(s);
        }

        return LoadSegments(s, image + 10, segments, external);
    }

    /// <summary>DR6.BT.</summary>
    private const uint TaskSwitched = 0x8000;

    private static void Registers(CpuState* s, ulong* image, bool wide, bool nested)
    {
        s->Rip = image[0];
        for (int r = 0; r < 8; r++)
            s->Gpr[r] = wide ? image[2 + r] : (s->Gpr[r] & 0xFFFF_0000) | image[2 + r];
        const uint Known = 0x3F7FD5;
        ulong flags = (image[1] & (wide ? Known : Known & 0xFFFF)) | (nested ? RflagsBits.Nt : 0);
        Flags.Set(s, (uint)flags);
        s->Flags = (flags & ~(ulong)RflagsBits.Arithmetic) | RflagsBits.Fixed;
        s->ShadowAt = -1;
    }

    /// <summary>LDTR and the segment registers, in the order and with the faults of table 7-1. First all selectors, then the descriptors.</summary>
    private static bool LoadSegments(CpuState* s, ulong* selectors, int count, uint external)
    {
        for (int g = 0; g < 6; g++)
            Segments.SetHidden(s, Operand.Segment(s, g), g < count ? (ushort)selectors[g] : (ushort)0, 0, 0, 0);
        ushort ldt = (ushort)selectors[count], cs = (ushort)selectors[(int)SegmentName.Cs];
        Segments.SetHidden(s, &s->Ldtr, ldt, 0, 0, 0);
        bool virtual8086 = (s->Flags & RflagsBits.Vm) != 0;
        s->Cpl = (byte)(virtual8086 ? 3 : cs & 3);
        bool loaded = Local(s, ldt, external) && (virtual8086 ? LoadVirtual(s) : Code(s, cs, external) && StackAndData(s, external));
        CpuMode.NewCodeSegment(s);
        if (!loaded)
            return false;
        return s->Rip <= s->Cs.Limit || Fail(s, Vectors.Gp, external);
    }

    private static bool Local(CpuState* s, ushort selector, uint external)
    {
        if ((selector & ~3) == 0)
            return true;
        if ((selector & 4) == 0 && Segments.LoadLdt(s, selector))
            return true;
        // Whatever is wrong with it, #TS; a page fault stays one.
        return s->FaultVector is Vectors.Pf or Vectors.Physical ? false : Fail(s, Vectors.Ts, (selector & 0xFFFCu) | external);
    }

    private static bool LoadVirtual(CpuState* s)
    {
        for (int g = 0; g < 6; g++)
            Segments.LoadReal(s, Operand.Segment(s, g), Operand.Segment(s, g)->Selector);
        return true;
    }

    private static bool Code(CpuState* s, ushort selector, uint external)
    {
        uint error = (selector & 0xFFFCu) | external;
        if ((selector & ~3) == 0)
            return Fail(s, Vectors.Ts, error);
        if (!Segments.Read(s, selector, Vectors.Ts, out Descriptor d))
            return Segment(s, external);
        int rpl = selector & 3;
        if (!d.IsCode || (d.Conforming ? d.Dpl > rpl : d.Dpl != rpl))
            return Fail(s, Vectors.Ts, error);
        return d.Present ? Segments.Commit(s, &s->Cs, selector, d) : Fail(s, Vectors.Np, error);
    }

    private static bool StackAndData(CpuState* s, uint external)
    {
        CpuMode.Update(s);
        if (!Segments.CheckStack(s, s->Ss.Selector, s->Cpl, Vectors.Ts, out Descriptor stack) || !Segments.Commit(s, &s->Ss, s->Ss.Selector, stack))
            return Segment(s, external);
        CpuMode.Update(s);
        foreach (SegmentName name in (ReadOnlySpan<SegmentName>)[SegmentName.Es, SegmentName.Ds, SegmentName.Fs, SegmentName.Gs])
        {
            if (Segments.Load(s, name, Operand.Segment(s, (int)name)->Selector))
                continue;
            if (s->FaultVector == Vectors.Gp)
                s->FaultVector = Vectors.Ts;
            return Segment(s, external);
        }

        return true;
    }

    private static bool Segment(CpuState* s, uint external)
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
