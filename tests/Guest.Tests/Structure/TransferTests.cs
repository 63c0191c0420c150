using XenSim.Guest.Cpu;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Far transfers through gates, task switches, interrupts and returns. SDM vol. 3A, chapters 5 to 7; vol. 2, CALL, JMP, RET, IRET, INT n.</summary>
public sealed class TransferTests
{
    private const ulong Target = Code + 0x800;

    // vol. 3A, 5.8.5: stack from the TSS; old SS, old ESP, parameters, CS, EIP in the gate's size (figure 5-12).
    [Theory]
    [InlineData(0xEC, 0, 4)]
    [InlineData(0xEC, 3, 4)]
    [InlineData(0xE4, 2, 2)]
    public void A_call_through_a_gate_to_an_inner_level_copies_the_parameters_to_the_new_stack(int access, int parameters, int size)
    {
        using SystemMachine m = new(32, 3);
        m.Gate(Gdt + Free, KernelCode, access == 0xE4 ? Relocate(m) : Target, access, parameters);
        m.Write(Target, [0xF4]);
        for (uint i = 0; i < 4; i++)
            m.Write32(UserStack + (i * 4), 0xAAA10000 + i);
        m.Program(0x9A, 0, 0, 0, 0, (byte)Free, 0); // lcall $Free,$0
        m.ToHalt();
        Assert.Equal((0, KernelCode, KernelData), (m.Cpu.Cpl, m.Cpu.GetSegment(SegmentName.Cs).Selector, m.Cpu.GetSegment(SegmentName.Ss).Selector));
        Assert.Equal(KernelStack - (ulong)((4 + parameters) * size), m[Gpr.Rsp]);
        List<uint> stack = [.. Enumerable.Range(0, 4 + parameters).Select(i => size == 2 ? m.Read16(m[Gpr.Rsp] + (ulong)(i * 2)) : m.Read32(m[Gpr.Rsp] + (ulong)(i * 4)))];
        uint mask = size == 2 ? 0xFFFFu : uint.MaxValue;
        List<uint> expected = [(uint)(Code + 7) & mask, UserCode];
        for (int i = 0; i < parameters; i++)
            expected.Add(size == 2 ? m.Read16(UserStack + (ulong)(i * 2)) : m.Read32(UserStack + (ulong)(i * 4)));
        expected.AddRange([(uint)UserStack & mask, UserData]);
        Assert.Equal(expected, stack);
    }

    [Fact]
    public void A_far_return_from_a_gate_drops_the_parameters_on_both_stacks_and_nulls_inner_data_segments()
    {
        using SystemMachine m = new(32, 3);
        m.Gate(Gdt + Free, KernelCode, Target, 0xEC, 2);
        m.Write(Target, [0xB8, 0x10, 0, 0, 0, 0x8E, 0xC0, 0xCA, 0x08, 0x00]); // mov $0x10,%eax; mov %eax,%es; lret $8
        m.Program(0x9A, 0, 0, 0, 0, (byte)Free, 0, 0x0F, 0x0B); // lcall; ud2
        m.Cpu[Gpr.Rsp] = UserStack;
        m.ToVector(6);
        Assert.Equal((Code + 7, UserStack + 8, UserCode), (m.Stacked(0), m.Stacked(3), (ushort)m.Stacked(1)));
        Assert.Equal((0, UserData), (m.Cpu.GetSegment(SegmentName.Es).Selector, m.Cpu.GetSegment(SegmentName.Ds).Selector));
    }

    [Fact]
    public void A_64_bit_call_gate_pushes_quadwords_and_loads_a_null_SS()
    {
        using SystemMachine m = new(64, 3);
        m.Gate(Gdt + Free, KernelCode, Target, 0xEC);
        m.Write(Target, [0xF4]);
        m.Write64(Data, (ulong)Free << 32);
        m.Program(0xFF, 0x1C, 0x25, 0x00, 0x00, 0x02, 0x00); // lcall *Data
        m.ToHalt();
        Assert.Equal([Code + 7, UserCode, UserStack, UserData], Enumerable.Range(0, 4).Select(m.Stacked));
        Assert.Equal((Target, (ushort)0, KernelStack - 32), (m.Cpu.Rip, m.Cpu.GetSegment(SegmentName.Ss).Selector, m[Gpr.Rsp]));
    }

