using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>Begin and end of the use of an entry, as the granting guest sees it: GTF_reading and GTF_writing.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: _set_status_v1, _set_status_v2, reduce_status_for_pin, get_paged_frame.</remarks>
internal static class GrantPins
{
    /// <summary>_set_status: the entry permits the use, and now says that it is used.</summary>
    /// <param name="mapping">Whether it is to be mapped, which parts of pages and transitive grants cannot be.</param>
    public static GrantStatus SetStatus(HypercallCall c, Domain granter, uint reference, DomainId user, bool readOnly, bool mapping)
    {
        GrantTable table = granter.GrantTable;
        GrantEntryHeader entry = table.Header(reference)!.Value;
        GrantEntryFlags flags = (GrantEntryFlags)entry.Flags;
        GrantEntryFlags masked = flags & (GrantEntryFlags.type_mask | (mapping ? GrantEntryFlags.sub_page : 0));

        // 4.0.4 lets a transitive entry of version 2 be mapped, whose frame number is a grant reference: we stay with what 4.17 does.
        bool permitted = masked == GrantEntryFlags.permit_access || (table.Version == 2 && !mapping && masked == GrantEntryFlags.transitive);
        if (table.Active(reference).Pin == 0 && (!permitted || entry.Domid != user.Value))
            return Refuse(c, granter, reference, GrantStatus.general_error, $"Bad flags ({entry.Flags:x}) or dom ({entry.Domid}); expected {user}");
        if (!readOnly && (flags & GrantEntryFlags.@readonly) != 0)
        {
            // Version 1 looks after it has seen that the entry is permitted, and before it marks it.
            return Refuse(c, granter, reference, GrantStatus.general_error, "Attempt to write-pin a r/o grant entry");
        }

        Span<byte> status = table.StatusWord(reference);
        GrantEntryFlags now = (GrantEntryFlags)BinaryPrimitives.ReadUInt16LittleEndian(status) | GrantEntryFlags.reading | (readOnly ? 0 : GrantEntryFlags.writing);
        BinaryPrimitives.WriteUInt16LittleEndian(status, (ushort)now);
        return GrantStatus.okay;
    }

    /// <summary>reduce_status_for_pin: the marks that no use stands behind any more go.</summary>
    public static void ReduceStatus(GrantTable table, uint reference, bool readOnly)
    {
        // After a change of version the entry may be gone.
        if (reference >= table.EntryCount)
            return;
        uint pin = table.Active(reference).Pin;
        GrantEntryFlags clear = pin == 0 ? GrantEntryFlags.reading : 0;
        if (!readOnly && (pin & ActiveGrant.WriteMask) == 0)
            clear |= GrantEntryFlags.writing;
        Span<byte> status = table.StatusWord(reference);
        BinaryPrimitives.WriteUInt16LittleEndian(status, (ushort)((GrantEntryFlags)BinaryPrimitives.ReadUInt16LittleEndian(status) & ~clear));
    }

    /// <summary>get_paged_frame: the machine frame behind a guest's frame, with a reference on it.</summary>
    public static GrantStatus GetFrame(HypercallCall c, Domain owner, ulong gfn, uint reference, out Mfn frame)
    {
        frame = owner.GfnToMfn(new Gfn(gfn));
        if (c.Xen.Frames.TryGetPage(frame, owner.Id))
            return GrantStatus.okay;

        // 4.0 does not ask here but when it takes the page's references.
        GrantStatus status = c.Xen.Profile.Release == XenRelease.V4_0 ? GrantStatus.general_error : GrantStatus.bad_page;
        return Refuse(c, owner, reference, status, $"{owner.Id} has no page at gfn 0x{gfn:x}");
    }

    /// <summary>Says why a request is refused; the words follow Xen's own debug message where it has one.</summary>
    public static GrantStatus Refuse(HypercallCall c, Domain? granter, uint reference, GrantStatus status, string reason)
    {
        if (c.Xen.Events.Wants<GrantRefused>())
            c.Xen.Events.Emit(new GrantRefused(c.Caller.Id, granter?.Id, reference, XenNames.Of(status), reason));
        return status;
    }
}
