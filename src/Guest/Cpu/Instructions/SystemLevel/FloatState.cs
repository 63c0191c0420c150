using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.Simd;
using XenSim.Guest.Cpu.Instructions.X87Fpu;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>State of the floating-point units: FNINIT, FNSTCW, FLDCW, FNSTSW, FNCLEX, FXSAVE, FXRSTOR, LDMXCSR, STMXCSR.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class FloatState
{
    public static bool Select(Translator t)
    {
        Op* op = t.Op;
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Fninit: op->Handler = &Fninit; return true;
            case Mnemonic.Fnclex: op->Handler = &Fnclex; return true;
            case Mnemonic.Fnop: op->Handler = &Fnop; return true;
            case Mnemonic.Fnstcw: t.Memory(); op->Handler = &Fnstcw; return true;
            case Mnemonic.Fldcw: t.Memory(); op->Handler = &Fldcw; return true;
            case Mnemonic.Fnstsw when t.IsRegister(0): op->Handler = &FnstswAx; return true;
            case Mnemonic.Fnstsw: t.Memory(); op->Handler = &Fnstsw; return true;
            case Mnemonic.Wait: op->Handler = &X87.Wait; return true;
            case Mnemonic.Ldmxcsr: t.Memory(); op->Handler = &Ldmxcsr<LegacyGate>; return true;
            case Mnemonic.Vldmxcsr: t.Memory(); op->Handler = &Ldmxcsr<VexGate>; return true;
            case Mnemonic.Stmxcsr: t.Memory(); op->Handler = &Stmxcsr<LegacyGate>; return true;
            case Mnemonic.Vstmxcsr: t.Memory(); op->Handler = &Stmxcsr<VexGate>; return true;
            case Mnemonic.Fxsave: t.Memory(); op->Handler = &Fxsave; return true;
            case Mnemonic.Fxsave64: t.Memory(); op->Aux = 1; op->Handler = &Fxsave; return true;
            case Mnemonic.Fxrstor: t.Memory(); op->Handler = &Fxrstor; return true;
            case Mnemonic.Fxrstor64: t.Memory(); op->Aux = 1; op->Handler = &Fxrstor; return true;
            default: return false;
        }
    }

    /// <summary>#NM when CR0.EM or CR0.TS asks for it. SDM vol. 3A, table 2-2.</summary>
    private static bool Blocked(CpuState* s) => (s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) != 0;

    private static Block* Fnop(CpuState* s, Op* op) => X87.Ready(s, op) ? op[1].Handler(s, op + 1) : null;

    private static Block* Fninit(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        s->X87Control = 0x37F;
        s->X87Status = 0;
        s->X87Tags = 0;
        s->X87Opcode = 0;
        s->X87InstructionPointer = 0;
        s->X87DataPointer = 0;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Fnclex(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        s->X87Status &= 0x7F00;
        return op[1].Handler(s, op + 1);
    }

    private static Block* FnstswAx(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        *(ushort*)s = s->X87Status;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Fnstsw(CpuState* s, Op* op) => StoreWord(s, op, s->X87Status);

    private static Block* Fnstcw(CpuState* s, Op* op) => StoreWord(s, op, s->X87Control);

    private static Block* StoreWord(CpuState* s, Op* op, ushort value)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        *(ushort*)p = value;
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Fldcw(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        if (X87.Pending(s, op))
            return null;
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        s->X87Control = (ushort)((*(ushort*)p & 0x1F7F) | 0x40);
        X87.Summarise(s);
        return op[1].Handler(s, op + 1);
    }

    public static int SseFault(CpuState* s) =>
        (s->Cr0 & Cr0Bits.Em) != 0 || (s->Cr4 & Cr4Bits.OsFxsr) == 0 ? Vectors.Ud : (s->Cr0 & Cr0Bits.Ts) != 0 ? Vectors.Nm : -1;

    private static Block* Ldmxcsr<TGate>(CpuState* s, Op* op)
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 4), 4);
        if (p == null)
            return Faults.Raise(s, op);
        uint value = *(uint*)p;
        if ((value & ~VirtualCpu.Of(s).Features.MxcsrMask) != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        s->Mxcsr = value;
        return op[1].Handler(s, op + 1);
    }

    private static Block* Stmxcsr<TGate>(CpuState* s, Op* op)
        where TGate : struct, IVectorGate
    {
        int fault = TGate.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 4), 4);
        if (p == null)
            return Faults.Raise(s, op);
        *(uint*)p = s->Mxcsr;
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Both halves of the image are checked before either is touched; it may cross a page.</summary>
    private static Block* Fxsave(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        ulong linear = AnyAddress.Write(s, op, 512);
        if ((linear & 15) != 0 && linear != Tlb.NoAddress)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* image = stackalloc byte[512];
        for (ulong i = 0; i < 512; i += 16)
        {
            byte* p = Tlb.Modify(s, linear + i, 16);
            if (p == null)
                return Faults.Raise(s, op);
            Buffer.MemoryCopy(p, image + i, 16, 16);
        }

        FxImage.Save(s, image, op->Aux != 0, s->CodeSize == CodeSize.Code64);
        *(uint*)(image + 28) = VirtualCpu.Of(s).Features.MxcsrMask;
        for (ulong i = 0; i < 512; i += 16)
            Buffer.MemoryCopy(image + i, Tlb.Modify(s, linear + i, 16), 16, 16);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Fxrstor(CpuState* s, Op* op)
    {
        if (Blocked(s))
            return Faults.Raise(s, op, Vectors.Nm);
        ulong linear = AnyAddress.Read(s, op, 512);
        if ((linear & 15) != 0 && linear != Tlb.NoAddress)
            return Faults.Raise(s, op, Vectors.Gp);
        byte* image = stackalloc byte[512];
        for (ulong i = 0; i < 512; i += 16)
        {
            byte* p = Tlb.Read(s, linear + i, 16);
            if (p == null)
                return Faults.Raise(s, op);
            Buffer.MemoryCopy(p, image + i, 16, 16);
        }

        if ((*(uint*)(image + 24) & ~VirtualCpu.Of(s).Features.MxcsrMask) != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        FxImage.Load(s, image, op->Aux != 0, s->CodeSize == CodeSize.Code64);
        return op[1].Handler(s, op + 1);
    }
}
