using Iced.Intel;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>Makes random instances of an instruction form, with a state in which its memory operands lie in the window.</summary>
internal sealed class InstructionGenerator(int seed, int bits = 64)
{
    private static readonly Register[] R8 =
        [Register.AL, Register.CL, Register.DL, Register.BL, Register.AH, Register.CH, Register.DH, Register.BH, Register.SIL, Register.DIL, Register.R8L, Register.R13L, Register.R15L];

    private static readonly ulong[] Corners =
        [0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, ulong.MaxValue];

    private static readonly HashSet<Code> FloatForms = [.. Enum.GetValues<Code>().Where(HasFloatOperands)];

    private readonly Random _random = new(seed);
    private readonly ulong _window = NativeCpu.WindowAddress(bits);
    private readonly ulong _code = NativeCpu.CodeOffset(bits);
    private ulong _memoryOperand;
    private int _addressSize;

    /// <summary>A request for one random instance; false if this form cannot be made here.</summary>
    public bool TryMake(Code code, out Instruction instruction, out SiliconRequest request)
    {
        request = default;
        _addressSize = _random.Next(8) != 0 ? bits : bits == 64 || bits == 16 ? 32 : bits;
        OpCodeInfo form = code.ToOpCode();
        RandomState(ref request.In);
        if (IsFloat(code))
            FloatState(ref request.In);
        if (form.OpCount == 0 ? code == Code.Emms : Enumerable.Range(0, form.OpCount).Any(i => form.GetOpKind(i) is OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm or OpCodeOperandKind.mm_or_mem))
            MmxState(ref request.In);
        instruction = default;
        instruction.Code = code;
        for (int i = 0; i < form.OpCount; i++)
        {
            if (!TryOperand(ref instruction, ref request.In, i, form.GetOpKind(i)))
                return false;
        }

        if (IsIndirectBranch(code))
            AimIndirectBranch(ref instruction, ref request.In);
        if (IsString(instruction.Mnemonic))
            PrepareString(ref instruction, ref request.In, form);
        if (instruction.Mnemonic is Mnemonic.Fxrstor or Mnemonic.Fxrstor64 || instruction.Mnemonic.ToString().StartsWith("Xsave", StringComparison.Ordinal)
            || instruction.Mnemonic is Mnemonic.Xrstor or Mnemonic.Xrstor64 or Mnemonic.Fxsave or Mnemonic.Fxsave64)
        {
            // EDX:EAX is the mask: an address made of them would become another one.
            if (new[] { instruction.MemoryBase, instruction.MemoryIndex }.Any(r => r.GetFullRegister() is Register.RAX or Register.RDX))
                return false;
            PrepareStateImage(ref request.In);
        }

        if (code is Code.Rdpkru or Code.Wrpkru)
            PrepareProtectionKeys(ref request.In);
        if (instruction.Mnemonic is Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq)
            PrepareFlags(ref request.In);
        if (bits != 64)
            KeepLowHalves(ref request.In);
        BufferWriter writer = new();
        if (!Encoder.Create(bits, writer).TryEncode(instruction, _code, out uint length, out _))
            return false;
        writer.Bytes.CopyTo(request.Code);
        request.Length = length;
        request.Bits = bits;
        request.In.Rip = _code;
        return true;
    }

    /// <summary>The upper halves of general registers are undefined after a change of mode (SDM vol. 1, 3.4.1.1).</summary>
    private static void KeepLowHalves(ref SiliconState s)
    {
        for (int i = 0; i < 16; i++)
            s.Gpr[i] = (uint)s.Gpr[i];
    }

    private void RandomState(ref SiliconState s)
    {
        for (int i = 0; i < 16; i++)
            s.Gpr[i] = Value();
        s.Gpr[4] = _window + 0x80;
        s.Rflags = 0x202 | ((ulong)_random.Next() & 0x8D5);
        _random.NextBytes(s.Data);
        Span<byte> fx = s.Fx;
        _random.NextBytes(fx[160..416]);
        _random.NextBytes(s.Ymm);
        fx[..160].Clear();
        // FCW 0x37f, MXCSR 0x1f80: all exceptions masked, round to nearest (SDM vol. 1, 8.1.5 and 10.2.3).
        fx[0] = 0x7F;
        fx[1] = 0x03;
        fx[24] = 0x80;
        fx[25] = 0x1F;
    }

    /// <summary>Reads or writes MXCSR's exceptions: its operands are numbers.</summary>
    public static bool IsFloat(Code code) => FloatForms.Contains(code);

