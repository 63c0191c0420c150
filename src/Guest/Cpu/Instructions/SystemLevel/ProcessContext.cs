namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>INVPCID. Nothing is cached by PCID here, so each type drops at least what it must. SDM vol. 2, INVPCID.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class ProcessContext
{
    private const ulong OneAddress = 0, OneContext = 1, AllButGlobal = 3, HighestPcid = 0xFFF;

    public static bool Select(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Dst = t.Register(0);
        t.Memory();
        t.Op->Handler = &Invpcid;
        return true;
    }

    private static Block* Invpcid(CpuState* s, Op* op)
    {
        CpuExit exit = SystemOps.Privileged(PrivilegedOperation.Other);
        if (s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, exit);
        if ((s->Intercepts & (ulong)Intercepts.ControlRegisters) != 0)
            return Faults.Exit(s, op, exit);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 16), 16);
        if (p == null)
            return Faults.Raise(s, op);
        // SAFETY: Tlb gives 16 good bytes.
        ulong pcid = *(ulong*)p, address = *(ulong*)(p + 8);
        ulong type = s->CodeSize == CodeSize.Code64 ? *(ulong*)((byte*)s + op->Dst) : *(uint*)((byte*)s + op->Dst);
        bool wrongContext = pcid != 0 && (s->Cr4 & Cr4Bits.PcidE) == 0;
        if (type > AllButGlobal || (type <= OneContext && wrongContext) || pcid > HighestPcid || (type == OneAddress && !Rip.IsCanonical(address)))
            return Faults.Raise(s, op, Vectors.Gp);
        if (type == OneAddress)
            Tlb.Flush(s, address);
        else
            Tlb.Flush(s);
        return Faults.Finish(s, op);
    }
}
