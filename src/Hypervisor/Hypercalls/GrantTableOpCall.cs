using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>grant_table_op, version 1: the call is 0 once the array is worked through, each entry has its own status.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: do_grant_table_op.</remarks>
internal static class GrantTableOpCall
{
    public static long Do(HypercallCall c)
    {
        uint count = (uint)c.A3;
        switch ((GrantTableOp)c.A1)
        {
            case GrantTableOp.setup_table:
                return count == 1 ? SetupTable(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.query_size:
                return count == 1 ? QuerySize(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.set_version:
                return count == 1 ? SetVersion(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.get_version:
                return count == 1 ? GetVersion(c) : XenErrno.EINVAL.ToResult();
            case GrantTableOp.map_grant_ref:
                return ForEach<GnttabMapGrantRef>(c, count, Map);
            case GrantTableOp.unmap_grant_ref:
                return ForEach<GnttabUnmapGrantRef>(c, count, Unmap);
            default:
                c.Xen.NotImplemented(XenNames.GrantTableOp((uint)c.A1), "grant_table_op answers -ENOSYS", ours: false);
                return XenErrno.ENOSYS.ToResult();
        }
    }

    /// <summary>HVM callers have a subset.</summary>
    public static long DoHvm(HypercallCall c)
        => (GrantTableOp)c.A1 is GrantTableOp.map_grant_ref or GrantTableOp.unmap_grant_ref or GrantTableOp.setup_table or GrantTableOp.copy
            or GrantTableOp.query_size or GrantTableOp.set_version or GrantTableOp.get_version
            ? Do(c)
            : XenErrno.ENOSYS.ToResult();

    public static CallDescription About(HypercallCall c) => Call(XenNames.GrantTableOp((uint)c.A1), Arg("count", c.A3));

    private delegate void Entry<T>(HypercallCall c, ref T entry);

    private static long ForEach<T>(HypercallCall c, uint count, Entry<T> work)
        where T : unmanaged
    {
        for (uint i = 0; i < count; i++)
        {
            VirtualAddress at = new(c.A2 + (i * (ulong)WireMemory.SizeOf<T>()));
            if (!c.Memory.TryReadStruct(at, out T entry))
                return XenErrno.EFAULT.ToResult();
            work(c, ref entry);
            if (!c.Memory.TryWriteStruct(at, entry))
                return XenErrno.EFAULT.ToResult();
        }

        return 0;
    }

    private static GrantStatus Target(HypercallCall c, ushort dom, out Domain d) => c.TargetDomain(dom, out d) switch
    {
        XenErrno.None => GrantStatus.okay,
        XenErrno.ESRCH => GrantStatus.bad_domain,
        _ => GrantStatus.permission_denied,
    };

    private static long SetupTable(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadRecord(arg, c.Abi, out GnttabSetupTable s))
            return XenErrno.EFAULT.ToResult();
        GrantStatus status = Target(c, s.Dom, out Domain d);
        if (status == GrantStatus.okay && s.NrFrames > d.GrantTable.MaxFrames)
            return XenErrno.EINVAL.ToResult();
        if (status == GrantStatus.okay && !d.GrantTable.TryGrow(s.NrFrames))
            status = GrantStatus.general_error;
        if (status == GrantStatus.okay)
        {
            for (uint i = 0; i < s.NrFrames; i++)
            {
                Mfn mfn = d.GrantTable.Frames[(int)i];
                ulong gmfn = d.IsHvm ? d.Xen.M2p.Get(mfn).Value : mfn.Value;
                if (!c.Memory.TryWriteLong(new VirtualAddress(s.FrameList + (i * (ulong)c.Abi.LongSize())), c.Abi, gmfn))
                    return XenErrno.EFAULT.ToResult();
            }
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

    /// <summary>Version 2 is refused, as a Xen started with gnttab=max-ver:1 does; guests fall back to 1.</summary>
    private static long SetVersion(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadStruct(arg, out GnttabSetVersion s))
            return XenErrno.EFAULT.ToResult();
        if (s.Version is not (1 or 2))
            return XenErrno.EINVAL.ToResult();
        if (s.Version == 2)
        {
            c.Xen.NotImplemented("GNTTABOP_set_version 2", "grant tables are version 1: -ENOSYS", ours: false);
            return XenErrno.ENOSYS.ToResult();
        }

        return c.Memory.TryWriteStruct(arg, s) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long GetVersion(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadStruct(arg, out GnttabGetVersion g))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(g.Dom, out _);
        if (errno != XenErrno.None)
            return errno.ToResult();
        g.Version = 1;
        return c.Memory.TryWriteStruct(arg, g) ? 0 : XenErrno.EFAULT.ToResult();
    }

    /// <summary>map_grant_ref for a caller whose mapping Xen need not make: the tools, through gntdev.</summary>
    private static void Map(HypercallCall c, ref GnttabMapGrantRef m)
    {
        bool writable = ((GrantMapFlags)m.Flags & GrantMapFlags.@readonly) == 0;
        if (((GrantMapFlags)m.Flags & (GrantMapFlags.device_map | GrantMapFlags.host_map)) == 0)
        {
            m.Status = (short)GrantStatus.bad_gntref;
            return;
        }

        if (c.Xen.FindDomain(new DomainId(m.Dom)) is not { } granter)
        {
            m.Status = (short)GrantStatus.bad_domain;
            return;
        }

        if (c.Vcpu is not null)
        {
            c.Xen.NotImplemented("GNTTABOP_map_grant_ref by a guest", "mapping of a grant into a guest's page tables", ours: true);
            m.Status = (short)GrantStatus.general_error;
            return;
        }

        GrantStatus status = granter.GrantTable.Acquire(m.Ref, c.Caller, writable, out Mfn frame);
        m.Status = (short)status;
        if (status != GrantStatus.okay)
            return;
        m.Handle = (uint)c.Caller.Maptrack.Count;
        m.DevBusAddr = frame.Value << 12;
        c.Caller.Maptrack.Add(new GrantMapping(granter.Id, m.Ref, frame, writable, m.HostAddr));
    }

    private static void Unmap(HypercallCall c, ref GnttabUnmapGrantRef u)
    {
        if (u.Handle >= c.Caller.Maptrack.Count || c.Caller.Maptrack[(int)u.Handle] is not { } mapping)
        {
            u.Status = (short)GrantStatus.bad_handle;
            return;
        }

        c.Caller.Maptrack[(int)u.Handle] = null;
        bool last = !c.Caller.Maptrack.Exists(m => m is not null && m.Granter == mapping.Granter && m.Reference == mapping.Reference);
        c.Xen.FindDomain(mapping.Granter)?.GrantTable.Release(mapping.Reference, mapping.Frame, mapping.Writable, last);
        u.Status = (short)GrantStatus.okay;
    }
}
