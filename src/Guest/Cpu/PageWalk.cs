namespace XenSim.Guest.Cpu;

/// <summary>Where a linear page is.</summary>
/// <param name="Frame">Machine frame, which exists.</param>
/// <param name="Level">Of the entry that maps it: 1 a page of 4 KiB, 2 of 2 or 4 MiB, 3 of 1 GiB.</param>
internal readonly record struct Translation(ulong Frame, int Level);

/// <summary>Page-table walks. SDM vol. 3A, chapter 4.</summary>
// SAFETY: physical addresses are checked against the memory's size before they become pointers.
internal static unsafe class PageWalk
{
    private const ulong Present = 1, Writable = 2, User = 4, Accessed = 0x20, Dirty = 0x40, PageSize = 0x80, NoExecute = 1ul << 63;
    private const ulong AddressMask = 0x000F_FFFF_FFFF_F000;

    /// <summary>The privilege level of accesses to descriptor tables and TSSs: supervisor, and RFLAGS.AC is no help against SMAP. SDM vol. 3A, 4.6.1.</summary>
    public const int ImplicitSupervisor = -1;

    /// <summary>Bits 62:52 of PAE entries outside IA-32e mode are reserved. SDM vol. 3A, tables 4-9 to 4-11.</summary>
    private const ulong PaeReserved = 0x7FF0_0000_0000_0000;

    /// <summary>Translates; false with the fault recorded (#PF, or no memory behind a physical address).</summary>
    /// <param name="commit">Set accessed and dirty bits.</param>
    public static bool Walk(VirtualCpu cpu, CpuState* s, ulong va, AccessKind kind, int cpl, bool commit, out Translation translation)
    {
        translation = default;
        if ((s->Cr0 & Cr0Bits.Pg) == 0)
            return Machine(cpu, s, va, kind, va >> 12, 1, out translation);

        bool legacy = (s->Cr4 & Cr4Bits.Pae) == 0;
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        int level = longMode ? 4 : 2;
        int indexBits = legacy ? 10 : 9;
        ulong table = legacy ? s->Cr3 & 0xFFFF_F000 : s->Cr3 & AddressMask;
        if (!legacy && !longMode)
        {
            ulong pdpte = s->Pdpte[(va >> 30) & 3];
            if ((pdpte & Present) == 0)
                return PageFault(s, va, kind, cpl, 0);
            table = pdpte & AddressMask;
        }

        ulong combined = Writable | User;
        ulong noExecute = 0;
        ulong* path = stackalloc ulong[4];
        ulong* values = stackalloc ulong[4];
        int steps = 0;
        for (; ; level--)
        {
            ulong index = (va >> (12 + ((level - 1) * indexBits))) & ((1ul << indexBits) - 1);
            ulong at = table + (index * (legacy ? 4u : 8u));
            if (!ReadEntry(cpu, s, kind, at, legacy, out ulong entry))
                return false;
            if ((entry & Present) == 0)
                return PageFault(s, va, kind, cpl, 0);
            bool leaf = level == 1 || ((entry & PageSize) != 0 && level < 4 && (!legacy || (s->Cr4 & Cr4Bits.Pse) != 0));
            if (Reserved(s, entry, level, leaf, legacy, longMode))
                return PageFault(s, va, kind, cpl, PageFaultBits.Present | PageFaultBits.Reserved);
            combined &= entry;
            noExecute |= entry & NoExecute;
            path[steps] = at;
            values[steps++] = entry;
            if (!leaf)
            {
                table = entry & (legacy ? 0xFFFF_F000 : AddressMask);
                continue;
            }

            uint key = longMode && KeyForbids(s, kind, cpl, combined, entry) ? PageFaultBits.ProtectionKey : 0;
            if (key != 0 || !Allowed(s, kind, cpl, combined, noExecute))
                return PageFault(s, va, kind, cpl, PageFaultBits.Present | key);
            int shift = 12 + ((level - 1) * indexBits);
            ulong offsetMask = (1ul << shift) - 1;
            ulong frameBase = entry & (legacy ? 0xFFFF_F000 : AddressMask);
            if (legacy && level == 2)
                frameBase |= (entry & 0x1F_E000) << 19;
            ulong physical = (frameBase & ~offsetMask) | (va & offsetMask);
            if (commit && !SetAccessed(cpu, s, kind, path, values, steps, legacy))
                return false;
            return Machine(cpu, s, va, kind, physical >> 12, level, out translation);
        }
    }