    private static bool HasFloatOperands(Code code) => code.CpuidFeatures().Any(f => f is CpuidFeature.SSE or CpuidFeature.SSE2 or CpuidFeature.SSE3 or CpuidFeature.SSE4_1
            or CpuidFeature.AVX or CpuidFeature.FMA or CpuidFeature.F16C)
        && code.Mnemonic().ToString() is var name
        && (name.Contains("cvt", StringComparison.OrdinalIgnoreCase) || name.EndsWith("ps", StringComparison.Ordinal) || name.EndsWith("pd", StringComparison.Ordinal)
            || name.EndsWith("ss", StringComparison.Ordinal) || name.EndsWith("sd", StringComparison.Ordinal));

    /// <summary>Random x87 registers, tags, TOP and condition codes; now and then an exception is pending.</summary>
    private void MmxState(ref SiliconState s)
    {
        Span<byte> fx = s.Fx;
        BitConverter.TryWriteBytes(fx[2..], (ushort)(_random.Next(0x10000) & 0x7F00));
        fx[4] = (byte)_random.Next(256);
        for (int i = 0; i < 8; i++)
            _random.NextBytes(fx.Slice(32 + (16 * i), 10));
        if (_random.Next(10) != 0)
            return;
        // Invalid unmasked and raised, with the summary bits ES and B.
        fx[0] = 0x7E;
        fx[2] = 0x81;
        fx[3] |= 0x80;
    }

    private void FloatState(ref SiliconState s)
    {
        Span<byte> fx = s.Fx;
        FloatOperands.Fill(_random, fx[160..416]);
        FloatOperands.Fill(_random, s.Ymm);
        Span<byte> data = s.Data;
        FloatOperands.Fill(_random, data[..512]);
        BitConverter.TryWriteBytes(fx[24..], FloatOperands.Mxcsr(_random));
    }

    private ulong Value() => _random.Next(3) switch
    {
        0 => Corners[_random.Next(Corners.Length)],
        1 => (ulong)_random.NextInt64(),
        _ => (ulong)(long)_random.Next(-200, 200),
    };

