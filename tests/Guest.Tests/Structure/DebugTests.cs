using XenSim.Guest.Cpu;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Debug registers, single steps and what holds them back. Expected values: SDM vol. 3B, chapter 17; vol. 3A, 6.8.3 and table 6-2.</summary>
public sealed class DebugTests
{
    private const uint Bs = 0x4000, Bd = 0x2000;
    private const uint Rf = 0x10000, Tf = 0x100;

    // 17.3.1.1: an instruction breakpoint is a fault, RF in the frame is 0; returning with RF set executes the instruction.
    [Fact]
    public void An_execution_breakpoint_faults_once_and_not_again_when_RF_is_set()
    {
        using SystemMachine m = new();
        m.Write(HandlerOf(1), [0x83, 0x44, 0x24, 0x0A, 0x01, 0xCF]); // addl $1,10(%esp): RF in the pushed flags; iret
        m.Program(0x40, 0x41, 0x42); // inc %eax; inc %ecx; inc %edx
        Arm(m, 0, Code + 1, 0);
        Assert.Equal(Code + 3, m.ToHalt());
        Assert.Equal((1u, 1u, 1u), ((uint)m[Gpr.Rax], (uint)m[Gpr.Rcx], (uint)m[Gpr.Rdx] & 0xFF));
        Assert.Equal(1u, (uint)m.Cpu.GetDebugRegister(6) & 0xF);
        Assert.Equal(0u, (uint)m.Cpu.Rflags & Rf);
    }

    [Fact]
    public void The_frame_of_an_execution_breakpoint_names_the_instruction_and_has_RF_clear()
    {
        using SystemMachine m = new();
        m.Program(0x40, 0x41);
        Arm(m, 2, Code + 1, 0);
        m.ToVector(1);
        Assert.Equal((Code + 1, 2ul), (m.Stacked(0), m.Stacked(2) & ~0x8D5ul));
        Assert.Equal(4u, (uint)m.Cpu.GetDebugRegister(6) & 0xF);
    }

    // 17.3.1.1: fault-class exceptions push RF = 1.
    [Fact]
    public void A_fault_pushes_RF_set()
    {
        using SystemMachine m = new();
        m.Program(0x0F, 0x0B); // ud2
        m.ToVector(6);
        Assert.Equal(Rf, (uint)m.Stacked(2) & Rf);
    }

