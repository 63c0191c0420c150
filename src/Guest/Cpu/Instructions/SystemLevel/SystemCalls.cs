using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS, RDFSBASE family. SDM vol. 2.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class SystemOps
{
    private static Block* Syscall(CpuState* s, Op* op)
    {
        if ((s->Intercepts & (ulong)Intercepts.Syscall) != 0)
            return Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Syscall });
        if ((s->Efer & (EferBits.Sce | EferBits.Lma)) != (EferBits.Sce | EferBits.Lma))
            return Faults.Raise(s, op, Vectors.Ud);
        bool from64 = s->CodeSize == CodeSize.Code64;
        Faults.Finish(s, op);
        s->StepRule = StepRule.AtEnd;
        s->Gpr[(int)Gpr.Rcx] = s->Rip;
        s->Gpr[(int)Gpr.R11] = (s->Flags | Flags.Get(s)) & ~(ulong)RflagsBits.Rf;
        uint flags = (uint)s->Gpr[(int)Gpr.R11] & ~(uint)s->SyscallMask;
        Flags.Set(s, flags);
        s->Flags = (flags & ~(ulong)RflagsBits.Arithmetic) | RflagsBits.Fixed;
        s->Rip = from64 ? s->LStar : s->CStar;
        Enter(s, (ushort)((s->Star >> 32) & 0xFFFC), true, 0);
        return null;
    }

    private static Block* Sysret(CpuState* s, Op* op)
    {
        if (!Permitted(s, op, Privileged(PrivilegedOperation.Sysret), Intercepts.None))
            return null;
        if ((s->Efer & (EferBits.Sce | EferBits.Lma)) != (EferBits.Sce | EferBits.Lma))
            return Faults.Raise(s, op, Vectors.Ud);
        ulong target = s->Gpr[(int)Gpr.Rcx];
        if (op->Aux == 8 && !Rip.IsCanonical(target))
            return Faults.Raise(s, op, Vectors.Gp);
        Faults.Finish(s, op);
        s->StepRule = StepRule.AtEnd;
        s->Rip = op->Aux == 8 ? target : (uint)target;
        uint flags = (uint)s->Gpr[(int)Gpr.R11] & ~(RflagsBits.Rf | RflagsBits.Vm);
        Flags.Set(s, flags);
        s->Flags = (flags & ~(ulong)RflagsBits.Arithmetic) | RflagsBits.Fixed;
        ushort selector = (ushort)((s->Star >> 48) + (op->Aux == 8 ? 16u : 0u));
        Leave(s, (ushort)(selector | 3), (ushort)(((s->Star >> 48) + 8) | 3), op->Aux == 8);
        return null;
    }

    private static Block* Sysenter(CpuState* s, Op* op)
    {
        if ((s->Intercepts & (ulong)Intercepts.Sysenter) != 0)
            return Faults.Exit(s, op, new CpuExit { Reason = ExitReason.Sysenter });
        if ((s->Cr0 & Cr0Bits.Pe) == 0 || (s->SysenterCs & 0xFFFC) == 0)
            return Faults.Raise(s, op, Vectors.Gp);
        Faults.Finish(s, op);
        bool longMode = (s->Efer & EferBits.Lma) != 0;
        s->Flags &= ~(ulong)(RflagsBits.If | RflagsBits.Vm);
        s->Rip = longMode ? s->SysenterEip : (uint)s->SysenterEip;
        s->Gpr[(int)Gpr.Rsp] = longMode ? s->SysenterEsp : (uint)s->SysenterEsp;
        Enter(s, (ushort)(s->SysenterCs & 0xFFFC), longMode, 0);
        return null;
    }

    private static Block* Sysexit(CpuState* s, Op* op)
    {
        if ((s->Efer & EferBits.Lma) != 0 && !VirtualCpu.Of(s).Features.SysexitInLongMode)
            return Faults.Raise(s, op, Vectors.Ud);
        if (s->Cpl != 0 || (s->Cr0 & Cr0Bits.Pe) == 0 || (s->SysenterCs & 0xFFFC) == 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Other));
        bool wide = op->Aux == 8;
        if (wide && (!Rip.IsCanonical(s->Gpr[(int)Gpr.Rdx]) || !Rip.IsCanonical(s->Gpr[(int)Gpr.Rcx])))
            return Faults.Raise(s, op, Vectors.Gp);
        Faults.Finish(s, op);
        s->Rip = wide ? s->Gpr[(int)Gpr.Rdx] : (uint)s->Gpr[(int)Gpr.Rdx];
        s->Gpr[(int)Gpr.Rsp] = wide ? s->Gpr[(int)Gpr.Rcx] : (uint)s->Gpr[(int)Gpr.Rcx];
        uint cs = (uint)s->SysenterCs & 0xFFFC;
        Leave(s, (ushort)((cs + (wide ? 32u : 16u)) | 3), (ushort)((cs + (wide ? 40u : 24u)) | 3), wide);
        return null;
    }

    /// <summary>Flat kernel segments by definition, not from the table.</summary>
    private static void Enter(CpuState* s, ushort cs, bool longMode, int cpl)
    {
        Segments.SetHidden(s, &s->Cs, cs, 0, uint.MaxValue, (ushort)(longMode ? 0xA09B : 0xC09B));
        Segments.SetHidden(s, &s->Ss, (ushort)(cs + 8), 0, uint.MaxValue, 0xC093);
        s->Cpl = (byte)cpl;
        CpuMode.Update(s);
    }

    private static void Leave(CpuState* s, ushort cs, ushort ss, bool wide)
    {
        Segments.SetHidden(s, &s->Cs, cs, 0, uint.MaxValue, (ushort)(wide ? 0xA0FB : 0xC0FB));
        Segments.SetHidden(s, &s->Ss, ss, 0, uint.MaxValue, 0xC0F3);
        s->Cpl = 3;
        CpuMode.Update(s);
    }

    private static Block* Swapgs(CpuState* s, Op* op)
    {
        if (!Permitted(s, op, Privileged(PrivilegedOperation.Swapgs), Intercepts.None))
            return null;
        (s->Gs.Base, s->KernelGsBase) = (s->KernelGsBase, s->Gs.Base);
        return Faults.Finish(s, op);
    }

    private static bool FsGsBase(Translator t)
    {
        Mnemonic m = t.Instruction.Mnemonic;
        t.Op->Aux = (byte)(m is Mnemonic.Rdfsbase or Mnemonic.Wrfsbase ? SegmentName.Fs : SegmentName.Gs);
        t.Op->Dst = t.Register(0);
        bool read = m is Mnemonic.Rdfsbase or Mnemonic.Rdgsbase;
        t.Op->Handler = t.Size == 4
            ? read ? &ReadBase<uint> : &WriteBase<uint>
            : read ? &ReadBase<ulong> : &WriteBase<ulong>;
        return true;
    }

    private static Block* ReadBase<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if ((s->Cr4 & Cr4Bits.FsGsBase) == 0)
            return Faults.Raise(s, op, Vectors.Ud);
        Operand.Set<T>(s, op->Dst, Operand.Segment(s, op->Aux)->Base);
        return Faults.Finish(s, op);
    }

    private static Block* WriteBase<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if ((s->Cr4 & Cr4Bits.FsGsBase) == 0)
            return Faults.Raise(s, op, Vectors.Ud);
        ulong value = Operand.Zx<T>(Operand.Get<T>(s, op->Dst));
        if (!Rip.IsCanonical(value))
            return Faults.Raise(s, op, Vectors.Gp);
        Operand.Segment(s, op->Aux)->Base = value;
        return Faults.Finish(s, op);
    }
}