    private bool TryOperand(ref Instruction ins, ref SiliconState s, int operand, OpCodeOperandKind kind)
    {
        switch (kind)
        {
            case OpCodeOperandKind.r8_reg or OpCodeOperandKind.r8_opcode: return Reg(ref ins, operand, R8[_random.Next(bits == 64 ? R8.Length : 8)]);
            case OpCodeOperandKind.r16_reg or OpCodeOperandKind.r16_rm or OpCodeOperandKind.r16_opcode: return Reg(ref ins, operand, Register.AX + Number());
            case OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r32_vvvv: return Reg(ref ins, operand, Register.EAX + Number());
            case OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_rm or OpCodeOperandKind.r64_opcode or OpCodeOperandKind.r64_vvvv: return Reg(ref ins, operand, Register.RAX + Number());
            case OpCodeOperandKind.r8_or_mem: return Either(ref ins, ref s, operand, R8[_random.Next(bits == 64 ? R8.Length : 8)]);
            case OpCodeOperandKind.r16_or_mem: return Either(ref ins, ref s, operand, Register.AX + Number());
            case OpCodeOperandKind.r32_or_mem: return Either(ref ins, ref s, operand, Register.EAX + Number());
            case OpCodeOperandKind.r64_or_mem: return Either(ref ins, ref s, operand, Register.RAX + Number());
            case OpCodeOperandKind.ymm_reg or OpCodeOperandKind.ymm_rm or OpCodeOperandKind.ymm_vvvv or OpCodeOperandKind.ymm_is4: return Reg(ref ins, operand, Register.YMM0 + Vector());
            case OpCodeOperandKind.ymm_or_mem: return Either(ref ins, ref s, operand, Register.YMM0 + Vector());
            case OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_vvvv or OpCodeOperandKind.xmm_is4: return Reg(ref ins, operand, Register.XMM0 + Vector());
            case OpCodeOperandKind.xmm_or_mem: return Either(ref ins, ref s, operand, Register.XMM0 + Vector());
            case OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm: return Reg(ref ins, operand, Register.MM0 + _random.Next(8));
            case OpCodeOperandKind.mm_or_mem: return Either(ref ins, ref s, operand, Register.MM0 + _random.Next(8));
            case OpCodeOperandKind.seg_rDI:
                ins.SetOpKind(operand, _addressSize switch { 64 => OpKind.MemorySegRDI, 32 => OpKind.MemorySegEDI, _ => OpKind.MemorySegDI });
                s.Gpr[7] = _window + Target(ins.Code);
                return true;
            case OpCodeOperandKind.mem_vsib32x: return Vsib(ref ins, ref s, operand, Register.XMM0, 4);
            case OpCodeOperandKind.mem_vsib64x: return Vsib(ref ins, ref s, operand, Register.XMM0, 8);
            case OpCodeOperandKind.mem_vsib32y: return Vsib(ref ins, ref s, operand, Register.YMM0, 4);
            case OpCodeOperandKind.mem_vsib64y: return Vsib(ref ins, ref s, operand, Register.YMM0, 8);
            case OpCodeOperandKind.mem: return Memory(ref ins, ref s, operand);
            case OpCodeOperandKind.al: return Reg(ref ins, operand, Register.AL);
            case OpCodeOperandKind.ax: return Reg(ref ins, operand, Register.AX);
            case OpCodeOperandKind.eax: return Reg(ref ins, operand, Register.EAX);
            case OpCodeOperandKind.rax: return Reg(ref ins, operand, Register.RAX);
            case OpCodeOperandKind.cl: return Reg(ref ins, operand, Register.CL);
            case OpCodeOperandKind.imm8 when operand > 0 && ins.GetOpKind(operand - 1) is OpKind.Immediate8 or OpKind.Immediate16: return Immediate(ref ins, operand, OpKind.Immediate8_2nd, (byte)Value());
            case OpCodeOperandKind.imm8: return Immediate(ref ins, operand, OpKind.Immediate8, _random.Next(2) == 0 ? (byte)_random.Next(256) : (byte)Value());
            case OpCodeOperandKind.imm8_const_1: return Immediate(ref ins, operand, OpKind.Immediate8, 1);
            case OpCodeOperandKind.imm8sex16: return Immediate(ref ins, operand, OpKind.Immediate8to16, (ulong)(sbyte)Value());
            case OpCodeOperandKind.imm8sex32: return Immediate(ref ins, operand, OpKind.Immediate8to32, (ulong)(sbyte)Value());
            case OpCodeOperandKind.imm8sex64: return Immediate(ref ins, operand, OpKind.Immediate8to64, (ulong)(sbyte)Value());
            case OpCodeOperandKind.imm16: return Immediate(ref ins, operand, OpKind.Immediate16, (ushort)Value());
            case OpCodeOperandKind.imm32: return Immediate(ref ins, operand, OpKind.Immediate32, (uint)Value());
            case OpCodeOperandKind.imm32sex64: return Immediate(ref ins, operand, OpKind.Immediate32to64, (ulong)(int)Value());
            case OpCodeOperandKind.imm64: return Immediate(ref ins, operand, OpKind.Immediate64, Value());
            case OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4: return Branch(ref ins, operand, OpKind.NearBranch64);
            case OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4: return Branch(ref ins, operand, OpKind.NearBranch32);
            // An operand size of 16 bits would lead 32-bit code below 64 KiB, where a process can have nothing.
            case OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2 when bits == 16: return Branch(ref ins, operand, OpKind.NearBranch16);
            case OpCodeOperandKind.seg_rSI: ins.SetOpKind(operand, _addressSize switch { 64 => OpKind.MemorySegRSI, 32 => OpKind.MemorySegESI, _ => OpKind.MemorySegSI }); return true;
            case OpCodeOperandKind.es_rDI: ins.SetOpKind(operand, _addressSize switch { 64 => OpKind.MemoryESRDI, 32 => OpKind.MemoryESEDI, _ => OpKind.MemoryESDI }); return true;
            // With bounds off, as here, they are no-operations (SDM vol. 1, 17.3).
            case OpCodeOperandKind.bnd_reg: return Reg(ref ins, operand, Register.BND0 + _random.Next(4));
            case OpCodeOperandKind.bnd_or_mem_mpx: return Either(ref ins, ref s, operand, Register.BND0 + _random.Next(4));
            case OpCodeOperandKind.mem_mpx or OpCodeOperandKind.mem_mib: return Memory(ref ins, ref s, operand);
            case OpCodeOperandKind.r32_or_mem_mpx: return Either(ref ins, ref s, operand, Register.EAX + Number());
            case OpCodeOperandKind.r64_or_mem_mpx: return Either(ref ins, ref s, operand, Register.RAX + Number());
            case OpCodeOperandKind.r16_reg_mem: return Reg(ref ins, operand, Register.AX + Number());
            case OpCodeOperandKind.r32_reg_mem: return Pointer(ref ins, ref s, operand, Register.EAX);
            case OpCodeOperandKind.r64_reg_mem: return Pointer(ref ins, ref s, operand, Register.RAX);
            case OpCodeOperandKind.xbegin_2 or OpCodeOperandKind.xbegin_4:
                return Branch(ref ins, operand, bits == 64 ? OpKind.NearBranch64 : OpKind.NearBranch32);
            case OpCodeOperandKind.mem_offs: return Offset(ref ins, operand);
            case OpCodeOperandKind.seg_rBX_al: return Translation(ref ins, ref s, operand);
            case OpCodeOperandKind.seg_reg: return Reg(ref ins, operand, Register.ES + _random.Next(6));
            case OpCodeOperandKind.cs: return Reg(ref ins, operand, Register.CS);
            case OpCodeOperandKind.ds: return Reg(ref ins, operand, Register.DS);
            case OpCodeOperandKind.es: return Reg(ref ins, operand, Register.ES);
            case OpCodeOperandKind.fs: return Reg(ref ins, operand, Register.FS);
            case OpCodeOperandKind.gs: return Reg(ref ins, operand, Register.GS);
            case OpCodeOperandKind.ss: return Reg(ref ins, operand, Register.SS);
            default: return false;
        }
    }

