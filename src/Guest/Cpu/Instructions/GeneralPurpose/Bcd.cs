using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>DAA, DAS, AAA, AAS, AAM, AAD. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Bcd
{
    public static bool Select(Translator t)
    {
        t.Op->Imm = t.Instruction.OpCount > 0 ? t.Instruction.Immediate8 : 0u;
        t.Op->Handler = t.Instruction.Mnemonic switch
        {
            Mnemonic.Daa => &Daa,
            Mnemonic.Das => &Das,
            Mnemonic.Aaa => &Aaa,
            Mnemonic.Aas => &Aas,
            Mnemonic.Aam => &Aam,
            _ => &Aad,
        };
        return true;
    }

    private static void Set(CpuState* s, ulong result, bool cf, bool af) =>
        Flags.SetExplicit(s, Operand.Sx<byte>(result), cf, false, af ? RflagsBits.Af : 0);

    private static Block* Daa(CpuState* s, Op* op)
    {
        byte old = (byte)s->Gpr[0], al = old;
        bool cf = Flags.Cf(s), af = Flags.Af(s);
        bool low = (old & 15) > 9 || af, high = old > 0x99 || cf;
        al += (byte)((low ? 6 : 0) + (high ? 0x60 : 0));
        *(byte*)s = al;
        Set(s, al, high, low);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Das(CpuState* s, Op* op)
    {
        byte old = (byte)s->Gpr[0], al = old;
        bool cf = Flags.Cf(s), af = Flags.Af(s);
        bool low = (old & 15) > 9 || af, high = old > 0x99 || cf;
        al -= (byte)((low ? 6 : 0) + (high ? 0x60 : 0));
        *(byte*)s = al;
        Set(s, al, high || (low && (cf || old < 6)), low);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Aaa(CpuState* s, Op* op)
    {
        bool adjust = ((byte)s->Gpr[0] & 15) > 9 || Flags.Af(s);
        ushort ax = (ushort)(s->Gpr[0] + (adjust ? 0x106u : 0));
        *(ushort*)s = (ushort)(ax & 0xFF0F);
        Set(s, (byte)(ax & 15), adjust, adjust);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Aas(CpuState* s, Op* op)
    {
        bool adjust = ((byte)s->Gpr[0] & 15) > 9 || Flags.Af(s);
        ushort ax = (ushort)(s->Gpr[0] - (adjust ? 0x106u : 0));
        *(ushort*)s = (ushort)(ax & 0xFF0F);
        Set(s, (byte)(ax & 15), adjust, adjust);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Aam(CpuState* s, Op* op)
    {
        uint divisor = (uint)op->Imm;
        if (divisor == 0)
            return Faults.Raise(s, op, Vectors.De);
        uint al = (byte)s->Gpr[0];
        *(ushort*)s = (ushort)((al / divisor << 8) | (al % divisor));
        Set(s, al % divisor, false, false);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Aad(CpuState* s, Op* op)
    {
        uint ax = (ushort)s->Gpr[0];
        byte al = (byte)((ax & 0xFF) + ((ax >> 8) * (uint)op->Imm));
        *(ushort*)s = al;
        Set(s, al, false, false);
        return op[1].Handler(s, op + 1);
    }
}
