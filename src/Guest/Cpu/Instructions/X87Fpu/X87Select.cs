using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>Which handler an x87 instruction has.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    public static bool Select(Translator t)
    {
        Op* op = t.Op;
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Fadd: return Binary<FAdd>(t, 0);
            case Mnemonic.Faddp: return Binary<FAdd>(t, 1);
            case Mnemonic.Fiadd: return Binary<FAdd>(t, 0);
            case Mnemonic.Fsub: return Binary<FSub>(t, 0);
            case Mnemonic.Fsubp: return Binary<FSub>(t, 1);
            case Mnemonic.Fisub: return Binary<FSub>(t, 0);
            case Mnemonic.Fsubr: return Binary<FSubr>(t, 0);
            case Mnemonic.Fsubrp: return Binary<FSubr>(t, 1);
            case Mnemonic.Fisubr: return Binary<FSubr>(t, 0);
            case Mnemonic.Fmul: return Binary<FMul>(t, 0);
            case Mnemonic.Fmulp: return Binary<FMul>(t, 1);
            case Mnemonic.Fimul: return Binary<FMul>(t, 0);
            case Mnemonic.Fdiv: return Binary<FDiv>(t, 0);
            case Mnemonic.Fdivp: return Binary<FDiv>(t, 1);
            case Mnemonic.Fidiv: return Binary<FDiv>(t, 0);
            case Mnemonic.Fdivr: return Binary<FDivr>(t, 0);
            case Mnemonic.Fdivrp: return Binary<FDivr>(t, 1);
            case Mnemonic.Fidivr: return Binary<FDivr>(t, 0);
            case Mnemonic.Fcom: return Comparison(t, CompareKind.Ordered, 0);
            case Mnemonic.Fcomp: return Comparison(t, CompareKind.Ordered, 1);
            case Mnemonic.Fcompp: return Comparison(t, CompareKind.Ordered, 2);
            case Mnemonic.Ficom: return Comparison(t, CompareKind.Ordered, 0);
            case Mnemonic.Ficomp: return Comparison(t, CompareKind.Ordered, 1);
            case Mnemonic.Fucom: return Comparison(t, CompareKind.Quiet, 0);
            case Mnemonic.Fucomp: return Comparison(t, CompareKind.Quiet, 1);
            case Mnemonic.Fucompp: return Comparison(t, CompareKind.Quiet, 2);
            case Mnemonic.Fcomi: return Comparison(t, CompareKind.Flags, 0);
            case Mnemonic.Fcomip: return Comparison(t, CompareKind.Flags, 1);
            case Mnemonic.Fucomi: return Comparison(t, CompareKind.QuietFlags, 0);
            case Mnemonic.Fucomip: return Comparison(t, CompareKind.QuietFlags, 1);
            case Mnemonic.Ftst: op->Handler = &Ftst; return true;
            case Mnemonic.Fxam: op->Handler = &Fxam; return true;
            case Mnemonic.Fcmovb or Mnemonic.Fcmove or Mnemonic.Fcmovbe or Mnemonic.Fcmovu or Mnemonic.Fcmovnb or Mnemonic.Fcmovne or Mnemonic.Fcmovnbe or Mnemonic.Fcmovnu:
                return ConditionalMove(t);
            case Mnemonic.Fld or Mnemonic.Fild: return Load(t);
            case Mnemonic.Fst: return Store(t, 0);
            case Mnemonic.Fstp or Mnemonic.Fstpnce: return Store(t, 1);
            case Mnemonic.Fist: return StoreInteger(t, 0, false);
            case Mnemonic.Fistp: return StoreInteger(t, 1, false);
            case Mnemonic.Fisttp: return StoreInteger(t, 1, true);
            case Mnemonic.Fbld: t.Memory(); op->Handler = &Fbld; return true;
            case Mnemonic.Fbstp: t.Memory(); op->Handler = &Fbstp; return true;
            case Mnemonic.Fxch: op->Src = (byte)Other(t); op->Handler = &Fxch; return true;
            case Mnemonic.Fchs: op->Handler = &Fchs; return true;
            case Mnemonic.Fabs: op->Handler = &Fabs; return true;
            case Mnemonic.Ffree: op->Src = (byte)Index(t, 0); op->Handler = &Ffree; return true;
            case Mnemonic.Ffreep: op->Src = (byte)Index(t, 0); op->Aux = 1; op->Handler = &Ffree; return true;
            case Mnemonic.Fincstp: op->Aux = 1; op->Handler = &MoveTop; return true;
            case Mnemonic.Fdecstp: op->Aux = 7; op->Handler = &MoveTop; return true;
            default: return SelectRest(t);
        }
    }

    private static bool SelectRest(Translator t)
    {
        Op* op = t.Op;
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Fldz: return Constant(t, 0);
            case Mnemonic.Fld1: return Constant(t, 1);
            case Mnemonic.Fldl2t: return Constant(t, 2);
            case Mnemonic.Fldl2e: return Constant(t, 3);
            case Mnemonic.Fldpi: return Constant(t, 4);
            case Mnemonic.Fldlg2: return Constant(t, 5);
            case Mnemonic.Fldln2: return Constant(t, 6);
            case Mnemonic.Fsqrt: op->Handler = &Fsqrt; return true;
            case Mnemonic.Frndint: op->Handler = &Frndint; return true;
            case Mnemonic.Fscale: op->Handler = &Fscale; return true;
            case Mnemonic.Fxtract: op->Handler = &Fxtract; return true;
            case Mnemonic.Fprem: op->Handler = &Fprem; return true;
            case Mnemonic.Fprem1: op->Aux = 1; op->Handler = &Fprem; return true;
            case Mnemonic.F2xm1: op->Handler = &F2xm1; return true;
            case Mnemonic.Fyl2x: op->Handler = &Fyl2x; return true;
            case Mnemonic.Fyl2xp1: op->Handler = &Fyl2xp1; return true;
            case Mnemonic.Fpatan: op->Handler = &Fpatan; return true;
            case Mnemonic.Fptan: op->Handler = &Fptan; return true;
            case Mnemonic.Fsin: op->Handler = &Fsin; return true;
            case Mnemonic.Fcos: op->Handler = &Fcos; return true;
            case Mnemonic.Fsincos: op->Handler = &Fsincos; return true;
            case Mnemonic.Fnstenv: return Environment(t, &Fnstenv);
            case Mnemonic.Fldenv: return Environment(t, &Fldenv);
            case Mnemonic.Fnsave: return Environment(t, &Fnsave);
            case Mnemonic.Frstor: return Environment(t, &Frstor);
            // The 8087's interrupt control and the 80287's mode switch do nothing since the 387. SDM vol. 3B, 22.18.9.
            case Mnemonic.Feni or Mnemonic.Fneni or Mnemonic.Fdisi or Mnemonic.Fndisi or Mnemonic.Fsetpm or Mnemonic.Fnsetpm:
                op->Handler = &SystemOps.Nop;
                return true;
            default: return false;
        }
    }

    private static int Index(Translator t, int operand) => t.Instruction.GetOpRegister(operand) - Register.ST0;

    /// <summary>The register operand that is not ST(0).</summary>
    private static int Other(Translator t) => t.Instruction.OpCount < 2 ? Index(t, 0) : Math.Max(Index(t, 0), Index(t, 1));

    private static bool Binary<TOp>(Translator t, int pops)
        where TOp : struct, IX87Binary
    {
        Op* op = t.Op;
        op->Aux = (byte)pops;
        if (t.IsMemory(0))
        {
            t.Memory();
            op->Handler = t.Instruction.MemorySize switch
            {
                MemorySize.Float32 => &BinaryMemory<TOp, SingleSource>,
                MemorySize.Float64 => &BinaryMemory<TOp, DoubleSource>,
                MemorySize.Int16 => &BinaryMemory<TOp, WordSource>,
                _ => &BinaryMemory<TOp, DwordSource>,
            };
            return true;
        }

        op->Dst = (byte)Index(t, 0);
        op->Src = (byte)Index(t, 1);
        op->Handler = &BinaryRegister<TOp>;
        return true;
    }

    private static bool Comparison(Translator t, CompareKind kind, int pops)
    {
        Op* op = t.Op;
        op->Aux = (byte)pops;
        op->Dst = (byte)kind;
        if (t.Instruction.OpCount > 0 && t.IsMemory(0))
        {
            t.Memory();
            op->Handler = t.Instruction.MemorySize switch
            {
                MemorySize.Float32 => &CompareMemory<SingleSource>,
                MemorySize.Float64 => &CompareMemory<DoubleSource>,
                MemorySize.Int16 => &CompareMemory<WordSource>,
                _ => &CompareMemory<DwordSource>,
            };
            return true;
        }

        op->Src = pops == 2 ? (byte)1 : (byte)Other(t);
        op->Handler = &CompareRegister;
        return true;
    }

    private static bool Load(Translator t)
    {
        Op* op = t.Op;
        if (!t.IsMemory(0))
        {
            op->Src = (byte)Other(t);
            op->Handler = &LoadRegister;
            return true;
        }

        t.Memory();
        op->Handler = t.Instruction.MemorySize switch
        {
            MemorySize.Float32 => &LoadMemory<SingleSource>,
            MemorySize.Float64 => &LoadMemory<DoubleSource>,
            MemorySize.Float80 => &LoadExtended,
            MemorySize.Int16 => &LoadMemory<WordSource>,
            MemorySize.Int32 => &LoadMemory<DwordSource>,
            _ => &LoadMemory<QwordSource>,
        };
        return true;
    }

    private static bool Store(Translator t, int pops)
    {
        Op* op = t.Op;
        op->Aux = (byte)pops;
        if (!t.IsMemory(0))
        {
            op->Dst = (byte)Index(t, 0);
            op->Src = (byte)(t.Instruction.Mnemonic == Mnemonic.Fstpnce ? 1 : 0);
            op->Handler = &StoreRegister;
            return true;
        }

        t.Memory();
        op->Handler = t.Instruction.MemorySize switch
        {
            MemorySize.Float32 => &StoreFloat<SingleTarget>,
            MemorySize.Float64 => &StoreFloat<DoubleTarget>,
            _ => &StoreExtended,
        };
        return true;
    }

    private static bool StoreInteger(Translator t, int pops, bool truncate)
    {
        Op* op = t.Op;
        t.Memory();
        op->Aux = (byte)pops;
        op->Dst = truncate ? (byte)1 : (byte)0;
        op->Src = (byte)t.Instruction.MemorySize.GetSize();
        op->Handler = &StoreInteger;
        return true;
    }

    private static bool ConditionalMove(Translator t)
    {
        t.Op->Src = (byte)Other(t);
        t.Op->Handler = t.Instruction.Mnemonic switch
        {
            Mnemonic.Fcmovb => &MoveIf<B>,
            Mnemonic.Fcmove => &MoveIf<E>,
            Mnemonic.Fcmovbe => &MoveIf<Be>,
            Mnemonic.Fcmovu => &MoveIf<P>,
            Mnemonic.Fcmovnb => &MoveIf<Ae>,
            Mnemonic.Fcmovne => &MoveIf<Ne>,
            Mnemonic.Fcmovnbe => &MoveIf<A>,
            _ => &MoveIf<Np>,
        };
        return true;
    }

    private static bool Constant(Translator t, int number)
    {
        t.Op->Aux = (byte)number;
        t.Op->Handler = &LoadConstant;
        return true;
    }

    private static bool Environment(Translator t, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Memory();
        // 14 or 94 bytes with a 16-bit operand size, else 28 or 108.
        t.Op->Aux = (byte)(t.Instruction.MemorySize is MemorySize.FpuEnv14 or MemorySize.FpuState94 ? 2 : 4);
        t.Op->Handler = handler;
        return true;
    }
}