    /// <summary>Any register but RSP, which stays the stack pointer into the window.</summary>
    private int Number()
    {
        int n = _random.Next(bits == 64 ? 15 : 7);
        return n < 4 ? n : n + 1;
    }

    private int Vector() => _random.Next(bits == 64 ? 16 : 8);

    private bool Branch(ref Instruction ins, int operand, OpKind kind)
    {
        ins.SetOpKind(operand, kind);
        ulong target = BranchTarget();
        switch (kind)
        {
            case OpKind.NearBranch16: ins.NearBranch16 = (ushort)target; break;
            case OpKind.NearBranch32: ins.NearBranch32 = (uint)target; break;
            default: ins.NearBranch64 = target; break;
        }

        return true;
    }

    private ulong BranchTarget() => _code + 0x40 + (ulong)_random.Next(0x30);

    /// <summary>MOV with an absolute offset of the address size.</summary>
    private bool Offset(ref Instruction ins, int operand)
    {
        ins.SetOpKind(operand, OpKind.Memory);
        ins.MemoryDisplSize = _addressSize / 8;
        ins.MemoryDisplacement64 = _memoryOperand = _window + Target(ins.Code);
        return true;
    }

    private bool Translation(ref Instruction ins, ref SiliconState s, int operand)
    {
        ins.SetOpKind(operand, OpKind.Memory);
        ins.MemoryBase = Full(_addressSize, 3);
        ins.MemoryIndex = Register.AL;
        s.Gpr[3] = _window;
        return true;
    }

    private static Register Full(int size, int number) => (size switch { 64 => Register.RAX, 32 => Register.EAX, _ => Register.AX }) + number;

    /// <summary>A register that holds the address of a second operand of 64 bytes.</summary>
    private bool Pointer(ref Instruction ins, ref SiliconState s, int operand, Register first)
    {
        int number = Number();
        s.Gpr[number] = _window + (ulong)(64 * _random.Next(8)) + (_random.Next(4) == 0 ? (ulong)_random.Next(64) : 0);
        return Reg(ref ins, operand, first + number);
    }

    private static bool Reg(ref Instruction ins, int operand, Register register)
    {
        ins.SetOpKind(operand, OpKind.Register);
        ins.SetOpRegister(operand, register);
        return true;
    }

    private static bool Immediate(ref Instruction ins, int operand, OpKind kind, ulong value)
    {
        ins.SetOpKind(operand, kind);
        ins.SetImmediate(operand, value);
        return true;
    }

    private bool Either(ref Instruction ins, ref SiliconState s, int operand, Register register)
        => _random.Next(2) == 0 ? Reg(ref ins, operand, register) : Memory(ref ins, ref s, operand);

    private bool Memory(ref Instruction ins, ref SiliconState s, int operand)
    {
        ins.SetOpKind(operand, OpKind.Memory);
        // 16-byte aligned now and then, for the SSE forms that demand it; away from both ends of the window.
        ulong target = _window + Target(ins.Code);
        _memoryOperand = target;
        int form = _random.Next(4);
        if (form == 0)
        {
            ins.MemoryDisplSize = _addressSize == 16 ? 2 : 4;
            ins.MemoryDisplacement64 = target;
            return true;
        }

        return _addressSize == 16 ? ShortMemory(ref ins, ref s, target, form) : WideMemory(ref ins, ref s, target, form);
    }

