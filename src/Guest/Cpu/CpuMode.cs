namespace XenSim.Guest.Cpu;

/// <summary>What is derived from CR0, EFER, CS, SS, CPL and AC: code size, masks, the TLB set in use, the key of verified links.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class CpuMode
{
    /// <summary>To be called after any of those changed.</summary>
    public static void Update(CpuState* s)
    {
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        bool code64 = longMode && (s->Cs.Access & 0x2000) != 0;
        bool code32 = (s->Cs.Access & 0x4000) != 0;
        s->CodeSize = code64 ? CodeSize.Code64 : code32 ? CodeSize.Code32 : CodeSize.Code16;
        s->StackMask = code64 ? ulong.MaxValue : (s->Ss.Access & 0x4000) != 0 ? 0xFFFF_FFFF : 0xFFFF;
        s->LinearMask = code64 ? ulong.MaxValue : 0xFFFF_FFFF;
        Select(s);
    }

    /// <summary>Chooses the TLB set and the link key for CPL, mode and AC.</summary>
    public static void Select(CpuState* s)
    {
        int set = SetIndex(s);
        s->Tlb = Tlb.SetAt(s, set);
        s->CheckedAccess = (byte)((set == AlignedSet ? Breakpoints.Alignment : 0) | s->Watched | s->DataBreakpoints);
        s->CodeKey = (s->Epoch << 8) | ((uint)s->CodeSize << 4) | s->Cpl;
    }

    /// <summary>The set of code whose alignment is checked: CR0.AM, RFLAGS.AC and CPL 3. SDM vol. 3A, 6.15, interrupt 17.</summary>
    private const int AlignedSet = 3;

    public static int SetIndex(CpuState* s) => SetIndex(s, s->Cpl);

    /// <summary>The set for accesses with another privilege level than the current one, or <see cref="PageWalk.ImplicitSupervisor"/>.</summary>
    public static int SetIndex(CpuState* s, int cpl) => cpl switch
    {
        3 => (s->Cr0 & Cr0Bits.Am) != 0 && (s->Flags & RflagsBits.Ac) != 0 ? AlignedSet : 0,
        PageWalk.ImplicitSupervisor => 1,
        _ => (s->Cr4 & Cr4Bits.Smap) != 0 && (s->Flags & RflagsBits.Ac) != 0 ? 2 : 1,
    };

    /// <summary>Every link and looked-up block has to be verified again.</summary>
    public static void NewEpoch(CpuState* s)
    {
        s->Epoch = VirtualCpu.Of(s).Memory.Code.NextEpoch();
        s->CodeKey = (s->Epoch << 8) | ((uint)s->CodeSize << 4) | s->Cpl;
        s->VerifiedBase = s->Cs.Base;
        s->VerifiedLimit = s->Cs.Limit;
        for (int i = 0; i < CpuState.VerifiedPageWords; i++)
            s->VerifiedPages[i] = 0;
    }

    /// <summary>CS was loaded. Outside 64-bit mode a verified RIP means another place, or is outside the segment, once base or limit differ.</summary>
    public static void NewCodeSegment(CpuState* s)
    {
        Update(s);
        if (s->CodeSize != CodeSize.Code64 && (s->Cs.Base != s->VerifiedBase || s->Cs.Limit != s->VerifiedLimit))
            NewEpoch(s);
    }
}
