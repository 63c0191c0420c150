namespace XenSim.Guest.Cpu;

/// <summary>MOV to a control register: its checks, then the write. False: #GP(0). SDM vol. 2, MOV to/from control registers; vol. 3A, 2.5.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class ControlRegisters
{
    /// <summary>Changing one of these in CR4 latches the directory pointers again. SDM vol. 3A, 4.4.1.</summary>
    private const ulong Cr4Latching = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pse | Cr4Bits.Smep;

    public static bool WriteCr0(CpuState* s, ulong value)
    {
        bool turnedOn = (value & ~s->Cr0 & Cr0Bits.Pg) != 0;
        if (value >> 32 != 0 || ((value & Cr0Bits.Pg) != 0 && (value & Cr0Bits.Pe) == 0) || ((value & Cr0Bits.Nw) != 0 && (value & Cr0Bits.Cd) == 0))
            return false;
        if (turnedOn && (s->Efer & EferBits.Lme) != 0 && ((s->Cr4 & Cr4Bits.Pae) == 0 || (s->Cs.Access & 0x2000) != 0))
            return false;
        // Paging cannot be left from 64-bit code, nor while PCIDs are in use.
        if ((s->Cr0 & ~value & Cr0Bits.Pg) != 0 && (s->CodeSize == CodeSize.Code64 || (s->Cr4 & Cr4Bits.PcidE) != 0))
            return false;
        ulong latching = (s->Cr0 ^ value) & (Cr0Bits.Pg | Cr0Bits.Cd | Cr0Bits.Nw);
        if (latching != 0 && !PointersGood(s, value, s->Cr4, s->Cr3))
            return false;
        SystemRegisters.SetCr0(s, value);
        return true;
    }

    public static bool WriteCr2(CpuState* s, ulong value)
    {
        s->Cr2 = value;
        return true;
    }

    public static bool WriteCr3(CpuState* s, ulong value)
    {
        // Bit 63 asks to keep translations when PCIDs are in use; it is not stored.
        if ((s->Cr4 & Cr4Bits.PcidE) != 0)
            value &= ~(1ul << 63);
        bool reserved = (s->Efer & EferBits.Lma) != 0 && (value & ~s->PhysicalMask) != 0;
        if (reserved || !PointersGood(s, s->Cr0, s->Cr4, value))
            return false;
        SystemRegisters.SetCr3(s, value);
        return true;
    }

    public static bool WriteCr4(CpuState* s, ulong value)
    {
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        if ((value & ~VirtualCpu.Of(s).Features.Cr4Mask) != 0 || (longMode && (value & Cr4Bits.Pae) == 0))
            return false;
        if ((value & ~s->Cr4 & Cr4Bits.PcidE) != 0 && (!longMode || (s->Cr3 & 0xFFF) != 0))
            return false;
        if (((s->Cr4 ^ value) & Cr4Latching) != 0 && !PointersGood(s, s->Cr0, value, s->Cr3))
            return false;
        SystemRegisters.SetCr4(s, value);
        return true;
    }

    public static bool WriteCr8(CpuState* s, ulong value)
    {
        if ((value & ~0xFul) != 0)
            return false;
        s->Cr8 = value;
        return true;
    }

    private static bool PointersGood(CpuState* s, ulong cr0, ulong cr4, ulong cr3)
    {
        if (!SystemRegisters.LatchesPointers(cr0, cr4, s->Efer))
            return true;
        ulong* pointers = stackalloc ulong[4];
        return PageWalk.ReadDirectoryPointers(s, cr3, pointers);
    }
}
