namespace XenSim.Guest.Cpu;

/// <summary>Exception vectors. SDM vol. 3A, table 6-1.</summary>
internal static class Vectors
{
    public const int De = 0, Db = 1, Nmi = 2, Bp = 3, Of = 4, Br = 5, Ud = 6, Nm = 7, Df = 8, Ts = 10, Np = 11, Ss = 12, Gp = 13, Pf = 14, Mf = 16, Ac = 17, Xm = 19;

    /// <summary>A non-canonical address or one outside its segment: #SS(0) through SS, else #GP(0).</summary>
    public const int Address = 256;

    /// <summary>No memory behind a physical address: leaves as <see cref="ExitReason.PhysicalAccess"/>.</summary>
    public const int Physical = 257;

    /// <summary>#DF, #TS, #NP, #SS, #GP, #PF, #AC push an error code.</summary>
    public static bool HasErrorCode(int vector) => vector is Df or (>= Ts and <= Pf) or Ac;
}

/// <summary>Pending faults are state, not exceptions: a handler records one and returns no block.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class Faults
{
    public static void Set(CpuState* s, int vector, uint error = 0)
    {
        s->FaultVector = vector;
        s->FaultError = error;
    }

    /// <summary>Records the fault of a handler and returns its null.</summary>
    public static Block* Raise(CpuState* s, Op* op, int vector, uint error = 0)
    {
        Set(s, vector, error);
        return Raise(s, op);
    }

    /// <summary>Leaves the block at this op with the fault already recorded: nothing of the op has happened.</summary>
    public static Block* Raise(CpuState* s, Op* op)
    {
        if (s->FaultVector == Vectors.Address)
            Set(s, op->Segment == (byte)SegmentName.Ss ? Vectors.Ss : Vectors.Gp);
        Leave(s, op);
        s->Exit = default;
        s->Stop = StopKind.Fault;
        return null;
    }

    /// <summary>As <see cref="Raise(CpuState*, Op*, int, uint)"/>, with the operation decoded for whoever intercepts the exception.</summary>
    public static Block* Raise(CpuState* s, Op* op, int vector, uint error, CpuExit decoded)
    {
        Raise(s, op, vector, error);
        s->Exit = decoded;
        return null;
    }

    /// <summary>Leaves the block before this op: RIP addresses it and the instructions from it on are not retired.</summary>
    public static void Leave(CpuState* s, Op* op)
    {
        s->Remaining += s->Current->Count - op->Index;
        ulong rip = s->Rip;
        s->Rip = Rip.Wrap(s, rip + op->Offset);
        s->NextRip = Rip.Wrap(s, rip + op->Offset + op->Length);
    }

    /// <summary>Leaves the block after this op, which is complete.</summary>
    public static Block* Finish(CpuState* s, Op* op)
    {
        s->Remaining += s->Current->Count - op->Index - 1;
        s->Rip = Rip.Wrap(s, s->Rip + op->Offset + op->Length);
        return null;
    }

    /// <summary>Leaves before this op with an exit; the caller fills in the rest of <see cref="CpuState.Exit"/> from what this returns.</summary>
    public static Block* Exit(CpuState* s, Op* op, CpuExit exit)
    {
        Leave(s, op);
        s->Exit = exit with { NextRip = s->NextRip };
        s->Stop = StopKind.Exit;
        return null;
    }
}

/// <summary>Instruction pointer arithmetic by code size.</summary>
// SAFETY: as above.
internal static unsafe class Rip
{
    public static ulong Wrap(CpuState* s, ulong rip) => s->CodeSize == CodeSize.Code64 ? rip : (uint)rip;

    public static bool IsCanonical(ulong address) => (ulong)((long)(address << 16) >> 16) == address;
}
