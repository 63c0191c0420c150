using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;

namespace XenSim.Guest.Cpu;

// SAFETY: _s lives until Dispose; a block and its ops live in the arena, which is reset only between blocks.
public sealed unsafe partial class VirtualCpu
{
    /// <summary>Instructions between two ways through the run loop, at most.</summary>
    private const long MostInARow = 512;

    /// <summary>Exceptions without an instruction between them that take no time; a stack of a page has room for fewer frames of 16 bytes.</summary>
    private const int MostFaultsInARow = 256;

    /// <summary>Executes at most <paramref name="instructionBudget"/> instructions.</summary>
    public CpuExit Run(long instructionBudget)
    {
        CpuState* s = _s;
        s->RetireLimit -= s->Remaining;
        s->Remaining = 0;
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
                    if (!TakesTime(s, ref instructionBudget))
                        return new CpuExit { Reason = ExitReason.BudgetSpent, NextRip = s->Rip };
                    continue;
                }

                if (s->Remaining <= 0 && !Grant(s, ref instructionBudget))
                    return new CpuExit { Reason = ExitReason.BudgetSpent, NextRip = s->Rip };
                if (Memory.Code.IsFull)
                    Memory.Code.Reset();
                if (((s->Flags & (RflagsBits.Tf | RflagsBits.Rf)) | s->Debugged) != 0 && Step(s))
                    continue;

