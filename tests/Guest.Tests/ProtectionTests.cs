using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>32-bit protection, PAE paging and exception error codes. Expected values: SDM vol. 3A, chapters 3 to 6.</summary>
public sealed class ProtectionTests
{
    private const ulong Code = 0x10000;
    private const ulong Data = 0x20000;

    // P = bit 0, W = bit 1, U = bit 2, I/D = bit 4. SDM vol. 3A, 4.7, figure 4-12.
    [Theory]
    [InlineData(0ul, 0x8A, 4u)]            // not present, user read
    [InlineData(0ul, 0x88, 6u)]            // not present, user write
    [InlineData(1ul, 0x8A, 5u)]            // supervisor page, user read
    [InlineData(5ul, 0x88, 7u)]            // read-only page, user write
    public void A_page_fault_under_PAE_has_the_error_code_of_the_manual(ulong leaf, int opcode, uint error)
    {
        using Machine m = Flat32(3);
        m.Map(Data, 0x50, leaf);
        m.Code(Code, (byte)opcode, 0x05, 0x00, 0x00, 0x02, 0x00); // mov 0x20000,%al or back
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(1);
        Assert.Equal((ExitReason.Exception, (byte)14, error, Data), (exit.Reason, exit.Vector, exit.ErrorCode, exit.Address));
        Assert.Equal(Code, m.Cpu.Rip);
    }

    [Fact]
    public void A_page_of_the_fourth_PAE_directory_is_read_and_written()
    {
        using Machine m = Flat32(3);
        m.Map(0xC000_0000, 0x60);
        m.Memory.Writable(0x60)[5] = 0x5A;
        m.Code(Code, 0xA0, 0x05, 0x00, 0x00, 0xC0, 0xA2, 0x06, 0x00, 0x00, 0xC0); // mov 0xc0000005,%al; mov %al,0xc0000006
        m.Cpu.Rip = Code;
        Assert.Equal(ExitReason.BudgetSpent, m.Cpu.Run(2).Reason);
        Assert.Equal(0x5A, m.Memory.Readable(0x60)[6]);
    }

    // An offset whose last byte is beyond the limit: #SS(0) through SS, #GP(0) through the others. SDM vol. 3A, 5.3.
    [Theory]
    [InlineData(SegmentName.Ds, 0x3E, 0xFFDul, -1)]
    [InlineData(SegmentName.Ds, 0x3E, 0xFFCul, -1)]
    [InlineData(SegmentName.Ds, 0x3E, 0xFFEul, 13)]
    [InlineData(SegmentName.Es, 0x26, 0x1000ul, 13)]
    [InlineData(SegmentName.Ss, 0x36, 0xFFEul, 12)]
    [InlineData(SegmentName.Ds, 0x3E, 0xFFFF_FFFEul, 13)]
    public void A_limit_is_checked_to_the_last_byte(SegmentName segment, int prefix, ulong offset, int vector)
    {
        using Machine m = Flat32(1);
        m.Map(Data, 0x50);
        m.Map(Data + 0x1000, 0x51);
        m.Cpu.SetSegment(segment, new SegmentRegister(0x11, Data, 0x1000, 0x40B3));
        m.Cpu[Gpr.Rbx] = offset;
        m.Code(Code, (byte)prefix, 0x8B, 0x03); // mov seg:(%ebx),%eax
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(1);
        if (vector < 0)
            Assert.Equal(ExitReason.BudgetSpent, exit.Reason);
        else
            Assert.Equal((ExitReason.Exception, (byte)vector, true, 0u), (exit.Reason, exit.Vector, exit.HasErrorCode, exit.ErrorCode));
    }

    // SDM vol. 3A, 5.4.1: loading null is allowed in DS, ES, FS, GS; the first use gives #GP(0). Loading it in SS gives #GP(0).
    [Fact]
    public void A_null_selector_faults_when_used_and_not_when_loaded()
    {
        using Machine m = Flat32(1);
        m.Map(Data, 0x50);
        m.Code(Code, 0x31, 0xC0, 0x8E, 0xC0, 0x26, 0xA1, 0x00, 0x00, 0x02, 0x00); // xor; mov %eax,%es; mov %es:0x20000,%eax
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(3);
        Assert.Equal((ExitReason.Exception, (byte)13, 0u, Code + 4), (exit.Reason, exit.Vector, exit.ErrorCode, m.Cpu.Rip));
    }

    [Fact]
    public void A_null_stack_selector_is_refused()
    {
        using Machine m = Flat32(1);
        m.Code(Code, 0x31, 0xC0, 0x8E, 0xD0); // xor %eax,%eax; mov %eax,%ss
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(2);
        Assert.Equal((ExitReason.Exception, (byte)13, 0u, Code + 2), (exit.Reason, exit.Vector, exit.ErrorCode, m.Cpu.Rip));
    }

