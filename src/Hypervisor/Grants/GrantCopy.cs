using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>GNTTABOP_copy: bytes from one page to another, each given by a grant or, if it is the caller's, by its frame.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: gnttab_copy, acquire_grant_for_copy, gnttab_copy_buf.</remarks>
internal static class GrantCopy
{
    private const uint PageSize = 4096;

    /// <summary>One end of a copy: struct gnttab_copy_buf.</summary>
    private struct End
    {
        public Domain? Domain;
        public Mfn Frame;
        public uint Start;
        public uint Length;
        public bool HasGrant;
        public bool HasPage;
        public bool HasType;
    }

    public static long Do(HypercallCall c, uint count)
    {
        uint size = (uint)WireRecord.Size<GnttabCopy>(c.Abi);
        for (uint i = 0; i < count; i++)
        {
            VirtualAddress at = new(c.A2 + (i * (ulong)size));
            if (i != 0 && c.ShouldPreempt)
                return GrantTableOpCall.Continue(c, at.Value, count - i);
            if (!c.Memory.TryReadRecord(at, c.Abi, out GnttabCopy op))
                return XenErrno.EFAULT.ToResult();
            op.Status = (short)One(c, op);
            if (!c.Memory.TryWriteRecord(at, c.Abi, op))
                return XenErrno.EFAULT.ToResult();
        }

        return 0;
    }

    private static GrantStatus One(HypercallCall c, in GnttabCopy op)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        bool beyond = op.SourceOffset + op.Len > PageSize || op.DestOffset + op.Len > PageSize;
        if (v40 && beyond)
            return GrantPins.Refuse(c, null, 0, GrantStatus.bad_copy_arg, "copy beyond page area");
        bool sourceIsGrant = (op.Flags & (ushort)GrantCopyFlags.source_gref) != 0, destIsGrant = (op.Flags & (ushort)GrantCopyFlags.dest_gref) != 0;
        End source = default, dest = default;
        GrantStatus status = v40 && ((op.SourceDomid != DomainId.Self.Value && !sourceIsGrant) || (op.DestDomid != DomainId.Self.Value && !destIsGrant))
            ? GrantStatus.permission_denied
            : FindDomain(c, op.SourceDomid, sourceIsGrant, ref source);
        if (status == GrantStatus.okay)
            status = FindDomain(c, op.DestDomid, destIsGrant, ref dest);
        if (status == GrantStatus.okay)
            status = Claim(c, ref source, op.SourceFrame, sourceIsGrant, readOnly: true);
        if (status == GrantStatus.okay)
            status = Claim(c, ref dest, op.DestFrame, destIsGrant, readOnly: false);
        if (status == GrantStatus.okay && beyond)
            status = GrantPins.Refuse(c, null, 0, GrantStatus.bad_copy_arg, "copy beyond page area");
        if (status == GrantStatus.okay && (!Within(v40, op.SourceOffset, op.Len, source) || !Within(v40, op.DestOffset, op.Len, dest)))
        {
            status = GrantPins.Refuse(c, source.Domain, 0, GrantStatus.general_error,
                $"copy out of bounds: {op.SourceOffset} + {op.Len} in {source.Start} + {source.Length} to {op.DestOffset} in {dest.Start} + {dest.Length}");
        }

