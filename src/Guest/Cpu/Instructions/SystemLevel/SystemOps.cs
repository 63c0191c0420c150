using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>Privileged and sensitive instructions. Each exits when intercepted, and otherwise acts as on a bare processor.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class SystemOps
{
    public static Block* InvalidOpcode(CpuState* s, Op* op) => Faults.Raise(s, op, Vectors.Ud);

    public static Block* TooLong(CpuState* s, Op* op) => Faults.Raise(s, op, Vectors.Gp);

    public static Block* Unimplemented(CpuState* s, Op* op) => Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Unimplemented });

    /// <summary>The next instruction is in the interrupt shadow. SDM vol. 3A, 6.8.3.</summary>
    /// <param name="bySs">MOV SS and POP SS also hold back debug traps.</param>
    public static void StartShadow(CpuState* s, Op* op, bool bySs)
    {
        // Of two in a row only the first is sure to have one, and processors give none to the second.
        long retired = Retired(s, op);
        if (s->ShadowAt == retired)
            return;
        s->ShadowAt = retired + 1;
        s->ShadowBySs = bySs ? (byte)1 : (byte)0;
    }

    /// <summary>Instructions retired before this op.</summary>
    public static long Retired(CpuState* s, Op* op) => s->RetireLimit - s->Remaining - (s->Current->Count - op->Index);

    /// <summary>Sets RFLAGS as POPF and IRET may at this CPL and IOPL. Unit of <paramref name="size"/>: bytes.</summary>
    public static void SetFlags(CpuState* s, uint value, int size)
    {
        uint may = RflagsBits.Tf | RflagsBits.Df | RflagsBits.Nt | RflagsBits.Ac | RflagsBits.Id;
        int iopl = Iopl(s);
        if (s->Cpl == 0)
            may |= RflagsBits.Iopl;
        if (s->Cpl <= iopl)
            may |= RflagsBits.If;
        if (size == 2)
            may &= 0xFFFF;
        Flags.Set(s, value);
        s->Flags = (s->Flags & ~(ulong)may & ~(ulong)RflagsBits.Rf) | (value & may) | RflagsBits.Fixed;
        CpuMode.Select(s);
    }

    public static int Iopl(CpuState* s) => (int)(s->Flags >> 12) & 3;

    /// <summary>Simple flag instructions.</summary>
    public static bool FlagOp(Translator t)
    {
        t.Op->Handler = t.Instruction.Mnemonic switch
        {
            Mnemonic.Clc => &Clc,
            Mnemonic.Stc => &Stc,
            Mnemonic.Cmc => &Cmc,
            Mnemonic.Cld => &Cld,
            Mnemonic.Std => &Std,
            Mnemonic.Lahf => &Lahf,
            Mnemonic.Sahf => &Sahf,
            Mnemonic.Salc => &Salc,
            _ => &Nop,
        };
        return true;
    }

    public static bool Select(Translator t)
    {
        t.EndsBlock = true;
        Op* op = t.Op;
        Instruction i = t.Instruction;
        switch (i.Mnemonic)
        {
            case Mnemonic.Cli: op->Handler = &Cli; return true;
            case Mnemonic.Sti: op->Handler = &Sti; return true;
            case Mnemonic.Hlt: op->Handler = &Hlt; return true;
            case Mnemonic.Cpuid: op->Handler = &Cpuid; return true;
            case Mnemonic.Rdtsc: op->Handler = &Rdtsc; return true;
            case Mnemonic.Rdtscp: op->Aux = 1; op->Handler = &Rdtsc; return true;
            case Mnemonic.Rdpid: op->Dst = t.Register(0); op->Handler = &Rdpid; return true;
            case Mnemonic.Rdmsr: op->Handler = &Rdmsr; return true;
            case Mnemonic.Wrmsr: op->Handler = &Wrmsr; return true;
            case Mnemonic.In or Mnemonic.Out: return Port(t);
            case Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd: return PortString(t);
            case Mnemonic.Int: op->Aux = i.Immediate8; op->Scale = 1; op->Handler = &IntN; return true;
            case Mnemonic.Int3: op->Aux = 3; op->Handler = &IntN; return true;
            case Mnemonic.Into: op->Aux = 4; op->Handler = &Into; return true;
            case Mnemonic.Int1: op->Handler = &Int1; return true;
            case Mnemonic.Ud0 or Mnemonic.Ud1 or Mnemonic.Ud2: op->Handler = &InvalidOpcode; return true;
            case Mnemonic.Syscall: op->Handler = &Syscall; return true;
            case Mnemonic.Sysret or Mnemonic.Sysretq: op->Aux = (byte)(i.Mnemonic == Mnemonic.Sysretq ? 8 : 4); op->Handler = &Sysret; return true;
            case Mnemonic.Sysenter: op->Handler = &Sysenter; return true;
            case Mnemonic.Sysexit or Mnemonic.Sysexitq: op->Aux = (byte)(i.Mnemonic == Mnemonic.Sysexitq ? 8 : 4); op->Handler = &Sysexit; return true;
            case Mnemonic.Vmcall: op->Handler = &Vmcall; return true;
            case Mnemonic.Vmmcall or Mnemonic.Vmgexit: op->Handler = &Vmmcall; return true;
            case Mnemonic.Swapgs: op->Handler = &Swapgs; return true;
            case Mnemonic.Rdfsbase or Mnemonic.Rdgsbase or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase: return FsGsBase(t);
            default: return SelectTables(t);
        }
    }

    /// <summary>CPL 0 and not intercepted: true. Else the #GP(0), or the exit, has been recorded.</summary>
    private static bool Permitted(CpuState* s, Op* op, CpuExit decoded, Intercepts intercept)
    {
        if (s->Cpl != 0)
        {
            Faults.Raise(s, op, Vectors.Gp, 0, decoded);
            return false;
        }

        if ((s->Intercepts & (ulong)intercept) == 0)
            return true;
        Faults.Exit(s, op, decoded);
        return false;
    }

    public static CpuExit Privileged(PrivilegedOperation operation) => new() { Reason = ExitReason.PrivilegedInstruction, Operation = operation };

    public static Block* Nop(CpuState* s, Op* op) => op[1].Handler(s, op + 1);

    private static Block* Clc(CpuState* s, Op* op)
    {
        Flags.SetCarry(s, false);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Stc(CpuState* s, Op* op)
    {
        Flags.SetCarry(s, true);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Cmc(CpuState* s, Op* op)
    {
        Flags.SetCarry(s, !Flags.Cf(s));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Cld(CpuState* s, Op* op)
    {
        s->Flags &= ~(ulong)RflagsBits.Df;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Std(CpuState* s, Op* op)
    {
        s->Flags |= RflagsBits.Df;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Lahf(CpuState* s, Op* op)
    {
        ((byte*)s)[1] = (byte)(Flags.Get(s) | RflagsBits.Fixed);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Sahf(CpuState* s, Op* op)
    {
        const uint Low = RflagsBits.Arithmetic & 0xFF;
        Flags.Set(s, (Flags.Get(s) & RflagsBits.Of) | (((byte*)s)[1] & Low));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Salc(CpuState* s, Op* op)
    {
        *(byte*)s = Flags.Cf(s) ? (byte)0xFF : (byte)0;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Cli(CpuState* s, Op* op)
    {
        if (Virtual8086.HasVirtualInterrupts(s))
            s->Flags &= ~(ulong)RflagsBits.Vif;
        else if (s->Cpl > Iopl(s))
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Cli));
        else
            s->Flags &= ~(ulong)RflagsBits.If;
        return Faults.Finish(s, op);
    }

    private static Block* Sti(CpuState* s, Op* op)
    {
        if (Virtual8086.HasVirtualInterrupts(s))
        {
            if ((s->Flags & RflagsBits.Vip) != 0)
                return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Sti));
            s->Flags |= RflagsBits.Vif;
            return Faults.Finish(s, op);
        }

        if (s->Cpl > Iopl(s))
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Sti));
        if ((s->Flags & RflagsBits.If) == 0)
            StartShadow(s, op, false);
        s->Flags |= RflagsBits.If;
        return Faults.Finish(s, op);
    }

    private static Block* Hlt(CpuState* s, Op* op)
    {
        var exit = new CpuExit { Reason = ExitReason.Halt, Operation = PrivilegedOperation.Hlt };
        // Waiting is nobody's business below the run loop: HLT always leaves.
        if (s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, exit);
        return Faults.Exit(s, op, exit);
    }

    private static Block* Cpuid(CpuState* s, Op* op)
    {
        if ((s->Intercepts & (ulong)Intercepts.Cpuid) != 0)
            return Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Cpuid, Operation = PrivilegedOperation.Cpuid });
        CpuidResult r = VirtualCpu.Of(s).Policy.Cpuid((uint)s->Gpr[0], (uint)s->Gpr[1]);
        s->Gpr[(int)Gpr.Rax] = r.Eax;
        s->Gpr[(int)Gpr.Rbx] = r.Ebx;
        s->Gpr[(int)Gpr.Rcx] = r.Ecx;
        s->Gpr[(int)Gpr.Rdx] = r.Edx;
        return Faults.Finish(s, op);
    }

    private static Block* Rdtsc(CpuState* s, Op* op)
    {
        if ((s->Cr4 & Cr4Bits.Tsd) != 0 && s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, TscExit(op));
        if ((s->Intercepts & (ulong)Intercepts.ReadTsc) != 0)
            return Faults.Exit(s, op, TscExit(op));
        ulong tsc = VirtualCpu.Of(s).Policy.ReadTsc(Retired(s, op));
        s->Gpr[(int)Gpr.Rax] = (uint)tsc;
        s->Gpr[(int)Gpr.Rdx] = tsc >> 32;
        if (op->Aux != 0)
            s->Gpr[(int)Gpr.Rcx] = (uint)s->TscAux;
        return Faults.Finish(s, op);
    }

    private static CpuExit TscExit(Op* op)
        => new() { Reason = ExitReason.ReadTsc, Operation = op->Aux != 0 ? PrivilegedOperation.Rdtscp : PrivilegedOperation.Rdtsc };

    /// <summary>IA32_TSC_AUX; no privilege, no CR4.TSD. SDM vol. 2, RDPID.</summary>
    private static Block* Rdpid(CpuState* s, Op* op)
    {
        *(ulong*)((byte*)s + op->Dst) = (uint)s->TscAux;
        return Faults.Finish(s, op);
    }

    private static Block* Rdmsr(CpuState* s, Op* op)
    {
        var exit = new CpuExit { Reason = ExitReason.ReadMsr, Operation = PrivilegedOperation.Rdmsr, Operand = (uint)s->Gpr[1] };
        if (!Permitted(s, op, exit, Intercepts.Msrs))
            return null;
        if (!Msrs.Read(s, (uint)s->Gpr[1], out ulong value))
            return Faults.Raise(s, op, Vectors.Gp, 0, exit);
        s->Gpr[(int)Gpr.Rax] = (uint)value;
        s->Gpr[(int)Gpr.Rdx] = value >> 32;
        return Faults.Finish(s, op);
    }

    private static Block* Wrmsr(CpuState* s, Op* op)
    {
        var exit = new CpuExit { Reason = ExitReason.WriteMsr, Operation = PrivilegedOperation.Wrmsr, Operand = (uint)s->Gpr[1] };
        if (!Permitted(s, op, exit, Intercepts.Msrs))
            return null;
        if (!Msrs.Write(s, (uint)s->Gpr[1], (uint)s->Gpr[0] | (s->Gpr[2] << 32)))
            return Faults.Raise(s, op, Vectors.Gp, 0, exit);
        return Faults.Finish(s, op);
    }

    private static bool Port(Translator t)
    {
        Op* op = t.Op;
        bool input = t.Instruction.Mnemonic == Mnemonic.In;
        int data = input ? 0 : 1, port = input ? 1 : 0;
        op->Aux = (byte)t.Instruction.GetOpRegister(data).GetSize();
        bool byDx = t.IsRegister(port);
        op->Imm = byDx ? 0x1_0000u : t.Instruction.Immediate8;
        op->Handler = input ? &In : &Out;
        return true;
    }

    private static Block* In(CpuState* s, Op* op) => PortAccess(s, op, ExitReason.PortIn, PrivilegedOperation.In);

    private static Block* Out(CpuState* s, Op* op) => PortAccess(s, op, ExitReason.PortOut, PrivilegedOperation.Out);

    private static Block* PortAccess(CpuState* s, Op* op, ExitReason reason, PrivilegedOperation operation)
    {
        ulong port = op->Imm == 0x1_0000 ? (ushort)s->Gpr[(int)Gpr.Rdx] : op->Imm;
        bool text = operation is PrivilegedOperation.Ins or PrivilegedOperation.Outs;
        var exit = new CpuExit
        {
            Reason = reason,
            Operation = operation,
            Operand = port,
            Size = op->Aux,
            Repeated = op->Scale != 0,
            AddressSize = text ? op->Src : (byte)0,
            Segment = text ? (SegmentName)op->Segment : SegmentName.Ds,
        };
        if (!PortAllowed(s, (ushort)port, op->Aux, out bool fault))
            return fault ? Faults.Raise(s, op) : Faults.Raise(s, op, Vectors.Gp, 0, exit);
        s->PortDebug = s->PortBreakpoints != 0 ? Breakpoints.AtPort(s, (ushort)port, op->Aux) : 0;
        // There are no devices in here: an allowed access always leaves.
        return Faults.Exit(s, op, exit);
    }

    private static bool PortString(Translator t)
    {
        Op* op = t.Op;
        Mnemonic m = t.Instruction.Mnemonic;
        op->Aux = (byte)(m is Mnemonic.Insb or Mnemonic.Outsb ? 1 : m is Mnemonic.Insw or Mnemonic.Outsw ? 2 : 4);
        op->Imm = 0x1_0000;
        op->Scale = (byte)(t.Instruction.HasRepPrefix || t.Instruction.HasRepnePrefix ? 1 : 0);
        op->Src = (byte)t.CounterSize;
        op->Segment = (byte)(m is Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd ? SegmentName.Es : SegmentOps.Number(t.Instruction.MemorySegment));
        op->Handler = m is Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd ? &Ins : &Outs;
        return true;
    }

    private static Block* Ins(CpuState* s, Op* op) => PortAccess(s, op, ExitReason.PortIn, PrivilegedOperation.Ins);

    private static Block* Outs(CpuState* s, Op* op) => PortAccess(s, op, ExitReason.PortOut, PrivilegedOperation.Outs);

    /// <summary>CPL against IOPL, then the I/O permission map of the TSS. SDM vol. 1, 19.5.</summary>
    private static bool PortAllowed(CpuState* s, ushort port, int size, out bool fault)
    {
        fault = false;
        if (s->Cpl <= Iopl(s) && (s->Flags & RflagsBits.Vm) == 0)
            return true;
        // A PV guest runs on Xen's TSS, whose map lies beyond its limit (IOBMP_INVALID_OFFSET of xen/include/asm-x86/processor.h).
        if ((s->Intercepts & (ulong)Intercepts.SoftwareInterrupts) != 0 || (s->Tr.Access & 0x80) == 0 || s->Tr.Limit < 0x67)
            return false;
        if (!SystemMemory.Read(s, s->Tr.Base + 0x66, 2, out ulong map))
            return !(fault = true);
        ulong at = map + ((ulong)port >> 3);
        if (at + 1 > s->Tr.Limit)
            return false;
        if (!SystemMemory.Read(s, s->Tr.Base + at, 2, out ulong bits))
            return !(fault = true);
        return ((bits >> (port & 7)) & ((1ul << size) - 1)) == 0;
    }

    private static Block* IntN(CpuState* s, Op* op)
    {
        if ((s->Intercepts & (ulong)Intercepts.SoftwareInterrupts) != 0)
            return Faults.Exit(s, op, new CpuExit { Reason = ExitReason.SoftwareInterrupt, Vector = op->Aux });
        ulong next = Rip.Wrap(s, s->Rip + op->Offset + op->Length);
        ulong rip = s->Rip;
        ushort task = s->Tr.Selector;
        bool entered = false;
        // INT n, but not INT3 and INTO, is sensitive in virtual-8086 mode. SDM vol. 3B, 21.2.7 and table 21-2.
        if (op->Scale != 0 && Virtual8086.Active(s))
        {
            int redirected = (s->Cr4 & Cr4Bits.Vme) != 0 ? Virtual8086.Redirect(s, op->Aux, next) : 0;
            if (redirected < 0 || (redirected == 0 && Virtual8086.Restricted(s)))
                return redirected < 0 ? Faults.Raise(s, op) : Faults.Raise(s, op, Vectors.Gp);
            entered = redirected > 0;
        }

        if (entered || ExceptionDelivery.Software(s, op->Aux, next))
        {
            s->StepRule = StepRule.Never;
            s->Remaining += s->Current->Count - op->Index - 1;
            return null;
        }

        if (s->Tr.Selector != task)
            return TaskSwitch.RaiseInNewTask(s, op);
        s->Rip = rip;
        return Faults.Raise(s, op);
    }

    private static Block* Into(CpuState* s, Op* op) => Flags.Of(s) ? IntN(s, op) : Faults.Finish(s, op);

    /// <summary>A trap: #DB with RIP behind it and nothing in DR6; a hardware event, so that no gate's DPL counts. SDM vol. 2, INT1.</summary>
    private static Block* Int1(CpuState* s, Op* op)
    {
        Faults.Finish(s, op);
        Breakpoints.Report(s, 0);
        Faults.Set(s, Vectors.Db);
        s->NextRip = s->Rip;
        s->Exit = default;
        s->Stop = StopKind.Fault;
        return null;
    }

    private static Block* Vmcall(CpuState* s, Op* op) => Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Vmcall });

    private static Block* Vmmcall(CpuState* s, Op* op) => Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Vmmcall });
}
