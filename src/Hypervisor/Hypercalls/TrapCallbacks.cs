using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>set_trap_table, set_callbacks, callback_op, nmi_op, stack_switch: where Xen enters a PV guest.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/traps.c, x86_32/traps.c, x86_64/traps.c, x86_64/compat/traps.c; stable-4.17 xen/arch/x86/pv/callback.c.
/// </remarks>
internal static class TrapCallbacks
{
    public const byte NmiVector = 2;

    public static long SetTrapTable(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        if (c.A1 == 0)
        {
            Array.Clear(v.TrapTable);
            return 0;
        }

        ulong size = (ulong)WireRecord.Size<TrapInfo>(c.Abi);
        for (ulong at = c.A1; ; at += size)
        {
            if (!c.Memory.TryReadRecord(new VirtualAddress(at), c.Abi, out TrapInfo t))
                return XenErrno.EFAULT.ToResult();
            if (t.Address == 0)
                return 0;
            if (c.Xen.Profile.Release != XenRelease.V4_0 && !IsCanonical(t.Address))
                return XenErrno.EINVAL.ToResult();
            v.TrapTable[t.Vector] = new GuestTrap(FixSelector(v.Domain, t.Cs), t.Address, t.Flags);
            if (c.ShouldPreempt)
                return c.Continue([at + size]);
        }
    }

    /// <summary>set_callbacks: event and failsafe address, on 64 bits the syscall one too.</summary>
    public static long SetCallbacks(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        if (c.Abi == Abi.X32)
        {
            v.EventCallback = new GuestCallback(FixSelector(v.Domain, (ushort)c.A1), c.A2, true);
            v.FailsafeCallback = new GuestCallback(FixSelector(v.Domain, (ushort)c.A3), c.A4, false);
            return 0;
        }

        v.EventCallback = new GuestCallback(KernelCs(v.Domain), c.A1, true);
        v.FailsafeCallback = new GuestCallback(KernelCs(v.Domain), c.A2, v.FailsafeCallback.MasksEvents);
        v.SyscallCallback = new GuestCallback(KernelCs(v.Domain), c.A3, v.SyscallCallback.MasksEvents);
        return 0;
    }

    public static long CallbackOp(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        VirtualAddress arg = new(c.A2);
        switch ((CallbackOp)c.A1)
        {
            case Public.Numbers.CallbackOp.register:
                return c.Memory.TryReadRecord(arg, c.Abi, out CallbackRegister r) ? Register(c, v, r) : XenErrno.EFAULT.ToResult();
            case Public.Numbers.CallbackOp.unregister:
                if (!c.Memory.TryReadStruct(arg, out CallbackUnregister u))
                    return XenErrno.EFAULT.ToResult();
                switch ((CallbackType)u.Type)
                {
                    case CallbackType.nmi:
                        v.TrapTable[NmiVector] = default;
                        return 0;
                    case CallbackType.sysenter_deprecated when !Is40(c):
                    case CallbackType.syscall when !Is40(c) && c.Abi == Abi.X32:
                        return XenErrno.ENOSYS.ToResult();
                    case CallbackType.@event or CallbackType.failsafe or CallbackType.syscall or CallbackType.syscall32
                        or CallbackType.sysenter or CallbackType.sysenter_deprecated:
                        return XenErrno.EINVAL.ToResult();
                    default:
                        return XenErrno.ENOSYS.ToResult();
                }

            default:
                return (c.Abi == Abi.X32 && !Is40(c) ? XenErrno.EINVAL : XenErrno.ENOSYS).ToResult();
        }
    }

