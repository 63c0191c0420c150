using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu;

/// <summary>What an instruction has to do with the arithmetic flags of those before it.</summary>
internal enum FlagUse : byte
{
    /// <summary>It reads some, keeps some, may fault or leaves the block: they have to be right.</summary>
    Seen,

    /// <summary>It cannot fault and does not look at them.</summary>
    Passed,

    /// <summary>It cannot fault, does not look at them, and sets all six.</summary>
    Replaced,
}

/// <summary>Turns one decoded instruction into an op: operand access for the families, which choose the handler.</summary>
// SAFETY: Op points into the caller's draft, which has room for the slots of one instruction.
internal sealed unsafe class Translator
{
    private ulong _headIp;
    private bool _addressPrefix;
    private Block* _unlinked;
    private delegate*<ConditionCode, delegate*<CpuState*, Op*, Block*>> _fusePrevious;

    /// <summary>The instruction being translated.</summary>
    public Instruction Instruction;

    public Op* Op { get; private set; }

    /// <summary>Of the processor that decodes; all that share the memory have the same.</summary>
    public CpuFeatures Features { get; set; } = null!;

    /// <summary>16, 32 or 64.</summary>
    public int Bits { get; private set; }

    /// <summary>Set by a family: the run loop, or another block, continues after this instruction.</summary>
    public bool EndsBlock { get; set; }

    /// <summary>What the instruction does with the arithmetic flags.</summary>
    public FlagUse Flags { get; private set; }

    /// <summary>The handler for when nobody sees the flags; it touches none of them. Null: there is none.</summary>
    public delegate*<CpuState*, Op*, Block*> Flagless { get; private set; }

    /// <summary>
    /// Gives the handler that does the instruction, which neither faults nor writes memory, and a conditional branch after it; null: there is none.
    /// </summary>
    public delegate*<ConditionCode, delegate*<CpuState*, Op*, Block*>> Fuse { get; set; }

    /// <summary>Of a conditional branch: the handler that does it and the instruction before, for that one's op. Null: they stay apart.</summary>
    public delegate*<CpuState*, Op*, Block*> FusedWithPrevious { get; private set; }

    /// <summary>What the instruction is to <see cref="Pairs"/>.</summary>
    public PairPart Part { get; private set; }

    /// <summary>Op slots used: 2 for a conditional branch.</summary>
    public int Slots { get; set; }

    /// <summary>Size of operand 0. Unit: bytes.</summary>
    public int Size => SizeOf(0);

    /// <summary>Size of operand 1. Unit: bytes.</summary>
    public int SourceSize => SizeOf(1);

    /// <summary>The branch has a 16-bit instruction pointer.</summary>
    public bool Operand16 => Instruction.Op0Kind == OpKind.NearBranch16;

    /// <summary>Bytes that a push or pop moves the stack pointer by.</summary>
    public int StackSize => Math.Abs(Instruction.StackPointerIncrement);

    /// <summary>Size of the CX, ECX or RCX that LOOP and JCXZ count in. Unit: bytes.</summary>
    public int CounterSize => Bits switch
    {
        64 => _addressPrefix ? 4 : 8,
        32 => _addressPrefix ? 2 : 4,
        _ => _addressPrefix ? 4 : 2,
    };

    /// <summary>Translates <see cref="Instruction"/> into <paramref name="op"/>.</summary>
    public void Translate(Op* op, int bits, ulong headIp, int index, bool addressPrefix, Block* unlinked)
    {
        *op = default;
        Op = op;
        Bits = bits;
        EndsBlock = false;
        Flags = FlagUse.Seen;
        Flagless = null;
        _fusePrevious = index == 0 ? null : Fuse;
        Fuse = null;
        FusedWithPrevious = null;
        Part = PairPart.None;
        Slots = 1;
        _headIp = headIp;
        _addressPrefix = addressPrefix;
        _unlinked = unlinked;
        op->Offset = (ushort)(Instruction.IP - headIp);
        op->Length = (byte)Instruction.Length;
        op->Index = (byte)index;
        op->Base = CpuState.ZeroOffset;
        op->IndexReg = CpuState.ZeroOffset;
        op->Segment = (byte)SegmentName.Ds;
        if (Instruction.IsInvalid)
        {
            EndsBlock = true;
            op->Handler = Instruction.Length >= 15 ? &SystemOps.TooLong : &SystemOps.InvalidOpcode;
        }
        else if (!Features.Has(Instruction.Code))
        {
            EndsBlock = true;
            op->Handler = &SystemOps.InvalidOpcode;
        }
        else if (!DecodeTable.Select(this))
        {
            EndsBlock = true;
            op->Handler = &SystemOps.Unimplemented;
        }
    }

    /// <summary>
    /// Gives an x87 op the opcode that it leaves in FOP: three bits of the escape byte and all of ModR/M. SDM vol. 1, 8.1.9.
    /// </summary>
    /// <param name="bytes">The instruction's.</param>
    public void RememberEscape(byte* bytes)
    {
        for (int i = 0; i + 1 < Instruction.Length; i++)
        {
            byte b = bytes[i];
            if (b is >= 0xD8 and <= 0xDF)
            {
                Op->Imm = (uint)(((b & 7) << 8) | bytes[i + 1]);
                return;
            }

            if (b is not (0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3 or 0x2E or 0x36 or 0x3E or 0x26 or 0x64 or 0x65) && !(Bits == 64 && b is >= 0x40 and <= 0x4F))
                return;
        }
    }