    // #DE is a fault: no error code, RIP at the instruction. SDM vol. 3A, 6.15.
    [Theory]
    [InlineData(0u, 0u, 0u)]
    [InlineData(1u, 0u, 1u)]
    public void A_division_by_zero_or_into_too_large_a_quotient_is_DE(uint high, uint low, uint divisor)
    {
        using Machine m = Flat32(3);
        (m.Cpu[Gpr.Rdx], m.Cpu[Gpr.Rax], m.Cpu[Gpr.Rcx]) = (high, low, divisor);
        m.Code(Code, 0xF7, 0xF1); // div %ecx
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(1);
        Assert.Equal((ExitReason.Exception, (byte)0, false, Code), (exit.Reason, exit.Vector, exit.HasErrorCode, m.Cpu.Rip));
    }

    /// <summary>RELEASE-4.0.4 and stable-4.17: the I/O map of Xen's TSS lies beyond its limit, so that every port access faults and is decoded for the emulator.</summary>
    [Fact]
    public void A_port_access_of_a_deprivileged_guest_faults_without_reading_a_task_state_segment()
    {
        using Machine m = Flat32(1);
        m.Cpu[Gpr.Rdx] = 0xCF8;
        m.Code(Code, 0xEF); // out %eax,(%dx)
        m.Cpu.Rip = Code;
        CpuExit exit = m.Cpu.Run(1);
        Assert.Equal((ExitReason.Exception, (byte)13, PrivilegedOperation.Out), (exit.Reason, exit.Vector, exit.Operation));
    }

    [Fact]
    public void Any_split_of_the_budget_ends_where_single_steps_end()
    {
        // A loop of stores, string copies and calls that also patches its own code: 600 instructions of it.
        byte[] program =
        [
            0xBB, 0x00, 0x00, 0x02, 0x00, 0xBC, 0x00, 0x08, 0x02, 0x00, 0xFF, 0xC0, 0x89, 0x03, 0x83, 0xC3, 0x04, 0xE8, 0x02, 0x00, 0x00, 0x00, 0xEB, 0xF2,
            0x00, 0x05, 0x1F, 0x00, 0x01, 0x00, 0xB1, 0x03, 0xD1, 0xC0, 0xFE, 0xC9, 0x75, 0xFA, 0xC3,
        ];
        string expected = RunIn(program, _ => 1);
        for (int seed = 0; seed < 20; seed++)
        {
            Random random = new(seed);
            Assert.Equal(expected, RunIn(program, left => random.Next(1, Math.Min(left, 97) + 1)));
        }
    }

    [Fact]
    public void No_bytes_can_crash_or_hang_the_engine()
    {
        Random random = new(7);
        byte[] bytes = new byte[64];
        foreach (int bits in new[] { 16, 32, 64 })
        {
            using var m = new Machine(bits, bits == 32 ? 1 : 3);
            m.Map(Code, 0x40);
            m.Map(Data, 0x50);
            for (int i = 0; i < 3000; i++)
            {
                random.NextBytes(bytes);
                bytes.CopyTo(m.Memory.Writable(0x40));
                for (int r = 0; r < 8; r++)
                    m.Cpu[(Gpr)r] = Data + (ulong)random.Next(0x1000);
                m.Cpu.Rip = Code;
                m.Cpu.Rflags = 0x202;
                long before = m.Cpu.RetiredInstructions;
                CpuExit exit = m.Cpu.Run(50);
                Assert.True(Enum.IsDefined(exit.Reason));
                Assert.InRange(m.Cpu.RetiredInstructions - before, 0, 50);
            }
        }
    }

    private static string RunIn(byte[] program, Func<int, int> slice)
    {
        using Machine m = Flat32(3);
        m.Map(Data, 0x50);
        m.Code(Code, program);
        m.Cpu.Rip = Code;
        int left = 600;
        while (left > 0)
        {
            int n = slice(left);
            CpuExit exit = m.Cpu.Run(n);
            Assert.Equal(ExitReason.BudgetSpent, exit.Reason);
            left -= n;
        }

        string registers = string.Join(' ', Enumerable.Range(0, 8).Select(r => m.Cpu[(Gpr)r].ToString("x", null)));
        return $"{m.Cpu.RetiredInstructions} {m.Cpu.Rip:x} {m.Cpu.Rflags:x} {registers} {Convert.ToHexString(m.Memory.Readable(0x50))} {Convert.ToHexString(m.Memory.Readable(0x40))}";
    }

    private static Machine Flat32(int cpl)
    {
        var m = new Machine(32, cpl);
        m.Map(Code, 0x40);
        return m;
    }
}
