using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>Control and debug registers, descriptor-table registers, TLB and cache control.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class SystemOps
{
    public static bool MovToControl(Translator t)
    {
        t.EndsBlock = true;
        Register r = t.Instruction.Op0Register;
        t.Op->Aux = (byte)r.GetNumber();
        t.Op->Src = t.Register(1);
        t.Op->Handler = r.IsCR() ? &MovToCr : &MovToDr;
        return true;
    }

    public static bool MovFromControl(Translator t)
    {
        t.EndsBlock = true;
        Register r = t.Instruction.Op1Register;
        t.Op->Aux = (byte)r.GetNumber();
        t.Op->Dst = t.Register(0);
        t.Op->Handler = r.IsCR() ? &MovFromCr : &MovFromDr;
        return true;
    }

    private static bool SelectTables(Translator t)
    {
        Op* op = t.Op;
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Clts: op->Handler = &Clts; return true;
            case Mnemonic.Lmsw: return RegisterOrMemory(t, &Lmsw);
            case Mnemonic.Lldt: return RegisterOrMemory(t, &Lldt);
            case Mnemonic.Ltr: return RegisterOrMemory(t, &Ltr);
            case Mnemonic.Lgdt: t.Memory(); op->Aux = TableSize(t); op->Handler = &Lgdt; return true;
            case Mnemonic.Lidt: t.Memory(); op->Aux = TableSize(t); op->Handler = &Lidt; return true;
            case Mnemonic.Sgdt: t.Memory(); op->Aux = TableSize(t); op->Handler = &Sgdt; return true;
            case Mnemonic.Sidt: t.Memory(); op->Aux = TableSize(t); op->Handler = &Sidt; return true;
            case Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw: return Store(t);
            case Mnemonic.Invlpg: t.Memory(); op->Handler = &Invlpg; return true;
            case Mnemonic.Invd: op->Aux = (byte)PrivilegedOperation.Invd; op->Handler = &CacheControl; return true;
            // WBINVD with a prefix that a processor without WBNOINVD ignores.
            case Mnemonic.Wbinvd or Mnemonic.Wbnoinvd: op->Aux = (byte)PrivilegedOperation.Wbinvd; op->Handler = &CacheControl; return true;
            case Mnemonic.Rdpmc: op->Aux = (byte)PrivilegedOperation.Rdpmc; op->Handler = &AlwaysPrivileged; return true;
            case Mnemonic.Xsetbv: op->Aux = (byte)PrivilegedOperation.Xsetbv; op->Handler = &AlwaysPrivileged; return true;
            case Mnemonic.Monitor: op->Aux = (byte)PrivilegedOperation.Monitor; op->Handler = &AlwaysPrivileged; return true;
            case Mnemonic.Mwait: op->Aux = (byte)PrivilegedOperation.Mwait; op->Handler = &AlwaysPrivileged; return true;
            case Mnemonic.Clac or Mnemonic.Stac: op->Aux = (byte)(t.Instruction.Mnemonic == Mnemonic.Stac ? 1 : 0); op->Handler = &AccessFlag; return true;
            default: return false;
        }
    }

    private static bool RegisterOrMemory(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        if (t.IsRegister(0))
        {
            t.Op->Src = t.Register(0);
            t.Op->Scale = 0xFF;
        }
        else
        {
            t.Memory();
        }

        t.Op->Handler = handler;
        return true;
    }

    private static byte TableSize(Translator t) => (byte)(t.Bits == 64 ? 8 : t.Instruction.Code is Code.Lgdt_m1632_16 or Code.Lidt_m1632_16 ? 3 : 4);

    private static bool Value16(CpuState* s, Op* op, out ushort value)
    {
        value = 0;
        if (op->Scale == 0xFF)
        {
            value = (ushort)Operand.Get<ushort>(s, op->Src);
            return true;
        }

        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        if (p == null)
            return false;
        value = *(ushort*)p;
        return true;
    }

    private static Block* MovFromCr(CpuState* s, Op* op)
    {
        if (op->Aux is not (0 or 2 or 3 or 4 or 8))
            return Faults.Raise(s, op, Vectors.Ud);
        var exit = Privileged(PrivilegedOperation.MovFromCr) with { SystemRegister = op->Aux, GeneralRegister = (byte)(op->Dst / 8) };
        if (!Permitted(s, op, exit, Intercepts.ControlRegisters))
            return null;
        ulong value = op->Aux switch { 0 => s->Cr0, 2 => s->Cr2, 3 => s->Cr3, 4 => s->Cr4, _ => s->Cr8 };
        SetWide(s, op->Dst, value);
        return Faults.Finish(s, op);
    }

    private static Block* MovToCr(CpuState* s, Op* op)
    {
        if (op->Aux is not (0 or 2 or 3 or 4 or 8))
            return Faults.Raise(s, op, Vectors.Ud);
        var exit = Privileged(PrivilegedOperation.MovToCr) with { SystemRegister = op->Aux, GeneralRegister = (byte)(op->Src / 8) };
        if (!Permitted(s, op, exit, Intercepts.ControlRegisters))
            return null;
        ulong value = s->CodeSize == CodeSize.Code64 ? *(ulong*)((byte*)s + op->Src) : *(uint*)((byte*)s + op->Src);
        bool good = op->Aux switch
        {
            0 => ControlRegisters.WriteCr0(s, value),
            2 => ControlRegisters.WriteCr2(s, value),
            3 => ControlRegisters.WriteCr3(s, value),
            4 => ControlRegisters.WriteCr4(s, value),
            _ => ControlRegisters.WriteCr8(s, value),
        };
        return good ? Faults.Finish(s, op) : Faults.Raise(s, op, Vectors.Gp, 0, exit);
    }

    /// <summary>#UD for DR4 and DR5 under CR4.DE, the privilege, then #DB for DR7.GD. SDM vol. 2, MOV to and from debug registers.</summary>
    private static bool DebugAccess(CpuState* s, Op* op, CpuExit exit, out int number)
    {
        number = op->Aux is 4 or 5 ? op->Aux + 2 : op->Aux;
        if (number > 7 || (number != op->Aux && (s->Cr4 & Cr4Bits.De) != 0))
        {
            Faults.Raise(s, op, Vectors.Ud);
            return false;
        }

        if (!Permitted(s, op, exit, Intercepts.DebugRegisters))
            return false;
        if ((s->Debug[7] & Breakpoints.GeneralDetect) == 0)
            return true;
        Breakpoints.Report(s, Breakpoints.AccessDetected);
        Faults.Raise(s, op, Vectors.Db, 0, exit);
        return false;
    }

    private static Block* MovFromDr(CpuState* s, Op* op)
    {
        var exit = Privileged(PrivilegedOperation.MovFromDr) with { SystemRegister = op->Aux, GeneralRegister = (byte)(op->Dst / 8) };
        if (!DebugAccess(s, op, exit, out int number))
            return null;
        SetWide(s, op->Dst, s->Debug[number]);
        return Faults.Finish(s, op);
    }

    private static Block* MovToDr(CpuState* s, Op* op)
    {
        var exit = Privileged(PrivilegedOperation.MovToDr) with { SystemRegister = op->Aux, GeneralRegister = (byte)(op->Src / 8) };
        if (!DebugAccess(s, op, exit, out int number))
            return null;
        ulong value = s->CodeSize == CodeSize.Code64 ? *(ulong*)((byte*)s + op->Src) : *(uint*)((byte*)s + op->Src);
        if (number >= 6 && value >> 32 != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, exit);
        s->Debug[number] = number switch { 6 => (value & 0xE00F) | 0xFFFF_0FF0, 7 => (value & 0xFFFF_23FF) | 0x400, _ => value };
        Faults.Finish(s, op);
        Breakpoints.Update(s);
        return null;
    }

    private static void SetWide(CpuState* s, byte register, ulong value) =>
        *(ulong*)((byte*)s + register) = s->CodeSize == CodeSize.Code64 ? value : (uint)value;

    private static Block* Clts(CpuState* s, Op* op)
    {
        if (!Permitted(s, op, Privileged(PrivilegedOperation.Clts), Intercepts.ControlRegisters))
            return null;
        s->Cr0 &= ~Cr0Bits.Ts;
        return Faults.Finish(s, op);
    }

    private static Block* Lmsw(CpuState* s, Op* op)
    {
        if (!Value16(s, op, out ushort value))
            return Faults.Raise(s, op);
        if (!Permitted(s, op, Privileged(PrivilegedOperation.Lmsw) with { Operand = value }, Intercepts.ControlRegisters))
            return null;
        // PE can be set, not cleared. SDM vol. 2, LMSW.
        SystemRegisters.SetCr0(s, (s->Cr0 & ~0xEul) | (value & 0xFul));
        return Faults.Finish(s, op);
    }

    private static Block* Lldt(CpuState* s, Op* op)
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        if (s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Lldt));
        if (!Value16(s, op, out ushort value) || !Segments.LoadLdt(s, value))
            return Faults.Raise(s, op);
        return Faults.Finish(s, op);
    }

    private static Block* Ltr(CpuState* s, Op* op)
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        if (s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Ltr));
        if (!Value16(s, op, out ushort value) || !Segments.LoadTask(s, value))
            return Faults.Raise(s, op);
        return Faults.Finish(s, op);
    }

    private static Block* Lgdt(CpuState* s, Op* op)
    {
        if (!LoadTable(s, op, PrivilegedOperation.Lgdt, out ulong @base, out ushort limit))
            return null;
        (s->GdtBase, s->GdtLimit) = (@base, limit);
        return Faults.Finish(s, op);
    }

    private static Block* Lidt(CpuState* s, Op* op)
    {
        if (!LoadTable(s, op, PrivilegedOperation.Lidt, out ulong @base, out ushort limit))
            return null;
        (s->IdtBase, s->IdtLimit) = (@base, limit);
        return Faults.Finish(s, op);
    }

    private static bool LoadTable(CpuState* s, Op* op, PrivilegedOperation operation, out ulong @base, out ushort limit)
    {
        @base = 0;
        limit = 0;
        int size = op->Aux == 8 ? 10 : 6;
        ulong linear = AnyAddress.Read(s, op, size);
        if (s->Cpl != 0)
        {
            Faults.Raise(s, op, Vectors.Gp, 0, Privileged(operation) with { Operand = linear });
            return false;
        }

        byte* p = Tlb.Read(s, linear, size);
        if (p == null)
        {
            Faults.Raise(s, op);
            return false;
        }

        limit = *(ushort*)p;
        @base = op->Aux == 8 ? *(ulong*)(p + 2) : *(uint*)(p + 2) & (op->Aux == 3 ? 0xFF_FFFFu : uint.MaxValue);
        if (Rip.IsCanonical(@base))
            return true;
        Faults.Raise(s, op, Vectors.Gp, 0, Privileged(operation) with { Operand = linear });
        return false;
    }

    private static Block* Sgdt(CpuState* s, Op* op) => StoreTable(s, op, s->GdtBase, s->GdtLimit);

    private static Block* Sidt(CpuState* s, Op* op) => StoreTable(s, op, s->IdtBase, s->IdtLimit);

    private static Block* StoreTable(CpuState* s, Op* op, ulong @base, ushort limit)
    {
        if ((s->Cr4 & Cr4Bits.Umip) != 0 && s->Cpl != 0)
            return Faults.Raise(s, op, Vectors.Gp, 0, Privileged(PrivilegedOperation.Other));
        int size = op->Aux == 8 ? 10 : 6;
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, size), size);
        if (p == null)
            return Faults.Raise(s, op);
        *(ushort*)p = limit;
        if (size == 10)
            *(ulong*)(p + 2) = @base;
        else
            *(uint*)(p + 2) = (uint)@base;
        Tlb.Commit(s, p);
        return Faults.Finish(s, op);
    }

    private static bool Store(Translator t)
    {
        t.Op->Aux = (byte)(t.Instruction.Mnemonic switch { Mnemonic.Sldt => 0, Mnemonic.Str => 1, _ => 2 });
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = t.Size switch { 2 => &StoreWord<ushort>, 4 => &StoreWord<uint>, _ => &StoreWord<ulong> };
        }
        else
        {
            t.Memory();
            t.Op->Handler = &StoreWordMem;
        }

        return true;
    }

    private static ulong SystemWord(CpuState* s, Op* op) => op->Aux switch { 0 => s->Ldtr.Selector, 1 => s->Tr.Selector, _ => s->Cr0 };

    private static Block* StoreWord<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if (!StoreAllowed(s, op, out int vector))
            return Faults.Raise(s, op, vector, 0, Privileged(PrivilegedOperation.Other));
        Operand.Set<T>(s, op->Dst, SystemWord(s, op));
        return Faults.Finish(s, op);
    }

    private static Block* StoreWordMem(CpuState* s, Op* op)
    {
        if (!StoreAllowed(s, op, out int vector))
            return Faults.Raise(s, op, vector, 0, Privileged(PrivilegedOperation.Other));
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        *(ushort*)p = (ushort)SystemWord(s, op);
        Tlb.Commit(s, p);
        return Faults.Finish(s, op);
    }

    private static bool StoreAllowed(CpuState* s, Op* op, out int vector)
    {
        vector = op->Aux < 2 && Segments.IsReal(s) ? Vectors.Ud : Vectors.Gp;
        return vector != Vectors.Ud && ((s->Cr4 & Cr4Bits.Umip) == 0 || s->Cpl == 0);
    }

    private static Block* Invlpg(CpuState* s, Op* op)
    {
        ulong linear = AnyAddress.Read(s, op, 1);
        if (!Permitted(s, op, Privileged(PrivilegedOperation.Invlpg) with { Operand = linear }, Intercepts.ControlRegisters))
            return null;
        if (linear != Tlb.NoAddress)
            Tlb.Flush(s, linear);
        return Faults.Finish(s, op);
    }

    /// <summary>There are no caches to write back or drop; the privilege rule is all there is.</summary>
    private static Block* CacheControl(CpuState* s, Op* op)
    {
        if (!Permitted(s, op, Privileged((PrivilegedOperation)op->Aux), Intercepts.None))
            return null;
        return Faults.Finish(s, op);
    }

    /// <summary>What the hypervisor decides whenever it is executed at CPL 0, and a fault elsewhere. Operand is ECX: index of XSETBV and RDPMC.</summary>
    private static Block* AlwaysPrivileged(CpuState* s, Op* op)
    {
        CpuExit exit = Privileged((PrivilegedOperation)op->Aux) with { Operand = (uint)s->Gpr[(int)Gpr.Rcx] };
        if (op->Aux == (byte)PrivilegedOperation.Xsetbv && (s->Cr4 & Cr4Bits.OsXsave) == 0)
            return Faults.Raise(s, op, Vectors.Ud, 0, exit);
        // MONITOR and MWAIT do not exist outside ring 0: #UD, not #GP. SDM vol. 2.
        bool wait = op->Aux is (byte)PrivilegedOperation.Monitor or (byte)PrivilegedOperation.Mwait;
        return s->Cpl != 0 ? Faults.Raise(s, op, wait ? Vectors.Ud : Vectors.Gp, 0, exit) : Faults.Exit(s, op, exit);
    }

    private static Block* AccessFlag(CpuState* s, Op* op)
    {
        if (s->Cpl != 0 || (s->Cr4 & Cr4Bits.Smap) == 0)
            return Faults.Raise(s, op, Vectors.Ud);
        s->Flags = op->Aux != 0 ? s->Flags | RflagsBits.Ac : s->Flags & ~(ulong)RflagsBits.Ac;
        CpuMode.Select(s);
        return Faults.Finish(s, op);
    }
}