    // 17.2.5, table 17-2: which accesses a breakpoint of a length at an address meets. RW 1: writes, 3: reads and writes.
    // LEN 0: 1 byte, 1: 2, 3: 4, 2: 8 (64-bit). The address is masked by the length.
    [Theory]
    [InlineData(1, 0, 0x100u, 0x100u, true, true)]
    [InlineData(1, 0, 0x100u, 0x101u, true, false)]
    [InlineData(1, 0, 0x103u, 0x100u, true, true)]
    [InlineData(1, 0, 0x104u, 0x100u, true, false)]
    [InlineData(1, 0, 0x100u, 0x100u, false, false)]
    [InlineData(3, 0, 0x100u, 0x100u, false, true)]
    [InlineData(3, 3, 0x102u, 0x100u, false, true)]
    [InlineData(3, 1, 0x103u, 0x0FEu, false, false)]
    [InlineData(3, 1, 0x103u, 0x0FFu, false, true)]
    [InlineData(1, 3, 0x107u, 0x101u, true, true)]
    [InlineData(1, 3, 0x107u, 0x100u, true, false)]
    [InlineData(1, 2, 0x10Fu, 0x105u, true, true)]
    public void A_data_breakpoint_traps_after_the_access_it_covers(int rw, int len, uint breakpoint, uint access, bool write, bool hit)
    {
        using SystemMachine m = new();
        m[Gpr.Rbx] = Data + access;
        m.Program(write ? (byte)0x89 : (byte)0x8B, 0x03, 0x90, 0x90); // mov %eax,(%ebx) or back; nop
        Arm(m, 1, Data + breakpoint, rw, len);
        if (!hit)
        {
            Assert.Equal(Code + 4, m.ToHalt());
            return;
        }

        m.ToVector(1);
        Assert.Equal((Code + 2, 2u), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xF));
    }

    [Fact]
    public void A_data_breakpoint_on_a_page_already_cached_is_met_and_its_neighbours_stay_fast()
    {
        using SystemMachine m = new();
        m[Gpr.Rbx] = Data;
        m.Program(0x89, 0x03); // mov %eax,(%ebx)
        m.ToHalt();
        m.Cpu.Rip = Code;
        Arm(m, 0, Data, 1);
        m.ToVector(1);
    }

    // 17.2.4 and CR4.DE: R/W 2 is an I/O breakpoint, reported after the access.
    [Theory]
    [InlineData(true, 0x62, true)]
    [InlineData(true, 0x64, false)]
    [InlineData(false, 0x62, false)]
    public void An_io_breakpoint_is_reported_when_the_access_is_complete(bool extensions, int port, bool hit)
    {
        using SystemMachine m = new();
        m.Cpu.Cr4 = extensions ? 8u : 0;
        m.Program(0xE6, 0x61, 0xE6, (byte)port, 0x90); // out %al,$0x61; out %al,$port; nop
        Arm(m, 0, 0x62, 2, 1);
        for (int i = 0; i < 2; i++)
        {
            CpuExit exit = m.Cpu.Run(100);
            Assert.Equal(ExitReason.PortOut, exit.Reason);
            m.Cpu.CompleteInstruction(exit.NextRip);
        }

        ulong rip = m.ToHalt();
        Assert.Equal(hit ? HandlerOf(1) : Code + 5, rip);
        if (hit)
            Assert.Equal(Code + 4, m.Stacked(0));
    }

    // 17.2.2: DR4 and DR5 are DR6 and DR7, or #UD under CR4.DE.
    [Theory]
    [InlineData(0u, false)]
    [InlineData(8u, true)]
    public void DR4_and_DR5_are_aliases_without_debugging_extensions(uint cr4, bool invalid)
    {
        using SystemMachine m = new();
        m.Cpu.Cr4 = cr4;
        m.Program(0x0F, 0x21, 0xE0, 0x0F, 0x21, 0xE9); // mov %db4,%eax; mov %db5,%ecx
        if (invalid)
        {
            m.ToVector(6);
            return;
        }

        m.ToHalt();
        Assert.Equal((0xFFFF0FF0u, 0x400u), ((uint)m[Gpr.Rax], (uint)m[Gpr.Rcx])); // table 9-1
    }

    // 17.2.4, GD: any access is a fault with DR6.BD, and GD is cleared on the way into the handler.
    [Fact]
    public void General_detect_faults_before_a_debug_register_is_accessed()
    {
        using SystemMachine m = new();
        m.Program(0x0F, 0x23, 0xC0); // mov %eax,%db0
        m[Gpr.Rax] = 0x1234;
        m.Cpu.SetDebugRegister(7, 0x2400);
        m.ToVector(1);
        Assert.Equal((Code, Bd, 0x400u, 0ul), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xE00F, (uint)m.Cpu.GetDebugRegister(7), m.Cpu.GetDebugRegister(0)));
    }

    // 17.3.1.4: a single step traps after the instruction that began with TF set.
    [Fact]
    public void A_single_step_traps_after_the_instruction()
    {
        using SystemMachine m = new();
        m.Program(0x40, 0x41); // inc %eax; inc %ecx
        m.Cpu.Rflags = 2 | Tf;
        m.ToVector(1);
        Assert.Equal((Code + 1, Bs, 1u, 0u), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xE00F, (uint)m[Gpr.Rax], (uint)m[Gpr.Rcx]));
        Assert.Equal(Tf, (uint)m.Stacked(2) & (Tf | Rf));
        Assert.Equal(0u, (uint)m.Cpu.Rflags & Tf);
    }

    // The POPF that sets TF is not stepped itself; the one that clears it is.
    [Theory]
    [InlineData(0x102u, 0u, 2)]
    [InlineData(0x002u, Tf, 1)]
    public void A_popf_that_changes_TF_is_judged_by_the_old_value(uint popped, uint before, int length)
    {
        using SystemMachine m = new();
        m.Program(0x9D, 0x90, 0x90); // popf; nop; nop
        m.Cpu[Gpr.Rsp] -= 4;
        m.Write32(m[Gpr.Rsp], popped);
        m.Cpu.Rflags = 2 | before;
        m.ToVector(1);
        Assert.Equal(Code + (ulong)length, m.Stacked(0));
    }

    // vol. 3A, 6.8.3: MOV SS inhibits debug exceptions until after the next instruction, STI does not.
    [Theory]
    [InlineData(new byte[] { 0x8E, 0xD0, 0x90, 0x90 }, 3)] // mov %eax,%ss; nop
    [InlineData(new byte[] { 0xFB, 0x90, 0x90 }, 1)] // sti; nop
    public void MOV_SS_holds_a_single_step_back_and_STI_does_not(byte[] program, int at)
    {
        using SystemMachine m = new();
        m[Gpr.Rax] = KernelData;
        m.Program(program);
        m.Cpu.Rflags = 2 | Tf;
        m.ToVector(1);
        Assert.Equal(Code + (ulong)at, m.Stacked(0));
    }

    [Fact]
    public void A_data_breakpoint_of_MOV_SS_is_reported_after_the_next_instruction()
    {
        using SystemMachine m = new();
        m.Write32(Data, KernelData);
        m.Program(0x8E, 0x15, 0x00, 0x00, 0x02, 0x00, 0x90, 0x90); // mov Data,%ss; nop; nop
        Arm(m, 3, Data, 3, 1);
        m.ToVector(1);
        Assert.Equal((Code + 7, 8u), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xF));
    }

    // 17.3.1.4: INT n clears TF on the way and is not followed by a single step.
    [Fact]
    public void An_INT_n_is_not_stepped_into()
    {
        using SystemMachine m = new();
        m.Program(0xCD, 0x80);
        m.Cpu.Rflags = 2 | Tf;
        m.ToVector(0x80);
        Assert.Equal((Code + 2, Tf), (m.Stacked(0), (uint)m.Stacked(2) & Tf));
        Assert.Equal(0u, (uint)m.Cpu.GetDebugRegister(6) & Bs);
    }

    // 17.3.1.4 and 17.3.1.1: a step after each iteration, with RF set in the frame of all but the last.
    [Fact]
    public void A_rep_string_is_stepped_by_iterations()
    {
        using SystemMachine m = new();
        m.Write(HandlerOf(1), [0x43, 0xFF, 0x74, 0x24, 0x08, 0x8F, 0x05, 0x00, 0x05, 0x02, 0x00, 0xCF]); // inc %ebx; push 8(%esp); pop 0x20500; iret
        (m[Gpr.Rcx], m[Gpr.Rdi], m[Gpr.Rsi]) = (3, Data + 0x100, Data);
        m.Program(0xF3, 0xA4); // rep movsb
        m.Cpu.Rflags = 2 | Tf;
        CpuExit exit = m.Cpu.Run(1 + 4);
        Assert.Equal((ExitReason.BudgetSpent, Code), (exit.Reason, m.Cpu.Rip));
        Assert.Equal(2u, (uint)m[Gpr.Rcx]);
        Assert.Equal(Rf | Tf, m.Read32(Data + 0x500) & (Rf | Tf));
        m.Cpu.Run(2 * 5);
        Assert.Equal((3u, 0u), ((uint)m[Gpr.Rbx], (uint)m[Gpr.Rcx]));
        Assert.Equal(Tf, m.Read32(Data + 0x500) & (Rf | Tf));
    }

    // vol. 2, INT1: #DB without any DR6 bit, whatever the gate's DPL.
    [Fact]
    public void ICEBP_is_a_debug_trap_without_a_condition_from_any_privilege()
    {
        using SystemMachine m = new(32, 3);
        m.Program(0xF1);
        m.ToVector(1);
        Assert.Equal((Code + 1, 0u), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xE00F));
    }

    // QEMU and the kernels of both vendors agree: SYSCALL looks at TF after RFLAGS was masked, so a kernel that masks it is not stepped.
    [Theory]
    [InlineData(Tf, false)]
    [InlineData(0u, true)]
    public void SYSCALL_is_stepped_only_when_its_mask_leaves_TF(uint mask, bool stepped)
    {
        using SystemMachine m = new(64, 3);
        m.Cpu.LStar = Code + 0x100;
        m.Cpu.Star = (ulong)KernelCode << 32;
        m.Cpu.SyscallMask = mask;
        m.Write(Code + 0x100, [0xF4]);
        m[Gpr.Rsp] = KernelStack - 0x100;
        m.Program(0x0F, 0x05);
        m.Cpu.Rflags = 2 | Tf;
        Assert.Equal(stepped ? HandlerOf(1) : Code + 0x100, m.ToHalt());
    }

    // A fault of the instruction wins over the data breakpoint it had already met (17.2.3: reported after completion only).
    [Fact]
    public void A_breakpoint_met_by_a_faulting_instruction_is_not_reported()
    {
        using SystemMachine m = new();
        m.Cpu.SetSegment(SegmentName.Es, default);
        (m[Gpr.Rsi], m[Gpr.Rdi]) = (Data, Data);
        m.Program(0xA4); // movsb to the null ES
        Arm(m, 0, Data, 3);
        m.ToVector(13);
        Assert.Equal(0u, (uint)m.Cpu.GetDebugRegister(6) & 0xF);
    }

    [Fact]
    public void A_trap_of_the_instruction_before_comes_before_the_breakpoint_of_the_next()
    {
        using SystemMachine m = new();
        m[Gpr.Rbx] = Data;
        m.Program(0x89, 0x03, 0x90); // mov %eax,(%ebx); nop
        m.Cpu.SetDebugRegister(0, Data);
        m.Cpu.SetDebugRegister(1, Code + 2);
        m.Cpu.SetDebugRegister(7, 0x400 | 2 | 8 | (1u << 16));
        m.ToVector(1);
        Assert.Equal((Code + 2, 1u), (m.Stacked(0), (uint)m.Cpu.GetDebugRegister(6) & 0xF));
    }

    private static void Arm(SystemMachine m, int n, ulong address, int rw, int len = 0)
    {
        m.Cpu.SetDebugRegister(n, address);
        m.Cpu.SetDebugRegister(7, 0x400 | (2ul << (2 * n)) | ((ulong)rw << (16 + (4 * n))) | ((ulong)len << (18 + (4 * n))));
    }
}