        if (status == GrantStatus.okay)
            c.Xen.Memory.Readable(source.Frame.Value).Slice(op.SourceOffset, op.Len).CopyTo(c.Xen.Memory.Writable(dest.Frame.Value)[op.DestOffset..]);
        Release(source, (uint)op.SourceFrame, readOnly: true);
        Release(dest, (uint)op.DestFrame, readOnly: false);
        return status;
    }

    /// <summary>4.0 compares the length with the whole of a part, wherever in it the copy begins.</summary>
    private static bool Within(bool v40, uint offset, uint length, in End end)
        => offset >= end.Start && (v40 ? length <= end.Length : offset + length <= end.Start + end.Length);

    private static GrantStatus FindDomain(HypercallCall c, ushort id, bool isGrant, ref End end)
    {
        if (id != DomainId.Self.Value && !isGrant)
            return GrantPins.Refuse(c, null, 0, GrantStatus.permission_denied, "only DOMID_SELF may be copied from or to by frame");
        end.Domain = c.DomainByAnyId(id);
        return end.Domain is null ? GrantPins.Refuse(c, null, 0, GrantStatus.bad_domain, $"couldn't find {id}") : GrantStatus.okay;
    }

    /// <summary>gnttab_copy_claim_buf.</summary>
    private static GrantStatus Claim(HypercallCall c, ref End end, ulong frame, bool isGrant, bool readOnly)
    {
        Domain owner = end.Domain!;
        GrantStatus status;
        if (isGrant)
        {
            status = Acquire(c, end.Domain!, (uint)frame, c.Caller.Id, readOnly, c.Xen.GrantOptions.Transitive, ref end, out owner);
            end.HasGrant = status == GrantStatus.okay;
        }
        else
        {
            status = GrantPins.GetFrame(c, owner, frame, 0, out end.Frame);
            end.Length = PageSize;
        }

        if (status != GrantStatus.okay)
            return status;
        end.HasPage = true;
        if (readOnly)
            return status;
        end.HasType = c.Xen.PageTypes.GetPageType(end.Frame, owner, PageType.PGT_writable_page) == XenErrno.None;
        return end.HasType ? status : GrantPins.Refuse(c, owner, (uint)frame, GrantStatus.general_error, $"Could not get writable frame 0x{end.Frame.Value:x}");
    }

    /// <summary>acquire_grant_for_copy: counts a use of the entry and takes a reference on its page. A transitive entry leads to another domain's, once.</summary>
    private static GrantStatus Acquire(HypercallCall c, Domain granter, uint reference, DomainId user, bool readOnly, bool mayPassOn, ref End end, out Domain owner)
    {
        GrantTable table = granter.GrantTable;
        owner = granter;
        if (table.Version == 0)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, "remote grant table not ready");
        if (reference >= table.EntryCount)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.bad_gntref, $"Bad grant reference 0x{reference:x}");
        ref ActiveGrant act = ref table.Active(reference);
        uint more = ActiveGrant.PinOf(host: true, device: false, readOnly);
        uint full = c.Xen.Profile.Release == XenRelease.V4_0 ? ActiveGrant.OverflowMask : more << 7;
        if (act.Pin != 0 && (act.Domain != user || (act.Pin & full) != 0))
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, $"Bad domain ({act.Domain} != {user}), or risk of counter overflow {act.Pin:x8}");
        bool first = act.Pin == 0 || (!readOnly && (act.Pin & ActiveGrant.WriteMask) == 0);
        GrantStatus status = first ? GrantPins.SetStatus(c, granter, reference, user, readOnly, mapping: false) : GrantStatus.okay;
        if (status != GrantStatus.okay)
            return status;
        ActiveGrant found = act;
        bool transitive = table.Version == 2 && (table.Flags(reference) & GrantEntryFlags.type_mask) == GrantEntryFlags.transitive;
        if (transitive)
            status = PassOn(c, granter, reference, readOnly, mayPassOn, ref found, ref owner);
        else if (first)
            status = Describe(c, granter, reference, ref found);
        else if (!c.Xen.Frames.TryGetPage(act.Frame, granter.Id) || granter.IsDying)
            status = GrantPins.Refuse(c, granter, reference, GrantStatus.bad_domain, $"{granter.Id} is dying");
        if (status == GrantStatus.okay && act.Pin != 0 && Differs(act, found))
        {
            c.Xen.Frames.PutPage(found.Frame);
            status = GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, "the entry was changed while it is in use");
        }

        if (status != GrantStatus.okay)
        {
            GrantPins.ReduceStatus(table, reference, readOnly);
            return status;
        }

        uint pin = act.Pin + more;
        act = found with { Pin = pin, Domain = user };
        (end.Frame, end.Start, end.Length) = (act.Frame, act.Start, act.Length);
        return GrantStatus.okay;
    }

    private static bool Differs(in ActiveGrant act, in ActiveGrant found)
        => act.Frame != found.Frame || act.TransDomain != found.TransDomain || act.TransReference != found.TransReference
            || (act.IsSubPage && (!found.IsSubPage || act.Start != found.Start || act.Length != found.Length));

    /// <summary>What an entry of its own domain's grants: a page, or a part of one (version 2).</summary>
    private static GrantStatus Describe(HypercallCall c, Domain granter, uint reference, ref ActiveGrant found)
    {
        GrantTable table = granter.GrantTable;
        found.IsSubPage = table.Version == 2 && (table.Flags(reference) & GrantEntryFlags.sub_page) != 0;
        (found.Start, found.Length) = (0, PageSize);
        if (found.IsSubPage)
        {
            GrantEntryV2 entry = table.Entry(reference).ReadStruct<GrantEntryV2>();
            (found.Start, found.Length) = (entry.SubPagePageOff, entry.SubPageLength);
        }

        (found.TransDomain, found.TransReference) = (granter.Id, reference);
        return GrantPins.GetFrame(c, granter, table.FullPageFrame(reference), reference, out found.Frame);
    }

    private static GrantStatus PassOn(HypercallCall c, Domain granter, uint reference, bool readOnly, bool mayPassOn, ref ActiveGrant found, ref Domain owner)
    {
        GrantEntryV2 entry = granter.GrantTable.Entry(reference).ReadStruct<GrantEntryV2>();
        DomainId next = new(entry.TransitiveTransDomid);
        if (!mayPassOn)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, "transitive grant when transitivity not allowed");
        if (next == granter.Id)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, "transitive grants cannot be self-referential");
        if (c.Xen.FindDomain(next) is not { } real)
            return GrantPins.Refuse(c, granter, reference, GrantStatus.general_error, $"transitive grant referenced bad domain {next.Value}");
        End end = default;
        GrantStatus status = Acquire(c, real, entry.TransitiveGref, granter.Id, readOnly, mayPassOn: false, ref end, out owner);

        // Always as a part of a page: that keeps it from being mapped.
        found = new ActiveGrant { Frame = end.Frame, Start = (ushort)end.Start, Length = end.Length, IsSubPage = true, TransDomain = real.Id, TransReference = entry.TransitiveGref };
        return status;
    }

    /// <summary>gnttab_copy_release_buf.</summary>
    private static void Release(in End end, uint reference, bool readOnly)
    {
        if (end.Domain is not { } d)
            return;
        if (end.HasGrant)
            ReleaseGrant(d, reference, readOnly);
        if (end.HasType)
            d.Xen.PageTypes.PutPageType(end.Frame);
        if (end.HasPage)
            d.Xen.Frames.PutPage(end.Frame);
    }

    /// <summary>release_grant_for_copy.</summary>
    private static void ReleaseGrant(Domain granter, uint reference, bool readOnly)
    {
        ref ActiveGrant act = ref granter.GrantTable.Active(reference);
        act.Pin -= ActiveGrant.PinOf(host: true, device: false, readOnly);
        (DomainId next, uint nextReference) = (act.TransDomain, act.TransReference);
        GrantPins.ReduceStatus(granter.GrantTable, reference, readOnly);
        if (next != granter.Id && granter.Xen.FindDomain(next) is { } real)
            ReleaseGrant(real, nextReference, readOnly);
    }
}
