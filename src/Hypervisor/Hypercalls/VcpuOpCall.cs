using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>vcpu_op.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domain.c: do_vcpu_op; xen/arch/x86/domain.c: arch_do_vcpu_op.</remarks>
internal static class VcpuOpCall
{
    private const ulong Millisecond = 1_000_000;

    /// <summary>STIME_DELTA_MAX.</summary>
    private const ulong LongestPeriod = long.MaxValue >> 2;
    private const uint MaxVirtCpus = 8192;

    public static long Do(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (v40 && c.A2 >= MaxVirtCpus)
            return XenErrno.EINVAL.ToResult();
        if (c.Caller.FindVcpu((uint)c.A2) is not { } v)
            return XenErrno.ENOENT.ToResult();
        VirtualAddress arg = new(c.A3);
        switch ((VcpuOp)c.A1)
        {
            case VcpuOp.initialise:
                return Initialise(c, v, arg);
            case VcpuOp.up:
                if (!v.IsInitialised)
                    return XenErrno.EINVAL.ToResult();
                v.BringUp();
                return 0;
            case VcpuOp.down:
                v.TakeDown();
                return 0;
            case VcpuOp.is_up:
                return (v.PauseFlags & PauseFlags.Down) == 0 ? 1 : 0;
            case VcpuOp.get_runstate_info:
                return GuestTime.WriteRunstate(v, c.Memory, arg) ? 0 : XenErrno.EFAULT.ToResult();
            case VcpuOp.register_runstate_memory_area:
                if (!c.Memory.TryReadRecord(arg, c.Abi, out VcpuRegisterMemoryArea area))
                    return XenErrno.EFAULT.ToResult();
                if (c.Vcpu is { } asking && !asking.Memory.IsGuestRange(area.Address, (ulong)WireRecord.Size<VcpuRunstateInfo>(c.Abi)))
                    return XenErrno.EFAULT.ToResult();
                v.RunstateArea = area.Address;

                // __copy_to_guest through the caller's tables; whether it went well is not asked.
                GuestTime.WriteRunstate(v, c.Memory, new VirtualAddress(area.Address));
                return 0;
            case VcpuOp.set_periodic_timer:
                return SetPeriodic(c, v, arg);
            case VcpuOp.stop_periodic_timer:
                v.PeriodicPeriod = 0;
                return 0;
            case VcpuOp.set_singleshot_timer:
                return SetSingleshot(c, v, arg);
            case VcpuOp.stop_singleshot_timer:
                if (v != c.Vcpu)
                    return XenErrno.EINVAL.ToResult();
                v.SingleshotTimer = null;
                return 0;
            case VcpuOp.register_vcpu_info:
                return c.Memory.TryReadStruct(arg, out VcpuRegisterVcpuInfo info) ? RegisterInfo(c, v, info).ToResult() : XenErrno.EFAULT.ToResult();
            case VcpuOp.send_nmi:
                if (c.A3 != 0)
                    return XenErrno.EINVAL.ToResult();
                v.NmiPending = true;
                v.Kick();
                return 0;
            case VcpuOp.get_physid:
                // Only one processor comes up, so dom0's vCPUs are pinned to it: APIC ID 0, ACPI ID 0.
                return !c.Caller.IsHardwareDomain ? XenErrno.EINVAL.ToResult()
                    : c.Memory.TryWriteStruct(arg, 0UL) ? 0 : XenErrno.EFAULT.ToResult();
            case VcpuOp.register_vcpu_time_memory_area when !v40:
                if (!c.Memory.TryReadRecord(arg, c.Abi, out VcpuRegisterMemoryArea time))
                    return XenErrno.EFAULT.ToResult();
                v.TimeArea = time.Address;
                GuestTime.UpdateSystemTime(v, force: true);
                return 0;
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    public static CallDescription About(HypercallCall c) => Call(XenNames.VcpuOp((uint)c.A1), Arg("vcpu", c.A2));

    /// <summary>HVM 4.0 allows only the runstate and timer operations.</summary>
    public static long DoHvm40(HypercallCall c)
        => (VcpuOp)c.A1 is >= VcpuOp.get_runstate_info and <= VcpuOp.stop_singleshot_timer ? Do(c) : XenErrno.ENOSYS.ToResult();

    private static long Initialise(HypercallCall c, Vcpu v, VirtualAddress arg)
    {
        if (!v.VcpuInfo.Exists)
            return XenErrno.EINVAL.ToResult();
        if (c.Caller.IsHvm)
            return (v.IsInitialised ? XenErrno.EEXIST : VcpuHvmContext.Set(v, c.Memory, arg)).ToResult();
        if (!c.Memory.TryReadRecord(arg, c.Abi, out VcpuGuestContext context))
            return XenErrno.EFAULT.ToResult();
        return (v.IsInitialised ? XenErrno.EEXIST : VcpuContext.Set(v, context)).ToResult();
    }

    private static long SetPeriodic(HypercallCall c, Vcpu v, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out VcpuSetPeriodicTimer p))
            return XenErrno.EFAULT.ToResult();
        if (p.PeriodNs < Millisecond || (c.Xen.Profile.Release != XenRelease.V4_0 && p.PeriodNs > LongestPeriod))
            return XenErrno.EINVAL.ToResult();
        v.PeriodicPeriod = p.PeriodNs;
        v.PeriodicNext = c.Xen.VirtualNanoseconds + p.PeriodNs;
        return 0;
    }

