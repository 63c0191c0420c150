using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>CLFLUSH and its kin, CRC32, ADCX, ADOX. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class BitManipulation
{
    // CRC-32C (Castagnoli) with its bits reversed: polynomial 11EDC6F41H of the SDM.
    private const uint ReversedPolynomial = 0x82F6_3B78;

    public static bool Select(Translator t)
    {
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Clflush or Mnemonic.Clflushopt or Mnemonic.Clwb:
                t.Memory();
                t.Op->Handler = &Flush;
                return true;
            case Mnemonic.Crc32:
                SourceOperand(t);
                t.Op->Handler = t.SourceSize switch { 1 => &Crc32<byte>, 2 => &Crc32<ushort>, 4 => &Crc32<uint>, _ => &Crc32<ulong> };
                return true;
            case Mnemonic.Adcx or Mnemonic.Adox:
                SourceOperand(t);
                bool carry = t.Instruction.Mnemonic == Mnemonic.Adcx;
                t.Op->Imm = carry ? RflagsBits.Cf : RflagsBits.Of;
                t.Op->Handler = t.Size == 4 ? &AddOneFlag<uint> : &AddOneFlag<ulong>;
                return true;
            default:
                return false;
        }
    }

    private static void SourceOperand(Translator t)
    {
        t.Op->Dst = t.Register(0);
        if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Aux = 1;
        }
        else
        {
            t.Memory();
        }
    }

    // SAFETY: Tlb gives a host address good for the size asked for; register offsets come from Translator.
    private static byte* Source<T>(CpuState* s, Op* op)
        where T : unmanaged => op->Aux != 0 ? (byte*)s + op->Src : Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T)), sizeof(T));

    /// <summary>There are no caches to flush; the address is checked as for a byte read.</summary>
    private static Block* Flush(CpuState* s, Op* op) =>
        Tlb.Read(s, AnyAddress.Read(s, op, 1), 1) == null ? Faults.Raise(s, op) : op[1].Handler(s, op + 1);

    private static Block* Crc32<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Source<T>(s, op);
        if (p == null)
            return Faults.Raise(s, op);
        uint crc = (uint)Operand.Get<uint>(s, op->Dst);
        for (int i = 0; i < sizeof(T); i++)
        {
            crc ^= p[i];
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? ReversedPolynomial : 0);
        }

        Operand.Set<uint>(s, op->Dst, crc);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Adds with CF or OF as the carry in and out; the other flags stay.</summary>
    private static Block* AddOneFlag<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Source<T>(s, op);
        if (p == null)
            return Faults.Raise(s, op);
        uint flag = (uint)op->Imm, flags = Flags.Get(s);
        UInt128 sum = (UInt128)Operand.Zx<T>(Operand.Get<T>(s, op->Dst)) + Operand.Zx<T>(Operand.Load<T>(p)) + ((flags & flag) != 0 ? 1u : 0);
        bool carry = (sum >> (8 * sizeof(T))) != UInt128.Zero;
        Operand.Set<T>(s, op->Dst, (ulong)sum);
        Flags.Set(s, carry ? flags | flag : flags & ~flag);
        return op[1].Handler(s, op + 1);
    }
}