    [Fact]
    public void A_jump_through_a_gate_stays_at_its_level()
    {
        using SystemMachine m = new();
        m.Gate(Gdt + Free, KernelCode, Target, 0x8C);
        m.Write(Target, [0xF4]);
        m.Program(0xEA, 0, 0, 0, 0, (byte)Free, 0); // ljmp
        Assert.Equal(Target, m.ToHalt());
        Assert.Equal(KernelStack - 0x800, m[Gpr.Rsp]);
    }

    // vol. 2, CALL, call-gate: what is refused and with which selector. Gate DPL 3 from CPL 3 unless said.
    [Theory]
    [InlineData(0x8C, 0x08, 13, (int)Free)] // gate DPL 0 < CPL
    [InlineData(0x6C, 0x08, 11, (int)Free)] // gate not present
    [InlineData(0xEC, 0x00, 13, 0)] // null code selector
    [InlineData(0xEC, 0x10, 13, 0x10)] // data segment
    [InlineData(0xEC, 0xF8, 13, 0xF8)] // descriptor of zeros
    [InlineData(0xEC, 0x1F8, 13, 0x1F8)] // beyond the table
    [InlineData(0xEE, 0x08, 13, (int)Free)] // an interrupt gate
    [InlineData(0xEB, 0x08, 13, (int)Free)] // a busy TSS
    [InlineData(0xEC, 0x50, 11, 0x50)] // code not present
    public void A_bad_call_gate_is_refused_with_the_selector_at_fault(int access, int selector, int vector, int error)
    {
        using SystemMachine m = new(32, 3);
        m.Descriptor(0x50, 0, 0xFFFFF, 0x1B, 0xC);
        m.Gate(Gdt + Free, (ushort)selector, Target, access);
        m.Program(0x9A, 0, 0, 0, 0, (byte)Free, 0);
        m.ToVector(vector);
        Assert.Equal(((ulong)error, Code, UserStack), (m.Stacked(0), m.Stacked(1), m.Stacked(4)));
    }

    // vol. 2, CALL, more-privilege: the stack of the TSS.
    [Theory]
    [InlineData(0x00, 10, 0)] // null SS
    [InlineData(0x18, 10, 0x18)] // code segment as stack
    [InlineData(0x23, 10, 0x20)] // wrong RPL
    [InlineData(0x50, 12, 0x50)] // stack not present
    [InlineData(0x58, 12, 0x58)] // no room
    public void A_bad_inner_stack_is_TS_or_SS_with_its_selector(int ss, int vector, int error)
    {
        using SystemMachine m = new(32, 3);
        m.Descriptor(0x50, 0, 0xFFFFF, 0x13, 0xC);
        m.Descriptor(0x58, 0, 0x100, 0x93, 0x4);
        m.Gate(Gdt + Free, KernelCode, Target, 0xEC);
        m.Write32(Tss + 8, (uint)ss);
        // The handlers need a stack too: a task at ring 0 conforming code keeps this one.
        m.Descriptor(0x60, 0, 0xFFFFFFFF, 0x9F, 0xC);
        m.Vector(vector, 0x8E, 0x60);
        m.Write(HandlerOf(vector), [0xF4]);
        m.Program(0x9A, 0, 0, 0, 0, (byte)Free, 0);
        // The handler is conforming, so it runs at CPL 3, where HLT faults: stop before it.
        CpuExit exit = m.Cpu.Run(0);
        Assert.Equal(ExitReason.BudgetSpent, exit.Reason);
        m.Write(HandlerOf(vector), [0xEB, 0xFE]);
        m.Cpu.Run(5);
        Assert.Equal((HandlerOf(vector), (ulong)error, Code), (m.Cpu.Rip, m.Stacked(0), m.Stacked(1)));
    }