    private static bool Allowed(CpuState* s, AccessKind kind, int cpl, ulong combined, ulong noExecute)
    {
        bool userPage = (combined & User) != 0;
        if (cpl == 3 && !userPage)
            return false;
        if (kind == AccessKind.Execute)
            return noExecute == 0 && !(cpl < 3 && userPage && (s->Cr4 & Cr4Bits.Smep) != 0);
        if (cpl < 3 && userPage && (s->Cr4 & Cr4Bits.Smap) != 0 && ((s->Flags & RflagsBits.Ac) == 0 || cpl == ImplicitSupervisor))
            return false;
        return kind == AccessKind.Read || (combined & Writable) != 0 || (cpl < 3 && (s->Cr0 & Cr0Bits.Wp) == 0);
    }

    /// <summary>PKRU forbids data accesses (even bits), or writes (odd bits), to user pages with the entry's key. SDM vol. 3A, 4.6.2.</summary>
    private static bool KeyForbids(CpuState* s, AccessKind kind, int cpl, ulong combined, ulong entry)
    {
        if ((s->Cr4 & Cr4Bits.Pke) == 0 || (combined & User) == 0 || kind == AccessKind.Execute)
            return false;
        uint rights = s->Pkru >> (2 * (int)(entry >> 59 & 15));
        bool writeChecked = kind == AccessKind.Write && (cpl == 3 || (s->Cr0 & Cr0Bits.Wp) != 0);
        return (rights & 1) != 0 || ((rights & 2) != 0 && writeChecked);
    }

    private static bool Reserved(CpuState* s, ulong entry, int level, bool leaf, bool legacy, bool longMode)
    {
        if (legacy)
            return leaf && level == 2 && (entry & LargeReserved(s)) != 0;
        if ((entry & AddressMask & ~s->PhysicalMask) != 0)
            return true;
        if ((entry & NoExecute) != 0 && (s->Efer & EferBits.Nxe) == 0)
            return true;
        if (!longMode && (entry & PaeReserved) != 0)
            return true;
        if (level == 4)
            return (entry & PageSize) != 0;
        return leaf && level > 1 && (entry & (((1ul << (12 + ((level - 1) * 9))) - 1) & ~0x1FFFul)) != 0;
    }

    /// <summary>A 4 MiB entry holds address bits 39:32 in bits 20:13; those above MAXPHYADDR and bit 21 are reserved. SDM vol. 3A, table 4-4.</summary>
    private static ulong LargeReserved(CpuState* s) => 0x20_0000 | (((~s->PhysicalMask >> 32) & 0xFF) << 13);

    /// <summary>Reads the four directory pointers that a load of CR3 latches; false: one is present with reserved bits. SDM vol. 3A, 4.4.1.</summary>
    public static bool ReadDirectoryPointers(CpuState* s, ulong cr3, ulong* pointers)
    {
        VirtualCpu cpu = VirtualCpu.Of(s);
        bool good = true;
        for (int i = 0; i < 4; i++)
        {
            // Where there is no memory all bits read as one, which reserved bits refuse.
            if (!ReadEntry(cpu, s, AccessKind.Read, (cr3 & 0xFFFF_FFE0) + ((ulong)i * 8), false, out pointers[i]))
                pointers[i] = ulong.MaxValue;
            good &= (pointers[i] & Present) == 0 || (pointers[i] & (0x1E6 | ~(s->PhysicalMask | 0xFFF))) == 0;
        }

        return good;
    }