    private bool WideMemory(ref Instruction ins, ref SiliconState s, ulong target, int form)
    {
        int b = Number();
        ins.MemoryBase = Full(_addressSize, b);
        int displacement = _random.Next(2) == 0 ? 0 : _random.Next(-0x1000, 0x1000);
        ins.MemoryDisplSize = displacement == 0 ? 1 : _addressSize / 8;
        ins.MemoryDisplacement64 = _addressSize == 64 ? (ulong)(long)displacement : (uint)displacement;
        ulong rest = target - (ulong)(long)displacement;
        if (form == 1)
        {
            int x = Number();
            if (x != b)
            {
                int scale = 1 << _random.Next(4);
                ins.MemoryIndex = Full(_addressSize, x);
                ins.MemoryIndexScale = scale;
                s.Gpr[x] = (ulong)_random.Next(-100, 100);
                rest -= s.Gpr[x] * (ulong)scale;
            }
        }

        // What an address of 32 bits does not look at.
        s.Gpr[b] = _addressSize == 32 && bits == 64 ? (uint)rest | ((ulong)_random.Next() << 32) : rest;
        return true;
    }

    /// <summary>The forms of 16-bit addressing: BX or BP, SI or DI, or both (SDM vol. 2, table 2-1). What it does not look at is noise.</summary>
    private bool ShortMemory(ref Instruction ins, ref SiliconState s, ulong target, int form)
    {
        (int first, int index) = form == 1 ? (_random.Next(2) == 0 ? 3 : 5, 6 + _random.Next(2)) : (_random.Next(4) switch { 0 => 3, 1 => 5, 2 => 6, _ => 7 }, -1);
        int displacement = _random.Next(2) == 0 ? 0 : _random.Next(-0x1000, 0x1000);
        ins.MemoryBase = Register.AX + first;
        ins.MemoryDisplSize = displacement == 0 ? 1 : 2;
        ins.MemoryDisplacement64 = (ushort)displacement;
        ushort rest = (ushort)(target - (ulong)(long)displacement);
        if (index >= 0)
        {
            ins.MemoryIndex = Register.AX + index;
            s.Gpr[index] = (uint)_random.Next();
            rest -= (ushort)s.Gpr[index];
        }

        s.Gpr[first] = rest | ((ulong)(uint)_random.Next(0x10000) << 16);
        return true;
    }

    /// <summary>A base in the middle of the window and small signed indices, in whatever register comes up: two equal ones are #UD.</summary>
    private bool Vsib(ref Instruction ins, ref SiliconState s, int operand, Register first, int size)
    {
        ins.SetOpKind(operand, OpKind.Memory);
        int b = Number(), x = Vector();
        ins.MemoryBase = Full(bits == 64 ? 64 : 32, b);
        ins.MemoryIndex = first + x;
        ins.MemoryIndexScale = 1 << _random.Next(4);
        ins.MemoryDisplSize = 1;
        s.Gpr[b] = _window + 0x200;
        Span<byte> low = ((Span<byte>)s.Fx).Slice(160 + (16 * x), 16), high = ((Span<byte>)s.Ymm).Slice(16 * x, 16);
        for (int i = 0; i < 16; i += size)
        {
            BitConverter.GetBytes((long)_random.Next(-40, 40)).AsSpan(0, size).CopyTo(low[i..]);
            BitConverter.GetBytes((long)_random.Next(-40, 40)).AsSpan(0, size).CopyTo(high[i..]);
        }

        return true;
    }

    /// <summary>Where in the window an operand lies: aligned now and then for the forms that demand it, never past its end.</summary>
    private ulong Target(Code code) => code.ToOpCode().MemorySize switch
    {
        MemorySize.Fxsave_512Byte or MemorySize.Fxsave64_512Byte => (ulong)(_random.Next(8) == 0 ? _random.Next(400) : 16 * _random.Next(32)),
        MemorySize.Xsave or MemorySize.Xsave64 => (ulong)(_random.Next(8) == 0 ? 16 * _random.Next(10) : 64 * _random.Next(4)),
        _ => (ulong)(_random.Next(4) != 0 ? 16 * _random.Next(2, 14) : _random.Next(16, 200)),
    };

