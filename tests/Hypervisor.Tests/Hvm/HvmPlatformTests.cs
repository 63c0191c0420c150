using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Scheduling;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>The chipset of an HVM domain. Values: the chips' data sheets, and stable-4.17 xen/arch/x86/hvm/{vpic,vioapic,pmtimer,hpet}.c, emul-i8254.c.</summary>
public class HvmPlatformTests
{
    private const long IoApic = 0xFEC0_0000L, Hpet = 0xFED0_0000L;

    /// <summary>Mode 2, 11932 counts of 1/1193182 s: 10.0 ms. LVT0 passes what the 8259 says, and nobody has to tell the APIC when it is done.</summary>
    [Fact]
    public void The_interval_timer_interrupts_through_the_8259()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Gate(0x30, HvmMachine.Handler).Assemble(HvmMachine.Handler, a =>
        {
            a.inc(__dword_ptr[HvmMachine.Data]);
            Out(a, 0x20, 0x20);
            a.iretd();
        });
        m.Assemble(HvmMachine.Code, a =>
        {
            InitialisePic(a);
            a.mov(__dword_ptr[0xFEE0_00F0L], 0x1FF); // an APIC that is off masks its entries
            a.mov(__dword_ptr[0xFEE0_0350L], 0x700); // LVT0: ExtINT
            Out(a, 0x43, 0x34);
            Out(a, 0x40, 11932 & 0xFF);
            Out(a, 0x40, 11932 >> 8);
            a.sti();
            a.hlt();
            a.hlt();
            a.hlt();
            a.cli();
            a.hlt();
        });
        RunStop stop = m.Run();
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal(3u, m.Read(HvmMachine.Data));
        Assert.InRange(m.Xen.VirtualNanoseconds, 29_999_000ul, 30_010_000ul);
    }

    [Fact]
    public void A_PVH_domain_has_none_of_it()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Assemble(HvmMachine.Code, a =>
        {
            Out(a, 0x21, 0xAA);
            a.@in(al, 0x21);
            a.mov(ebx, __dword_ptr[IoApic + 0x10]);
            a.hlt();
        });
        m.Run();
        Assert.Equal((0xFFu, uint.MaxValue), ((uint)m.Cpu[Gpr.Rax] & 0xFF, (uint)m.Cpu[Gpr.Rbx]));
    }

    [Fact]
    public void The_mask_of_the_8259_is_read_back_and_its_latch_counts_down()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Assemble(HvmMachine.Code, a =>
        {
            InitialisePic(a);
            Out(a, 0x21, 0xFB);
            a.@in(al, 0x21);
            a.mov(bl, al);
            Out(a, 0x43, 0xB0); // channel 2, mode 0
            Out(a, 0x42, 0xFF);
            Out(a, 0x42, 0xFF);
            Label wait = a.CreateLabel();
            a.mov(ecx, 4191); // two instructions each: about 8382 ns, ten counts
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            Out(a, 0x43, 0x80);
            a.@in(al, 0x42);
            a.mov(dl, al);
            a.@in(al, 0x42);
            a.mov(dh, al);
            a.hlt();
        });
        m.Run();
        Assert.Equal(0xFBul, m.Cpu[Gpr.Rbx] & 0xFF);
        Assert.InRange(m.Cpu[Gpr.Rdx] & 0xFFFF, 0xFFF4ul, 0xFFF6ul);
    }

    /// <summary>HVM_PARAM_CALLBACK_IRQ as a GSI: a level-triggered line that is up while vCPU 0 has events, through the IO-APIC.</summary>
    [Fact]
    public void Events_come_as_an_interrupt_line_when_the_guest_wants_one()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Gate(0x60, HvmMachine.Handler).Assemble(HvmMachine.Handler, a =>
        {
            a.inc(__dword_ptr[HvmMachine.Data]);
            a.cmp(__dword_ptr[HvmMachine.Data], 2); // the first time the flag stays: the line is still up
            Label done = a.CreateLabel(), keep = a.CreateLabel();
            a.jb(keep);
            a.mov(__byte_ptr[0x7000], 0); // vcpu_info.evtchn_upcall_pending
            a.Label(ref keep);
            a.mov(__dword_ptr[0xFEE0_00B0L], 0);
            a.Label(ref done);
            a.iretd();
        });
        m.Write(0x6000, [.. BitConverter.GetBytes((ushort)0x7FF0), 0, 0, .. BitConverter.GetBytes(0), .. BitConverter.GetBytes(5ul)]);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(__dword_ptr[0xFEE0_00F0L], 0x1FF);
            a.mov(__dword_ptr[IoApic], 0x10 + (2 * 5));
            a.mov(__dword_ptr[IoApic + 0x10], 0x8060); // level, vector 0x60
            a.mov(__dword_ptr[IoApic], 0x11 + (2 * 5));
            a.mov(__dword_ptr[IoApic + 0x10], 0);
            a.mov(ebx, 0);
            a.mov(ecx, 0x6000);
            a.mov(eax, 34); // hvm_op(set_param, CALLBACK_IRQ = GSI 5)
            a.vmmcall();
            a.mov(esi, eax);
            a.sti();
            a.mov(ecx, 100);
            Label wait = a.CreateLabel();
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            a.cli();
            a.hlt();
        });
        // shared_info lies at 0x7000 and an event is pending.
        m.Domain.Physmap!.Set(new XenSim.Hypervisor.Public.Gfn(7), m.Domain.SharedInfo.Frame);
        m.Vcpu.VcpuInfo.MarkPending();
        m.Run();
        Assert.Equal((0u, 2u), ((uint)m.Cpu[Gpr.Rsi], m.Read(HvmMachine.Data)));
    }

    [Fact]
    public void The_IO_APIC_says_what_it_is_and_keeps_its_entries()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(__dword_ptr[IoApic], 1);
            a.mov(ebx, __dword_ptr[IoApic + 0x10]);
            a.mov(__dword_ptr[IoApic], 0x12);
            a.mov(ecx, __dword_ptr[IoApic + 0x10]);
            a.mov(__dword_ptr[IoApic + 0x10], 0x1_F0FF);
            a.mov(edx, __dword_ptr[IoApic + 0x10]);
            a.hlt();
        });
        m.Run();
        // Version 0x11, 48 inputs; masked at reset; delivery status and remote IRR cannot be written.
        Assert.Equal((0x2F0011u, 0x10000u, 0x1_A0FFu), ((uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rcx], (uint)m.Cpu[Gpr.Rdx]));
    }

    [Fact]
    public void The_PM_timer_and_the_HPET_count_virtual_time()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Domain.HvmParams[(int)HvmParam.HPET_ENABLED] = 1;
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(ebx, __dword_ptr[Hpet]);
            a.mov(esi, __dword_ptr[Hpet + 4]);
            a.mov(__dword_ptr[Hpet + 0x10], 1);
            a.mov(dx, 0x1F48);
            a.@in(eax, dx);
            a.mov(edi, eax);
            Label wait = a.CreateLabel();
            a.mov(ecx, 500_000);
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            a.@in(eax, dx);
            a.sub(eax, edi);
            a.mov(ebp, __dword_ptr[Hpet + 0xF0]);
            a.hlt();
        });
        m.Run(instructions: 2_000_000);
        Assert.Equal((0x8086_A201u, 0x00F4_2400u), ((uint)m.Cpu[Gpr.Rbx], (uint)m.Cpu[Gpr.Rsi]));
        Assert.InRange(m.Cpu[Gpr.Rax], 3579ul, 3580ul); // 1 ms at 3.579545 MHz
        Assert.InRange(m.Cpu[Gpr.Rbp], 62_500ul, 62_502ul); // and at 62.5 MHz
    }

    [Fact]
    public void The_clock_tells_the_time_of_the_simulated_boot()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        m.Assemble(HvmMachine.Code, a =>
        {
            Out(a, 0x70, 9);
            a.@in(al, 0x71);
            a.mov(bl, al);
            Out(a, 0x70, 7);
            a.@in(al, 0x71);
            a.mov(bh, al);
            a.hlt();
        });
        m.Run();
        Assert.Equal(0x0126ul, m.Cpu[Gpr.Rbx] & 0xFFFF); // the first day of (20)26, in BCD
    }

    private static void InitialisePic(Assembler a)
    {
        Out(a, 0x20, 0x11);
        Out(a, 0x21, 0x30);
        Out(a, 0x21, 4);
        Out(a, 0x21, 1);
        Out(a, 0xA0, 0x11);
        Out(a, 0xA1, 0x38);
        Out(a, 0xA1, 2);
        Out(a, 0xA1, 1);
        Out(a, 0x21, 0);
    }

    private static void Out(Assembler a, byte port, int value)
    {
        a.mov(al, (byte)value);
        a.@out(port, al);
    }
}
