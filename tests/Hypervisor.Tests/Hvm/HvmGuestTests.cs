using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Scheduling;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>What Xen itself does for a translated guest. Sources: stable-4.17 xen/arch/x86/hvm/hvm.c, irq.c, domain.c, mtrr.c, msr.c.</summary>
public class HvmGuestTests
{
    private const int Vmmcall = 0xC1;

    [Fact]
    public void A_triple_fault_shuts_down_for_the_reason_that_the_parameter_gives()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Assemble(HvmMachine.Code, a => a.ud2());
        RunStop stop = m.Run();
        Assert.Equal((RunStopReason.DomainShutdown, (uint?)ShutdownReason.reboot), (stop.Reason, m.Domain.ShutdownReason));
        Assert.Contains("d5v0 Triple fault - invoking HVM shutdown action 1", m.Log);
        Assert.Contains("RIP:    0008:[<0000000000001000>]", m.Log);
    }

    [Fact]
    public void In_4_0_a_triple_fault_is_a_reset()
    {
        using HvmMachine m = new(HvmMachine.Hvm, XenRelease.V4_0);
        m.Assemble(HvmMachine.Code, a => a.ud2());
        m.Run();
        Assert.Equal((uint?)ShutdownReason.reboot, m.Domain.ShutdownReason);
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void The_last_vCPU_that_halts_with_interrupts_off_powers_the_domain_off(XenRelease release)
    {
        using HvmMachine m = new(HvmMachine.Hvm, release);
        m.Assemble(HvmMachine.Code, a => a.hlt());
        RunStop stop = m.Run();
        Assert.Equal((RunStopReason.DomainShutdown, (uint?)ShutdownReason.poweroff), (stop.Reason, m.Domain.ShutdownReason));
    }

    // The instruction after STI is in the interrupt shadow, the one after that is not reached. SDM vol. 2, STI.
    [Fact]
    public void A_waiting_event_enters_as_soon_as_interrupts_are_on()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(0x55, HvmMachine.Handler).Assemble(HvmMachine.Handler, a =>
        {
            a.mov(ebx, __dword_ptr[esp]);
            a.cli();
            a.hlt();
        });
        m.Assemble(HvmMachine.Code, a =>
        {
            a.nop(); // 0x1000
            a.sti(); // 0x1001
            a.nop(); // 0x1002
            a.cli(); // 0x1003
            a.hlt();
        });
        m.Domain.HvmParams[0] = (ulong)HvmCallbackType.VECTOR << 56 | 0x55;
        m.Vcpu.VcpuInfo.MarkPending();
        m.Run();
        Assert.Equal(0x1003u, (uint)m.Cpu[Gpr.Rbx]);
    }

    [Fact]
    public void An_upcall_vector_goes_through_the_local_APIC()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(0xF3, HvmMachine.Handler).Assemble(HvmMachine.Handler, a =>
        {
            a.inc(__dword_ptr[HvmMachine.Data]);
            a.mov(__dword_ptr[0xFEE0_00B0L], 0);
            a.iretd();
        });
        m.Write(0x6000, [0, 0, 0, 0, 0xF3, 0, 0, 0]); // vcpu 0, vector 0xf3
        m.Write(0x6008, [0, 0, 0, 0, 0x0F, 0, 0, 0]);
        m.Write(0x6010, [1, 0, 0, 0, 0xF3, 0, 0, 0]);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(__dword_ptr[0xFEE0_00F0L], 0x1FF);
            Hypercall(a, 34, 23, 0x6008);
            a.mov(esi, eax);
            Hypercall(a, 34, 23, 0x6010);
            a.mov(edi, eax);
            Hypercall(a, 34, 23, 0x6000);
            a.mov(ebp, eax);
            a.sti();
            a.nop();
            a.nop();
            a.cli();
            a.hlt();
        });
        m.Run();
        Assert.Equal((-(int)XenErrno.EINVAL, -(int)XenErrno.ENOENT, 0), ((int)m.Cpu[Gpr.Rsi], (int)m.Cpu[Gpr.Rdi], (int)m.Cpu[Gpr.Rbp]));
        Assert.Equal(1u, m.Read(HvmMachine.Data)); // the spurious one that setting the vector raises
    }

    // hvm_latch_shinfo_size: by the mode of the code that writes the MSR.
    [Fact]
    public void Installing_the_page_from_32_bit_code_selects_the_32_bit_shared_info()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        Assert.Equal(SharedInfoLayout.X64, m.Domain.SharedInfo.Layout);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(ecx, 0x4000_0000);
            a.mov(eax, 0x7000);
            a.xor(edx, edx);
            a.wrmsr();
            a.hlt();
        });
        m.Run();
        Assert.Equal(SharedInfoLayout.X32, m.Domain.SharedInfo.Layout);
        Assert.Equal(Abi.X32, m.Domain.Abi);
        Assert.Equal(0xD9010F00_00000011ul & 0xFF, m.Read(0x7000 + (17 * 32) + 1) & 0xFF);
    }

    [Theory]
    [InlineData(0xC000_0080u, 0x500u, true)] // EFER: LME; LMA is not the guest's
    [InlineData(0xC000_0080u, 0x1000u, false)] // SVME without nested virtualisation
    [InlineData(0xC000_0080u, 2u, false)]
    [InlineData(0x277u, 0x0007_0406u, true)] // PAT
    [InlineData(0x277u, 2u, false)]
    [InlineData(0x2FFu, 0xC06u, true)] // MTRRdefType
    [InlineData(0x2FFu, 0x100u, false)]
    [InlineData(0x2FFu, 2u, false)]
    [InlineData(0xFEu, 0u, false)] // MTRRcap
    [InlineData(0x200u, 0xF0000006u, true)]
    [InlineData(0x200u, 0xF0000106u, false)]
    [InlineData(0x201u, 0xF0000800u, true)]
    [InlineData(0x210u, 0u, false)] // eight ranges only
    [InlineData(0x140u, 1u, true)] // MISC_FEATURES_ENABLES.CPUID_FAULTING
    [InlineData(0x140u, 2u, false)]
    [InlineData(0xCEu, 0u, false)] // PLATFORM_INFO
    [InlineData(0x4000_0001u, 0u, false)]
    [InlineData(0x1234u, 0u, false)]
    public void An_MSR_takes_what_Xen_lets_it_take(uint index, uint value, bool taken)
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(13, HvmMachine.Handler).Assemble(HvmMachine.Handler, a => a.hlt());
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(ecx, index);
            a.mov(eax, value);
            a.xor(edx, edx);
            a.wrmsr();
            a.rdmsr();
            a.mov(ebx, eax);
            a.hlt();
        });
        m.Run();
        Assert.Equal(taken, m.Cpu.Rip < HvmMachine.Handler);
        if (taken)
            Assert.Equal(index == 0xC000_0080 ? 0x100u : value, (uint)m.Cpu[Gpr.Rbx]);
    }

    [Fact]
    public void An_unknown_MSR_is_named_in_the_log()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(13, HvmMachine.Handler).Assemble(HvmMachine.Handler, a => a.hlt());
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(ecx, 0x1234);
            a.rdmsr();
        });
        m.Run();
        Assert.Contains("d5v0 RDMSR 0x00001234 unimplemented", m.Log);
    }

    // mtrr.c: hvm_vcpu_cacheattr_init; the values are those of the recorded MTRR record of GRUB PVH but for the type that the tools set.
    [Fact]
    public void The_memory_types_start_as_recorded()
    {
        using HvmMachine m = new(HvmMachine.Hvm);
        Assert.Equal((0x0007_0406_0007_0406ul, 0x508ul, 0ul), (BitConverter.ToUInt64(m.Vcpu.Mtrr, 0), BitConverter.ToUInt64(m.Vcpu.Mtrr, 0xE0), BitConverter.ToUInt64(m.Vcpu.Mtrr, 0xE8)));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    public void CPUID_faults_outside_ring_0_when_the_guest_wants_it(int faulting, bool user)
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Gate(13, HvmMachine.Handler).Assemble(HvmMachine.Handler, a => a.hlt());
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(ecx, 0x140);
            a.mov(eax, faulting);
            a.xor(edx, edx);
            a.wrmsr();
            if (user)
            {
                a.push(0x23);
                a.push((int)HvmMachine.Stack - 0x100);
                a.push(2);
                a.push(0x1B);
                a.push((int)HvmMachine.Other);
                a.iretd();
            }

            a.xor(eax, eax);
            a.cpuid();
            a.hlt();
        });
        m.Assemble(HvmMachine.Other, a =>
        {
            a.xor(eax, eax);
            a.cpuid();
            a.hlt();
        });
        RunStop stop = m.Run();
        bool handled = user && stop.Reason == RunStopReason.DomainShutdown && m.Domain.ShutdownReason == (uint)ShutdownReason.reboot; // no TSS to take the fault on
        Assert.Equal(user && faulting != 0, handled);
        if (!user)
            Assert.Equal(0x68747541u, (uint)m.Cpu[Gpr.Rbx]);
    }

    // ud2; "xen": xen/arch/x86/hvm/hvm.c: hvm_ud_intercept, with opt_hvm_fep.
    [Theory]
    [InlineData("hvm_fep", true)]
    [InlineData("", false)]
    public void The_forced_emulation_prefix_works_where_Xen_was_told_to(string options, bool works)
    {
        using HvmMachine m = new(HvmMachine.Pvh, xenCommandLine: options);
        m.Gate(6, HvmMachine.Handler).Assemble(HvmMachine.Handler, a => a.hlt());
        m.Assemble(HvmMachine.Code, a =>
        {
            a.db(0x0F, 0x0B, 0x78, 0x65, 0x6E);
            a.mov(ebx, 0x1234);
            a.ud2();
        });
        m.Run();
        Assert.Equal(works ? 0x1234u : 0u, (uint)m.Cpu[Gpr.Rbx]);
        Assert.Equal(HvmMachine.Handler + 1ul, m.Cpu.Rip);
    }

    [Fact]
    public void Strings_go_to_the_debug_port()
    {
        using HvmMachine m = new(HvmMachine.Pvh);
        m.Write(HvmMachine.Data, "well\n"u8);
        m.Assemble(HvmMachine.Code, a =>
        {
            a.mov(esi, (int)HvmMachine.Data);
            a.mov(ecx, 5);
            a.mov(dx, 0xE9);
            a.rep.outsb();
            a.mov(edi, (int)HvmMachine.Data);
            a.mov(dx, 0x1234);
            a.insd();
            a.hlt();
        });
        m.Run();
        Assert.Equal("well\n", m.DebugPort);
        Assert.Equal((HvmMachine.Data + 5, 0u, uint.MaxValue), ((uint)m.Cpu[Gpr.Rsi], (uint)m.Cpu[Gpr.Rcx], m.Read(HvmMachine.Data)));
    }

    /// <summary>VCPUOP_initialise with vcpu_hvm_context in its 32-bit form, then VCPUOP_up.</summary>
    [Theory]
    [InlineData(0xC9B, 0xC93, 0)]
    [InlineData(0xC93, 0xC93, (int)XenErrno.EINVAL)] // data for CS
    [InlineData(0xC9B, 0xC91, (int)XenErrno.EINVAL)] // SS not writable
    [InlineData(0xC9B, 0xCF3, (int)XenErrno.EINVAL)] // SS.DPL is not CS.DPL
    [InlineData(0x1C9B, 0xC93, (int)XenErrno.EINVAL)]
    [InlineData(0xC1B, 0xC93, (int)XenErrno.EINVAL)] // not present
    public void A_second_vCPU_starts_with_the_context_it_is_given(int cs, int ss, int errno)
    {
        using HvmMachine m = new(HvmMachine.Pvh, vcpus: 2);
        uint[] context = new uint[32];
        context[2 + 3] = 0xB0B; // ebx
        (context[2 + 4], context[2 + 8], context[2 + 9], context[2 + 10]) = (HvmMachine.Stack - 0x1000, HvmMachine.Other, 2, 0x11);
        for (int i = 0; i < 5; i++)
            context[2 + 21 + i] = i == 4 ? 0x67u : uint.MaxValue;
        byte[] bytes = new byte[128];
        Buffer.BlockCopy(context, 0, bytes, 0, bytes.Length);
        ushort[] attributes = [(ushort)cs, 0xC93, (ushort)ss, 0xC93, 0x8B];
        Buffer.BlockCopy(attributes, 0, bytes, 8 + 104, 10);
        m.Write(0x6000, bytes);
        m.Assemble(HvmMachine.Code, a =>
        {
            Hypercall(a, 24, 0, 1, 0x6000);
            a.mov(esi, eax);
            Hypercall(a, 24, 1, 1);
            a.mov(edi, eax);
            a.hlt();
        });
        m.Assemble(HvmMachine.Other, a =>
        {
            a.mov(__dword_ptr[HvmMachine.Data], ebx);
            a.hlt();
        });
        m.Run();
        Assert.Equal((-errno, errno == 0 ? 0 : -(int)XenErrno.EINVAL), ((int)m.Cpu[Gpr.Rsi], (int)m.Cpu[Gpr.Rdi]));
        Assert.Equal(errno == 0 ? 0xB0Bu : 0, m.Read(HvmMachine.Data));
    }

    private static void Hypercall(Assembler a, int number, params ReadOnlySpan<int> arguments)
    {
        AssemblerRegister32[] registers = [ebx, ecx, edx];
        for (int i = 0; i < arguments.Length; i++)
            a.mov(registers[i], arguments[i]);
        a.mov(eax, number);
        a.vmmcall();
    }
}
