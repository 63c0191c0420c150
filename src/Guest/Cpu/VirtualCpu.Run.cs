using Iced.Intel;

namespace XenSim.Guest.Cpu;

public sealed unsafe partial class VirtualCpu
{
    /// <summary>Executes at most <paramref name="instructionBudget"/> instructions.</summary>
    public CpuExit Run(long instructionBudget)
    {
        CpuState* s = _s;
        s->RetireLimit = s->RetireLimit - s->Remaining + instructionBudget;
        s->Remaining = instructionBudget;
        s->Stop = StopKind.None;
        Block* b = null;
        for (; ; )
        {
            if (b == null)
            {
                s->Current = Memory.Code.Unlinked;
                if (s->Stop != StopKind.None)
                {
                    if (LeaveFor(s, out CpuExit exit))
                        return exit;
                    continue;
                }

                if (s->Remaining <= 0)
                    return new CpuExit { Reason = ExitReason.BudgetSpent, NextRip = s->Rip };
                if (Memory.Code.IsFull)
                    Memory.Code.Reset();
                if ((s->Flags & RflagsBits.Tf) != 0)
                {
                    Step(s);
                    continue;
                }

                b = Memory.Code.Find(s);
                if (b == null)
                    continue;
            }

            if (b->Count > s->Remaining)
            {
                if (s->Remaining <= 0)
                    return new CpuExit { Reason = ExitReason.BudgetSpent, NextRip = s->Rip };
                b = BlockCache.Truncate(s, b, (int)s->Remaining);
            }

            s->Remaining -= b->Count;
            s->Current = b;
            b = b->Ops->Handler(s, b->Ops);
        }
    }

    /// <summary>Delivers an event through the guest's own IDT (event injection of VMX and SVM). False: triple fault.</summary>
    public bool Inject(byte vector, bool hasErrorCode = false, uint errorCode = 0)
    {
        _s->Stop = StopKind.None;
        return ExceptionDelivery.Deliver(_s, vector, hasErrorCode, errorCode, EventKind.External, _s->Rip);
    }

    /// <summary>One instruction with RFLAGS.TF set at its start: #DB follows it. SDM vol. 3B, 17.3.1.4.</summary>
    private void Step(CpuState* s)
    {
        Block* b = Memory.Code.Find(s);
        if (b == null)
            return;
        if (b->Count > 1)
            b = BlockCache.Truncate(s, b, 1);
        s->Remaining--;
        s->Current = b;
        long before = s->Remaining;
        Block* next = b->Ops->Handler(s, b->Ops);
        if (next == null && (s->Stop != StopKind.None || s->Remaining != before))
            return;
        s->Debug[6] |= 0x4000;
        Faults.Set(s, Vectors.Db);
        s->NextRip = s->Rip;
        s->Exit = default;
        s->Stop = StopKind.Fault;
    }

    /// <summary>A pending fault or exit: true to leave, false when the guest's own handler takes it.</summary>
    private bool LeaveFor(CpuState* s, out CpuExit exit)
    {
        StopKind stop = s->Stop;
        s->Stop = StopKind.None;
        exit = default;
        if (stop == StopKind.Exit)
        {
            exit = s->Exit;
            if (exit.Reason == ExitReason.Unimplemented || exit.Operation == PrivilegedOperation.Other)
                _unimplemented = Describe(s);
            return true;
        }

        int vector = s->FaultVector;
        if (vector == Vectors.Physical)
        {
            exit = s->Exit with { Reason = ExitReason.PhysicalAccess, Address = s->FaultAddress, Vector = (byte)s->FaultError, NextRip = s->NextRip };
            return true;
        }

        if (vector == Vectors.Pf)
            s->Cr2 = s->FaultAddress;
        if ((s->Intercepts & (ulong)Intercepts.Exceptions) != 0)
        {
            if (s->Exit.Operation == PrivilegedOperation.Other)
                _unimplemented = Describe(s);
            exit = s->Exit with
            {
                Reason = ExitReason.Exception,
                Vector = (byte)vector,
                HasErrorCode = Vectors.HasErrorCode(vector),
                ErrorCode = s->FaultError,
                Address = vector == Vectors.Pf ? s->FaultAddress : s->Exit.Address,
                NextRip = s->NextRip,
            };
            return true;
        }

        if (ExceptionDelivery.Deliver(s, vector, Vectors.HasErrorCode(vector), s->FaultError, EventKind.Exception, s->Rip))
            return false;
        exit = new CpuExit { Reason = ExitReason.TripleFault, NextRip = s->Rip };
        return true;
    }

    /// <summary>Name and bytes of the instruction at RIP. Outside the loop: it allocates.</summary>
    private string Describe(CpuState* s)
    {
        Span<byte> bytes = stackalloc byte[15];
        ulong linear = s->CodeSize == CodeSize.Code64 ? s->Rip : (uint)(s->Rip + s->Cs.Base);
        int n = 0;
        while (n < 15 && TryRead(new Guest.Memory.LinearAddress(linear + (ulong)n), bytes.Slice(n, 1), 0, out _, out _))
            n++;
        var decoder = Decoder.Create(16 << (int)s->CodeSize, bytes[..n].ToArray(), s->Rip);
        decoder.Decode(out Instruction instruction);
        string hex = string.Join(' ', bytes[..Math.Min(n, Math.Max(instruction.Length, 1))].ToArray().Select(b => b.ToString("x2", null)));
        var formatter = new GasFormatter();
        var output = new StringOutput();
        formatter.Format(instruction, output);
        return $"{output.ToStringAndReset()} ({hex})";
    }
}
