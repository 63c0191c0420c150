using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>
/// A block does not compute flags that a later instruction of it sets again, and does a comparison and its branch in one. Wherever it is left, by
/// budget, by a fault or by the branch, the state is the one of single-stepping, where every instruction is the whole of its block.
/// </summary>
public sealed class PeepholeTests
{
    private const ulong Code = 0x40_0000, Data = 0x50_0000, Unmapped = 0x60_0000;
    private const int Programs = 300, Length = 40;

    /// <summary>Bytes from GNU as. Each sets, keeps, reads or passes over the flags in a way of its own.</summary>
    private static readonly byte[][] s_instructions =
    [
        [0x48, 0x01, 0xC8], // add %rcx,%rax
        [0x29, 0xD0], // sub %edx,%eax
        [0x66, 0x21, 0xD9], // and %bx,%cx
        [0x30, 0xC4], // xor %al,%ah
        [0x48, 0x83, 0xE9, 0x07], // sub $7,%rcx
        [0x80, 0xC3, 0x81], // add $0x81,%bl
        [0x0D, 0x78, 0x56, 0x34, 0x12], // or $0x12345678,%eax
        [0x48, 0x39, 0xC8], // cmp %rcx,%rax
        [0xA8, 0x11], // test $0x11,%al
        [0x48, 0x11, 0xD1], // adc %rdx,%rcx
        [0x19, 0xC3], // sbb %eax,%ebx
        [0xFF, 0xC1], // inc %ecx
        [0x48, 0xFF, 0xCA], // dec %rdx
        [0xF7, 0xDB], // neg %ebx
        [0xF6, 0xD4], // not %ah
        [0xC1, 0xE0, 0x05], // shl $5,%eax
        [0x48, 0xC1, 0xE9, 0x29], // shr $41,%rcx
        [0xD0, 0xFB], // sar %bl
        [0x66, 0xC1, 0xC0, 0x03], // rol $3,%ax
        [0xC1, 0xC9, 0x0B], // ror $11,%ecx
        [0xC1, 0xE2, 0x20], // shl $32,%edx: a count of 0
        [0x48, 0xC1, 0xD2, 0x03], // rcl $3,%rdx
        [0xD3, 0xE3], // shl %cl,%ebx
        [0x48, 0x0F, 0xAF, 0xC2], // imul %rdx,%rax
        [0x6B, 0xC9, 0x0D], // imul $13,%ecx,%ecx
        [0x66, 0x0F, 0xAF, 0xD8], // imul %ax,%bx
        [0x48, 0x8D, 0x44, 0x11, 0x05], // lea 5(%rcx,%rdx),%rax
        [0x89, 0xD1], // mov %edx,%ecx
        [0xB0, 0x80], // mov $0x80,%al
        [0x0F, 0xB6, 0xC4], // movzbl %ah,%eax
        [0x48, 0x0F, 0xC8], // bswap %rax
        [0x48, 0x98], // cltq
        [0x99], // cltd
        [0x0F, 0x92, 0xC3], // setb %bl
        [0x0F, 0x4C, 0xC2], // cmovl %edx,%eax
        [0x03, 0x06], // add (%rsi),%eax
        [0x48, 0x89, 0x06], // mov %rax,(%rsi)
        [0x28, 0x1E], // sub %bl,(%rsi)
        [0x9C, 0x5D], // pushfq; pop %rbp
        [0x48, 0x33, 0x0F], // xor (%rdi),%rcx: may fault
        [0x89, 0xC1, 0x83, 0xE1, 0x3F], // mov %eax,%ecx; and $0x3f,%ecx
        [0x48, 0x89, 0xC1, 0x48, 0xC1, 0xE9, 0x1D], // mov %rax,%rcx; shr $29,%rcx
        [0x48, 0x69, 0xC0, 0x2D, 0xF4, 0x51, 0x58, 0x48, 0x01, 0xD0], // imul $0x5851f42d,%rax,%rax; add %rdx,%rax
        [0x01, 0xC2, 0xC1, 0xC2, 0x05], // add %eax,%edx; rol $5,%edx
        [0x31, 0xD8, 0x01, 0xC0], // xor %ebx,%eax; add %eax,%eax: the second reads what the first writes
        [0xC1, 0xE3, 0x05, 0x29, 0xD3], // shl $5,%ebx; sub %edx,%ebx
        [0x29, 0xCB, 0x09, 0xC3], // sub %ecx,%ebx; or %eax,%ebx
        [0x48, 0x05, 0xFF, 0xFF, 0xFF, 0x7F, 0x48, 0x31, 0xC8], // add $0x7fffffff,%rax; xor %rcx,%rax
        [0x52, 0x53, 0x59, 0x58], // push %rdx; push %rbx; pop %rcx; pop %rax
        [0x39, 0x06, 0x72, 0x02, 0x31, 0xC9], // cmp %eax,(%rsi); jb .+4; xor %ecx,%ecx
    ];