    /// <summary>A state image that is accepted more often than not: header of XSAVE, MXCSR, and the mask in EDX:EAX.</summary>
    private void PrepareStateImage(ref SiliconState s)
    {
        if (_random.Next(2) == 0)
            MmxState(ref s);
        Span<byte> area = s.Data;
        area = area[(int)(_memoryOperand - _window)..];
        if (_random.Next(4) != 0)
            BitConverter.TryWriteBytes(area[24..], (uint)_random.Next() & 0xFFFF);
        if (_random.Next(2) == 0)
        {
            s.Gpr[0] = (ulong)_random.Next(8);
            s.Gpr[2] = 0;
        }

        // The kernel enables what else the host has (PKRU, masks, 512 bits); the simulated XCR0 does not.
        s.Gpr[0] &= ~(ulong)NativeCpu.ComponentsBeyondAvx;

        if (area.Length < 576 || _random.Next(8) == 0)
            return;
        bool compacted = _random.Next(3) == 0;
        area[512..576].Clear();
        BitConverter.TryWriteBytes(area[512..], (ulong)_random.Next(8));
        if (compacted)
            BitConverter.TryWriteBytes(area[520..], (1ul << 63) | (uint)_random.Next(8));
        if (_random.Next(12) == 0)
            area[512 + _random.Next(64)] = 1;
    }

    /// <summary>Both demand zeros; key 0, which the harness itself runs under, keeps its rights.</summary>
    private void PrepareProtectionKeys(ref SiliconState s)
    {
        if (_random.Next(4) != 0)
            s.Gpr[1] = 0;
        if (_random.Next(4) != 0)
            s.Gpr[2] = 0;
        s.Gpr[0] &= ~3ul;
    }

    /// <summary>No single step and no alignment check, under which the harness itself would trap.</summary>
    private void PrepareFlags(ref SiliconState s)
    {
        const uint TrapAndAlignment = 0x4_0100;
        Span<byte> top = ((Span<byte>)s.Data)[(int)(s.Gpr[4] - _window)..];
        BitConverter.TryWriteBytes(top, (ulong)((uint)_random.Next() & ~TrapAndAlignment));
    }

    private static bool IsIndirectBranch(Code code) => code is Code.Jmp_rm64 or Code.Call_rm64 or Code.Retnq or Code.Retnq_imm16
        or Code.Jmp_rm32 or Code.Call_rm32 or Code.Retnd or Code.Retnd_imm16 or Code.Jmp_rm16 or Code.Call_rm16 or Code.Retnw or Code.Retnw_imm16;

    /// <summary>Puts an address in the code page where the branch takes its target from.</summary>
    private void AimIndirectBranch(ref Instruction ins, ref SiliconState s)
    {
        ulong target = BranchTarget();
        if (ins.OpCount > 0 && ins.Op0Kind == OpKind.Register)
            s.Gpr[ins.Op0Register.GetNumber()] = target;
        else
            BitConverter.TryWriteBytes(((Span<byte>)s.Data)[(int)((ins.Op0Kind == OpKind.Memory ? _memoryOperand : s.Gpr[4]) - _window)..], target);
    }

    private void PrepareString(ref Instruction ins, ref SiliconState s, OpCodeInfo form)
    {
        ulong unseen = _addressSize == bits && bits != 16 ? 0 : (ulong)(uint)_random.Next() << _addressSize;
        s.Gpr[6] = (_window + 0x60 + (uint)_random.Next(16)) | unseen;
        s.Gpr[7] = (_window + 0x90 + (uint)_random.Next(16)) | unseen;
        s.Gpr[1] = (uint)_random.Next(9) | unseen;
        s.Rflags = (s.Rflags & ~0x400ul) | (_random.Next(2) == 0 ? 0u : 0x400u);
        switch (_random.Next(3))
        {
            case 0 when form.CanUseRepPrefix: ins.HasRepPrefix = true; break;
            case 1 when form.CanUseRepnePrefix: ins.HasRepnePrefix = true; break;
        }
    }

    private static bool IsString(Mnemonic m) => m is Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd or Mnemonic.Movsq or Mnemonic.Stosb or Mnemonic.Stosw
        or Mnemonic.Stosd or Mnemonic.Stosq or Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq or Mnemonic.Scasb or Mnemonic.Scasw
        or Mnemonic.Scasd or Mnemonic.Scasq or Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq;

    private sealed class BufferWriter : CodeWriter
    {
        private readonly List<byte> _bytes = [];

        public byte[] Bytes => [.. _bytes];

        public override void WriteByte(byte value) => _bytes.Add(value);
    }
}
