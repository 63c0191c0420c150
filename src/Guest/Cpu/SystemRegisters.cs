namespace XenSim.Guest.Cpu;

/// <summary>Control registers and what their bits change elsewhere. Unchecked: the instructions check.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class SystemRegisters
{
    /// <summary>PE, MP, EM, TS, ET, NE, WP, AM, NW, CD, PG: the others stay 0. SDM vol. 3A, 2.5.</summary>
    private const ulong Cr0Known = 0xE005_003F;

    public static void SetCr0(CpuState* s, ulong value)
    {
        ulong changed = s->Cr0 ^ value;
        s->Cr0 = (value & Cr0Known) | Cr0Bits.Et;
        if ((changed & Cr0Bits.Pg) != 0 && (s->Efer & EferBits.Lme) != 0)
            s->Efer = (value & Cr0Bits.Pg) != 0 ? s->Efer | EferBits.Lma : s->Efer & ~EferBits.Lma;
        if ((changed & (Cr0Bits.Pg | Cr0Bits.Wp | Cr0Bits.Pe)) != 0)
            Translate(s);
        CpuMode.Update(s);
    }

    public static void SetCr3(CpuState* s, ulong value)
    {
        s->Cr3 = value;
        Translate(s);
    }

    public static void SetCr4(CpuState* s, ulong value)
    {
        s->Cr4 = value;
        Translate(s);
        Breakpoints.Update(s);
        CpuMode.Update(s);
    }

    public static void SetEfer(CpuState* s, ulong value)
    {
        s->Efer = value;
        Translate(s);
        CpuMode.Update(s);
    }

    /// <summary>PAE paging would be in use with these registers.</summary>
    public static bool LatchesPointers(ulong cr0, ulong cr4, ulong efer) =>
        (cr0 & Cr0Bits.Pg) != 0 && (cr4 & Cr4Bits.Pae) != 0 && (efer & EferBits.Lme) == 0;

    /// <summary>Drops all translations, global ones too (a processor may drop any at any time), and latches the directory pointers of PAE.</summary>
    private static void Translate(CpuState* s)
    {
        if ((s->Cr0 & Cr0Bits.Pg) != 0 && (s->Cr4 & Cr4Bits.Pae) != 0 && (s->Efer & EferBits.Lma) == 0)
            PageWalk.ReadDirectoryPointers(s, s->Cr3, s->Pdpte);
        Tlb.Flush(s);
    }
}