    public static CallDescription AboutCallback(HypercallCall c)
        => (CallbackOp)c.A1 == Public.Numbers.CallbackOp.register && c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out CallbackRegister r)
            ? Call(XenNames.CallbackOp((uint)c.A1), Text("type", ((CallbackType)r.Type).ToString()), Arg("flags", r.Flags), Arg("address", r.Address))
            : Call(XenNames.CallbackOp((uint)c.A1));

    /// <summary>nmi_op: 0 registers, 1 unregisters.</summary>
    public static long NmiOp(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        switch ((NmiOp)c.A1)
        {
            case Public.Numbers.NmiOp.register_callback:
                if (!c.Memory.TryReadRecord(new VirtualAddress(c.A2), c.Abi, out XennmiCallback n))
                    return XenErrno.EFAULT.ToResult();
                return RegisterNmi(v, n.HandlerAddress);
            case Public.Numbers.NmiOp.unregister_callback:
                v.TrapTable[NmiVector] = default;
                return 0;
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    /// <summary>stack_switch: the kernel stack of the next entry from user mode.</summary>
    public static long StackSwitch(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        v.KernelSs = FixStackSelector(v.Domain, (ushort)c.A1);
        v.KernelSp = c.A2;
        return 0;
    }

    public static CallDescription AboutStackSwitch(HypercallCall c) => Call(null, Arg("ss", c.A1), Arg("esp", c.A2));

    /// <summary>FLAT_KERNEL_SS of the guest.</summary>
    public static ushort KernelSs(Domain d) => d.KernelRing switch { 0 => 0xE020, 1 => 0xE021, _ => 0xE02B };

    /// <summary>FLAT_KERNEL_CS of the guest.</summary>
    public static ushort KernelCs(Domain d) => d.KernelRing switch { 0 => 0xE018, 1 => 0xE019, _ => 0xE033 };

    /// <summary>fixup_guest_code_selector and fixup_guest_selector: the RPL is at least the guest kernel's ring.</summary>
    public static ushort FixSelector(Domain d, ushort selector)
        => (selector & 3) >= d.KernelRing ? selector : (ushort)((selector & ~3) | d.KernelRing);

    /// <summary>fixup_guest_stack_selector: left alone when the kernel runs in ring 0.</summary>
    public static ushort FixStackSelector(Domain d, ushort selector) => d.KernelRing == 0 ? selector : FixSelector(d, selector);

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    /// <summary>register_guest_nmi_callback: an entry of the trap table that masks events.</summary>
    private static long RegisterNmi(Vcpu v, ulong address)
    {
        const byte masksEvents = 4;
        if (v.Domain.Xen.Profile.Release != XenRelease.V4_0 && !IsCanonical(address))
            return XenErrno.EINVAL.ToResult();
        v.TrapTable[NmiVector] = new GuestTrap(KernelCs(v.Domain), address, masksEvents);
        return 0;
    }

    private static bool IsCanonical(ulong address) => (long)(address << 16) >> 16 == (long)address;

    private static long Register(HypercallCall c, Vcpu v, in CallbackRegister r)
    {
        bool compat = c.Abi == Abi.X32;
        bool masks = ((CallbackFlags)r.Flags & CallbackFlags.mask_events) != 0;
        ushort cs = compat ? FixSelector(v.Domain, (ushort)r.Cs) : KernelCs(v.Domain);
        if (!compat && !IsCanonical(r.Address))
            return XenErrno.EINVAL.ToResult();
        if (compat && (CallbackType)r.Type == CallbackType.syscall && !Is40(c))
            return XenErrno.ENOSYS.ToResult();
        GuestCallback callback = new(cs, r.Address, masks);
        switch ((CallbackType)r.Type)
        {
            case CallbackType.@event:
                v.EventCallback = callback with { MasksEvents = true };
                return 0;
            case CallbackType.failsafe:
                v.FailsafeCallback = callback;
                return 0;
            case CallbackType.syscall when !compat:
                v.SyscallCallback = callback;
                return 0;
            case CallbackType.syscall32 when c.Xen.Options.Host64:
                v.Syscall32Callback = callback;
                return 0;
            case CallbackType.sysenter when c.Xen.Options.Host64 || c.Xen.Options.SupervisorModeKernel:
                v.SysenterCallback = callback;
                return 0;
            case CallbackType.nmi:
                return RegisterNmi(v, r.Address);
            case CallbackType.sysenter_deprecated when !Is40(c):
                return XenErrno.ENOSYS.ToResult();
            case CallbackType.sysenter_deprecated or CallbackType.sysenter or CallbackType.syscall or CallbackType.syscall32:
                return XenErrno.EINVAL.ToResult();
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }
}