    // vol. 3A, 6.14.5: an IST entry gives the stack whatever the privilege; RSP is aligned to 16.
    [Theory]
    [InlineData(0, 0, KernelStack - 0x800)]
    [InlineData(1, 0, Ist1)]
    [InlineData(0, 3, KernelStack)]
    [InlineData(1, 3, Ist1)]
    public void A_64_bit_interrupt_takes_its_stack_from_the_IST_or_the_privilege_level(int ist, int cpl, ulong top)
    {
        using SystemMachine m = new(64, cpl);
        m[Gpr.Rsp] += 3;
        ulong before = m[Gpr.Rsp];
        m.Vector(0x80, 0xEE, KernelCode, ist);
        m.Program(0xCD, 0x80);
        m.ToVector(0x80);
        Assert.Equal(top - 40, m[Gpr.Rsp]);
        Assert.Equal((Code + 2, before), (m.Stacked(0), m.Stacked(3)));
        Assert.Equal(cpl == 3 ? 0 : KernelData, m.Cpu.GetSegment(SegmentName.Ss).Selector);
    }

    // vol. 3A, table 6-5. First and second exception are provoked by an IDT whose gates are missing (#NP) or whose stack is not mapped (#PF).
    [Fact]
    public void A_missing_gate_of_a_contributory_exception_is_a_double_fault()
    {
        using SystemMachine m = new();
        m.Vector(13, 0x0E);
        m.Program(0x8E, 0xD8);
        m[Gpr.Rax] = 0x1F8;
        m.ToVector(8);
        Assert.Equal((0ul, Code), (m.Stacked(0), m.Stacked(1)));
    }

    [Fact]
    public void A_missing_gate_of_a_benign_exception_is_the_second_fault_itself()
    {
        using SystemMachine m = new();
        m.Vector(6, 0x0E);
        m.Program(0x0F, 0x0B);
        m.ToVector(11);
        // Vector 6, IDT, EXT. SDM vol. 3A, 6.13.
        Assert.Equal(((6ul * 8) | 3, Code), (m.Stacked(0), m.Stacked(1)));
    }

    [Fact]
    public void A_software_interrupt_through_a_missing_gate_has_EXT_clear()
    {
        using SystemMachine m = new();
        m.Vector(0x81, 0x6E);
        m.Program(0xCD, 0x81);
        m.ToVector(11);
        Assert.Equal((0x81ul * 8) | 2, m.Stacked(0));
    }

    [Fact]
    public void A_double_fault_that_cannot_be_delivered_shuts_down()
    {
        using SystemMachine m = new();
        m.Cpu.Idtr = new DescriptorTableRegister(Idt, 0);
        m.Program(0x0F, 0x0B);
        Assert.Equal(ExitReason.TripleFault, m.Cpu.Run(10).Reason);
    }

    // vol. 3A, 6.7.1 and 6.8.3.
    [Fact]
    public void An_NMI_blocks_further_ones_until_IRET()
    {
        using SystemMachine m = new();
        m.Write(HandlerOf(2), [0x90, 0xCF]);
        m.Program(0x90, 0x90);
        Assert.True(m.Cpu.Inject(2));
        Assert.True(m.Cpu.NmiBlocked);
        m.Cpu.Run(1);
        Assert.True(m.Cpu.NmiBlocked);
        m.Cpu.Run(1);
        Assert.False(m.Cpu.NmiBlocked);
        Assert.Equal(Code, m.Cpu.Rip);
    }

    [Theory]
    [InlineData(new byte[] { 0xFB, 0x90, 0x90 }, 1)] // sti
    [InlineData(new byte[] { 0x8E, 0xD0, 0x90, 0x90 }, 1)] // mov %eax,%ss
    [InlineData(new byte[] { 0x8E, 0xD8, 0x90, 0x90 }, 0)] // mov %eax,%ds
    public void The_interrupt_shadow_covers_one_instruction(byte[] program, int shadow)
    {
        using SystemMachine m = new();
        m[Gpr.Rax] = KernelData;
        m.Program(program);
        m.Cpu.Run(1);
        Assert.Equal(shadow == 1, m.Cpu.InterruptShadow);
        m.Cpu.Run(1);
        Assert.False(m.Cpu.InterruptShadow);
    }

    [Fact]
    public void An_exception_in_the_interrupt_shadow_ends_it()
    {
        using SystemMachine m = new();
        m.Program(0xFB, 0x0F, 0x0B); // sti; ud2
        m.ToVector(6);
        Assert.False(m.Cpu.InterruptShadow);
    }

    /// <summary>A 16-bit gate reaches the first 64 KiB only.</summary>
    private static ulong Relocate(SystemMachine m)
    {
        m.Write(0x4800, [0xF4]);
        return 0x4800;
    }
}
