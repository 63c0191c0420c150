namespace XenSim.Guest.Cpu;

/// <summary>Control registers and what their bits change elsewhere. Unchecked: the instructions check.</summary>
internal static unsafe class SystemRegisters
{
    public static void SetCr0(CpuState* s, ulong value)
    {
        ulong changed = s->Cr0 ^ value;
        s->Cr0 = value | Cr0Bits.Et;
        if ((changed & Cr0Bits.Pg) != 0 && (s->Efer & EferBits.Lme) != 0)
            s->Efer = (value & Cr0Bits.Pg) != 0 ? s->Efer | EferBits.Lma : s->Efer & ~EferBits.Lma;
        if ((changed & (Cr0Bits.Pg | Cr0Bits.Wp | Cr0Bits.Pe)) != 0)
            Tlb.Flush(s);
        CpuMode.Update(s);
    }

    public static void SetCr3(CpuState* s, ulong value)
    {
        s->Cr3 = value;
        Tlb.Flush(s);
    }

    public static void SetCr4(CpuState* s, ulong value)
    {
        s->Cr4 = value;
        Tlb.Flush(s);
        CpuMode.Update(s);
    }

    public static void SetEfer(CpuState* s, ulong value)
    {
        s->Efer = value;
        Tlb.Flush(s);
        CpuMode.Update(s);
    }
}
