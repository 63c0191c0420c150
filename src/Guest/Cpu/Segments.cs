namespace XenSim.Guest.Cpu;

/// <summary>A segment or system descriptor as read from a table. SDM vol. 3A, 3.4.5.</summary>
/// <param name="Linear">Where it was read.</param>
internal readonly record struct Descriptor(ulong Raw, ulong Linear)
{
    public ushort Access => (ushort)((Raw >> 40) & 0xF0FF);

    public int Type => (int)(Raw >> 40) & 15;

    public bool IsSystem => (Raw & (1ul << 44)) == 0;

    public bool IsCode => !IsSystem && (Type & 8) != 0;

    public bool Conforming => (Type & 4) != 0;

    public bool ReadableCode => (Type & 2) != 0;

    public bool WritableData => !IsSystem && (Type & 10) == 2;

    public int Dpl => (int)(Raw >> 45) & 3;

    public bool Present => (Raw & (1ul << 47)) != 0;

    public bool Long => (Raw & (1ul << 53)) != 0;

    public bool Big => (Raw & (1ul << 54)) != 0;

    public ulong Base => ((Raw >> 16) & 0xFF_FFFF) | ((Raw >> 32) & 0xFF00_0000);

    public uint Limit
    {
        get
        {
            uint limit = (uint)((Raw & 0xFFFF) | ((Raw >> 32) & 0xF_0000));
            return (Raw & (1ul << 55)) != 0 ? (limit << 12) | 0xFFF : limit;
        }
    }
}