    /// <summary>Said by a family of an instruction that cannot fault.</summary>
    public void UsesFlags(FlagUse use, delegate*<CpuState*, Op*, Block*> flagless = null)
    {
        Flags = use;
        Flagless = flagless;
    }

    /// <summary>Said by a family of an instruction of 32 or 64 bits; what is not 64-bit code stays apart.</summary>
    public void PairsAs(PairPart part) => Part = Bits == 64 ? part : PairPart.None;

    /// <summary>Said of a conditional branch with a 64-bit instruction pointer.</summary>
    public void FuseWithPrevious(ConditionCode condition) => FusedWithPrevious = _fusePrevious == null ? null : _fusePrevious(condition);

    public bool IsRegister(int operand) => Instruction.GetOpKind(operand) == OpKind.Register;

    public bool IsImmediate(int operand) => operand < Instruction.OpCount && Instruction.GetOpKind(operand) == OpKind.Immediate8;

    public bool IsMemory(int operand) => Instruction.GetOpKind(operand) == OpKind.Memory;

    /// <summary>Byte offset of a general register operand in <see cref="CpuState"/>.</summary>
    public byte Register(int operand) => Offset(Instruction.GetOpRegister(operand));

    public static byte Offset(Register register)
    {
        if (register is >= Iced.Intel.Register.AL and <= Iced.Intel.Register.R15L)
        {
            int n = register - Iced.Intel.Register.AL;
            return (byte)(n < 4 ? n * 8 : n < 8 ? ((n - 4) * 8) + 1 : (n - 4) * 8);
        }

        return (byte)(register.GetNumber() * 8);
    }

    /// <summary>Immediate, sign-extended from its size.</summary>
    public ulong Immediate(int operand) => Instruction.GetOpKind(operand) switch
    {
        OpKind.Immediate8 => (ulong)(sbyte)Instruction.Immediate8,
        OpKind.Immediate16 => (ulong)(short)Instruction.Immediate16,
        OpKind.Immediate32 => (ulong)(int)Instruction.Immediate32,
        _ => Instruction.GetImmediate(operand),
    };

    /// <summary>Fills in the memory operand and says how it is addressed.</summary>
    public AddressForm Memory()
    {
        Op* op = Op;
        Register b = Instruction.MemoryBase, x = Instruction.MemoryIndex;
        op->Segment = (byte)SegmentOps.Number(Instruction.MemorySegment);
        bool based = op->Segment >= (byte)SegmentName.Fs;
        // 64-bit mode ignores the other four prefixes: what faults as #SS follows from the base register alone.
        if (Bits == 64 && !based)
            op->Segment = (byte)(b is Iced.Intel.Register.RSP or Iced.Intel.Register.RBP or Iced.Intel.Register.ESP or Iced.Intel.Register.EBP ? SegmentName.Ss : SegmentName.Ds);
        int size = b != Iced.Intel.Register.None ? b.GetSize() : x != Iced.Intel.Register.None ? x.GetSize() : Instruction.MemoryDisplSize;
        ulong displacement = Instruction.MemoryDisplacement64;
        if (Instruction.IsIPRelativeMemoryOperand)
        {
            op->Base = CpuState.RipOffset;
            displacement -= _headIp;
        }
        else if (b != Iced.Intel.Register.None)
        {
            op->Base = Offset(b);
        }

        if (x != Iced.Intel.Register.None)
        {
            op->IndexReg = Offset(x);
            op->Scale = (byte)System.Numerics.BitOperations.Log2((uint)Instruction.MemoryIndexScale);
        }

        op->Disp = (int)displacement;
        if (Bits != 64)
            op->Form = size == 2 ? AddressForm.Segment16 : AddressForm.Segment32;
        else if (size == 4)
            op->Form = AddressForm.Short64;
        else if ((ulong)(int)displacement != displacement)
            (op->Form, op->Imm) = (AddressForm.Absolute64, displacement);
        else
            op->Form = based ? AddressForm.Based64 : AddressForm.Flat64;
        // A 64-bit offset in FS or GS takes the general way.
        return op->Form;
    }

    /// <summary>Fills in the implied operand at DS:rDI (or another segment by prefix) of MASKMOVQ and MASKMOVDQU; the address size chooses the register's width.</summary>
    public void MemoryAtDi()
    {
        Op->Segment = (byte)SegmentOps.Number(Instruction.MemorySegment);
        Op->Base = (int)Gpr.Rdi * 8;
        Op->Form = Instruction.Op0Kind switch
        {
            OpKind.MemorySegDI => AddressForm.Segment16,
            OpKind.MemorySegEDI => Bits == 64 ? AddressForm.Short64 : AddressForm.Segment32,
            _ => Op->Segment >= (byte)SegmentName.Fs ? AddressForm.Based64 : AddressForm.Flat64,
        };
    }

    /// <summary>Fills in a near branch target and unlinked block links.</summary>
    public void BranchTarget()
    {
        ulong delta = Instruction.NearBranchTarget - _headIp;
        Op->Disp = Bits == 64 ? (int)delta : Operand16 ? (short)delta : (int)delta;
        Op->Imm = (ulong)_unlinked;
        if (Slots == 2)
        {
            Op[1] = default;
            Op[1].Disp = (int)(Instruction.NextIP - _headIp);
            Op[1].Imm = (ulong)_unlinked;
        }
    }

    /// <summary>Unit: bytes.</summary>
    public int SizeOf(int operand)
    {
        if (Instruction.GetOpKind(operand) == OpKind.Register)
            return Instruction.GetOpRegister(operand).GetSize();
        return Instruction.MemorySize.GetSize();
    }
}
