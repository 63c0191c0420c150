using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Grants;

/// <summary>grant_table_op: the call is 0 once the array is worked through, each entry has its own status.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: do_grant_table_op, gnttab_setup_table, gnttab_query_size, swap_grant_ref.</remarks>
internal static class GrantTableOpCall
{
    /// <summary>GNTTABOP_CONTINUATION_ARG_SHIFT (4.17): bits from 12 on are a continued cache_flush's.</summary>
    private const uint CommandMask = 0xFFF;

    public static long Do(HypercallCall c)
    {
        uint count = (uint)c.A3, command = (uint)c.A1;
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if ((int)count < 0 || (!v40 && (command & ~CommandMask) != 0 && (GrantTableOp)(command & CommandMask) != GrantTableOp.cache_flush))
            return XenErrno.EINVAL.ToResult();
        GrantTableOp op = (GrantTableOp)(v40 ? command : command & CommandMask);
        if (EntrySize(c, op) is { } size && !HandleOkay(c, c.A2, count * (ulong)size))
            return XenErrno.EFAULT.ToResult();
        switch (op)
        {
            case GrantTableOp.map_grant_ref:
                return ForEach<GnttabMapGrantRef>(c, count, MapGrantRef.Do);
            case GrantTableOp.unmap_grant_ref:
                return UnmapGrantRef.Unmap(c, count);
            case GrantTableOp.unmap_and_replace:
                return UnmapGrantRef.UnmapAndReplace(c, count);
            case GrantTableOp.setup_table:
                return count == 1 ? SetupTable(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.transfer:
                return !v40 && !c.Xen.GrantOptions.Transfer ? XenErrno.EOPNOTSUPP.ToResult() : GrantTransfer.Do(c, count);
            case GrantTableOp.copy:
                return GrantCopy.Do(c, count);
            case GrantTableOp.query_size:
                return count == 1 ? QuerySize(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.set_version:
                return GrantVersionOps.SetVersion(c);
            case GrantTableOp.get_status_frames:
                return count == 1 ? GrantVersionOps.GetStatusFrames(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.get_version:
                return GrantVersionOps.GetVersion(c);
            case GrantTableOp.swap_grant_ref when !v40:
                return ForEach<GnttabSwapGrantRef>(c, count, static (HypercallCall c, ref GnttabSwapGrantRef s) => s.Status = (short)Swap(c, s.RefA, s.RefB));
            case GrantTableOp.cache_flush when !v40:
                return CacheFlush(c, count, command & ~CommandMask);
            default:
                // dump_table is a number that nothing stands behind, in both releases.
                c.Xen.NotImplemented(XenNames.Of(op), "Xen has no such grant_table_op: -ENOSYS", ours: false);
                return XenErrno.ENOSYS.ToResult();
        }
    }

    /// <summary>hvm_grant_table_op: HVM callers have a subset.</summary>
    public static long DoHvm(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        return (GrantTableOp)c.A1 switch
        {
            GrantTableOp.query_size or GrantTableOp.setup_table or GrantTableOp.set_version or GrantTableOp.copy
                or GrantTableOp.map_grant_ref or GrantTableOp.unmap_grant_ref => Do(c),
            GrantTableOp.get_version or GrantTableOp.swap_grant_ref when !v40 => Do(c),
            _ => XenErrno.ENOSYS.ToResult(),
        };
    }

    public static CallDescription About(HypercallCall c)
    {
        string name = XenNames.GrantTableOp((uint)c.A1);
        VirtualAddress arg = new(c.A2);
        return (GrantTableOp)c.A1 switch
        {
            GrantTableOp.map_grant_ref when c.Memory.TryReadStruct(arg, out GnttabMapGrantRef m)
                => Call(name, m.Dom, Arg("count", c.A3), Arg("host_addr", m.HostAddr), Arg("flags", m.Flags), Arg("ref", m.Ref)),
            GrantTableOp.unmap_grant_ref when c.Memory.TryReadStruct(arg, out GnttabUnmapGrantRef u)
                => Call(name, Arg("count", c.A3), Arg("host_addr", u.HostAddr), Arg("handle", u.Handle)),
            GrantTableOp.setup_table when c.Memory.TryReadRecord(arg, c.Abi, out GnttabSetupTable s) => Call(name, Arg("count", c.A3), Arg("nr_frames", s.NrFrames)),
            GrantTableOp.set_version when c.Memory.TryReadStruct(arg, out GnttabSetVersion v) => Call(name, Arg("count", c.A3), Arg("version", v.Version)),
            _ => Call(name, Arg("count", c.A3)),
        };
    }

    /// <summary>guest_handle_okay: the guest's addresses are its own.</summary>
    internal static bool HandleOkay(HypercallCall c, ulong address, ulong bytes) => c.Memory is not GuestMemory guest || guest.IsGuestRange(address, bytes);

    internal static GrantStatus Target(HypercallCall c, ushort dom, out Domain d) => c.TargetDomain(dom, out d) switch
    {
        XenErrno.None => GrantStatus.okay,
        XenErrno.ESRCH => GrantStatus.bad_domain,
        _ => GrantStatus.permission_denied,
    };

    /// <summary>gnttab_shared_gfn, gnttab_status_gfn: where the guest finds a frame of the table.</summary>
    internal static ulong GuestFrame(Domain d, Mfn mfn) => d.IsHvm ? d.Xen.M2p.Get(mfn).Value : mfn.Value;

    /// <summary>Bytes of one element, of the calls whose whole array is checked first; null for the others.</summary>
    private static uint? EntrySize(HypercallCall c, GrantTableOp op) => op switch
    {
        GrantTableOp.map_grant_ref => WireMemory.SizeOf<GnttabMapGrantRef>(),
        GrantTableOp.unmap_grant_ref => WireMemory.SizeOf<GnttabUnmapGrantRef>(),
        GrantTableOp.unmap_and_replace => WireMemory.SizeOf<GnttabUnmapAndReplace>(),
        GrantTableOp.transfer => (uint)WireRecord.Size<GnttabTransfer>(c.Abi),
        GrantTableOp.copy => (uint)WireRecord.Size<GnttabCopy>(c.Abi),
        GrantTableOp.swap_grant_ref => WireMemory.SizeOf<GnttabSwapGrantRef>(),
        GrantTableOp.cache_flush => WireMemory.SizeOf<GnttabCacheFlush>(),
        _ => null,
    };

    /// <summary>What is left of the array is for the next call.</summary>
    internal static long Continue(HypercallCall c, ulong at, uint left) => c.Continue([(uint)c.A1, at, left]);

    private delegate void Entry<T>(HypercallCall c, ref T entry);

    private static long ForEach<T>(HypercallCall c, uint count, Entry<T> work)
        where T : unmanaged
    {
        for (uint i = 0; i < count; i++)
        {
            VirtualAddress at = new(c.A2 + (i * (ulong)WireMemory.SizeOf<T>()));
            if (i != 0 && c.ShouldPreempt)
                return Continue(c, at.Value, count - i);
            if (!c.Memory.TryReadStruct(at, out T entry))
                return XenErrno.EFAULT.ToResult();
            work(c, ref entry);
            if (!c.Memory.TryWriteStruct(at, entry))
                return XenErrno.EFAULT.ToResult();
        }

        return 0;
    }

    private static long SetupTable(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (!c.Memory.TryReadRecord(arg, c.Abi, out GnttabSetupTable s))
            return XenErrno.EFAULT.ToResult();
        uint size = (uint)c.Abi.LongSize();
        if (!v40 && !HandleOkay(c, s.FrameList, s.NrFrames * (ulong)size))
            return XenErrno.EFAULT.ToResult();
        GrantStatus status = v40 && s.NrFrames > c.Caller.GrantTable.MaxFrames ? GrantStatus.general_error : GrantStatus.okay;
        Domain d = c.Caller;
        if (status == GrantStatus.okay)
            status = Target(c, s.Dom, out d);
        if (status == GrantStatus.okay)
        {
            if (d.GrantTable.Version == 0)
                d.GrantTable.Version = 1;
            if (!d.GrantTable.TryGrow(s.NrFrames))
                status = GrantPins.Refuse(c, d, 0, GrantStatus.general_error, $"{d.Id} is limited to {d.GrantTable.MaxFrames} grant-table frames");
        }

        bool given = status == GrantStatus.okay;
        for (uint i = 0; given && i < s.NrFrames; i++)
        {
            if (!c.Memory.TryWriteLong(new VirtualAddress(s.FrameList + (i * (ulong)size)), c.Abi, GuestFrame(d, d.GrantTable.Frames[(int)i])) && !v40)
                status = GrantStatus.bad_virt_addr;
        }

        s.Status = (short)status;
        return c.Memory.TryWriteRecord(arg, c.Abi, s) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long QuerySize(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadStruct(arg, out GnttabQuerySize q))
            return XenErrno.EFAULT.ToResult();
        GrantStatus status = Target(c, q.Dom, out Domain d);
        if (status == GrantStatus.okay)
        {
            q.NrFrames = (uint)d.GrantTable.Frames.Count;
            q.MaxNrFrames = d.GrantTable.MaxFrames;
        }

        q.Status = (short)status;
        return c.Memory.TryWriteStruct(arg, q) ? 0 : XenErrno.EFAULT.ToResult();
    }

    /// <summary>swap_grant_ref.</summary>
    private static GrantStatus Swap(HypercallCall c, uint a, uint b)
    {
        GrantTable table = c.Caller.GrantTable;
        if (a >= table.EntryCount || b >= table.EntryCount)
            return GrantPins.Refuse(c, c.Caller, a >= table.EntryCount ? a : b, GrantStatus.bad_gntref, $"Bad ref 0x{(a >= table.EntryCount ? a : b):x}");
        if (a == b)
            return GrantStatus.okay;
        if (table.Active(a).Pin != 0 || table.Active(b).Pin != 0)
            return GrantPins.Refuse(c, c.Caller, a, GrantStatus.eagain, $"ref 0x{(table.Active(a).Pin != 0 ? a : b):x} busy");
        Exchange(table.Entry(a), table.Entry(b));
        if (table.Version == 2)
            Exchange(table.StatusWord(a), table.StatusWord(b));
        return GrantStatus.okay;

        static void Exchange(Span<byte> x, Span<byte> y)
        {
            Span<byte> kept = stackalloc byte[16];
            x.CopyTo(kept);
            y.CopyTo(x);
            kept[..x.Length].CopyTo(y);
        }
    }

    /// <summary>gnttab_cache_flush: caches are coherent here, so what is left are the checks.</summary>
    private static long CacheFlush(HypercallCall c, uint count, uint continued)
    {
        for (uint i = 0; i < count; i++)
        {
            if (!c.Memory.TryReadStruct(new VirtualAddress(c.A2 + (i * (ulong)WireMemory.SizeOf<GnttabCacheFlush>())), out GnttabCacheFlush f))
                return XenErrno.EFAULT.ToResult();
            XenErrno errno = CacheFlush(c, f, continued);
            if (errno != XenErrno.None)
                return errno.ToResult();
            continued = 0;
        }

        return 0;
    }

    private static XenErrno CacheFlush(HypercallCall c, in GnttabCacheFlush f, uint continued)
    {
        const uint clean = 1, inval = 2, page = 4096;
        if (f.Offset >= page || f.Length > page || f.Offset + f.Length > page || (f.Op & ~(inval | clean)) != 0)
            return XenErrno.EINVAL;
        if (f.Length == 0 || f.Op == 0)
            return continued == 0 ? XenErrno.None : XenErrno.EILSEQ;
        Mfn mfn = new(f.DevBusAddr >> 12);
        if (!c.Xen.Frames.IsValid(mfn))
            return XenErrno.EINVAL;
        if (c.Xen.FindDomain(new DomainId(c.Xen.Frames[mfn].Owner)) is not { } owner)
            return XenErrno.EPERM;
        GrantTable table = owner.GrantTable;
        for (uint i = continued; owner != c.Caller && i <= table.EntryCount; i++)
        {
            if (i == table.EntryCount)
                return XenErrno.EINVAL;
            if (table.Active(i).Pin != 0 && table.Active(i).Domain == c.Caller.Id && table.Active(i).Frame == mfn)
                break;
        }

        return f.Op == inval ? XenErrno.EOPNOTSUPP : XenErrno.None;
    }
}