/// <summary>Descriptor tables, segment loads and limit checks. SDM vol. 3A, chapters 3 and 5.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class Segments
{
    /// <summary>Sets a segment register and derives what data accesses compare with.</summary>
    public static void SetHidden(CpuState* s, SegmentState* g, ushort selector, ulong @base, uint limit, ushort access)
    {
        g->Selector = selector;
        g->Base = @base;
        g->Limit = limit;
        g->Access = access;
        g->ReadMax = -1;
        g->WriteMax = -1;
        if ((access & 0x90) != 0x90)
            return;
        bool code = (access & 8) != 0;
        if (!code && (access & 4) != 0)
            return;
        if (!code || (access & 2) != 0)
            g->ReadMax = limit;
        if (!code && (access & 2) != 0)
            g->WriteMax = limit;
    }

    /// <summary>A data access that the quick comparison refused: expand-down segments.</summary>
    public static bool SlowCheck(SegmentState* g, ulong offset, int size, bool write)
    {
        // Present, data, expand-down. SDM vol. 3A, 5.3.
        if ((g->Access & 0x9C) != 0x94 || (write && (g->Access & 2) == 0))
            return false;
        ulong top = (g->Access & 0x4000) != 0 ? 0xFFFF_FFFF : 0xFFFF;
        return offset > g->Limit && offset + (ulong)(size - 1) <= top;
    }

    public static bool IsReal(CpuState* s) => (s->Cr0 & Cr0Bits.Pe) == 0 || (s->Flags & RflagsBits.Vm) != 0;

    /// <summary>MOV to ES, SS, DS, FS, GS; false with the fault recorded and nothing changed.</summary>
    public static bool Load(CpuState* s, SegmentName name, ushort selector)
    {
        SegmentState* g = Operand.Segment(s, (int)name);
        if (IsReal(s))
        {
            LoadReal(s, g, selector);
            return true;
        }

        if (name == SegmentName.Ss)
            return LoadStack(s, selector, s->Cpl);
        if ((selector & ~3) == 0)
        {
            SetHidden(s, g, selector, 0, 0, 0);
            return true;
        }

        if (!Read(s, selector, Vectors.Gp, out Descriptor d))
            return false;
        bool readable = !d.IsSystem && (!d.IsCode || d.ReadableCode);
        bool checkDpl = !(d.IsCode && d.Conforming);
        if (!readable || (checkDpl && (d.Dpl < (selector & 3) || d.Dpl < s->Cpl)))
            return Fail(s, Vectors.Gp, selector);
        if (!d.Present)
            return Fail(s, Vectors.Np, selector);
        return Commit(s, g, selector, d);
    }

    /// <summary>Loads SS for a privilege level: of MOV SS, or of the stack being switched to.</summary>
    /// <param name="vector">#GP, or #TS for a stack taken from the TSS.</param>
    public static bool LoadStack(CpuState* s, ushort selector, int cpl, int vector = Vectors.Gp)
    {
        if (!CheckStack(s, selector, cpl, vector, out Descriptor d))
            return false;
        if ((selector & ~3) == 0)
            SetHidden(s, &s->Ss, selector, 0, 0, 0);
        else if (!Commit(s, &s->Ss, selector, d))
            return false;
        CpuMode.Update(s);
        return true;
    }

    /// <summary>The checks of a stack segment load.</summary>
    public static bool CheckStack(CpuState* s, ushort selector, int cpl, int vector, out Descriptor d)
    {
        d = default;
        if ((selector & ~3) == 0)
        {
            // A null SS is legal in 64-bit mode below CPL 3. SDM vol. 3A, 5.4.1.1.
            if (s->CodeSize == CodeSize.Code64 && cpl < 3 && (selector & 3) == cpl)
                return true;
            return Fail(s, vector, vector == Vectors.Ts ? selector : (ushort)0);
        }

        if (!Read(s, selector, vector, out d))
            return false;
        if ((selector & 3) != cpl || d.Dpl != cpl || !d.WritableData)
            return Fail(s, vector, selector);
        return d.Present || Fail(s, Vectors.Ss, selector);
    }

    /// <summary>Sets a segment register from a checked descriptor, marking it accessed.</summary>
    public static bool Commit(CpuState* s, SegmentState* g, ushort selector, Descriptor d)
    {
        if (!d.IsSystem && (d.Type & 1) == 0)
        {
            if (!SystemMemory.Write(s, d.Linear + 5, (byte)((d.Raw >> 40) | 1), 1))
                return false;
        }

        SetHidden(s, g, selector, d.Base, d.Limit, (ushort)(d.IsSystem ? d.Access : d.Access | 1));
        return true;
    }

    /// <summary>LLDT.</summary>
    public static bool LoadLdt(CpuState* s, ushort selector)
    {
        if ((selector & ~3) == 0)
        {
            SetHidden(s, &s->Ldtr, selector, 0, 0, 0);
            return true;
        }

        if ((selector & 4) != 0)
            return Fail(s, Vectors.Gp, selector);
        if (!ReadSystem(s, selector, Vectors.Gp, out Descriptor d, out ulong @base))
            return false;
        if (!d.IsSystem || d.Type != 2)
            return Fail(s, Vectors.Gp, selector);
        if (!d.Present)
            return Fail(s, Vectors.Np, selector);
        SetHidden(s, &s->Ldtr, selector, @base, d.Limit, d.Access);
        return true;
    }

    /// <summary>LTR.</summary>
    public static bool LoadTask(CpuState* s, ushort selector)
    {
        if ((selector & ~3) == 0)
            return Fail(s, Vectors.Gp, 0);
        if ((selector & 4) != 0)
            return Fail(s, Vectors.Gp, selector);
        if (!ReadSystem(s, selector, Vectors.Gp, out Descriptor d, out ulong @base))
            return false;
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        if (!d.IsSystem || (d.Type != 9 && (longMode || d.Type != 1)))
            return Fail(s, Vectors.Gp, selector);
        if (!d.Present)
            return Fail(s, Vectors.Np, selector);
        if (!SystemMemory.Write(s, d.Linear + 5, (byte)((d.Raw >> 40) | 2), 1))
            return false;
        SetHidden(s, &s->Tr, selector, @base, d.Limit, (ushort)(d.Access | 2));
        return true;
    }

    /// <summary>Reads a descriptor; outside its table: the vector given, with the selector as error code.</summary>
    public static bool Read(CpuState* s, ushort selector, int vector, out Descriptor descriptor)
    {
        descriptor = default;
        if (!Locate(s, selector, 8, out ulong linear))
            return Fail(s, vector, selector);
        if (!SystemMemory.Read(s, linear, 8, out ulong raw))
            return false;
        descriptor = new Descriptor(raw, linear);
        return true;
    }

    /// <summary>Reads a system descriptor, 16 bytes in long mode, with its whole base.</summary>
    public static bool ReadSystem(CpuState* s, ushort selector, int vector, out Descriptor descriptor, out ulong @base)
    {
        @base = 0;
        if (!Read(s, selector, vector, out descriptor))
            return false;
        @base = descriptor.Base;
        if ((s->Efer & EferBits.Lma) == 0)
            return true;
        if (!ReadHigh(s, selector, out ulong high))
            return false;
        @base |= high << 32;
        return Rip.IsCanonical(@base) || Fail(s, vector, selector);
    }

    /// <summary>The upper half of a 16-byte descriptor of long mode.</summary>
    public static bool ReadHigh(CpuState* s, ushort selector, out ulong high)
    {
        high = 0;
        return Locate(s, selector, 16, out ulong linear) ? SystemMemory.Read(s, linear + 8, 8, out high) : Fail(s, Vectors.Gp, selector);
    }

    public static bool Fail(CpuState* s, int vector, ushort selector)
    {
        Faults.Set(s, vector, (uint)(selector & 0xFFFC));
        return false;
    }

    public static void LoadReal(CpuState* s, SegmentState* g, ushort selector)
    {
        // The limit stays what it was; attributes are those of writable data. SDM vol. 3B, 21.1.
        if ((s->Flags & RflagsBits.Vm) != 0)
        {
            SetHidden(s, g, selector, (ulong)selector << 4, 0xFFFF, Virtual8086.Access);
            return;
        }

        ushort access = (ushort)((g->Access & 0x4000) | 0x93);
        SetHidden(s, g, selector, (ulong)selector << 4, (g->Access & 0x80) != 0 ? g->Limit : 0xFFFF, access);
    }

    private static bool Locate(CpuState* s, ushort selector, int size, out ulong linear)
    {
        bool local = (selector & 4) != 0;
        uint offset = (uint)(selector & ~7);
        linear = (local ? s->Ldtr.Base : s->GdtBase) + offset;
        if ((s->Efer & EferBits.Lma) == 0)
            linear = (uint)linear;
        if (local && (s->Ldtr.Access & 0x80) == 0)
            return false;
        return offset + size - 1 <= (local ? s->Ldtr.Limit : s->GdtLimit);
    }
}
