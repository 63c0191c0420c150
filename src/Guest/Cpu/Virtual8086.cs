using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu;

/// <summary>Virtual-8086 mode: entry, exit, and its virtual interrupt flag. SDM vol. 3B, chapter 21.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class Virtual8086
{
    /// <summary>Present, DPL 3, writable data: what a segment register holds in this mode. SDM vol. 3C, 26.3.1.2.</summary>
    public const ushort Access = 0xF3;

    private const int Flags = 2, Stack = 3, Es = 5, Ds = 6, Fs = 7, Gs = 8;

    public static bool Active(CpuState* s) => (s->Flags & RflagsBits.Vm) != 0;

    /// <summary>IOPL is below 3: sensitive instructions fault, or use VIF when CR4.VME is set.</summary>
    public static bool Restricted(CpuState* s) => Active(s) && SystemOps.Iopl(s) < 3;

    /// <summary>CLI and STI work on VIF: in this mode with CR4.VME, at CPL 3 of protected mode with CR4.PVI. SDM vol. 3B, 21.3 and 21.4.</summary>
    public static bool HasVirtualInterrupts(CpuState* s) =>
        SystemOps.Iopl(s) < 3 && (s->Cr4 & (Active(s) ? Cr4Bits.Vme : s->Cpl == 3 ? Cr4Bits.Pvi : 0)) != 0;

    /// <summary>IRETD at CPL 0 with VM set in the popped flags: nine doublewords have been read. False: #GP(0) recorded.</summary>
    public static bool Enter(CpuState* s, ulong* frame)
    {
        if (frame[0] > 0xFFFF)
        {
            Faults.Set(s, Vectors.Gp);
            return false;
        }

        Load(s, &s->Cs, frame[1]);
        Load(s, &s->Ss, frame[Stack + 1]);
        Load(s, &s->Es, frame[Es]);
        Load(s, &s->Ds, frame[Ds]);
        Load(s, &s->Fs, frame[Fs]);
        Load(s, &s->Gs, frame[Gs]);
        s->Gpr[(int)Gpr.Rsp] = frame[Stack];
        Cpu.Flags.Set(s, (uint)frame[Flags]);
        const uint Known = 0x3F7FD5;
        s->Flags = (frame[Flags] & Known & ~(ulong)RflagsBits.Arithmetic) | RflagsBits.Fixed | RflagsBits.Vm;
        s->Cpl = 3;
        return true;
    }

    /// <summary>An event leaves the mode: the data segments become null. SDM vol. 3B, 21.2.6.</summary>
    public static void Leave(CpuState* s)
    {
        Segments.SetHidden(s, &s->Es, 0, 0, 0, 0);
        Segments.SetHidden(s, &s->Ds, 0, 0, 0, 0);
        Segments.SetHidden(s, &s->Fs, 0, 0, 0, 0);
        Segments.SetHidden(s, &s->Gs, 0, 0, 0, 0);
        s->Flags &= ~(ulong)RflagsBits.Vm;
    }

    /// <summary>The flags as 16-bit PUSHF and INT n show them under VME with IOPL below 3: IOPL 3, and VIF in the place of IF.</summary>
    public static ulong Image(CpuState* s)
    {
        ulong flags = (s->Flags | Cpu.Flags.Get(s)) & ~(ulong)RflagsBits.If;
        return flags | RflagsBits.Iopl | ((s->Flags & RflagsBits.Vif) != 0 ? RflagsBits.If : 0);
    }

    /// <summary>16-bit POPF and IRET under VME with IOPL below 3: IF goes to VIF; false: #GP(0), for TF or a pending interrupt.</summary>
    public static bool SetImage(CpuState* s, uint value)
    {
        if ((value & RflagsBits.Tf) != 0 || ((value & RflagsBits.If) != 0 && (s->Flags & RflagsBits.Vip) != 0))
        {
            Faults.Set(s, Vectors.Gp);
            return false;
        }

        Cpu.Flags.Set(s, value);
        const uint May = RflagsBits.Tf | RflagsBits.Df | RflagsBits.Nt;
        s->Flags = (s->Flags & ~(ulong)(May | RflagsBits.Vif)) | (value & May) | ((value & RflagsBits.If) != 0 ? RflagsBits.Vif : 0);
        return true;
    }

    /// <summary>INT n under VME: 1 redirected to the program's own vector, 0 not, -1 a fault is recorded. SDM vol. 3B, table 21-2.</summary>
    public static int Redirect(CpuState* s, int vector, ulong nextRip)
    {
        // The redirection map is the 32 bytes below the I/O map.
        if (s->Tr.Limit < 0x67)
            return General(s);
        if (!SystemMemory.Read(s, s->Tr.Base + 0x66, 2, out ulong map))
            return -1;
        ulong at = map - 32 + ((ulong)vector >> 3);
        if (at > s->Tr.Limit)
            return General(s);
        if (!SystemMemory.Read(s, s->Tr.Base + at, 1, out ulong bits))
            return -1;
        if ((bits & (1ul << (vector & 7))) != 0)
            return 0;
        bool restricted = SystemOps.Iopl(s) < 3;
        ulong image = restricted ? Image(s) : s->Flags | Cpu.Flags.Get(s);
        ulong kept = s->Flags & (RflagsBits.If | RflagsBits.Vif);
        if (!SystemMemory.Read(s, (ulong)vector * 4, 4, out ulong entry) || !ExceptionDelivery.ThroughVector(s, (uint)entry, image, nextRip))
            return -1;
        if (restricted)
            s->Flags = (s->Flags & ~(ulong)RflagsBits.Vif) | (kept & RflagsBits.If);
        return 1;
    }

    private static int General(CpuState* s)
    {
        Faults.Set(s, Vectors.Gp);
        return -1;
    }

    private static void Load(CpuState* s, SegmentState* g, ulong selector) =>
        Segments.SetHidden(s, g, (ushort)selector, (ulong)(ushort)selector << 4, 0xFFFF, Access);
}
