using System.Text;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>A general register under its 64-bit and its 32-bit name.</summary>
public readonly record struct GuestRegister(AssemblerRegister64 Wide, AssemblerRegister32 Narrow)
{
    public static readonly GuestRegister A = new(rax, eax);
    public static readonly GuestRegister B = new(rbx, ebx);
    public static readonly GuestRegister C = new(rcx, ecx);
    public static readonly GuestRegister D = new(rdx, edx);
    public static readonly GuestRegister Si = new(rsi, esi);
    public static readonly GuestRegister Di = new(rdi, edi);
    public static readonly GuestRegister Bp = new(rbp, ebp);
    public static readonly GuestRegister Sp = new(rsp, esp);
    public static readonly GuestRegister R8 = new(r8, default);
    public static readonly GuestRegister R10 = new(r10, default);
}

/// <summary>
/// Iced's assembler with the word size left open, so that one text of a guest serves both its 32-bit and its 64-bit image. Code and data
/// lie at addresses fixed beforehand; everything position dependent is therefore a plain number.
/// </summary>
public sealed class GuestAssembler
{
    private readonly Assembler asm;
    private readonly ulong textAddress;
    private readonly int textSize;
    private readonly Dictionary<string, Label> routines = [];
    private readonly Dictionary<string, int> defined = [];
    private readonly List<(int Instruction, string Routine)> absoluteAddresses = [];
    private int labelled = -1;

    /// <param name="wide">64-bit code.</param>
    /// <param name="textAddress">Virtual address of the first instruction.</param>
    /// <param name="textSize">Bytes reserved for code.</param>
    public GuestAssembler(bool wide, ulong textAddress, int textSize, GuestData data)
    {
        Wide = wide;
        Data = data;
        this.textAddress = textAddress;
        this.textSize = textSize;
        asm = new Assembler(wide ? 64 : 32);
    }

    public bool Wide { get; }

    /// <summary>Bytes of an unsigned long.</summary>
    public int WordSize => Wide ? 8 : 4;

    public GuestData Data { get; }

    /// <summary>The assembler itself, for instructions that exist once only.</summary>
    public Assembler Raw => asm;

    /// <summary>Pads with int3 to the reserved size and returns the code with the address of every routine.</summary>
    public (byte[] Code, IReadOnlyDictionary<string, ulong> Routines) Assemble()
    {
        using var stream = new MemoryStream();
        var instructions = asm.Instructions.Select(i => Wide ? RipRelative(i) with { IP = i.IP } : i).ToArray();
        var addresses = Encode(instructions, Stream.Null);
        foreach (var (at, routine) in absoluteAddresses)
        {
            instructions[at].Immediate32 = (uint)addresses[routine];
        }

        Encode(instructions, stream);
        if (stream.Length > textSize)
        {
            throw new InvalidOperationException($"the guest's code takes {stream.Length} bytes, {textSize} are reserved");
        }

        var code = new byte[textSize];
        code.AsSpan().Fill(0xCC);
        stream.ToArray().CopyTo(code, 0);
        return (code, addresses);
    }

    private Dictionary<string, ulong> Encode(Instruction[] instructions, Stream destination)
    {
        var block = new InstructionBlock(new StreamCodeWriter(destination), instructions, textAddress);
        return BlockEncoder.TryEncode(asm.Bitness, block, out string? error, out var result, BlockEncoderOptions.ReturnNewInstructionOffsets)
            ? defined.ToDictionary(d => d.Key, d => textAddress + result.NewInstructionOffsets[d.Value])
            : throw new InvalidOperationException(error);
    }

    /// <summary>Starts a routine; its name becomes a symbol of the image.</summary>
    public void Routine(string name)
    {
        var label = Target(name);
        Place(label);
        defined.Add(name, asm.Instructions.Count);
    }

    /// <summary>A label inside a routine.</summary>
    public Label NewLabel() => asm.CreateLabel();

