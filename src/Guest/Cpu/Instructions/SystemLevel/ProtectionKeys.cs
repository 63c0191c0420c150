using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>RDPKRU and WRPKRU: the rights that the page walk asks. SDM vol. 2 and vol. 3A, 4.6.2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class ProtectionKeys
{
    public static bool Select(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Handler = t.Instruction.Mnemonic == Mnemonic.Rdpkru ? &Rdpkru : &Wrpkru;
        return true;
    }

    private static Block* Rdpkru(CpuState* s, Op* op)
    {
        int fault = Fault(s, 0);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        s->Gpr[(int)Gpr.Rax] = s->Pkru;
        s->Gpr[(int)Gpr.Rdx] = 0;
        return Faults.Finish(s, op);
    }

    private static Block* Wrpkru(CpuState* s, Op* op)
    {
        int fault = Fault(s, (uint)s->Gpr[(int)Gpr.Rdx]);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Set(s, (uint)s->Gpr[(int)Gpr.Rax]);
        return Faults.Finish(s, op);
    }

    /// <summary>Translations were cached for the rights of before.</summary>
    public static void Set(CpuState* s, uint rights)
    {
        if (rights == s->Pkru)
            return;
        s->Pkru = rights;
        Tlb.Flush(s);
    }

    /// <summary>#UD with keys off, #GP(0) for ECX or EDX that must be zero; -1: none.</summary>
    private static int Fault(CpuState* s, uint edx)
    {
        if ((s->Cr4 & Cr4Bits.Pke) == 0)
            return Vectors.Ud;
        return ((uint)s->Gpr[(int)Gpr.Rcx] | edx) != 0 ? Vectors.Gp : -1;
    }
}
