using XenSim.Guest.Cpu;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Virtual-8086 mode as 32-bit kernels use it. SDM vol. 3B, chapter 21.</summary>
public sealed class Virtual8086Tests
{
    private const uint Vm = 0x20000, If = 0x200, Vif = 0x80000, Vip = 0x100000;

    [Fact]
    public void IRETD_with_VM_set_enters_with_segments_of_sixteen_bytes()
    {
        using SystemMachine m = Enter(0, [0x8C, 0xD8, 0x0F, 0x0B]); // mov %ds,%ax; ud2
        m.ToVector(6);
        Assert.Equal(0x2345u, (uint)m[Gpr.Rax]);
        // Figure 21-4: GS, FS, DS, ES above SS, ESP, EFLAGS, CS, EIP.
        Assert.Equal([2u, 0x1100, Vm | 0x10002, 0x3000, 0x1800, 0x1234, 0x2345, 0x3456, 0x4567], Enumerable.Range(0, 9).Select(i => (uint)m.Stacked(i)));
        Assert.Equal(KernelStack - 36, m[Gpr.Rsp]);
        Assert.Equal((0, 0, 0), (m.Cpu.Cpl, m.Cpu.GetSegment(SegmentName.Ds).Selector, m.Cpu.GetSegment(SegmentName.Gs).Access));
    }

    // 21.2.7: CLI, STI, PUSHF, POPF, INT n and IRET are sensitive to IOPL; INT3 and INTO are not.
    [Theory]
    [InlineData(new byte[] { 0xFA }, 0, 13)]
    [InlineData(new byte[] { 0xFB }, 0, 13)]
    [InlineData(new byte[] { 0x9C }, 0, 13)]
    [InlineData(new byte[] { 0x9D }, 0, 13)]
    [InlineData(new byte[] { 0xCF }, 0, 13)]
    [InlineData(new byte[] { 0xCD, 0x80 }, 0, 13)]
    [InlineData(new byte[] { 0xCD, 0x80 }, 3, 0x80)]
    [InlineData(new byte[] { 0xCC }, 0, 3)]
    [InlineData(new byte[] { 0x0F, 0x00, 0xC0 }, 3, 6)] // sldt
    [InlineData(new byte[] { 0x0F, 0x02, 0xC0 }, 3, 6)] // lar
    [InlineData(new byte[] { 0x63, 0xC0 }, 3, 6)] // arpl
    [InlineData(new byte[] { 0xF4 }, 3, 13)]
    [InlineData(new byte[] { 0x0F, 0x20, 0xC0 }, 3, 13)] // mov %cr0
    [InlineData(new byte[] { 0xE4, 0x10 }, 3, 13)] // in: the I/O map decides whatever IOPL is
    [InlineData(new byte[] { 0x66, 0x9C }, 0, 13)]
    public void Sensitive_instructions_fault_below_IOPL_3(byte[] code, int iopl, int vector)
    {
        using SystemMachine m = Enter(iopl, code);
        m.ToVector(vector);
        Assert.Equal(Vm, (uint)m.Stacked(vector is 13 ? 3 : 2) & Vm);
        if (vector == 13)
            Assert.Equal((0ul, 0ul), (m.Stacked(0), m.Stacked(1)));
    }

    [Fact]
    public void At_IOPL_3_flags_are_pushed_popped_and_returned_without_touching_IOPL_or_VM()
    {
        // pushf; pop %ax; or $0x200,%ax; push %ax; popf; pushf; pop %bx; push %bx; push %cs; push $0x40; iret; … ud2
        byte[] code = new byte[0x42];
        code.AsSpan().Fill(0x90);
        byte[] head = [0x9C, 0x58, 0x0D, 0x00, 0x02, 0x25, 0xFF, 0xCF, 0x50, 0x9D, 0x9C, 0x5B, 0x53, 0x0E, 0x6A, 0x40, 0xCF];
        head.CopyTo(code, 0);
        (code[0x40], code[0x41]) = (0x0F, 0x0B);
        using SystemMachine m = Enter(3, code);
        m.ToVector(6);
        Assert.Equal((0x3202u, 0x40u), ((uint)m[Gpr.Rbx], (uint)m.Stacked(0)));
        Assert.Equal(Vm | 0x3202u, (uint)m.Stacked(2) & ~0x10000u);
    }

    // Table 21-2 and 21.3: with CR4.VME and a clear redirection bit, INT n goes to the program's own vector; IF is kept in VIF.
    [Fact]
    public void Under_VME_an_interrupt_is_redirected_and_IF_is_virtual()
    {
        using SystemMachine m = Enter(0, [0xFB, 0xCD, 0x21, 0x9C, 0x58, 0xFA, 0x0F, 0x0B]); // sti; int $0x21; pushf; pop %ax; cli; ud2
        Vme(m);
        m.Write32(0x21 * 4, 0x1100_0080); // 1100:0080
        m.Write(0x11080, [0x9C, 0x5B, 0xCF]); // pushf; pop %bx; iret
        m.ToVector(6);
        Assert.Equal((0x3002u, 0x3202u), ((uint)m[Gpr.Rbx] & 0xFFFF, (uint)m[Gpr.Rax] & 0xFFFF));
        Assert.Equal(0u, (uint)m.Stacked(2) & (Vif | If));
    }

    [Fact]
    public void Under_VME_a_pending_interrupt_makes_STI_fault()
    {
        using SystemMachine m = Enter(0, [0xFB], Vip);
        Vme(m);
        m.ToVector(13);
    }

    // vol. 2, INT n: from virtual-8086 mode the handler must be at DPL 0 and not conforming.
    [Fact]
    public void A_conforming_handler_is_refused_from_virtual_8086_mode()
    {
        using SystemMachine m = Enter(3, [0xCD, 0x80]);
        m.Descriptor(Free, 0, 0xFFFFFFFF, 0x9F, 0xC);
        m.Vector(0x80, 0xEE, Free);
        m.ToVector(13);
        Assert.Equal((ulong)Free, m.Stacked(0));
    }

    private static void Vme(SystemMachine m)
    {
        m.Cpu.Cr4 = 1;
        // The I/O map at 0x88, the redirection map in the 32 bytes before it, all bits clear.
        m.Cpu.SetSegment(SegmentName.Tr, new SegmentRegister(TaskSelector, Tss, 0xFF, Tss32));
        m.Write32(Tss + 0x64, 0x88u << 16);
    }

    /// <summary>At CPL 0 in front of an IRETD whose frame leads to 1100:0000 in virtual-8086 mode, with the code there.</summary>
    private static SystemMachine Enter(int iopl, byte[] code, uint flags = 0)
    {
        SystemMachine m = new();
        m.Write(0x11000, code);
        m.Program(0xCF);
        uint[] frame = [0, 0x1100, Vm | 2 | ((uint)iopl << 12) | flags, 0x3000, 0x1800, 0x1234, 0x2345, 0x3456, 0x4567];
        for (int i = 0; i < frame.Length; i++)
            m.Write32(m[Gpr.Rsp] + ((ulong)i * 4), frame[i]);
        m.Cpu.Run(1);
        return m;
    }
}
