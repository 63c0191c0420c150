namespace XenSim.Guest.Cpu;

/// <summary>A stack that frames are pushed on: the current one, or an inner one out of the TSS.</summary>
internal struct InnerStack
{
    public ushort Selector;
    public Descriptor Segment;
    public ulong Pointer;
    public ulong Base;
    public ulong Mask;
    public uint Limit;
    public bool ExpandDown;
}

/// <summary>The stack of a transfer to an inner privilege level. SDM vol. 3A, 5.8.5, 7.7 and 6.12.1.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class StackSwitch
{
    /// <summary>Outside 64-bit mode: the stack in use.</summary>
    public static InnerStack Current(CpuState* s) => new()
    {
        Selector = s->Ss.Selector,
        Pointer = s->Gpr[(int)Gpr.Rsp],
        Base = s->Ss.Base,
        Mask = s->StackMask,
        Limit = s->Ss.Limit,
        ExpandDown = (s->Ss.Access & 0x9C) == 0x94,
    };

    /// <summary>64-bit mode: no base, no limit.</summary>
    public static InnerStack Flat(ulong pointer) => new() { Pointer = pointer, Mask = ulong.MaxValue };

    /// <summary>SSn:ESPn of a 32-bit or SSn:SPn of a 16-bit TSS (figures 7-2 and 7-10); false with the fault recorded.</summary>
    /// <param name="external">The EXT bit of error codes.</param>
    public static bool FromTask(CpuState* s, int cpl, uint external, out InnerStack stack)
    {
        stack = default;
        bool wide = (s->Tr.Access & 8) != 0;
        int size = wide ? 4 : 2;
        ulong at = wide ? 4 + ((ulong)cpl * 8) : 2 + ((ulong)cpl * 4);
        if (at + (ulong)size + 1 > s->Tr.Limit)
            return Fail(s, Vectors.Ts, (s->Tr.Selector & 0xFFFCu) | external);
        if (!SystemMemory.Read(s, s->Tr.Base + at, size, out ulong pointer) || !SystemMemory.Read(s, s->Tr.Base + at + (ulong)size, 2, out ulong selector))
            return false;
        if ((selector & 0xFFFC) == 0)
            return Fail(s, Vectors.Ts, external);
        if (!Segments.CheckStack(s, (ushort)selector, cpl, Vectors.Ts, out Descriptor d))
        {
            if (s->FaultVector is not (Vectors.Pf or Vectors.Physical))
                s->FaultError |= external;
            return false;
        }

        stack = new InnerStack
        {
            Selector = (ushort)selector,
            Segment = d,
            Pointer = pointer,
            Base = d.Base,
            Mask = d.Big ? 0xFFFF_FFFFul : 0xFFFF,
            Limit = d.Limit,
            ExpandDown = (d.Type & 4) != 0,
        };
        return true;
    }

    /// <summary>RSPn or ISTn of a 64-bit TSS (figure 7-11), at that offset.</summary>
    public static bool FromTask64(CpuState* s, ulong at, uint external, out InnerStack stack)
    {
        stack = default;
        if (at + 7 > s->Tr.Limit)
            return Fail(s, Vectors.Ts, (s->Tr.Selector & 0xFFFCu) | external);
        if (!SystemMemory.Read(s, s->Tr.Base + at, 8, out ulong pointer))
            return false;
        stack = Flat(pointer);
        return Rip.IsCanonical(pointer) || Fail(s, Vectors.Ss, external);
    }

    /// <summary>Room for that many bytes below the pointer.</summary>
    public static bool Fits(in InnerStack stack, int bytes)
    {
        ulong bottom = (stack.Pointer - (ulong)bytes) & stack.Mask, end = bottom + (ulong)(bytes - 1);
        return stack.ExpandDown ? bottom > stack.Limit && end <= stack.Mask : end <= stack.Limit;
    }

    /// <summary>Writes a frame after probing all of it, so that a fault leaves memory as it was.</summary>
    public static bool Push(CpuState* s, in InnerStack stack, ulong* frame, int n, int size, int cpl)
    {
        for (int i = 1; i <= n; i++)
        {
            if (!SystemMemory.Probe(s, stack.Base + ((stack.Pointer - (ulong)(i * size)) & stack.Mask), size, cpl))
                return false;
        }

        for (int i = 1; i <= n; i++)
        {
            ulong linear = stack.Base + ((stack.Pointer - (ulong)(i * size)) & stack.Mask);
            SystemMemory.Write(s, linear, frame[i - 1], size, cpl);
            if (s->DataBreakpoints != 0)
                Breakpoints.Touch(s, linear, size, true);
        }

        return true;
    }

    private static bool Fail(CpuState* s, int vector, uint error)
    {
        Faults.Set(s, vector, error);
        return false;
    }
}
