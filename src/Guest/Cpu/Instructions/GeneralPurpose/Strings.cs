using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.GeneralPurpose;

/// <summary>
/// MOVS, STOS, LODS, CMPS, SCAS, with rep. One step of the run loop does at most <see cref="Chunk"/> iterations and counts as one
/// retired instruction; how a long rep is cut depends on the counter alone, so a replay cuts it alike.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class Strings
{
    private const ulong Chunk = 4096;

    private enum Kind : byte
    {
        Movs,
        Stos,
        Lods,
        Cmps,
        Scas,
    }

    public static bool Select(Translator t)
    {
        Instruction i = t.Instruction;
        Op* op = t.Op;
        (Kind kind, int size) = i.Mnemonic switch
        {
            Mnemonic.Movsb => (Kind.Movs, 1),
            Mnemonic.Movsw => (Kind.Movs, 2),
            Mnemonic.Movsd => (Kind.Movs, 4),
            Mnemonic.Movsq => (Kind.Movs, 8),
            Mnemonic.Stosb => (Kind.Stos, 1),
            Mnemonic.Stosw => (Kind.Stos, 2),
            Mnemonic.Stosd => (Kind.Stos, 4),
            Mnemonic.Stosq => (Kind.Stos, 8),
            Mnemonic.Lodsb => (Kind.Lods, 1),
            Mnemonic.Lodsw => (Kind.Lods, 2),
            Mnemonic.Lodsd => (Kind.Lods, 4),
            Mnemonic.Lodsq => (Kind.Lods, 8),
            Mnemonic.Cmpsb => (Kind.Cmps, 1),
            Mnemonic.Cmpsw => (Kind.Cmps, 2),
            Mnemonic.Cmpsd => (Kind.Cmps, 4),
            Mnemonic.Cmpsq => (Kind.Cmps, 8),
            Mnemonic.Scasb => (Kind.Scas, 1),
            Mnemonic.Scasw => (Kind.Scas, 2),
            Mnemonic.Scasd => (Kind.Scas, 4),
            _ => (Kind.Scas, 8),
        };
        op->Aux = (byte)kind;
        op->Segment = (byte)(kind is Kind.Stos or Kind.Scas ? SegmentName.Es : SegmentOps.Number(i.MemorySegment));
        op->Scale = (byte)t.CounterSize;
        // 0: once; 1: rep/repe; 2: repne (which repeats MOVS, STOS, LODS like rep).
        op->Dst = (byte)(i.HasRepePrefix ? 1 : i.HasRepnePrefix ? 2 : 0);
        op->Handler = size switch { 1 => &Run<byte>, 2 => &Run<ushort>, 4 => &Run<uint>, _ => &Run<ulong> };
        return true;
    }

    private static Block* Run<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        ulong mask = op->Scale == 8 ? ulong.MaxValue : op->Scale == 4 ? uint.MaxValue : (ulong)ushort.MaxValue;
        Kind kind = (Kind)op->Aux;
        if (op->Dst == 0)
            return Once<T>(s, op, kind, mask) ? op[1].Handler(s, op + 1) : Faults.Raise(s, op);

        ulong count = s->Gpr[(int)Gpr.Rcx] & mask;
        ulong chunk = s->Stepping == 0 ? Chunk : 1;
        for (ulong done = 0; count != 0; done++)
        {
            if (done == chunk)
            {
                s->MidString = 1;
                // Not finished: RIP stays, one retired instruction is charged for the part done.
                Faults.Leave(s, op);
                s->Remaining--;
                return null;
            }

            ulong run = kind is Kind.Movs or Kind.Stos ? Fast<T>(s, op, kind, mask, Math.Min(count, chunk - done)) : 0;
            if (run > 0)
            {
                count -= run;
                done += run - 1;
                SetMasked(s, Gpr.Rcx, count, mask);
                continue;
            }

            if (!Once<T>(s, op, kind, mask))
                return Faults.Raise(s, op);
            SetMasked(s, Gpr.Rcx, --count, mask);
            if (kind >= Kind.Cmps && Flags.Zf(s) != (op->Dst == 1))
                break;
        }

        return op[1].Handler(s, op + 1);
    }

    /// <summary>A 32-bit register write clears the upper half, a 16-bit one keeps the rest.</summary>
    private static void SetMasked(CpuState* s, Gpr register, ulong value, ulong mask)
    {
        ulong* r = s->Gpr + (int)register;
        *r = mask == ushort.MaxValue ? (*r & ~mask) | (value & mask) : value & mask;
    }

    private static bool Once<T>(CpuState* s, Op* op, Kind kind, ulong mask)
        where T : unmanaged
    {
        ulong step = (s->Flags & RflagsBits.Df) != 0 ? (ulong)-sizeof(T) : (ulong)sizeof(T);
        ulong si = s->Gpr[(int)Gpr.Rsi] & mask, di = s->Gpr[(int)Gpr.Rdi] & mask;
        ulong value = Operand.Get<T>(s, 0);
        if (kind is Kind.Movs or Kind.Lods or Kind.Cmps)
        {
            byte* from = Tlb.Read(s, Operand.InSegment(s, op->Segment, si, sizeof(T), false), sizeof(T));
            if (from == null)
                return false;
            ulong loaded = Operand.Load<T>(from);
            if (kind == Kind.Lods)
                Operand.Set<T>(s, 0, loaded);
            value = loaded;
        }

        if (kind != Kind.Lods)
        {
            bool write = kind is Kind.Movs or Kind.Stos;
            ulong linear = Operand.InSegment(s, (int)SegmentName.Es, di, sizeof(T), write);
            byte* to = write ? Tlb.Modify(s, linear, sizeof(T)) : Tlb.Read(s, linear, sizeof(T));
            if (to == null)
                return EsFault(s, op);
            if (write)
            {
                Operand.Store<T>(to, value);
                Tlb.Commit(s, to);
            }
            else
            {
                Sub.Apply<T>(s, value, Operand.Load<T>(to));
            }

            SetMasked(s, Gpr.Rdi, di + step, mask);
        }

        if (kind is Kind.Movs or Kind.Lods or Kind.Cmps)
            SetMasked(s, Gpr.Rsi, si + step, mask);
        return true;
    }

    /// <summary>ES is never the stack segment, whatever segment the source has.</summary>
    private static bool EsFault(CpuState* s, Op* op)
    {
        if (s->FaultVector == Vectors.Address)
            Faults.Set(s, Vectors.Gp);
        return false;
    }

    /// <summary>As many ascending elements as lie in one page on both sides and do not overlap; 0: take the slow way.</summary>
    private static ulong Fast<T>(CpuState* s, Op* op, Kind kind, ulong mask, ulong count)
        where T : unmanaged
    {
        if ((s->Flags & RflagsBits.Df) != 0 || count < 4 || s->CheckedAccess != 0)
            return 0;
        ulong di = s->Gpr[(int)Gpr.Rdi] & mask, si = s->Gpr[(int)Gpr.Rsi] & mask;
        ulong to = Operand.InSegment(s, (int)SegmentName.Es, di, sizeof(T), true);
        ulong n = Math.Min(count, (4096 - (to & 0xFFF)) / (ulong)sizeof(T));
        ulong from = 0;
        if (kind == Kind.Movs)
        {
            from = Operand.InSegment(s, op->Segment, si, sizeof(T), false);
            n = Math.Min(n, (4096 - (from & 0xFFF)) / (ulong)sizeof(T));
        }

        // The last element must pass the segment checks too, and the offsets must not wrap.
        if (n < 4 || to == Tlb.NoAddress || from == Tlb.NoAddress || di + (n * (ulong)sizeof(T)) > mask || si + (n * (ulong)sizeof(T)) > mask)
            return 0;
        int bytes = (int)n * sizeof(T);
        if (Operand.InSegment(s, (int)SegmentName.Es, di, bytes, true) == Tlb.NoAddress)
            return 0;
        if (kind == Kind.Movs && Operand.InSegment(s, op->Segment, si, bytes, false) == Tlb.NoAddress)
            return 0;
        byte* source = null;
        if (kind == Kind.Movs && (source = Tlb.Read(s, from, bytes)) == null)
            return 0;
        byte* target = Tlb.Modify(s, to, bytes);
        if (target == null)
            return 0;
        // SAFETY: both ranges lie within one page each, checked above.
        if (kind == Kind.Stos)
        {
            ulong value = Operand.Get<T>(s, 0);
            if (sizeof(T) == 1)
                new Span<byte>(target, bytes).Fill((byte)value);
            else if (sizeof(T) == 2)
                new Span<ushort>(target, (int)n).Fill((ushort)value);
            else if (sizeof(T) == 4)
                new Span<uint>(target, (int)n).Fill((uint)value);
            else
                new Span<ulong>(target, (int)n).Fill(value);
        }
        else
        {
            // An ascending copy onto its own tail repeats a pattern; only that case differs from a block move.
            if (target > source && target < source + bytes)
                return 0;
            Buffer.MemoryCopy(source, target, bytes, bytes);
            SetMasked(s, Gpr.Rsi, si + (ulong)bytes, mask);
        }

        SetMasked(s, Gpr.Rdi, di + (ulong)bytes, mask);
        return n;
    }
}
