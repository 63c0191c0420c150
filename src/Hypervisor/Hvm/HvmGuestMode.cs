using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>hvm_guest_x86_mode: operand width of the code that runs now. Values are Xen's.</summary>
public enum HvmGuestMode
{
    Real = 0,
    Virtual8086 = 1,
    Protected16 = 2,
    Protected32 = 4,
    Long = 8,
}

/// <summary>Rules of hvm_do_hypercall (4.0) and hvm_hypercall (4.17) that depend on the caller's mode and privilege.</summary>
/// <remarks>Sources: RELEASE-4.0.4 xen/arch/x86/hvm/hvm.c, stable-4.17 hvm/hypercall.c; vmx_guest_x86_mode, svm_guest_x86_mode.</remarks>
public static class HvmHypercallRules
{
    private const ulong ProtectionEnable = 1 << 0;
    private const ulong VirtualMode = 1 << 17;
    private const ulong LongModeActive = 1 << 10;
    private const uint TableSize40 = 64;

    public static HvmGuestMode Mode(VirtualCpu cpu)
    {
        if ((cpu.Cr0 & ProtectionEnable) == 0)
            return HvmGuestMode.Real;
        if ((cpu.Rflags & VirtualMode) != 0)
            return HvmGuestMode.Virtual8086;
        SegmentRegister cs = cpu.GetSegment(SegmentName.Cs);
        if ((cpu.Efer & LongModeActive) != 0 && cs.Long)
            return HvmGuestMode.Long;
        return cs.Default32 ? HvmGuestMode.Protected32 : HvmGuestMode.Protected16;
    }

    /// <summary>
    /// Whether the caller may make hypercalls: real mode always, virtual 8086 never, else not from ring 3 (4.0, by SS.DPL) or
    /// only from ring 0 (4.17). False: the call's result is -EPERM.
    /// </summary>
    public static bool MayCall(XenRelease release, HvmGuestMode mode, int privilegeLevel) => mode switch
    {
        HvmGuestMode.Real => true,
        HvmGuestMode.Virtual8086 => false,
        _ => release == XenRelease.V4_0 ? privilegeLevel != 3 : privilegeLevel == 0,
    };

    /// <summary>The number as the release reads it: 4.17 looks at all of RAX in long mode.</summary>
    public static ulong Number(XenRelease release, HvmGuestMode mode, ulong rax)
        => release != XenRelease.V4_0 && mode == HvmGuestMode.Long ? rax : (uint)rax;

    /// <summary>Whether a number can be in the table at all; beyond it the result is -ENOSYS.</summary>
    public static bool InTable(ulong number) => number < TableSize40;

    /// <summary>Registers of the five arguments in that mode.</summary>
    public static ReadOnlySpan<Gpr> ArgumentRegisters(HvmGuestMode mode)
        => mode == HvmGuestMode.Long
            ? [Gpr.Rdi, Gpr.Rsi, Gpr.Rdx, Gpr.R10, Gpr.R8]
            : [Gpr.Rbx, Gpr.Rcx, Gpr.Rdx, Gpr.Rsi, Gpr.Rdi];

    /// <summary>hvm_latch_shinfo_size: the guest's shared_info is in the 32-bit layout unless the code that asks runs in long mode.</summary>
    /// <param name="isSelf">Whether the domain itself runs this (its MSR write or HVMOP_set_param), not the tools.</param>
    public static bool LatchShinfoSize(bool has32BitSharedInfo, bool isSelf, HvmGuestMode mode)
        => isSelf ? mode != HvmGuestMode.Long : has32BitSharedInfo;
}