    public void Place(Label label)
    {
        if (labelled == asm.Instructions.Count)
        {
            asm.nop(); // Iced takes one label per instruction
        }

        labelled = asm.Instructions.Count;
        asm.Label(ref label);
    }

    public void Call(string routine) => asm.call(Target(routine));

    public void Jump(string routine) => asm.jmp(Target(routine));

    public void MoveAddress(GuestRegister to, string routine)
    {
        if (Wide)
        {
            asm.lea(to.Wide, __[Target(routine)]);
        }
        else
        {
            // Filled in once the routine's address is known; the length of the instruction does not depend on it.
            absoluteAddresses.Add((asm.Instructions.Count, routine));
            asm.mov(to.Narrow, 0);
        }
    }

    public void MoveImmediate(GuestRegister to, ulong value)
    {
        if (!Wide || value <= uint.MaxValue)
        {
            // A 32-bit move clears the upper half in 64-bit mode.
            asm.mov(Wide ? Narrowed(to) : to.Narrow, (uint)value);
        }
        else
        {
            asm.mov(to.Wide, value);
        }
    }

    /// <summary>Address of a data item.</summary>
    public void MoveAddress(GuestRegister to, ulong address)
    {
        if (Wide)
        {
            asm.lea(to.Wide, __[address]);
        }
        else
        {
            asm.mov(to.Narrow, (uint)address);
        }
    }

    public void Move(GuestRegister to, GuestRegister from)
    {
        if (Wide)
        {
            asm.mov(to.Wide, from.Wide);
        }
        else
        {
            asm.mov(to.Narrow, from.Narrow);
        }
    }

    /// <summary>Loads an unsigned long.</summary>
    public void Load(GuestRegister to, AssemblerMemoryOperand from)
    {
        if (Wide)
        {
            asm.mov(to.Wide, from);
        }
        else
        {
            asm.mov(to.Narrow, from);
        }
    }

    /// <summary>Loads 32 bits, zero-extended.</summary>
    public void Load32(GuestRegister to, AssemblerMemoryOperand from) => asm.mov(Wide ? Narrowed(to) : to.Narrow, from);

    /// <summary>Stores an unsigned long.</summary>
    public void Store(AssemblerMemoryOperand to, GuestRegister from)
    {
        if (Wide)
        {
            asm.mov(to, from.Wide);
        }
        else
        {
            asm.mov(to, from.Narrow);
        }
    }

    public void Store32(AssemblerMemoryOperand to, GuestRegister from) => asm.mov(to, Wide ? Narrowed(from) : from.Narrow);

    public void Add(GuestRegister to, GuestRegister value)
    {
        if (Wide)
        {
            asm.add(to.Wide, value.Wide);
        }
        else
        {
            asm.add(to.Narrow, value.Narrow);
        }
    }

    public void Add(GuestRegister to, int value)
    {
        if (Wide)
        {
            asm.add(to.Wide, value);
        }
        else
        {
            asm.add(to.Narrow, value);
        }
    }

    public void Or(GuestRegister to, int value)
    {
        if (Wide)
        {
            asm.or(to.Wide, value);
        }
        else
        {
            asm.or(to.Narrow, value);
        }
    }

    public void ShiftLeft(GuestRegister to, byte bits)
    {
        if (Wide)
        {
            asm.shl(to.Wide, bits);
        }
        else
        {
            asm.shl(to.Narrow, bits);
        }
    }

    public void Negate(GuestRegister value)
    {
        if (Wide)
        {
            asm.neg(value.Wide);
        }
        else
        {
            asm.neg(value.Narrow);
        }
    }

    /// <summary>Sets the flags after the value itself: zero, sign.</summary>
    public void Test(GuestRegister value)
    {
        if (Wide)
        {
            asm.test(value.Wide, value.Wide);
        }
        else
        {
            asm.test(value.Narrow, value.Narrow);
        }
    }

    public void Push(GuestRegister value)
    {
        if (Wide)
        {
            asm.push(value.Wide);
        }
        else
        {
            asm.push(value.Narrow);
        }
    }

