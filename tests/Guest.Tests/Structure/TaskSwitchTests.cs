using XenSim.Guest.Cpu;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Hardware task switches. SDM vol. 3A, chapter 7: the steps of 7.3, the busy flags, links and NT of table 7-2, the faults of table 7-1.</summary>
public sealed class TaskSwitchTests
{
    private const ulong NewTss = 0x3400, NewCode = 0x11000;
    private const int NewTask = Free, Nested = 0x4000, Wide = 9, Narrow = 1;

    [Theory]
    [InlineData(Wide, true)]
    [InlineData(Wide, false)]
    [InlineData(Narrow, true)]
    [InlineData(Narrow, false)]
    public void A_far_transfer_to_a_TSS_saves_the_old_task_and_loads_the_new_one(int type, bool call)
    {
        using SystemMachine m = With(type);
        m.Program(call ? (byte)0x9A : (byte)0xEA, 0, 0, 0, 0, NewTask, 0);
        m[Gpr.Rsi] = 0x11223344;
        m.Cpu.Rflags = 0x8D7;
        m.Cpu.SetDebugRegister(7, 0x455);
        Assert.Equal(type == Wide ? NewCode : 0, m.ToHalt());
        // The image of the new task; a 16-bit one has no upper halves.
        Assert.Equal(0x1001u, (ushort)m[Gpr.Rax]);
        Assert.Equal(0x1008u, (ushort)m[Gpr.Rdi]);
        Assert.Equal((ushort)NewTask, m.Cpu.GetSegment(SegmentName.Tr).Selector);
        Assert.Equal(8ul, m.Cpu.Cr0 & 8); // TS
        Assert.Equal(0x400ul, m.Cpu.GetDebugRegister(7));
        Assert.Equal(call ? Nested : 0, (int)m.Cpu.Rflags & Nested);
        // The old one: EIP behind the instruction, flags, registers, selectors.
        Assert.Equal(((uint)Code + 7, 0x8D7u), (m.Read32(Tss + 0x20), m.Read32(Tss + 0x24)));
        Assert.Equal(0x11223344u, m.Read32(Tss + 0x40));
        Assert.Equal((KernelData, KernelCode), (m.Read16(Tss + 0x48), m.Read16(Tss + 0x4C)));
        Assert.Equal(call ? TaskSelector : 0, m.Read16(NewTss));
        Assert.Equal((call, true), (IsBusy(m, TaskSelector), IsBusy(m, NewTask)));
    }

    [Fact]
    public void An_IRET_with_NT_goes_back_and_a_call_can_be_made_again()
    {
        using SystemMachine m = With(Wide);
        m.Write(NewCode, [0x40, 0xCF, 0xEB, 0xFC]); // again: inc %eax; iret; jmp again
        m.Program(0x9A, 0, 0, 0, 0, NewTask, 0, 0x9A, 0, 0, 0, 0, NewTask, 0);
        Assert.Equal(Code + 14, m.ToHalt());
        // The second call went on behind the IRET, with EAX as it was left.
        Assert.Equal((0x1003u, (uint)NewCode + 2), (m.Read32(NewTss + 0x28), m.Read32(NewTss + 0x20)));
        Assert.Equal((true, false), (IsBusy(m, TaskSelector), IsBusy(m, NewTask)));
        Assert.Equal(0ul, m.Cpu.Rflags & Nested);
        Assert.Equal(0u, m.Read32(NewTss + 0x24) & Nested);
    }

    [Fact]
    public void A_fault_through_a_task_gate_pushes_its_error_on_the_new_stack()
    {
        using SystemMachine m = With(Wide);
        m.Gate(Idt + (13 * 8), NewTask, 0, 0x85);
        m.Program(0x8E, 0xD8); // mov %eax,%ds
        m[Gpr.Rax] = 0x1F8;
        Assert.Equal(NewCode, m.ToHalt());
        Assert.Equal(0x1F8u, m.Stacked(0));
        Assert.Equal(0x48000u - 4, m[Gpr.Rsp]);
        // RF is in the flags that are saved, EIP is the instruction.
        Assert.Equal(((uint)Code, 0x1_0000u), (m.Read32(Tss + 0x20), m.Read32(Tss + 0x24) & 0x1_0000));
        Assert.Equal(TaskSelector, m.Read16(NewTss));
    }

    [Fact]
    public void A_double_fault_is_rescued_by_a_task_of_its_own()
    {
        using SystemMachine m = With(Wide);
        m.Gate(Idt + (8 * 8), NewTask, 0, 0x85);
        m.Write64(Idt + (13 * 8), 0); // #GP has no gate
        m.Program(0x8E, 0xD8);
        m[Gpr.Rax] = 0x1F8;
        Assert.Equal(NewCode, m.ToHalt());
        Assert.Equal(0u, m.Stacked(0));
    }

    // Before the commit point: a fault of the old task, at the instruction.
    [Theory]
    [InlineData(0x8B, 0x67, 13)] // busy
    [InlineData(0x09, 0x67, 11)] // not present
    [InlineData(0x89, 0x66, 10)] // short
    [InlineData(0x81, 0x2A, 10)] // short
    public void A_bad_TSS_is_refused_with_nothing_done(int access, int limit, int vector)
    {
        using SystemMachine m = With(Wide);
        m.Descriptor(NewTask, NewTss, (uint)limit, access, 0);
        m.Program(0xEA, 0, 0, 0, 0, NewTask, 0);
        m.ToVector(vector);
        Assert.Equal(((ulong)NewTask, Code), (m.Stacked(0), m.Stacked(1)));
        Assert.Equal(TaskSelector, m.Cpu.GetSegment(SegmentName.Tr).Selector);
        Assert.Equal(0u, m.Read32(Tss + 0x20));
    }

