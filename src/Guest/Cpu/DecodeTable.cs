using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Cpu.Instructions.Simd;
using XenSim.Guest.Cpu.Instructions.SystemLevel;
using XenSim.Guest.Cpu.Instructions.X87Fpu;

namespace XenSim.Guest.Cpu;

/// <summary>Iced's mnemonics to instruction families: what is not here stops as <see cref="ExitReason.Unimplemented"/>.</summary>
internal static class DecodeTable
{
    /// <summary>Chooses the handler; false: none.</summary>
    public static bool Select(Translator t)
    {
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Add: return Integer.Binary<Add>(t);
            case Mnemonic.Adc: return Integer.Binary<Adc>(t);
            case Mnemonic.Sub: return Integer.Binary<Sub>(t);
            case Mnemonic.Sbb: return Integer.Binary<Sbb>(t);
            case Mnemonic.And: return Integer.Binary<And>(t);
            case Mnemonic.Or: return Integer.Binary<Or>(t);
            case Mnemonic.Xor: return Integer.Binary<Xor>(t);
            case Mnemonic.Cmp: return Integer.Binary<Cmp>(t);
            case Mnemonic.Test: return Integer.Binary<Test>(t);
            case Mnemonic.Inc: return Integer.Unary<Inc>(t);
            case Mnemonic.Dec: return Integer.Unary<Dec>(t);
            case Mnemonic.Neg: return Integer.Unary<Neg>(t);
            case Mnemonic.Not: return Integer.Unary<Not>(t);
            case Mnemonic.Mov or Mnemonic.Movnti or Mnemonic.Movdiri: return Move.Mov(t);
            case Mnemonic.Movdir64b: return DirectStore.Select(t);
            case Mnemonic.Movzx: return Move.Movzx(t);
            case Mnemonic.Movsx or Mnemonic.Movsxd: return Move.Movsx(t);
            case Mnemonic.Lea: return Move.Lea(t);
            case Mnemonic.Xchg: return Move.Xchg(t);
            case Mnemonic.Bswap: return Move.Bswap(t);
            case Mnemonic.Movbe: return Move.Movbe(t);
            case Mnemonic.Cbw or Mnemonic.Cwde or Mnemonic.Cdqe: return Move.ExtendAccumulator(t);
            case Mnemonic.Cwd or Mnemonic.Cdq or Mnemonic.Cqo: return Move.SignIntoData(t);
            case Mnemonic.Shl or Mnemonic.Sal: return Shift.Select<Shl>(t);
            case Mnemonic.Shr: return Shift.Select<Shr>(t);
            case Mnemonic.Sar: return Shift.Select<Sar>(t);
            case Mnemonic.Rol: return Shift.Select<Rol>(t);
            case Mnemonic.Ror: return Shift.Select<Ror>(t);
            case Mnemonic.Rcl: return Shift.Select<Rcl>(t);
            case Mnemonic.Rcr: return Shift.Select<Rcr>(t);
            case Mnemonic.Shld or Mnemonic.Shrd: return Shift.Double(t);
            case Mnemonic.Mul: return MulDiv.Mul(t);
            case Mnemonic.Imul: return MulDiv.Imul(t);
            case Mnemonic.Div: return MulDiv.Div(t);
            case Mnemonic.Idiv: return MulDiv.Idiv(t);
            case Mnemonic.Mulx: return MulDiv.Mulx(t);
            case Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc: return Bits.Bt(t);
            case Mnemonic.Bsf or Mnemonic.Bsr or Mnemonic.Tzcnt or Mnemonic.Lzcnt or Mnemonic.Popcnt: return Bits.Scan(t);
            case Mnemonic.Xadd: return Exchange.Xadd(t);
            case Mnemonic.Cmpxchg: return Exchange.Cmpxchg(t);
            case Mnemonic.Cmpxchg8b or Mnemonic.Cmpxchg16b: return Exchange.CmpxchgPair(t);
            case Mnemonic.Xlatb: return Exchange.Xlat(t);
            case Mnemonic.Bound: return Exchange.Bound(t);
            case Mnemonic.Rdrand or Mnemonic.Rdseed: return Exchange.Random(t);
            case Mnemonic.Daa or Mnemonic.Das or Mnemonic.Aaa or Mnemonic.Aas or Mnemonic.Aam or Mnemonic.Aad: return Bcd.Select(t);
            case Mnemonic.Movsd when t.Instruction.IsStringInstruction: return Strings.Select(t);
            case Mnemonic.Cmpsd when t.Instruction.IsStringInstruction: return Strings.Select(t);
            case Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsq or Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Stosq
                or Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq or Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsq
                or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Scasq:
                return Strings.Select(t);
            case Mnemonic.Rdpkru or Mnemonic.Wrpkru: return ProtectionKeys.Select(t);
            case Mnemonic.Clzero: return LineZero.Select(t);
            case Mnemonic.Invpcid: return ProcessContext.Select(t);
            case Mnemonic.Push: return Stack.Push(t);
            case Mnemonic.Pop: return Stack.Pop(t);
            case Mnemonic.Pusha or Mnemonic.Pushad: return Stack.Pusha(t);
            case Mnemonic.Popa or Mnemonic.Popad: return Stack.Popa(t);
            case Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Pushfq: return Stack.Pushf(t);
            case Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq: return Stack.Popf(t);
            case Mnemonic.Enter: return Stack.Enter(t);
            case Mnemonic.Leave: return Stack.Leave(t);
            case Mnemonic.Jmp: return Branch.Jmp(t);
            case Mnemonic.Call: return Branch.Call(t);
            case Mnemonic.Ret: return Branch.Ret(t);
            case Mnemonic.Retf: return FarOps.Retf(t);
            case Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Iretq: return FarOps.Iret(t);
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne or Mnemonic.Jcxz or Mnemonic.Jecxz or Mnemonic.Jrcxz: return Branch.Loop(t);
            case Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lss or Mnemonic.Lfs or Mnemonic.Lgs: return SegmentOps.LoadPointer(t);
            case Mnemonic.Arpl: return SegmentOps.Arpl(t);
            case Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw: return SegmentOps.Query(t);
            case Mnemonic.Clc or Mnemonic.Stc or Mnemonic.Cmc or Mnemonic.Cld or Mnemonic.Std or Mnemonic.Lahf or Mnemonic.Sahf or Mnemonic.Salc:
                return SystemOps.FlagOp(t);
            case Mnemonic.Nop or Mnemonic.Reservednop or Mnemonic.Pause or Mnemonic.Endbr32 or Mnemonic.Endbr64 or Mnemonic.Lfence or Mnemonic.Sfence
                or Mnemonic.Mfence or Mnemonic.Prefetch or Mnemonic.Prefetchw or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1 or Mnemonic.Prefetcht2
                or Mnemonic.Prefetchnta or Mnemonic.Prefetchwt1 or Mnemonic.Prefetchit0 or Mnemonic.Prefetchit1 or Mnemonic.Cldemote
                or Mnemonic.Rdsspd or Mnemonic.Rdsspq or Mnemonic.Pcommit:
                return SystemOps.FlagOp(t);
        }