    /// <summary>Bytes from GNU as: what a conditional branch often follows, in all sizes and both forms.</summary>
    private static readonly byte[][] s_comparisons =
    [
        [0x38, 0xC8], [0x3C, 0x80], // cmp %cl,%al; cmp $0x80,%al
        [0x66, 0x39, 0xC8], [0x66, 0x83, 0xF8, 0xFF], // cmp %cx,%ax; cmp $-1,%ax
        [0x39, 0xC8], [0x83, 0xF8, 0x01], // cmp %ecx,%eax; cmp $1,%eax
        [0x48, 0x39, 0xC8], [0x48, 0x83, 0xF8, 0xFF], // cmp %rcx,%rax; cmp $-1,%rax
        [0x28, 0xC8], [0x29, 0xC8], [0x48, 0x29, 0xC8], [0x83, 0xE8, 0x01], // sub %cl,%al; sub %ecx,%eax; sub %rcx,%rax; sub $1,%eax
        [0x20, 0xC8], [0x21, 0xC8], [0x48, 0x21, 0xC8], [0x25, 0x00, 0x00, 0x00, 0x80], // and %cl,%al; and %ecx,%eax; and %rcx,%rax; and $0x80000000,%eax
        [0x84, 0xC0], [0xA8, 0x01], [0x85, 0xC8], [0x48, 0x85, 0xC0], // test %al,%al; test $1,%al; test %ecx,%eax; test %rax,%rax
        [0xFF, 0xC8], [0x48, 0xFF, 0xC8], [0xFF, 0xC0], [0x48, 0xFF, 0xC0], // dec %eax; dec %rax; inc %eax; inc %rax
    ];

    private static readonly ulong[] s_corners =
        [0, 1, 2, 0x7F, 0x80, 0x81, 0xFF, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, ulong.MaxValue];

    [Fact]
    public void A_comparison_and_its_branch_in_one_do_what_the_two_do()
    {
        using Machine whole = Flat(), steps = Flat();
        foreach (byte[] comparison in s_comparisons)
        {
            for (byte condition = 0; condition < 16; condition++)
            {
                // jcc over an instruction; which of the two is next is where RIP is.
                byte[] code = [.. comparison, (byte)(0x70 + condition), 0x02, 0x89, 0xC2, 0x0F, 0x05];
                whole.Code(Code, code);
                steps.Code(Code, code);
                foreach (ulong x in s_corners)
                {
                    foreach (ulong y in s_corners)
                    {
                        Start(whole, null, [x, y, 0, 0], Data);
                        Start(steps, null, [x, y, 0, 0], Data);
                        whole.Cpu.Run(2);
                        steps.Cpu.Run(1);
                        steps.Cpu.Run(1);
                        string where = $"{Convert.ToHexStringLower(code)} of {x:x} and {y:x}";
                        Assert.True(whole.Cpu.Rip == steps.Cpu.Rip, $"{where}: goes to {whole.Cpu.Rip:x}, stepping {steps.Cpu.Rip:x}");
                        Assert.True(whole.Cpu.Rflags == steps.Cpu.Rflags, $"{where}: flags {whole.Cpu.Rflags:x}, stepping {steps.Cpu.Rflags:x}");
                        Assert.True(whole.Cpu[Gpr.Rax] == steps.Cpu[Gpr.Rax], where);
                    }
                }
            }
        }
    }

    [Fact]
    public void Wherever_a_block_is_left_its_flags_are_those_of_single_stepping()
    {
        Random random = new(5);
        using Machine whole = Flat(), steps = Flat();
        for (int program = 0; program < Programs; program++)
        {
            byte[] code = [.. Enumerable.Range(0, Length).SelectMany(_ => Next(random)), 0x0F, 0x05];
            ulong target = random.Next(4) == 0 ? Unmapped : Data + 0x100;
            ulong[] registers = [(ulong)random.NextInt64(), (ulong)random.NextInt64(), (ulong)random.NextInt64(), (ulong)random.NextInt64()];
            Start(whole, code, registers, target);
            Start(steps, code, registers, target);
            int budget = 0;
            while (true)
            {
                // From the start each time, so that the block is cut at every place.
                budget++;
                Start(whole, null, registers, target);
                CpuExit a = whole.Cpu.Run(budget), b = steps.Cpu.Run(1);
                string where = $"program {program}, after {budget} of {Convert.ToHexStringLower(code)}";
                Assert.True((a.Reason, a.Vector, whole.Cpu.Rip) == (b.Reason, b.Vector, steps.Cpu.Rip), where);
                Assert.True(whole.Cpu.Rflags == steps.Cpu.Rflags, $"{where}: flags {whole.Cpu.Rflags:x}, stepping {steps.Cpu.Rflags:x}");
                for (int r = 0; r < 16; r++)
                    Assert.True(whole.Cpu[(Gpr)r] == steps.Cpu[(Gpr)r], $"{where}: {(Gpr)r}");
                if (a.Reason != ExitReason.BudgetSpent)
                    break;
            }
        }
    }

    /// <summary>One instruction, now and then after a comparison or under a conditional branch over it.</summary>
    private static byte[] Next(Random random)
    {
        byte[] instruction = s_instructions[random.Next(s_instructions.Length)];
        if (random.Next(4) != 0)
            return instruction;
        byte[] comparison = random.Next(2) == 0 ? s_comparisons[random.Next(s_comparisons.Length)] : [];
        return [.. comparison, (byte)(0x70 + random.Next(16)), (byte)instruction.Length, .. instruction];
    }

    private static void Start(Machine m, byte[]? code, ulong[] registers, ulong target)
    {
        if (code != null)
            m.Code(Code, code);
        Assert.True(m.Cpu.TryWrite(new Guest.Memory.LinearAddress(Data), new byte[0x400], 0, out _, out _));
        for (int r = 0; r < 4; r++)
            m.Cpu[(Gpr)r] = registers[r];
        m.Cpu[Gpr.Rsi] = Data + 0x80;
        m.Cpu[Gpr.Rdi] = target;
        m.Cpu[Gpr.Rbp] = 0;
        m.Cpu[Gpr.Rsp] = Data + 0x300;
        m.Cpu.Rip = Code;
        m.Cpu.Rflags = 0x202;
    }

    private static Machine Flat()
    {
        Machine m = new();
        m.Map(Code, 0x300);
        m.Map(Data, 0x301);
        return m;
    }
}
