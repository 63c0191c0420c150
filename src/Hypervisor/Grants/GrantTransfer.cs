using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>GNTTABOP_transfer: a page of a PV domain becomes another's, which has said in an entry that it accepts one. A page that was given up is gone, accepted or not.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: gnttab_transfer, gnttab_prepare_for_transfer; xen/arch/x86/mm.c: steal_page.</remarks>
internal static class GrantTransfer
{
    public static long Do(HypercallCall c, uint count)
    {
        uint size = (uint)WireRecord.Size<GnttabTransfer>(c.Abi);
        for (uint i = 0; i < count; i++)
        {
            VirtualAddress at = new(c.A2 + (i * (ulong)size));
            if (i != 0 && c.ShouldPreempt)
                return GrantTableOpCall.Continue(c, at.Value, count - i);
            if (!c.Memory.TryReadRecord(at, c.Abi, out GnttabTransfer op))
                return XenErrno.EFAULT.ToResult();
            op.Status = (short)One(c, op);
            if (!c.Memory.TryWriteRecord(at, c.Abi, op))
                return XenErrno.EFAULT.ToResult();
        }

        return 0;
    }

    private static GrantStatus One(HypercallCall c, in GnttabTransfer op)
    {
        Domain d = c.Caller;
        FrameTable frames = c.Xen.Frames;
        Mfn mfn = d.GfnToMfn(new Gfn(op.Mfn));
        if (!frames.IsValid(mfn))
            return GrantPins.Refuse(c, null, op.Ref, GrantStatus.bad_page, $"out-of-range {op.Mfn:x}");
        if (d.IsHvm)
            return GrantStatus.general_error;
        ref PageInfo page = ref frames[mfn];
        if (page.Owner != d.Id.Value || page.Has(PageFlags.XenHeap) || !page.Has(PageFlags.Allocated) || page.Count != 1)
            return GrantPins.Refuse(c, null, op.Ref, GrantStatus.bad_page, $"Bad steal mfn {mfn.Value:x} from {d.Id} (count {page.Count})");
        page = page with { Owner = PageInfo.NoOwner, Type = PageType.PGT_none, Flags = PageFlags.InUse };
        d.TotPages--;
        d.FlushTlbs();
        GrantStatus status = Give(c, mfn, op);
        if (status != GrantStatus.okay)
            frames.Free(mfn);
        return status;
    }

    private static GrantStatus Give(HypercallCall c, Mfn mfn, in GnttabTransfer op)
    {
        if (c.Xen.FindDomain(new DomainId(op.Domid)) is not { } taker)
            return GrantPins.Refuse(c, null, op.Ref, GrantStatus.bad_domain, $"can't find d{op.Domid}");
        if (taker.IsDying || taker.TotPages >= taker.MaxPages)
            return GrantPins.Refuse(c, taker, op.Ref, GrantStatus.general_error, $"Transferee {taker.Id} has no headroom (tot {taker.TotPages}, max {taker.MaxPages}) or is dying");
        GrantTable table = taker.GrantTable;
        if (table.Version == 0 || table.Header(op.Ref) is not { } entry)
            return GrantPins.Refuse(c, taker, op.Ref, GrantStatus.general_error, $"Bad grant reference 0x{op.Ref:x} for transfer to {taker.Id}");
        if (entry.Flags != (ushort)GrantEntryFlags.accept_transfer || entry.Domid != c.Caller.Id.Value)
            return GrantPins.Refuse(c, taker, op.Ref, GrantStatus.general_error, $"Bad flags ({entry.Flags:x}) or dom ({entry.Domid}); expected {c.Caller.Id}");
        c.Xen.Frames.Assign(mfn, taker.Id);
        taker.TotPages++;
        Pfn place = new(table.FullPageFrame(op.Ref));
        bool placed = taker.Physmap?.Set(new Gfn(place.Value), mfn) ?? true;
        c.Xen.M2p.Set(mfn, place);
        if (taker.Physmap is null)
            table.SetFullPageFrame(op.Ref, mfn.Value);
        table.SetFlags(op.Ref, GrantEntryFlags.accept_transfer | GrantEntryFlags.transfer_committed | GrantEntryFlags.transfer_completed);
        return placed ? GrantStatus.okay : GrantStatus.general_error;
    }
}
