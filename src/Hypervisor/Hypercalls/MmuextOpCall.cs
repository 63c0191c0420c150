using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>mmuext_op: pins, base pointers, flushes, LDT, page clear and copy.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c: do_mmuext_op.</remarks>
internal static class MmuextOpCall
{
    public static long Do(HypercallCall c)
    {
        if (!Is40(c) && c.A1 == 0 && (uint)c.A2 == MmuUpdateCall.Preempted)
            return (int)c.A4;
        ulong count = c.A2 & ~MmuUpdateCall.Preempted & uint.MaxValue;
        XenErrno errno = MmuUpdateCall.PageOwner(c, (ushort)c.A4, out Domain owner);
        if (errno != XenErrno.None)
            return errno.ToResult();
        if (!Is40(c) && owner.IsHvm)
            return XenErrno.EINVAL.ToResult();
        int size = WireRecord.Size<MmuextOp>(c.Abi);
        ulong done = 0;
        bool preempted = false;
        while (done < count && errno == XenErrno.None)
        {
            preempted = (done != 0 || Is40(c)) && c.ShouldPreempt;
            if (preempted)
                break;
            errno = c.Memory.TryReadRecord(new VirtualAddress(c.A1 + (done * (ulong)size)), c.Abi, out MmuextOp op)
                ? One(c, owner, op)
                : XenErrno.EFAULT;
            if (errno == XenErrno.None)
                done++;
        }

        MmuUpdateCall.ReportDone(c, c.A3, (uint)done, (c.A2 & MmuUpdateCall.Preempted) != 0);
        return preempted ? c.Continue([c.A1 + (done * (ulong)size), (count - done) | MmuUpdateCall.Preempted, c.A3, (uint)c.A4]) : errno.ToResult();
    }

    public static CallDescription About(HypercallCall c)
    {
        ushort foreign = (ushort)c.A4;
        ushort target = foreign >= DomainId.FirstReserved.Value ? c.Caller.Id.Value : foreign;
        return c.Memory.TryReadRecord(new VirtualAddress(c.A1), c.Abi, out MmuextOp op)
            ? Call(XenNames.Mmuext(op.Cmd), target, Arg("count", c.A2), Arg("arg1", op.Arg1), Arg("arg2", op.Arg2))
            : Call(null, target, Arg("count", c.A2));
    }

    private static bool Is40(HypercallCall c) => c.Xen.Profile.Release == XenRelease.V4_0;

    private static XenErrno One(HypercallCall c, Domain owner, in MmuextOp op)
    {
        MmuextCommand command = (MmuextCommand)op.Cmd;
        switch (command)
        {
            case <= MmuextCommand.PIN_L4_TABLE:
                return Pin(c, owner, command, op.Arg1);
            case MmuextCommand.UNPIN_TABLE:
                return c.Xen.PageTypes.Unpin(owner.GfnToMfn(new Gfn(op.Arg1)), owner);
            case MmuextCommand.CLEAR_PAGE or MmuextCommand.COPY_PAGE:
                return ClearOrCopy(c, Is40(c) ? c.Caller : owner, command, op);
            case MmuextCommand.MARK_SUPER or MmuextCommand.UNMARK_SUPER when !Is40(c):
                return XenErrno.EOPNOTSUPP;
        }

        bool known = command is >= MmuextCommand.NEW_BASEPTR and <= MmuextCommand.SET_LDT
            || (command == MmuextCommand.NEW_USER_BASEPTR && c.Xen.Options.Host64)
            || (command == MmuextCommand.FLUSH_CACHE_GLOBAL && !Is40(c));
        if (!known)
            return c.Xen.PageTypes.Refuse(c.Caller, Mfn.Invalid, XenErrno.ENOSYS, $"Invalid extended pt command 0x{op.Cmd:x}");
        if (!Is40(c) && owner != c.Caller)
            return XenErrno.EPERM;
        return c.Vcpu is { } v ? OnVcpu(c, v, command, op) : XenErrno.EINVAL;
    }

