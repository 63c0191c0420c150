using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>GNTTABOP_map_grant_ref.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: map_grant_ref. Orders of checks as there.</remarks>
internal static class MapGrantRef
{
    private const GrantMapFlags NotForTranslated = GrantMapFlags.device_map | GrantMapFlags.application_map | GrantMapFlags.contains_pte;

    public static void Do(HypercallCall c, ref GnttabMapGrantRef op)
    {
        GrantMapFlags flags = (GrantMapFlags)op.Flags;
        GrantStatus status = Check(c, op, flags, out Domain? granter);
        uint handle = 0;
        if (status == GrantStatus.okay && !c.Caller.GrantTable.Maptrack.TryGet(c.Vcpu?.Id ?? 0, out handle))
        {
            bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
            status = GrantPins.Refuse(c, granter, op.Ref, v40 ? GrantStatus.no_device_space : GrantStatus.no_space, "Failed to obtain maptrack handle");
            granter = null;
        }

        if (status == GrantStatus.okay)
        {
            status = Pin(c, granter!, op.Ref, flags, op.HostAddr, out Mfn frame);
            if (status == GrantStatus.okay)
            {
                ref GrantMapping mapping = ref c.Caller.GrantTable.Maptrack[handle];
                mapping = new GrantMapping { Reference = op.Ref, Flags = flags, Granter = granter!.Id, Vcpu = mapping.Vcpu, ByTools = c.Vcpu is null };
                (op.Handle, op.DevBusAddr) = (handle, frame.Address.Value);
            }
            else
            {
                c.Caller.GrantTable.Maptrack.Put(handle);
            }
        }

        op.Status = (short)status;
    }

    private static GrantStatus Check(HypercallCall c, in GnttabMapGrantRef op, GrantMapFlags flags, out Domain? granter)
    {
        granter = null;
        if ((flags & (GrantMapFlags.device_map | GrantMapFlags.host_map)) == 0)
            return GrantPins.Refuse(c, null, op.Ref, GrantStatus.bad_gntref, $"Bad flags in grant map op: {op.Flags:x}");
        if (c.Caller.IsHvm && (flags & NotForTranslated) != 0)
            return GrantPins.Refuse(c, null, op.Ref, GrantStatus.general_error, "No device mapping in HVM domain");
        granter = c.Xen.FindDomain(new DomainId(op.Dom));
        return granter is null ? GrantPins.Refuse(c, null, op.Ref, GrantStatus.bad_domain, $"Could not find domain {op.Dom}") : GrantStatus.okay;
    }

    /// <summary>The entry is marked and counted, then the page and its mapping follow; what fails is undone.</summary>
    private static GrantStatus Pin(HypercallCall c, Domain granter, uint reference, GrantMapFlags flags, ulong address, out Mfn frame)
    {
        GrantTable table = granter.GrantTable;
        bool readOnly = (flags & GrantMapFlags.@readonly) != 0;
        frame = Mfn.Invalid;
        if (table.Version == 0)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, "remote grant table not yet set up");
        if (reference >= table.EntryCount)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.bad_gntref, $"Bad ref 0x{reference:x} for {granter.Id}");
        ref ActiveGrant act = ref table.Active(reference);
        uint more = ActiveGrant.PinOf((flags & GrantMapFlags.host_map) != 0, (flags & GrantMapFlags.device_map) != 0, readOnly);
        uint full = c.Xen.Profile.Release == XenRelease.V4_0 ? ActiveGrant.OverflowMask : more << 7;
        if (act.Pin != 0 && (act.Domain != c.Caller.Id || (act.Pin & full) != 0 || act.IsSubPage))
        {
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error,
                $"Bad domain ({act.Domain} != {c.Caller.Id}), or risk of counter overflow {act.Pin:x8}, or subpage {act.IsSubPage}");
        }

        bool held = false;
        if (act.Pin == 0 || (!readOnly && (act.Pin & ActiveGrant.WriteMask) == 0))
        {
            GrantStatus status = GrantPins.SetStatus(c, granter, reference, c.Caller.Id, readOnly, mapping: true);
            if (status != GrantStatus.okay)
                return status;
            if (act.Pin == 0)
            {
                status = GrantPins.GetFrame(c, granter, table.FullPageFrame(reference), reference, out frame);
                if (status != GrantStatus.okay)
                {
                    GrantPins.ReduceStatus(table, reference, readOnly);
                    return status;
                }

                held = true;
                act = new ActiveGrant { Domain = c.Caller.Id, Frame = frame, Length = 4096, TransDomain = granter.Id, TransReference = reference };
            }
        }

        frame = act.Frame;
        act.Pin += more;
        if ((held || c.Xen.Frames.TryGetPage(frame, granter.Id)) && TakePage(c, granter, frame, flags, address))
            return GrantStatus.okay;
        act.Pin -= more;
        GrantPins.ReduceStatus(table, reference, readOnly);
        return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, $"Could not pin grant frame 0x{frame.Value:x}");
    }

    /// <summary>One general reference for each way of mapping, and a type reference if it is writable. The caller holds one general reference.</summary>
    private static bool TakePage(HypercallCall c, Domain granter, Mfn frame, GrantMapFlags flags, ulong address)
    {
        bool readOnly = (flags & GrantMapFlags.@readonly) != 0;
        bool device = (flags & GrantMapFlags.device_map) != 0;
        bool typed = device && !readOnly;
        if (typed && c.Xen.PageTypes.GetPageType(frame, granter, PageType.PGT_writable_page) != XenErrno.None)
        {
            c.Xen.Frames.PutPage(frame);
            return false;
        }

        if ((flags & GrantMapFlags.host_map) == 0 || TakeForHost(c, granter, frame, flags, address))
            return true;
        if (typed)
            c.Xen.PageTypes.PutPageType(frame);
        c.Xen.Frames.PutPage(frame);
        return false;
    }

    private static bool TakeForHost(HypercallCall c, Domain granter, Mfn frame, GrantMapFlags flags, ulong address)
    {
        bool second = (flags & GrantMapFlags.device_map) != 0;
        if (second)
            c.Xen.Frames.TryGetPage(frame, granter.Id);
        bool typed = HostTakesType(flags, c.Caller, granter);
        bool done = !typed || c.Xen.PageTypes.GetPageType(frame, granter, PageType.PGT_writable_page) == XenErrno.None;
        if (done && GrantHostMapping.Create(c, address, frame, flags))
            return true;
        if (done && typed)
            c.Xen.PageTypes.PutPageType(frame);
        if (second)
            c.Xen.Frames.PutPage(frame);
        return false;
    }

    /// <summary>gnttab_host_mapping_get_page_type: a writable mapping counts as such, except one of a translated domain by another.</summary>
    public static bool HostTakesType(GrantMapFlags flags, Domain user, Domain granter)
        => (flags & GrantMapFlags.@readonly) == 0 && (user == granter || !granter.IsHvm);
}
