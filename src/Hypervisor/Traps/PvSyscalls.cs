using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Traps;

/// <summary>syscall and sysenter of PV guests that are not hypercalls: they enter the guest's kernel through its callbacks.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/x86_64/entry.S: switch_to_kernel, sysenter_entry; x86_64/compat/entry.S: compat_syscall,
/// compat_sysenter.
/// </remarks>
internal static class PvSyscalls
{
    private const ushort CompatUserCs = 0xE02B;
    private const ushort CompatUserSs = 0xE033;
    private const ushort UserCs32 = 0xE023;
    private const ushort UserSs32 = 0xE02B;
    private const ushort UserSs64 = 0xE02B;
    private const ulong InterruptFlag = 1 << 9;
    private const ulong DirectionFlag = 1 << 10;
    private const ulong NestedTask = 1 << 14;
    private const ulong LongModeActive = 1 << 10;

    /// <summary>Length of either instruction.</summary>
    private const ulong InstructionLength = 2;

    /// <summary>switch_to_kernel: the user code of a 64-bit guest. RCX and R11 hold what the processor put there.</summary>
    public static void ToKernel(Vcpu v, ulong nextRip)
    {
        VirtualCpu cpu = v.Cpu;
        bool v40 = v.Domain.Xen.Profile.Release == Public.XenRelease.V4_0;
        bool wide = cpu.GetSegment(SegmentName.Cs).Long;
        GuestCallback callback = wide ? v.SyscallCallback : v.Syscall32Callback;
        if (v40 && callback.Address == 0)
            callback = v.SyscallCallback;

        // One flag for both: VGCF_syscall_disables_events.
        callback = callback with { MasksEvents = v.SyscallCallback.MasksEvents };
        AfterSyscall(cpu, nextRip);
        if (!wide)
            Pretend(cpu, UserCs32, UserSs32);
        if (callback.Address == 0 && !v40)
        {
            cpu.Rip -= InstructionLength;
            PvInjection.Inject(v, PvInjection.InvalidOpcode, null);
            return;
        }

        GuestBounce.Enter(v, callback);
        cpu.Rflags &= ~DirectionFlag;
    }

    /// <summary>compat_syscall: whoever called, the frame says user code.</summary>
    public static void Compat(Vcpu v, ulong nextRip)
    {
        AfterSyscall(v.Cpu, nextRip);
        if (v.Domain.Xen.Profile.Release != Public.XenRelease.V4_0)
            Pretend(v.Cpu, CompatUserCs, CompatUserSs);
        else
            Pretend(v.Cpu, UserCs32, CompatUserSs);
        if ((v.Syscall32Callback.Cs & ~3) != 0)
        {
            GuestBounce.Enter(v, v.Syscall32Callback);
            return;
        }

        v.Cpu.Rip -= InstructionLength;
        PvInjection.Inject(v, PvInjection.GeneralProtection, 0);
    }

    /// <summary>sysenter_entry. The processor keeps neither RIP nor RSP; one of AMD does not know it in long mode.</summary>
    public static void Sysenter(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        if ((cpu.Efer & LongModeActive) == 0)
        {
            // The 32-bit hypervisor leaves SYSENTER_CS at zero.
            PvInjection.Inject(v, PvInjection.GeneralProtection, 0);
            return;
        }

        if (v.Domain.Xen.Options.Host.Vendor == CpuVendor.AMD)
        {
            PvInjection.Inject(v, PvInjection.InvalidOpcode, null);
            return;
        }

        bool compat = v.Domain.Is32BitPv;
        cpu.Rip = 0;
        cpu[Gpr.Rsp] = 0;
        cpu.Rflags = (cpu.Rflags & ~NestedTask) | InterruptFlag;
        Pretend(cpu, 3, compat ? CompatUserSs : UserSs64);
        if (v.SysenterCallback.Address != 0 && (!compat || (v.SysenterCallback.Cs & ~3) != 0))
            GuestBounce.Enter(v, v.SysenterCallback);
        else
            PvInjection.Inject(v, PvInjection.GeneralProtection, 0);
    }

    private static void AfterSyscall(VirtualCpu cpu, ulong nextRip)
    {
        cpu[Gpr.Rcx] = nextRip;
        cpu[Gpr.R11] = cpu.Rflags;
        cpu.Rip = nextRip;
    }

    /// <summary>The selectors that entry.S puts into the frame without asking where the call came from.</summary>
    private static void Pretend(VirtualCpu cpu, ushort cs, ushort ss)
    {
        cpu.SetSegment(SegmentName.Cs, cpu.GetSegment(SegmentName.Cs) with { Selector = cs });
        cpu.SetSegment(SegmentName.Ss, cpu.GetSegment(SegmentName.Ss) with { Selector = ss });
    }
}