    private static bool SetAccessed(VirtualCpu cpu, CpuState* s, AccessKind kind, ulong* path, ulong* values, int steps, bool legacy)
    {
        for (int i = 0; i < steps; i++)
        {
            ulong bits = Accessed | (i == steps - 1 && kind == AccessKind.Write ? Dirty : 0);
            if ((values[i] & bits) == bits)
                continue;
            if (!Machine(cpu, s, path[i], kind, path[i] >> 12, 1, out Translation t))
            {
                s->AccessSize = legacy ? 4 : 8;
                return false;
            }

            int offset = (int)(path[i] & 0xFFF);
            byte* entry = cpu.Memory.WritableData(t.Frame, 1ul << (offset >> 6)) + offset;
            // SAFETY: entries are naturally aligned inside an existing frame.
            if (legacy)
                *(uint*)entry = (uint)(values[i] | bits);
            else
                *(ulong*)entry = values[i] | bits;
        }

        return true;
    }

    private static bool ReadEntry(VirtualCpu cpu, CpuState* s, AccessKind kind, ulong at, bool legacy, out ulong entry)
    {
        entry = 0;
        if (!Machine(cpu, s, at, kind, at >> 12, 1, out Translation t))
        {
            s->AccessSize = legacy ? 4 : 8;
            return false;
        }

        // SAFETY: as in SetAccessed.
        byte* p = cpu.Memory.ReadableData(t.Frame) + (at & 0xFFF);
        entry = legacy ? *(uint*)p : *(ulong*)p;
        return true;
    }

    private static bool Machine(VirtualCpu cpu, CpuState* s, ulong address, AccessKind kind, ulong frame, int level, out Translation translation)
    {
        long machine = cpu.FrameMap == null ? (long)frame : cpu.FrameMap.MachineFrame(frame);
        translation = new Translation((ulong)machine, level);
        if ((ulong)machine < cpu.Memory.FrameCount)
            return true;
        if (cpu.StandInForHoles >= 0)
        {
            translation = new Translation((ulong)cpu.StandInForHoles, level);
            return true;
        }

        s->FaultAddress = (frame << 12) | (address & 0xFFF);
        Faults.Set(s, Vectors.Physical, (uint)kind);
        return false;
    }

    private static bool PageFault(CpuState* s, ulong va, AccessKind kind, int cpl, uint error)
    {
        if (kind == AccessKind.Write)
            error |= PageFaultBits.Write;
        if (cpl == 3)
            error |= PageFaultBits.User;
        bool fetchBit = (s->Cr4 & Cr4Bits.Smep) != 0 || ((s->Efer & EferBits.Nxe) != 0 && (s->Cr4 & Cr4Bits.Pae) != 0);
        if (kind == AccessKind.Execute && fetchBit)
            error |= PageFaultBits.Fetch;
        s->FaultAddress = va;
        Faults.Set(s, Vectors.Pf, error);
        return false;
    }
}

/// <summary>#PF error code. SDM vol. 3A, figure 4-12.</summary>
internal static class PageFaultBits
{
    public const uint Present = 1, Write = 2, User = 4, Reserved = 8, Fetch = 16, ProtectionKey = 32;
}

/// <summary>SDM vol. 3A, 2.5.</summary>
internal static class Cr0Bits
{
    public const ulong Pe = 1, Mp = 2, Em = 4, Ts = 8, Et = 0x10, Ne = 0x20, Wp = 0x10000, Am = 0x40000, Nw = 0x2000_0000, Cd = 0x4000_0000, Pg = 0x8000_0000;
}

internal static class Cr4Bits
{
    public const ulong Vme = 1, Pvi = 2, Tsd = 4, De = 8, Pse = 0x10, Pae = 0x20, Mce = 0x40, Pge = 0x80, Pce = 0x100, OsFxsr = 0x200,
        OsXmmExcpt = 0x400, Umip = 0x800, FsGsBase = 0x10000, PcidE = 0x20000, OsXsave = 0x40000, Smep = 0x100000, Smap = 0x200000, Pke = 0x400000;
}

internal static class EferBits
{
    public const ulong Sce = 1, Lme = 0x100, Lma = 0x400, Nxe = 0x800, Svme = 0x1000;
}