    private static long SetSingleshot(HypercallCall c, Vcpu v, VirtualAddress arg)
    {
        if (v != c.Vcpu)
            return XenErrno.EINVAL.ToResult();
        if (!c.Memory.TryReadRecord(arg, c.Abi, out VcpuSetSingleshotTimer t))
            return XenErrno.EFAULT.ToResult();
        bool past = t.TimeoutAbsNs < c.Xen.VirtualNanoseconds;
        if (past && c.Xen.Profile.Release == XenRelease.V4_0 && ((SingleshotTimerFlags)t.Flags & SingleshotTimerFlags.future) != 0)
            return XenErrno.ETIME.ToResult();
        v.SingleshotTimer = t.TimeoutAbsNs;
        c.Xen.TimerSet = true;
        return 0;
    }

    /// <summary>map_vcpu_info: the old contents move, and the guest is told to look at everything.</summary>
    private static XenErrno RegisterInfo(HypercallCall c, Vcpu v, in VcpuRegisterVcpuInfo r)
    {
        uint alignment = c.Abi == Abi.X64 ? 8u : 4u;
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (r.Offset > 4096 - SharedInfoLayout.VcpuInfoSize || (!v40 && r.Offset % alignment != 0))
            return v40 ? XenErrno.EINVAL : XenErrno.ENXIO;
        if (v.VcpuInfoRegistered || (v != c.Vcpu && (v.PauseFlags & PauseFlags.Down) == 0))
            return XenErrno.EINVAL;
        Mfn mfn = c.Caller.GfnToMfn(new Gfn(r.Mfn));
        if (c.Xen.PageTypes.GetPageAndType(mfn, c.Caller, PageType.PGT_writable_page) != XenErrno.None)
            return XenErrno.EINVAL;
        VcpuInfo fresh = new(c.Xen.Memory, mfn, (int)r.Offset);
        if (v.VcpuInfo.Exists)
        {
            v.VcpuInfo.Bytes.CopyTo(fresh.Bytes);
        }
        else
        {
            fresh.Bytes.Clear();
            fresh.UpcallMask = true;
        }

        v.VcpuInfo = fresh;
        v.VcpuInfoRegistered = true;
        fresh.Bytes.Slice(c.Caller.SharedInfo.Layout.PendingSel, c.Caller.SharedInfo.Layout.Bits / 8).Fill(0xFF);
        v.MarkEventsPending();
        return XenErrno.None;
    }
}