/// <summary>MSRs that the processor itself has, when the hypervisor does not intercept them. SDM vol. 4, table 2-2.</summary>
// SAFETY: as above.
internal static unsafe class Msrs
{
    public static bool Read(CpuState* s, uint index, out ulong value)
    {
        switch (index)
        {
            case 0x10: value = VirtualCpu.Of(s).Policy.ReadTsc(s->RetireLimit - s->Remaining); return true;
            case 0x174: value = s->SysenterCs; return true;
            case 0x175: value = s->SysenterEsp; return true;
            case 0x176: value = s->SysenterEip; return true;
            case 0xC000_0080: value = s->Efer; return true;
            case 0xC000_0081: value = s->Star; return true;
            case 0xC000_0082: value = s->LStar; return true;
            case 0xC000_0083: value = s->CStar; return true;
            case 0xC000_0084: value = s->SyscallMask; return true;
            case 0xC000_0100: value = s->Fs.Base; return true;
            case 0xC000_0101: value = s->Gs.Base; return true;
            case 0xC000_0102: value = s->KernelGsBase; return true;
            case 0xC000_0103: value = s->TscAux; return true;
            default: value = 0; return false;
        }
    }

    public static bool Write(CpuState* s, uint index, ulong value)
    {
        bool address = index is 0x175 or 0x176 or 0xC000_0082 or 0xC000_0083 or 0xC000_0100 or 0xC000_0101 or 0xC000_0102;
        if (address && !Rip.IsCanonical(value))
            return false;
        switch (index)
        {
            case 0x174: s->SysenterCs = value; return true;
            case 0x175: s->SysenterEsp = value; return true;
            case 0x176: s->SysenterEip = value; return true;
            case 0xC000_0080: return WriteEfer(s, value);
            case 0xC000_0081: s->Star = value; return true;
            case 0xC000_0082: s->LStar = value; return true;
            case 0xC000_0083: s->CStar = value; return true;
            case 0xC000_0084: s->SyscallMask = (uint)value; return value >> 32 == 0;
            case 0xC000_0100: s->Fs.Base = value; return true;
            case 0xC000_0101: s->Gs.Base = value; return true;
            case 0xC000_0102: s->KernelGsBase = value; return true;
            case 0xC000_0103: s->TscAux = (uint)value; return value >> 32 == 0;
            default: return false;
        }
    }

    private static bool WriteEfer(CpuState* s, ulong value)
    {
        const ulong Known = EferBits.Sce | EferBits.Lme | EferBits.Lma | EferBits.Nxe;
        bool lmeChanges = ((s->Efer ^ value) & EferBits.Lme) != 0;
        if ((value & ~Known) != 0 || (lmeChanges && (s->Cr0 & Cr0Bits.Pg) != 0))
            return false;
        SystemRegisters.SetEfer(s, (value & ~EferBits.Lma) | (s->Efer & EferBits.Lma));
        return true;
    }
}