    private static XenErrno Pin(HypercallCall c, Domain owner, MmuextCommand command, ulong gfn)
    {
        int level = (int)command + 1;

        // Pinning a level that the guest does not have is silently nothing.
        if (level > (owner.Is32BitPv ? 3 : 4) || owner.IsHvm)
            return XenErrno.None;
        return c.Xen.PageTypes.Pin(owner.GfnToMfn(new Gfn(gfn)), owner, (PageType)level);
    }

    private static XenErrno OnVcpu(HypercallCall c, Vcpu v, MmuextCommand command, in MmuextOp op)
    {
        switch (command)
        {
            case MmuextCommand.NEW_BASEPTR:
                return GuestTables.NewGuestCr3(v, c.Caller.GfnToMfn(new Gfn(op.Arg1)));
            case MmuextCommand.NEW_USER_BASEPTR:
                return c.Caller.Is32BitPv ? (Is40(c) ? XenErrno.EOPNOTSUPP : XenErrno.EINVAL) : GuestTables.NewUserBase(v, c.Caller.GfnToMfn(new Gfn(op.Arg1)));
            case MmuextCommand.TLB_FLUSH_LOCAL:
                v.Cpu.FlushTlb();
                return XenErrno.None;
            case MmuextCommand.INVLPG_LOCAL:
                v.Cpu.FlushTlb(new LinearAddress(op.Arg1));
                return XenErrno.None;
            case MmuextCommand.TLB_FLUSH_MULTI or MmuextCommand.INVLPG_MULTI:
                // vcpumask_to_pcpumask faults on a bad handle before anything is flushed.
                if (!c.Memory.TryRead(new VirtualAddress(op.Arg2), stackalloc byte[1]))
                    return XenErrno.EINVAL;
                Flush(c.Caller, command == MmuextCommand.TLB_FLUSH_MULTI, op.Arg1);
                return XenErrno.None;
            case MmuextCommand.TLB_FLUSH_ALL or MmuextCommand.INVLPG_ALL:
                Flush(c.Caller, command == MmuextCommand.TLB_FLUSH_ALL, op.Arg1);
                return XenErrno.None;
            case MmuextCommand.FLUSH_CACHE or MmuextCommand.FLUSH_CACHE_GLOBAL:
                return c.Caller.HasDeviceAccess ? XenErrno.None : Is40(c) ? XenErrno.EINVAL : XenErrno.EACCES;
            default:
                return GuestTables.SetLdt(v, op.Arg1, (uint)op.Arg2);
        }
    }

    private static void Flush(Domain d, bool all, ulong address)
    {
        foreach (Vcpu v in d.Vcpus)
        {
            if (all)
                v.Cpu.FlushTlb();
            else
                v.Cpu.FlushTlb(new LinearAddress(address));
        }
    }

    private static XenErrno ClearOrCopy(HypercallCall c, Domain d, MmuextCommand command, in MmuextOp op)
    {
        Mfn source = d.GfnToMfn(new Gfn(op.Arg2));
        bool copy = command == MmuextCommand.COPY_PAGE;
        if (copy && !c.Xen.Frames.TryGetPage(source, d.Id))
            return c.Xen.PageTypes.Refuse(d, source, XenErrno.EINVAL, $"Error while copying from mfn {source.Value:x}");
        Mfn target = d.GfnToMfn(new Gfn(op.Arg1));
        XenErrno errno = c.Xen.PageTypes.GetPageAndType(target, d, PageType.PGT_writable_page);
        if (errno == XenErrno.None)
        {
            if (copy)
                c.Xen.Memory.Readable(source.Value).CopyTo(c.Xen.Memory.Writable(target.Value));
            else
                c.Xen.Memory.Writable(target.Value).Clear();
            c.Xen.PageTypes.PutPageAndType(target);
        }

        if (copy)
            c.Xen.Frames.PutPage(source);
        return errno;
    }
}
