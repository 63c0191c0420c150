using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>What a fault or a system register write leaves, and how CPUID bounds it.</summary>
public sealed class FaultStateTests
{
    private const ulong ResumeFlag = 0x1_0000;

    // SDM vol. 3B, 17.3.1.1: RF is 1 in the flags of every fault-class exception; setting RIP is going elsewhere, where it means nothing.
    [Theory]
    [InlineData(6, 0x0F, 0x0B)] // ud2
    [InlineData(13, 0xF4, 0x90)] // hlt at CPL 3
    [InlineData(14, 0x8A, 0x00)] // mov (%rax),%al
    public void A_fault_that_leaves_has_RF_set_until_RIP_is_moved(int vector, int first, int second)
    {
        using Machine m = new();
        m.Map(0x40_0000, 0x300);
        m.Code(0x40_0000, (byte)first, (byte)second);
        m.Cpu.Rip = 0x40_0000;
        m.Cpu[Gpr.Rax] = 0x7000_0000;
        CpuExit exit = m.Cpu.Run(3);
        Assert.Equal((ExitReason.Exception, vector), (exit.Reason, exit.Vector));
        Assert.Equal(ResumeFlag, m.Cpu.Rflags & ResumeFlag);
        m.Cpu.Rip += 2;
        Assert.Equal(0ul, m.Cpu.Rflags & ResumeFlag);
    }

    [Fact]
    public void A_trap_that_leaves_has_RF_clear()
    {
        using Machine m = new();
        m.Map(0x40_0000, 0x300);
        m.Code(0x40_0000, 0xF1); // int1
        m.Cpu.Rip = 0x40_0000;
        m.Cpu.Run(3);
        Assert.Equal(0ul, m.Cpu.Rflags & ResumeFlag);
    }

    /// <summary>
    /// A processor goes on for ever where the stack wraps (16-bit SP), entering a handler whose first instruction is longer than 15 bytes (#GP, SDM vol. 3A, 6.15); here budgets run out.
    /// </summary>
    [Theory]
    [InlineData(32)]
    [InlineData(16)]
    public void A_handler_that_faults_itself_uses_up_the_budget(int bits)
    {
        using SystemMachine m = new(bits);
        byte[] tooLong = [.. Enumerable.Repeat((byte)0x2E, 15), 0x90];
        m.Write(SystemMachine.HandlerOf(13), tooLong);
        if (bits == 32)
        {
            m.Cpu.SetSegment(SegmentName.Ss, new SegmentRegister(SystemMachine.KernelData, 0x40000, 0xFFFF, 0x93));
            m[Gpr.Rsp] = 0x8000;
        }

        m.Program(tooLong);
        m.Cpu.Rip = bits == 16 ? m.Cpu.Rip & 0xFFFF : m.Cpu.Rip;
        if (bits == 16)
            m.Cpu.SetSegment(SegmentName.Cs, new SegmentRegister(0x1000, 0x10000, 0xFFFF, 0x9B));
        for (int i = 1; i < 4; i++)
        {
            Assert.Equal(ExitReason.BudgetSpent, m.Cpu.Run(1000).Reason);
            Assert.Equal(1000 * i, m.Cpu.RetiredInstructions);
        }
    }

    // SDM vol. 3A, 2.5: a bit of CR4 is reserved where CPUID lacks its feature.
    [Theory]
    [InlineData(0x01, 1, 'd', 1)] // VME
    [InlineData(0x02, 1, 'd', 1)] // PVI
    [InlineData(0x04, 1, 'd', 4)] // TSD
    [InlineData(0x08, 1, 'd', 2)] // DE
    [InlineData(0x10, 1, 'd', 3)] // PSE
    [InlineData(0x20, 1, 'd', 6)] // PAE
    [InlineData(0x40, 1, 'd', 7)] // MCE
    [InlineData(0x80, 1, 'd', 13)] // PGE
    [InlineData(0x200, 1, 'd', 24)] // OSFXSR
    [InlineData(0x400, 1, 'd', 25)] // OSXMMEXCPT
    [InlineData(0x800, 7, 'c', 2)] // UMIP
    [InlineData(0x1_0000, 7, 'b', 0)] // FSGSBASE
    [InlineData(0x4_0000, 1, 'c', 26)] // OSXSAVE
    [InlineData(0x10_0000, 7, 'b', 7)] // SMEP
    [InlineData(0x20_0000, 7, 'b', 20)] // SMAP
    [InlineData(0x40_0000, 7, 'c', 3)] // PKE
    public void CR4_takes_a_bit_only_if_CPUID_has_its_feature(uint bit, uint leaf, char register, int feature)
    {
        foreach (bool present in (bool[])[true, false])
        {
            using SystemMachine m = new(32, 0, new OneFeature(leaf, register, present ? 1u << feature : 0));
            m[Gpr.Rax] = bit;
            m.Program(0x0F, 0x22, 0xE0); // mov %eax,%cr4
            ulong rip = m.ToHalt();
            Assert.Equal(present ? Code + 3 : HandlerOf(13), rip);
            Assert.Equal(present ? bit : 0, m.Cpu.Cr4);
        }
    }

    // SDM vol. 1, 8.1.9, and read back by FNSTENV on a Zen 3: 544, 6c1, 1d0, 1f7; control instructions leave it.
    [Theory]
    [InlineData(0x544, 0xDD, 0x44, 0x23, 0x08)] // fldl 8(%ebx,%eiz)
    [InlineData(0x6C1, 0xD9, 0xE8, 0xDE, 0xC1)] // fld1; faddp
    [InlineData(0x1D0, 0xD9, 0xE8, 0xD9, 0xD0)] // fld1; fnop
    [InlineData(0x1F7, 0xD9, 0xE8, 0xD9, 0xF7)] // fld1; fincstp
    [InlineData(0x1E8, 0xD9, 0xE8, 0xD9, 0x3B)] // fld1; fnstcw (%ebx)
    public void The_last_opcode_of_the_x87_is_kept(int opcode, params int[] code)
    {
        using SystemMachine m = new();
        m[Gpr.Rbx] = Data;
        byte[] bytes = [0xDB, 0xE3, .. code.Select(b => (byte)b), 0xD9, 0x33]; // fninit; …; fnstenv (%ebx)
        m.Program(bytes);
        m.ToHalt();
        Assert.Equal(opcode, (int)(m.Read32(Data + 16) >> 16));
    }

    private sealed class OneFeature(uint leaf, char register, uint bits) : ICpuPolicy
    {
        public CpuidResult Cpuid(uint asked, uint subleaf) => asked switch
        {
            0 => new(7, 0, 0, 0),
            _ when asked != leaf => default,
            _ => new(0, register == 'b' ? bits : 0, register == 'c' ? bits : 0, register == 'd' ? bits : 0),
        };

        public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
    }
}