                b = Branch.Indirect(s);
                if (b == null && (b = Memory.Code.Find(s)) == null)
                    continue;
            }

            if (b->Count > s->Remaining && !(Grant(s, ref instructionBudget) && b->Count <= s->Remaining))
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

    /// <summary>
    /// Lets more of the budget start: one block goes on with the next until it is used up, which before the JIT compiler has optimized the handlers,
    /// and their tail calls with them, takes stack for each. False: the budget is spent.
    /// </summary>
    private static bool Grant(CpuState* s, ref long budget)
    {
        long more = Math.Min(budget, MostInARow);
        if (more <= 0)
            return false;
        budget -= more;
        s->Remaining += more;
        s->RetireLimit += more;
        return true;
    }

    /// <summary>
    /// A handler whose own first instruction faults is entered again and again. That ends on most machines when the stack does; where it wraps, each entry counts as an instruction
    /// after some, so that budgets and the guest's time run out. False: the budget is spent.
    /// </summary>
    private static bool TakesTime(CpuState* s, ref long budget)
    {
        long retired = s->RetireLimit - s->Remaining;
        if (s->FaultedAt != retired)
        {
            s->FaultedAt = retired;
            s->FaultsInARow = 0;
        }

        if (s->FaultsInARow++ < MostFaultsInARow)
            return true;
        s->FaultsInARow = MostFaultsInARow;
        if (s->Remaining <= 0 && !Grant(s, ref budget))
            return false;
        s->Remaining--;
        s->FaultedAt = retired + 1;
        return true;
    }

    /// <summary>Delivers an event through the guest's own IDT (event injection of VMX and SVM). False: triple fault.</summary>
    public bool Inject(byte vector, bool hasErrorCode = false, uint errorCode = 0)
    {
        _s->Stop = StopKind.None;
        if (vector == Vectors.Nmi)
            _s->NmiBlocked = 1;
        return ExceptionDelivery.Deliver(_s, vector, hasErrorCode, errorCode, EventKind.External, _s->Rip);
    }

    /// <summary>
    /// One instruction with RFLAGS.TF or RF set, breakpoints armed, or a trap pending. The order of events at an instruction boundary is
    /// that of SDM vol. 3A, table 6-2: traps of the instruction before, then execution breakpoints, then faults of the fetch.
    /// False: there is nothing to watch for.
    /// </summary>
    private bool Step(CpuState* s)
    {
        if (s->WatchHit != 0)
        {
            s->WatchHit = 0;
            Breakpoints.Arm(s);
            s->Exit = new CpuExit { Reason = ExitReason.Watchpoint, NextRip = s->Rip };
            s->Stop = StopKind.Exit;
            return true;
        }

        if (((s->Flags & RflagsBits.Tf) | s->Debugged) == 0)
        {
            s->Flags &= ~(ulong)RflagsBits.Rf;
            return false;
        }

        bool held = s->ShadowBySs != 0 && s->ShadowAt == RetiredInstructions;
        if (s->PendingDebug != 0 && !held)
        {
            DebugTrap(s, s->PendingDebug);
            return true;
        }

        ulong resume = s->Flags & RflagsBits.Rf;
        uint hit = resume != 0 || held ? 0 : Breakpoints.AtInstruction(s, s->CodeSize == CodeSize.Code64 ? s->Rip : (uint)(s->Rip + s->Cs.Base));
        if (hit != 0)
        {
            DebugTrap(s, hit);
            return true;
        }

        Block* b = Memory.Code.Find(s);
        if (b == null)
            return true;
        if (b->Count > 1)
            b = BlockCache.Truncate(s, b, 1);
        uint pending = s->PendingDebug;
        bool traced = (s->Flags & RflagsBits.Tf) != 0;
        s->PendingDebug = 0;
        s->Flags &= ~(ulong)RflagsBits.Rf;
        s->StepRule = StepRule.AtStart;
        s->Stepping = 1;
        s->MidString = 0;
        // Nothing more may start, so that a branch comes back here.
        long rest = s->Remaining - 1;
        s->RetireLimit -= rest;
        s->Remaining = 0;
        s->Current = b;
        Block* next = b->Ops->Handler(s, b->Ops);
        s->Stepping = 0;
        bool complete = next != null || (s->Stop == StopKind.None && s->Remaining == 0);
        s->RetireLimit += rest;
        s->Remaining += rest;
        AfterStep(s, complete, pending, traced, resume);
        return true;
    }

    private void AfterStep(CpuState* s, bool complete, uint pending, bool traced, ulong resume)
    {
        if (!complete)
        {
            // Breakpoints that a faulting instruction touched are not reported. SDM vol. 3B, 17.2.3.
            s->PendingDebug = pending;
            s->Flags |= resume;
            Breakpoints.Arm(s);
            return;
        }

        if (s->MidString != 0)
            s->Flags |= RflagsBits.Rf;
        uint bits = pending | s->PendingDebug;
        bool trap = s->StepRule switch { StepRule.AtStart => traced, StepRule.AtEnd => (s->Flags & RflagsBits.Tf) != 0, _ => false };
        // MOV SS holds data breakpoints back to the next boundary and drops its own single step. SDM vol. 3A, 6.8.3.
        bool held = s->ShadowBySs != 0 && s->ShadowAt == RetiredInstructions;
        if (trap && !held)
            bits |= Breakpoints.SingleStep;
        s->PendingDebug = bits;
        Breakpoints.Arm(s);
        if (bits != 0 && !held)
            DebugTrap(s, bits);
    }

    /// <summary>#DB with RIP where it is.</summary>
    private static void DebugTrap(CpuState* s, uint bits)
    {
        Breakpoints.Report(s, bits);
        s->PendingDebug = 0;
        Breakpoints.Arm(s);
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
            exit = s->Exit with
            {
                Reason = ExitReason.PhysicalAccess,
                Address = s->FaultAddress,
                Vector = (byte)s->FaultError,
                Size = (byte)s->AccessSize,
                NextRip = s->NextRip,
            };
            return true;
        }

        if (vector == Vectors.Pf)
            s->Cr2 = s->FaultAddress;
        if ((s->Intercepts & (ulong)Intercepts.Exceptions) != 0)
        {
            if (s->Exit.Operation == PrivilegedOperation.Other)
                _unimplemented = Describe(s);
            // As the processor pushes it: whoever returns to a fault does not meet the instruction's breakpoint again. SDM vol. 3B, 17.3.1.1.
            if (vector != Vectors.Db)
                s->Flags |= RflagsBits.Rf;
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
