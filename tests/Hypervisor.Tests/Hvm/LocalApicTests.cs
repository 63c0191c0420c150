using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Scheduling;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>The local APIC as a guest meets it. Registers: SDM vol. 3A, chapter 10; what Xen makes of them: stable-4.17 xen/arch/x86/hvm/vlapic.c.</summary>
public class LocalApicTests
{
    private const long Apic = 0xFEE0_0000L;

    // The registers of the recorded GRUB PVH's LAPIC_REGS record (tests/Oracle.Tests/Data/grub-pvh), which nobody has touched.
    [Fact]
    public void After_reset_the_registers_are_the_recorded_ones()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        byte[] r = m.Vcpu.Apic!.SaveRegisters();
        Dictionary<int, uint> expected = new() { [0x30] = 0x50014, [0xE0] = 0xFFFFFFFF, [0xF0] = 0xFF };
        for (int lvt = 0x320; lvt <= 0x370; lvt += 0x10)
            expected[lvt] = 0x10000;
        for (int offset = 0; offset < r.Length; offset += 4)
            Assert.Equal((offset, expected.GetValueOrDefault(offset)), (offset, BitConverter.ToUInt32(r, offset)));
        Assert.Equal((0xFEE00900ul, 2u, 2u), (m.Vcpu.Apic.Base, m.Vcpu.Apic.DisabledBits, m.Vcpu.Apic.TimerDivisor));
    }

    [Fact]
    public void The_page_is_read_and_written_by_words_and_by_parts_of_them()
    {
        using HvmMachine m = new(HvmMachine.Pvh, vcpus: 2);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(eax, __dword_ptr[Apic + 0x30]);
            a.movzx(ebx, __byte_ptr[Apic + 0x32]);
            a.mov(__dword_ptr[Apic + 0xF0], 0x1AB);
            a.or(__dword_ptr[Apic + 0xF0], 0x200);
            a.mov(ecx, __dword_ptr[Apic + 0xF0]);
            a.mov(__dword_ptr[Apic + 0x350], unchecked((int)0xFFFF_FFFF));
            a.mov(edx, __dword_ptr[Apic + 0x350]);
            a.mov(esi, __dword_ptr[Apic + 0x34]); // between two registers
            a.hlt();
        });
        m.Run();
        // LVT0 has vector, mode, polarity, remote IRR, trigger and mask.
        Assert.Equal((0x50014u, 5u, 0x3ABu, 0x1F7FFu, 0u), (
            (uint)m.Cpu[Gpr.Rax], (uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rcx], (uint)m.Cpu[Gpr.Rdx], (uint)m.Cpu[Gpr.Rsi]));
    }

    [Fact]
    public void A_hole_that_nobody_claims_reads_ones_and_takes_no_write()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(__dword_ptr[0xFED4_0000L], 0);
            a.mov(eax, __dword_ptr[0xFED4_0000L]);
            a.hlt();
        });
        m.Run();
        Assert.Equal(uint.MaxValue, (uint)m.Cpu[Gpr.Rax]);
    }

    // A bus cycle is 10 ns (APIC_BUS_CYCLE_NS); divided by 16, 1000 ticks are 160 us.
    [Fact]
    public void The_timer_counts_virtual_time_and_interrupts_once()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(0x40, HvmMachine.Handler).Assemble(HvmMachine.Handler, EndOfInterruptAndCount);
        m.Assemble(HvmMachine.Code, a =>
        {
            Enable(a);
            a.mov(__dword_ptr[Apic + 0x3E0], 3);
            a.mov(__dword_ptr[Apic + 0x320], 0x40);
            a.mov(__dword_ptr[Apic + 0x380], 1000);
            a.mov(esi, __dword_ptr[Apic + 0x390]);
            a.sti();
            a.hlt();
            a.mov(edi, __dword_ptr[Apic + 0x390]);
            a.hlt();
        });
        RunStop stop = m.Run();
        Assert.Equal(RunStopReason.Idle, stop.Reason);
        Assert.Equal((1u, 0u), (m.Read(HvmMachine.Data), (uint)m.Cpu[Gpr.Rdi]));
        Assert.InRange((uint)m.Cpu[Gpr.Rsi], 990u, 1000u);
        Assert.InRange(m.Xen.VirtualNanoseconds, 160_000ul, 161_000ul);
    }

    [Fact]
    public void A_periodic_timer_goes_on_and_a_masked_tick_comes_when_it_is_unmasked()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(0x40, HvmMachine.Handler).Assemble(HvmMachine.Handler, EndOfInterruptAndCount);
        m.Assemble(HvmMachine.Code, a =>
        {
            Enable(a);
            a.mov(__dword_ptr[Apic + 0x3E0], 0xB);
            a.mov(__dword_ptr[Apic + 0x320], 0x2_0040);
            a.mov(__dword_ptr[Apic + 0x380], 100_000);
            a.sti();
            a.hlt();
            a.hlt();
            a.hlt();
            a.mov(__dword_ptr[Apic + 0x320], 0x1_0040); // one-shot, masked
            a.mov(ebx, __dword_ptr[HvmMachine.Data]);
            a.mov(__dword_ptr[Apic + 0x380], 10);
            Label wait = a.CreateLabel();
            a.mov(ecx, 2000);
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            a.mov(edx, __dword_ptr[HvmMachine.Data]);
            a.mov(__dword_ptr[Apic + 0x320], 0x40);
            a.nop();
            a.cli();
            a.hlt();
        });
        RunStop stop = m.Run();
        Assert.Equal((RunStopReason.DomainShutdown, 0u), (stop.Reason, m.Domain.ShutdownReason)); // hvm_hlt: the last vCPU halts with interrupts off
        Assert.Equal((3u, 3u, 4u), ((uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rdx], m.Read(HvmMachine.Data)));
    }

    [Fact]
    public void In_x2APIC_mode_the_registers_are_MSRs_and_reserved_bits_fault()
    {
        using HvmMachine m = new(HvmMachine.Pvh, vcpus: 2);
        m.Gate(13, HvmMachine.Handler).Assemble(HvmMachine.Handler, a =>
        {
            a.inc(__dword_ptr[HvmMachine.Data]);
            a.add(esp, 4);
            a.add(__dword_ptr[esp], 2); // behind the RDMSR or WRMSR
            a.iretd();
        });
        m.Assemble(HvmMachine.Code, a =>
        {
            ReadMsr(a, 0x802); // not in xAPIC mode: #GP
            WriteMsr(a, 0x1B, 0xFEE0_0D00);
            ReadMsr(a, 0x80D);
            a.mov(ebx, eax);
            WriteMsr(a, 0x808, 0x40);
            ReadMsr(a, 0x808);
            a.mov(esi, eax);
            WriteMsr(a, 0x808, 0x100); // #GP
            WriteMsr(a, 0x80B, 1); // EOI: only 0
            WriteMsr(a, 0x802, 0); // read only
            ReadMsr(a, 0x80E); // no such MSR in this mode
            WriteMsr(a, 0x1B, 0xFEE0_0900); // back to xAPIC: not without turning it off
            a.mov(edi, __dword_ptr[Apic + 0x30]); // the page is gone
            a.hlt();
        });
        m.Run();
        Assert.Equal((6u, 1u, 0x40u, uint.MaxValue), (m.Read(HvmMachine.Data), (uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rsi], (uint)m.Cpu[Gpr.Rdi]));
        Assert.Equal(4ul, m.Cpu.Cr8);
    }

    [Fact]
    public void The_page_cannot_be_moved()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(13, HvmMachine.Handler).Assemble(HvmMachine.Handler, a => a.hlt());
        m.Assemble(HvmMachine.Code, a => WriteMsr(a, 0x1B, 0xFED0_0900));
        m.Run();
        Assert.Equal(HvmMachine.Handler + 1ul, m.Cpu.Rip);
        Assert.Contains("d5v0 tried to move the APIC MMIO window: val 0xfed00900", m.Log);
    }

    [Fact]
    public void INIT_and_SIPI_start_a_processor_in_real_mode_and_an_IPI_reaches_it()
    {
        using HvmMachine m = new(HvmMachine.Pvh, vcpus: 2);
        m.Assemble(HvmMachine.Code, a =>
        {
            Enable(a);
            a.mov(__dword_ptr[Apic + 0x310], 2 << 24); // Xen's APIC ids are even
            a.mov(__dword_ptr[Apic + 0x300], 0x4500);
            a.mov(__dword_ptr[Apic + 0x300], 0x4604);
            Label wait = a.CreateLabel();
            a.Label(ref wait);
            a.cmp(__dword_ptr[HvmMachine.Data], 0);
            a.pause();
            a.je(wait);
            a.hlt();
        });
        m.Assemble(
            HvmMachine.Other,
            a =>
            {
                a.mov(ax, cs);
                a.mov(bx, 0);
                a.mov(ds, bx);
                a.mov(__word_ptr[(int)HvmMachine.Data], ax);
                a.hlt();
            },
            bits: 16);

        // The boot processor spins until its slice of 30 ms is over.
        RunStop stop = m.Run(instructions: 100_000_000);
        Assert.Equal((RunStopReason.DomainShutdown, 0u), (stop.Reason, m.Domain.ShutdownReason));
        Assert.Equal(0x400u, m.Read(HvmMachine.Data));
        Assert.Equal(0ul, m.Domain.Vcpus[1].Cpu.Cr0 & 1);
    }

    [Theory]
    [InlineData(0x40, 0)] // class 4 waits until the task priority is below it
    [InlineData(0x50, 1)]
    public void The_task_priority_holds_back_what_is_not_above_it(int vector, uint before)
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate((byte)vector, HvmMachine.Handler).Assemble(HvmMachine.Handler, EndOfInterruptAndCount);
        m.Assemble(HvmMachine.Code, a =>
        {
            Enable(a);
            a.mov(__dword_ptr[Apic + 0x80], 0x45);
            a.sti();
            a.mov(__dword_ptr[Apic + 0x300], 0x4_4000 | vector); // to itself
            a.nop();
            a.mov(ebx, __dword_ptr[HvmMachine.Data]);
            a.mov(esi, __dword_ptr[Apic + 0x80]);
            a.mov(__dword_ptr[Apic + 0x80], 0x30);
            a.nop();
            a.mov(ecx, __dword_ptr[HvmMachine.Data]);
            a.cli();
            a.hlt();
        });
        m.Run();
        Assert.Equal((before, 1u, 0x45u), ((uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rcx], (uint)m.Cpu[Gpr.Rsi]));
    }

    [Fact]
    public void A_vector_below_16_is_an_error_of_the_sender()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Assemble(HvmMachine.Code, a =>
        {
            Enable(a);
            a.mov(__dword_ptr[Apic + 0x300], 0x4_4005);
            a.mov(ebx, __dword_ptr[Apic + 0x280]);
            a.hlt();
        });
        m.Run();
        Assert.Equal(0x20u, (uint)m.Cpu[Gpr.Rbx]);
    }

    private static void Enable(Assembler a) => a.mov(__dword_ptr[Apic + 0xF0], 0x1FF);

    private static void EndOfInterruptAndCount(Assembler a)
    {
        a.inc(__dword_ptr[HvmMachine.Data]);
        a.mov(__dword_ptr[Apic + 0xB0], 0);
        a.iretd();
    }

    private static void ReadMsr(Assembler a, int index)
    {
        a.mov(ecx, index);
        a.rdmsr();
    }

    private static void WriteMsr(Assembler a, int index, uint value)
    {
        a.mov(ecx, index);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }
}
