using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

public sealed class RunLoopTests
{
    private const ulong Code = 0x40_0000;
    private const ulong Data = 0x50_0000;

    /// <summary>mov ecx,1000; xor eax,eax; l: add eax,ecx; dec ecx; jnz l; syscall. Bytes from GNU as.</summary>
    private static readonly byte[] s_sumLoop = [0xB9, 0xE8, 0x03, 0, 0, 0x31, 0xC0, 0x01, 0xC8, 0xFF, 0xC9, 0x75, 0xFA, 0x0F, 0x05];

    [Fact]
    public void A_loop_ends_in_its_syscall_with_the_sum_and_the_exact_count()
    {
        using Machine m = Flat();
        m.Code(Code, s_sumLoop);
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(1_000_000);
        Assert.Equal(ExitReason.Syscall, exit.Reason);
        Assert.Equal(500_500u, m.Cpu[Gpr.Rax]);
        Assert.Equal(2 + 3000, m.Cpu.RetiredInstructions);
        Assert.Equal(Code + 13, m.Cpu.Rip);
        Assert.Equal(Code + 15, exit.NextRip);
    }

    /// <summary>What the memory diagnoser of RunLoopBenchmarks shows for the whole process, for this thread alone.</summary>
    [Fact]
    public void Warm_code_runs_without_an_allocation()
    {
        using Machine m = Flat();
        m.Code(Code, [0x01, 0xC8, 0x89, 0x06, 0x03, 0x06, 0xFF, 0xC9, 0x75, 0xF6, 0xEB, 0xF4]); // l: add eax,ecx; mov [rsi],eax; add eax,[rsi]; dec ecx; jnz l; jmp l
        m.Cpu.Rip = Code;
        m.Cpu[Gpr.Rsi] = Data;
        m.Cpu.Run(1_000_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
            m.Cpu.Run(100_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(3_000_000, m.Cpu.RetiredInstructions);
    }

    [Fact]
    public void A_budget_stops_between_any_two_instructions()
    {
        for (int budget = 0; budget < 40; budget++)
        {
            using Machine whole = Flat(), steps = Flat();
            whole.Code(Code, s_sumLoop);
            steps.Code(Code, s_sumLoop);
            whole.Cpu.Rip = steps.Cpu.Rip = Code;
            Assert.Equal(ExitReason.BudgetSpent, whole.Cpu.Run(budget).Reason);
            for (int i = 0; i < budget; i++)
                Assert.Equal(ExitReason.BudgetSpent, steps.Cpu.Run(1).Reason);
            Assert.Equal(budget, whole.Cpu.RetiredInstructions);
            Assert.Equal(steps.Cpu.Rip, whole.Cpu.Rip);
            Assert.Equal(steps.Cpu[Gpr.Rax], whole.Cpu[Gpr.Rax]);
            Assert.Equal(steps.Cpu.Rflags, whole.Cpu.Rflags);
        }
    }

    [Fact]
    public void A_store_to_the_next_instruction_of_the_same_block_is_seen()
    {
        using Machine m = Flat();
        // movb $0x42, 1(%rip) [the immediate of the next mov]; mov $0,%eax; syscall
        m.Code(Code, 0xC6, 0x05, 0x01, 0, 0, 0, 0x42, 0xB8, 0, 0, 0, 0, 0x0F, 0x05);
        m.Cpu.Rip = Code;
        Assert.Equal(ExitReason.Syscall, m.Cpu.Run(100).Reason);
        Assert.Equal(0x42u, m.Cpu[Gpr.Rax]);
        Assert.Equal(2, m.Cpu.RetiredInstructions);
    }

    [Fact]
    public void A_host_write_to_a_frame_drops_its_decoded_code()
    {
        using Machine m = Flat();
        m.Code(Code, 0xB8, 1, 0, 0, 0, 0x0F, 0x05);
        m.Cpu.Rip = Code;
        m.Cpu.Run(100);
        m.Code(Code + 1, 7);
        m.Cpu.Rip = Code;
        m.Cpu.Run(100);
        Assert.Equal(7u, m.Cpu[Gpr.Rax]);
    }

    [Fact]
    public void An_instruction_across_two_pages_is_decoded_again_when_either_half_changes()
    {
        using Machine m = Flat();
        ulong at = Code + 0xFFD;
        m.Code(at, 0xB8, 0x11, 0x22, 0x33, 0x44, 0x0F, 0x05);
        m.Cpu.Rip = at;
        m.Cpu.Run(100);
        Assert.Equal(0x44332211u, m.Cpu[Gpr.Rax]);
        m.Code(at + 4, 0x55);
        m.Cpu.Rip = at;
        m.Cpu.Run(100);
        Assert.Equal(0x55332211u, m.Cpu[Gpr.Rax]);
        m.Code(at + 1, 0x99);
        m.Cpu.Rip = at;
        m.Cpu.Run(100);
        Assert.Equal(0x55332299u, m.Cpu[Gpr.Rax]);
    }

    [Fact]
    public void A_page_fault_leaves_the_instruction_undone_and_names_the_address()
    {
        using Machine m = Flat();
        // push %rax with RSP at the start of the mapped data: the slot is below it.
        m.Code(Code, 0x90, 0x50, 0x0F, 0x05);
        m.Cpu.Rip = Code;
        m.Cpu[Gpr.Rsp] = Data;
        CpuExit exit = m.Cpu.Run(100);
        Assert.Equal(ExitReason.Exception, exit.Reason);
        Assert.Equal(14, exit.Vector);
        Assert.Equal(6u, exit.ErrorCode); // user, write, not present: SDM vol. 3A, figure 4-12
        Assert.Equal(Data - 8, exit.Address);
        Assert.Equal(Code + 1, m.Cpu.Rip);
        Assert.Equal(Data, m.Cpu[Gpr.Rsp]);
        Assert.Equal(1, m.Cpu.RetiredInstructions);
    }

    [Fact]
    public void A_snapshot_gives_back_memory_registers_and_code()
    {
        using Machine m = Flat();
        // mov %eax,(%rbx); inc %eax; jmp back
        m.Code(Code, 0x89, 0x03, 0xFF, 0xC0, 0xEB, 0xFA);
        m.Cpu.Rip = Code;
        m.Cpu[Gpr.Rbx] = Data;
        m.Cpu.Run(300);
        using MemorySnapshot memory = m.Memory.Capture();
        CpuSnapshot cpu = m.Cpu.Capture();
        ulong eax = m.Cpu[Gpr.Rax];
        m.Cpu.Run(300);
        byte[] after = m.Memory.Readable(0x50).ToArray();
        Assert.Equal(eax + 100, m.Cpu[Gpr.Rax]);
        m.Memory.Restore(memory);
        m.Cpu.Restore(cpu);
        Assert.Equal(eax - 1, BitConverter.ToUInt32(m.Memory.Readable(0x50)));
        Assert.Equal(eax, m.Cpu[Gpr.Rax]);
        m.Cpu.Run(300);
        Assert.Equal(after, m.Memory.Readable(0x50).ToArray());
    }

    [Fact]
    public void A_privileged_instruction_of_a_deprivileged_kernel_faults_with_its_operation_decoded()
    {
        using Machine m = Flat();
        m.Code(Code, 0x0F, 0x22, 0xD8); // mov %rax,%cr3
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(10);
        Assert.Equal((ExitReason.Exception, (byte)13, true, 0u), (exit.Reason, exit.Vector, exit.HasErrorCode, exit.ErrorCode));
        Assert.Equal((PrivilegedOperation.MovToCr, (byte)3, (byte)0), (exit.Operation, exit.SystemRegister, exit.GeneralRegister));
        Assert.Equal(Code + 3, exit.NextRip);
    }

    // APM vol. 2, 15.4 and SDM vol. 3C, 30.3: #UD while the extension is off. Turned on, it would be ours to have.
    [Theory]
    [InlineData(0xDD, 1ul << 12, 0ul, "clgi (0f 01 dd)")]
    [InlineData(0xC4, 0ul, 1ul << 13, "vmxoff (0f 01 c4)")]
    public void What_is_not_implemented_is_named(byte last, ulong efer, ulong cr4, string name)
    {
        using Machine m = Flat();
        m.Code(Code, 0x0F, 0x01, last);
        m.Cpu.Rip = Code;
        CpuExit off = m.Cpu.Run(10);
        Assert.Equal((ExitReason.Exception, (byte)6), (off.Reason, off.Vector));

        m.Cpu.Cpl = 0;
        m.Cpu.Efer |= efer;
        m.Cpu.Cr4 |= cr4;
        m.Cpu.Rip = Code;
        Assert.Equal(ExitReason.Unimplemented, m.Cpu.Run(10).Reason);
        Assert.Equal(name, m.Cpu.UnimplementedText);
    }

    private static Machine Flat()
    {
        var m = new Machine();
        m.Map(Code, 0x40);
        m.Map(Code + 0x1000, 0x41);
        m.Map(Data, 0x50);
        return m;
    }
}
