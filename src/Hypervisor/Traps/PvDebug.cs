using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>The debug registers that a PV guest sees. DR6 is the guest's own copy, which collects what the processor reports.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/traps.c: do_debug; pv/misc-hypercalls.c: set_debugreg; x86_emulate.c: x86emul_read_dr.
/// RELEASE-4.0.4 xen/arch/x86/traps.c: do_debug, set_debugreg, do_get_debugreg.
/// </remarks>
internal static class PvDebug
{
    private const int Status = 6;
    private const int Control = 7;
    private const ulong SingleStepStatus = 1 << 14;
    private const ulong ControlReservedZero = 0xD800;
    private const ulong ControlReservedOne = 0x400;
    private const ulong StatusReservedZero = 0x1000;
    private const ulong GeneralDetect = 1 << 13;
    private const ulong Active = 0xFF;
    private const ulong Cr4DebuggingExtensions = 8;

    /// <summary>X86_DR6_DEFAULT.</summary>
    private const ulong StatusDefault = 0xFFFF_0FF0;

    /// <summary>#DB of a trap flag that an instruction of Xen's own set, or that an emulated instruction ran under.</summary>
    public static void SingleStep(Vcpu v)
    {
        v.DebugStatus |= SingleStepStatus;
        PvInjection.Inject(v, PvInjection.DebugException, null);
    }

    /// <summary>do_debug: what the processor reports joins what the guest has not cleared yet; the processor's own register starts anew.</summary>
    public static void Collect(Vcpu v)
    {
        ulong status = v.Cpu.GetDebugRegister(Status);
        v.Cpu.SetDebugRegister(Status, StatusDefault);
        v.DebugStatus = (v.DebugStatus | (status & ~StatusDefault)) & (status | ~StatusDefault);
    }

    /// <summary>The value a guest reads; null: no such register (DR4 and DR5 with CR4.DE).</summary>
    public static ulong? Read(Vcpu v, int number)
    {
        bool v40 = v.Domain.Xen.Profile.Release == XenRelease.V4_0;
        if (v40 && number is 4 or 5)
            return (v.ControlRegisters[4] & Cr4DebuggingExtensions) != 0 ? Read(v, number + 2) : 0;
        if (Alias(v, number) is not { } register)
            return null;
        return register switch
        {
            Status => v.DebugStatus,
            Control => v.Cpu.GetDebugRegister(Control) | v.EmulatedDebugControl,
            _ => v.Cpu.GetDebugRegister(register),
        };
    }

    /// <summary>set_debugreg: ENODEV no such register, EINVAL bits that must be clear, EPERM what a guest may not have.</summary>
    public static XenErrno Write(Vcpu v, int number, ulong value)
    {
        bool v40 = v.Domain.Xen.Profile.Release == XenRelease.V4_0;
        if (Alias(v, number) is not { } register)
            return v40 ? XenErrno.EINVAL : XenErrno.ENODEV;
        if (register < 4)
        {
            if (!v.Memory.IsBreakpointAddress(value))
                return XenErrno.EPERM;
            v.Cpu.SetDebugRegister(register, value);
            return XenErrno.None;
        }

        if (!v40 && value > uint.MaxValue)
            return XenErrno.EINVAL;
        if (register == Status)
        {
            v.DebugStatus = (uint)(value & ~StatusReservedZero) | StatusDefault;
            return XenErrno.None;
        }

        return WriteControl(v, ((uint)value & ~ControlReservedZero) | ControlReservedOne);
    }

    private static XenErrno WriteControl(Vcpu v, ulong value)
    {
        const int first = 16, size = 4, io = 2;
        if ((value & GeneralDetect) != 0)
            return XenErrno.EPERM;
        ulong emulated = 0;
        for (int i = first; i < 32 && (value & Active) != 0; i += size)
        {
            if (((value >> i) & 3) != io)
                continue;
            if ((v.ControlRegisters[4] & Cr4DebuggingExtensions) == 0)
                return XenErrno.EPERM;
            emulated |= value & (3UL << ((i - first) >> 1));
        }

        v.EmulatedDebugControl = emulated;
        v.Cpu.SetDebugRegister(Control, value & ~emulated);
        return XenErrno.None;
    }

    /// <summary>DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE takes them away; 4.0 does not let them be written.</summary>
    private static int? Alias(Vcpu v, int number) => number switch
    {
        4 or 5 when v.Domain.Xen.Profile.Release == XenRelease.V4_0 || (v.ControlRegisters[4] & Cr4DebuggingExtensions) != 0 => null,
        4 or 5 => number + 2,
        >= 0 and <= 7 => number,
        _ => null,
    };
}
