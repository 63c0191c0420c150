using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Copies of the clock and of the runstate that a guest asks for, extended state, and what Xen prints of a guest that dies.</summary>
public sealed class GuestCopiesAndDeathTests
{
    /// <summary>stable-4.17 xen/arch/x86/domain.c: arch_do_vcpu_op; time.c: update_secondary_system_time.</summary>
    [Fact]
    public void The_copy_of_the_clock_equals_the_one_in_vcpu_info()
    {
        using DirectCalls guest = new();
        guest.WriteRecord(DirectCalls.Arguments, new VcpuRegisterMemoryArea { Address = 0x6040 });
        Assert.Equal(XenErrno.None, guest.Errno(HypercallNumber.vcpu_op, (ulong)VcpuOp.register_vcpu_time_memory_area, 0, DirectCalls.Arguments));
        VcpuTimeInfo copy = guest.Read<VcpuTimeInfo>(0x6040);
        Assert.Equal(((ReadOnlySpan<byte>)guest.Vcpu.VcpuInfo.Bytes[SharedInfoLayout.TimeOffset..]).ReadStruct<VcpuTimeInfo>(), copy);
        Assert.Equal(0u, copy.Version & 1);
        Assert.NotEqual(0u, copy.TscToSystemMul);
        Assert.Equal(0, copy.Flags); // the clock source is not the TSC (oracle: shared_info of every guest)
    }

    /// <summary>stable-4.17 xen/common/domain.c: VCPUOP_register_runstate_memory_area asks guest_handle_okay, and not whether the copy succeeds.</summary>
    [Fact]
    public void A_runstate_area_may_be_unmapped_but_not_in_Xens_part()
    {
        using DirectCalls guest = new();
        Assert.Equal(XenErrno.EFAULT, Register(guest, 0xFFFF_8000_0000_0000));
        Assert.Equal(XenErrno.None, Register(guest, 0x4000_0000));
        Assert.Equal(XenErrno.None, Register(guest, 0x6000));
        Assert.Equal((uint)1, guest.Read<uint>(0x6000)); // RUNSTATE_runnable
    }

    // mov %cr4,%rax; or $OSXSAVE,%eax; mov %rax,%cr4; mov $value,%eax; xor %edx,%edx; xor %ecx,%ecx; xsetbv; ud2
    private static byte[] Xsetbv(byte value) => [0x0F, 0x20, 0xE0, 0x0D, 0, 0, 4, 0, 0x0F, 0x22, 0xE0, 0xB8, value, 0, 0, 0, 0x31, 0xD2, 0x31, 0xC9, 0x0F, 0x01, 0xD1, 0x0F, 0x0B];

    /// <summary>stable-4.17 xen/arch/x86/xstate.c: handle_xsetbv.</summary>
    [Theory]
    [InlineData(7, 7, "vec 6, #UD")]
    [InlineData(3, 3, "vec 6, #UD")]
    [InlineData(0, 3, "vec 13, #GP")] // x87 may not be off
    [InlineData(5, 3, "vec 13, #GP")] // AVX needs SSE
    public void XSETBV_is_emulated_and_checked(byte value, ulong expected, string end)
    {
        using DirectCalls guest = new();
        guest.Run(Xsetbv(value));
        Assert.Equal(expected, guest.Vcpu.Cpu.Xcr0);
        Assert.Contains(Log(guest), l => l.Contains($"Unhandled: {end}", StringComparison.Ordinal));
    }

    /// <summary>
    /// Lines and their order: stable-4.17 xen/arch/x86/pv/traps.c: pv_inject_event; x86_64/entry.S; common/domain.c: __domain_crash;
    /// x86_64/traps.c: print_xen_info, _show_registers; traps.c: show_guest_stack.
    /// </summary>
    [Fact]
    public void A_guest_without_a_handler_dies_with_Xens_lines()
    {
        using DirectCalls guest = new();
        guest.Write(DirectCalls.Stack - 16, 0x1122334455667788ul);
        guest.Vcpu.Cpu[Gpr.Rsp] = DirectCalls.Stack - 16;
        RunStop stop = guest.Run(0x0F, 0x0B);
        Assert.Equal(RunStopReason.DomainShutdown, stop.Reason);
        Assert.Equal(3u, guest.Domain.ShutdownReason);
        string[] log = Log(guest);
        Assert.Equal(
        [
            "d1v0 Unhandled: vec 6, #UD[ffffffff]",
            "domain_crash_sync called from entry.S",
            "Domain 1 (vcpu#0) crashed on cpu#0:",
            "----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----",
            "CPU:    0",
            "RIP:    e033:[<0000000000004000>]",
            "RFLAGS: 0000000000000202   EM: 0   CONTEXT: pv guest (d1v0)", // create_bounce_frame has cleared RF
        ], log[..7]);
        Assert.Contains("ds: 0000   es: 0000   fs: 0000   gs: 0000   ss: e02b   cs: e033", log);
        // Recorded (pv-conformance/crashes/4.17-64-no-handler.log): the frame for the handler stands on the stack already, rcx to ss in 56 bytes
        // with CS of ring 0, before Xen sees that there is none. RF in it: SDM vol. 3B, 17.3.1.1 (the recording's QEMU leaves it clear).
        int stack = Array.IndexOf(log, "Guest stack trace from rsp=0000000000007fb8:");
        Assert.True(stack > 0, string.Join(Environment.NewLine, log));
        Assert.Equal("   0000000000000000 0000000000000000 0000000000004000 000000000000e030", log[stack + 1]);
        Assert.Equal("   0000000000010202 0000000000007ff0 000000000000e02b 1122334455667788", log[stack + 2]);
        Assert.Equal(stack + 4, log.Length); // the trace ends with the 32 KiB that hold the stack
        Assert.Same(guest.Vcpu, guest.Domain.CrashedVcpu);
    }

    /// <summary>show_page_walk of stable-4.17 xen/arch/x86/x86_64/traps.c: the entry, then the frame's pseudo-physical number.</summary>
    [Fact]
    public void An_unhandled_page_fault_comes_with_the_walk_to_where_it_ends()
    {
        using DirectCalls guest = new();

        // mov 0x10000(%rax),%rbx with rax = 0: the L1 has sixteen entries.
        guest.Run(0x48, 0x8B, 0x98, 0, 0, 1, 0);
        string[] log = Log(guest);
        Assert.Equal("d1v0 Unhandled: vec 14, #PF[0000]", log[0]);
        Assert.Equal("Pagetable walk from 0000000000010000:", log[1]);
        Assert.Equal($" L4[0x000] = {(guest.Frames[1].Value << 12) | 0x67:x16} 0000000000000001", log[2]);
        Assert.Equal($" L2[0x000] = {(guest.Frames[3].Value << 12) | 0x67:x16} 0000000000000003", log[4]);
        Assert.StartsWith(" L1[0x010] = 0000000000000000 ", log[5], StringComparison.Ordinal);
        Assert.Equal(0x10000u, guest.Vcpu.Unhandled!.Value.FaultAddress);
    }

    private static XenErrno Register(DirectCalls guest, ulong address)
    {
        guest.WriteRecord(DirectCalls.Arguments, new VcpuRegisterMemoryArea { Address = address });
        return guest.Errno(HypercallNumber.vcpu_op, (ulong)VcpuOp.register_runstate_memory_area, 0, DirectCalls.Arguments);
    }

    private static string[] Log(DirectCalls guest) => [.. guest.Host.Recorder.Events.OfType<LogLine>().Where(l => l.Context == "XEN").Select(l => l.Text)];
}