    // After it: the new task's, at its first instruction. Table 7-1.
    [Theory]
    [InlineData(0x60, 0x28, 10, 0x28)] // LDT: not one
    [InlineData(0x4C, KernelData, 10, KernelData)] // CS: data
    [InlineData(0x50, KernelCode, 10, KernelCode)] // SS: code
    [InlineData(0x54, 0x1F8, 10, 0x1F8)] // DS: outside
    [InlineData(0x58, 0x50, 11, 0x50)] // FS: not present
    [InlineData(0x20, -1, 13, 0)] // EIP beyond the limit
    public void A_bad_segment_faults_in_the_new_task(int field, int value, int vector, int error)
    {
        using SystemMachine m = With(Wide);
        m.Descriptor(0x50, 0, 0xFFFFF, 0x13, 0xC);
        // A handler that is a task needs nothing of the broken one.
        m.Descriptor(0x58, 0x3600, 0x67, 0x89, 0);
        Image(m, 0x3600, Wide, 0x12000);
        m.Write(0x12000, [0xF4]);
        m.Gate(Idt + (ulong)(vector * 8), 0x58, 0, 0x85);
        m.Descriptor(KernelCode, 0, 0xFFFFF, Kernel, 4);
        m.Write32(NewTss + (ulong)field, (uint)value);
        m.Program(0xEA, 0, 0, 0, 0, NewTask, 0);
        Assert.Equal(0x12000ul, m.ToHalt());
        Assert.Equal((uint)error, m.Stacked(0));
        Assert.Equal(NewTask, m.Read16(0x3600));
        Assert.Equal(field == 0x20 ? uint.MaxValue : (uint)NewCode, m.Read32(NewTss + 0x20));
    }

    [Fact]
    public void The_T_bit_traps_before_the_first_instruction_with_BT_in_DR6()
    {
        using SystemMachine m = With(Wide);
        m.Write32(NewTss + 0x64, 1);
        m.Program(0xEA, 0, 0, 0, 0, NewTask, 0);
        m.ToVector(1);
        Assert.Equal(NewCode, m.Stacked(0));
        Assert.Equal(0x8000ul, m.Cpu.GetDebugRegister(6) & 0x8000);
    }

    [Fact]
    public void A_task_may_have_a_directory_of_its_own_and_run_in_virtual_8086_mode()
    {
        using SystemMachine m = With(Wide);
        m.PagingPae();
        m.Write32(NewTss + 0x1C, 0x4F000);
        m.Write64(0x4F000, 0x6001);
        m.Write32(NewTss + 0x24, 0x2_0002);
        m.Write32(NewTss + 4, (uint)KernelStack);
        m.Write32(NewTss + 8, KernelData);
        m.Write32(NewTss + 0x20, 0x10);
        m.Write32(NewTss + 0x4C, 0x1100);
        m.Write(NewCode + 0x10, [0xCD, 0x80]); // int $0x80 with IOPL 0: #GP(0) at CPL 0
        m.Program(0xEA, 0, 0, 0, 0, NewTask, 0);
        m.ToVector(13);
        Assert.Equal(0x4F000ul, m.Cpu.Cr3);
        Assert.Equal((0ul, 0x10ul, 0x1100ul), (m.Stacked(0), m.Stacked(1), m.Stacked(2) & 0xFFFF));
    }

    private static bool IsBusy(SystemMachine m, int selector) => (m.Read64(Gdt + (ulong)selector) >> 41 & 1) != 0;

    private static SystemMachine With(int type)
    {
        SystemMachine m = new();
        m.Write32(Tss + 0x64, 0x68u << 16);
        m.Descriptor(NewTask, NewTss, type == Wide ? 0x67u : 0x2Bu, 0x80 | type, 0);
        Image(m, NewTss, type, NewCode);
        m.Write(NewCode, [0xF4]);
        return m;
    }

    /// <summary>EAX to EDI are 0x1001 to 0x1008 but for the stack pointer.</summary>
    private static void Image(SystemMachine m, ulong tss, int type, ulong code)
    {
        bool wide = type == Wide;
        ulong at = tss + (wide ? 0x20u : 0x0Eu), size = wide ? 4u : 2u;
        if (!wide)
        {
            // 64 KiB of code do not reach: a code segment of its own, for a 16-bit EIP.
            m.Descriptor(0x68, code, 0xFFFF, Kernel, 4);
        }

        uint[] fields =
        [
            wide ? (uint)code : 0, 2, 0x1001, 0x1002, 0x1003, 0x1004, wide ? 0x48000u : 0x8000u, 0x1006, 0x1007, 0x1008,
            KernelData, wide ? KernelCode : 0x68u, KernelData, KernelData,
        ];
        for (int i = 0; i < fields.Length; i++)
        {
            if (wide)
                m.Write32(at + ((ulong)i * size), fields[i]);
            else
                m.Write(at + ((ulong)i * size), [(byte)fields[i], (byte)(fields[i] >> 8)]);
        }
    }
}