        if (t.Instruction.IsJccShortOrNear)
            return Branch.Jcc(t);
        if (IsSetcc(t.Instruction.Mnemonic))
            return Conditional.Setcc(t);
        if (IsCmovcc(t.Instruction.Mnemonic))
            return Conditional.Cmovcc(t);
        if (FloatState.Select(t) || X87.Select(t) || ExtendedState.Select(t) || Vector.Select(t) || BitManipulation.Select(t) || BitFields.Select(t))
            return true;
        bool selected = SystemOps.Select(t) || Virtualization.Select(t);
        if (!selected)
            t.EndsBlock = false;
        return selected;
    }

    private static bool IsSetcc(Mnemonic m) => m is Mnemonic.Seto or Mnemonic.Setno or Mnemonic.Setb or Mnemonic.Setae or Mnemonic.Sete or Mnemonic.Setne
        or Mnemonic.Setbe or Mnemonic.Seta or Mnemonic.Sets or Mnemonic.Setns or Mnemonic.Setp or Mnemonic.Setnp or Mnemonic.Setl or Mnemonic.Setge
        or Mnemonic.Setle or Mnemonic.Setg;

    private static bool IsCmovcc(Mnemonic m) => m is Mnemonic.Cmovo or Mnemonic.Cmovno or Mnemonic.Cmovb or Mnemonic.Cmovae or Mnemonic.Cmove or Mnemonic.Cmovne
        or Mnemonic.Cmovbe or Mnemonic.Cmova or Mnemonic.Cmovs or Mnemonic.Cmovns or Mnemonic.Cmovp or Mnemonic.Cmovnp or Mnemonic.Cmovl or Mnemonic.Cmovge
        or Mnemonic.Cmovle or Mnemonic.Cmovg;
}
