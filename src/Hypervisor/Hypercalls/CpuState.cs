using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Traps;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>Small calls about a PV vCPU's own state: descriptors, segment bases, FPU, debug registers, assists.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/mm.c, traps.c, x86_64/mm.c, common/kernel.c; stable-4.17 xen/arch/x86/pv/descriptor-tables.c, misc-hypercalls.c.</remarks>
internal static class CpuState
{
    private const ulong Cr0TaskSwitched = 8;

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    public static long SetGdt(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        uint entries = (uint)c.A2;
        if (entries > DescriptorTables.MaxGuestEntries)
            return XenErrno.EINVAL.ToResult();
        Span<ulong> frames = stackalloc ulong[DescriptorTables.FirstReservedPage];
        int count = (int)(entries + 511) / 512;
        for (int i = 0; i < count; i++)
        {
            if (!c.Memory.TryReadLong(new VirtualAddress(c.A1 + (ulong)(i * c.Abi.LongSize())), c.Abi, out frames[i]))
                return XenErrno.EFAULT.ToResult();
        }

        return GuestTables.SetGdt(v, frames[..count], entries).ToResult();
    }

    public static CallDescription AboutGdt(HypercallCall c) => Call(null, Arg("entries", c.A2));

    /// <summary>do_update_descriptor: one descriptor in a page that is a descriptor table or can be written.</summary>
    public static long UpdateDescriptor(HypercallCall c)
    {
        ulong address = c.Abi == Abi.X64 ? c.A1 : c.A1 | (c.A2 << 32);
        ulong descriptor = c.Abi == Abi.X64 ? c.A2 : c.A3 | (c.A4 << 32);
        Mfn mfn = c.Caller.GfnToMfn(new Gfn(address >> 12));
        if ((address & 7) != 0 || !DescriptorTables.Check(c.Xen, c.Caller, ref descriptor) || !c.Xen.Frames.TryGetPage(mfn, c.Caller.Id))
            return XenErrno.EINVAL.ToResult();
        PageType type = c.Xen.Frames[mfn].Type == PageType.PGT_seg_desc_page ? PageType.PGT_seg_desc_page : PageType.PGT_writable_page;
        XenErrno errno = c.Xen.PageTypes.GetPageType(mfn, c.Caller, type);
        if (errno == XenErrno.None)
        {
            c.Xen.PageTypes.WriteEntry(mfn, (int)(address & 0xFFF) >> 3, descriptor);
            c.Xen.PageTypes.PutPageType(mfn);
        }

        c.Xen.Frames.PutPage(mfn);
        return errno == XenErrno.None ? 0 : XenErrno.EINVAL.ToResult();
    }

    public static long SetSegmentBase(HypercallCall c)
    {
        if (c.Caller.Is32BitPv || c.Vcpu is not { } v)
            return XenErrno.ENOSYS.ToResult();
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        bool canonical = (long)(c.A2 << 16) >> 16 == (long)c.A2;
        if ((SegmentBase)c.A1 != SegmentBase.GS_USER_SEL && !canonical)
            return (v40 ? XenErrno.EFAULT : XenErrno.EINVAL).ToResult();
        switch ((SegmentBase)c.A1)
        {
            case SegmentBase.FS:
                GuestSegments.SetBase(v, SegmentName.Fs, c.A2);
                return 0;
            case SegmentBase.GS_USER:
                v.GsBaseUser = c.A2;
                return 0;
            case SegmentBase.GS_KERNEL:
                GuestSegments.SetBase(v, SegmentName.Gs, c.A2);
                return 0;
            case SegmentBase.GS_USER_SEL:
                // Loads GS for user mode: the base that the selector brings waits until the kernel returns there.
                SegmentRegister kernel = v.Cpu.GetSegment(SegmentName.Gs);
                GuestSegments.LoadData(v, SegmentName.Gs, (ushort)c.A2);
                SegmentRegister user = v.Cpu.GetSegment(SegmentName.Gs);
                v.GsBaseUser = user.Base;
                v.Cpu.SetSegment(SegmentName.Gs, user with { Base = kernel.Base });
                return 0;
            default:
                return XenErrno.EINVAL.ToResult();
        }
    }

    public static CallDescription AboutSegmentBase(HypercallCall c) => Call(null, Text("which", ((SegmentBase)c.A1).ToString()), Arg("base", c.A2));

    /// <summary>do_fpu_taskswitch: sets or clears the guest's CR0.TS, and with it the processor's.</summary>
    public static long FpuTaskSwitch(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        v.ControlRegisters[0] = c.A1 != 0 ? v.ControlRegisters[0] | Cr0TaskSwitched : v.ControlRegisters[0] & ~Cr0TaskSwitched;
        v.Cpu.Cr0 = v.ControlRegisters[0];
        return 0;
    }

    public static long SetDebugRegister(HypercallCall c)
        => c.Vcpu is { } v ? PvDebug.Write(v, (int)Math.Min(c.A1, 8), c.A2).ToResult() : XenErrno.EINVAL.ToResult();

    public static long GetDebugRegister(HypercallCall c)
    {
        if (c.Vcpu is not { } v || c.A1 > 7)
            return (Is40(c) ? XenErrno.EINVAL : XenErrno.ENODEV).ToResult();
        return PvDebug.Read(v, (int)c.A1) is { } value ? (long)value : XenErrno.ENODEV.ToResult();
    }

    /// <summary>vm_assist: the types a guest may name depend on release and kind.</summary>
    public static long VmAssist(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        uint type = (uint)c.A2;
        bool known = v40 ? type <= 3
            : c.Caller.IsHvm ? type == (uint)VmAssistType.runstate_update_flag
            : type <= 5 || (type == (uint)VmAssistType.m2p_strict && !c.Caller.Is32BitPv);
        if (!known)
            return XenErrno.EINVAL.ToResult();
        switch ((VmAssistCommand)c.A1)
        {
            case VmAssistCommand.enable:
                c.Caller.VmAssist |= 1UL << (int)type;
                return 0;
            case VmAssistCommand.disable:
                c.Caller.VmAssist &= ~(1UL << (int)type);
                return 0;
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    public static CallDescription AboutVmAssist(HypercallCall c)
        => Call(null, Text("cmd", ((VmAssistCommand)c.A1).ToString()), Text("type", ((VmAssistType)c.A2).ToString().TrimStart('_')));

    /// <summary>iret: the registers come from the guest's frame, so no result is stored.</summary>
    public static long Iret(HypercallCall c)
    {
        if (c.Vcpu is not { } v)
            return XenErrno.EINVAL.ToResult();
        c.LeavesRegisters = true;
        GuestReturn.Iret(v);
        return 0;
    }
}