    public void Pop(GuestRegister value)
    {
        if (Wide)
        {
            asm.pop(value.Wide);
        }
        else
        {
            asm.pop(value.Narrow);
        }
    }

    /// <summary>Memory at a register plus an offset.</summary>
    public AssemblerMemoryOperand At(GuestRegister address, long offset = 0) => Wide ? __[address.Wide + offset] : __[address.Narrow + offset];

    /// <summary>A field of the start_info whose address is in the register.</summary>
    public AssemblerMemoryOperand At(GuestRegister address, StartInfoField field) => At(address, Wide ? field.Wide : field.Narrow);

    public static AssemblerMemoryOperand Byte(ulong address) => __byte_ptr[address];

    public static AssemblerMemoryOperand Dword(ulong address) => __dword_ptr[address];

    /// <summary>An unsigned long at a fixed address.</summary>
    public AssemblerMemoryOperand Word(ulong address) => Wide ? __qword_ptr[address] : __dword_ptr[address];

    /// <summary>Fixed addresses become RIP-relative, as a compiler has them in 64-bit code. Iced's assembler cannot say that itself.</summary>
    private static Instruction RipRelative(Instruction instruction)
    {
        switch (instruction.Code)
        {
            case Code.Mov_EAX_moffs32:
                instruction = Instruction.Create(Code.Mov_r32_rm32, Register.EAX, Target(instruction));
                break;
            case Code.Mov_RAX_moffs64:
                instruction = Instruction.Create(Code.Mov_r64_rm64, Register.RAX, Target(instruction));
                break;
            case Code.Mov_moffs32_EAX:
                instruction = Instruction.Create(Code.Mov_rm32_r32, Target(instruction), Register.EAX);
                break;
            case Code.Mov_moffs64_RAX:
                instruction = Instruction.Create(Code.Mov_rm64_r64, Target(instruction), Register.RAX);
                break;
        }

        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Memory && instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None)
            {
                instruction.MemoryBase = Register.RIP;
            }
        }

        return instruction;

        static MemoryOperand Target(in Instruction moffs) => new(Register.RIP, (long)moffs.MemoryDisplacement64, 8);
    }

    /// <summary>The 32-bit name, with the registers that only 64-bit code has.</summary>
    public static AssemblerRegister32 Narrowed(GuestRegister register) =>
        register == GuestRegister.R8 ? r8d : register == GuestRegister.R10 ? r10d : register.Narrow;

    private Label Target(string name)
    {
        if (!routines.TryGetValue(name, out var label))
        {
            label = asm.CreateLabel(name);
            routines.Add(name, label);
        }

        return label;
    }
}

/// <summary>The guest's data page(s): strings and variables at addresses known while the code is written.</summary>
public sealed class GuestData(ulong address, int size)
{
    private readonly byte[] bytes = new byte[size];
    private readonly Dictionary<string, ulong> strings = [];
    private int used;

    public ulong Address => address;

    public byte[] Contents => [.. bytes];

    /// <summary>Zeroed space.</summary>
    public ulong Reserve(int count, int align = 8) => Place(new byte[count], align);

    /// <summary>A 4-byte number.</summary>
    public ulong Word32(params uint[] values) => Place([.. values.SelectMany(BitConverter.GetBytes)], 4);

    /// <summary>An ASCII string without terminator; equal strings share their bytes.</summary>
    public ulong Text(string text)
    {
        if (!strings.TryGetValue(text, out ulong at))
        {
            at = Place(Encoding.ASCII.GetBytes(text), 1);
            strings.Add(text, at);
        }

        return at;
    }

    public ulong Place(ReadOnlySpan<byte> contents, int align)
    {
        used = (used + align - 1) & -align;
        if (used + contents.Length > bytes.Length)
        {
            throw new InvalidOperationException($"the guest's data exceeds its {bytes.Length} bytes");
        }

        contents.CopyTo(bytes.AsSpan(used));
        ulong at = address + (ulong)used;
        used += contents.Length;
        return at;
    }
}
