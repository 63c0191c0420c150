using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>GNTTABOP_unmap_grant_ref and unmap_and_replace: the mappings of a batch go first, then, TLBs flushed, what they held.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: unmap_common, unmap_common_complete. 4.0.4 gives a device reference back as
/// often as a handle is unmapped by halves, which corrupts its counts; we give back what was undone, as 4.17 does.
/// </remarks>
internal static class UnmapGrantRef
{
    /// <summary>GNTTAB_UNMAP_BATCH_SIZE.</summary>
    private const uint BatchSize = 32;

    /// <summary>struct gnttab_unmap_common.</summary>
    private struct Unmapped
    {
        public Domain Granter;
        public uint Reference;
        public Mfn Frame;
        public GrantMapFlags Done;
    }

    public static long Unmap(HypercallCall c, uint count) => InBatches(c, count, WireMemory.SizeOf<GnttabUnmapGrantRef>(), static (HypercallCall c, VirtualAddress at, ref Unmapped u) =>
    {
        if (!c.Memory.TryReadStruct(at, out GnttabUnmapGrantRef op))
            return false;
        op.Status = (short)One(c, op.Handle, op.HostAddr, op.DevBusAddr, 0, ref u);
        return c.Memory.TryWriteStruct(at, op);
    });

    public static long UnmapAndReplace(HypercallCall c, uint count) => InBatches(c, count, WireMemory.SizeOf<GnttabUnmapAndReplace>(), static (HypercallCall c, VirtualAddress at, ref Unmapped u) =>
    {
        if (!c.Memory.TryReadStruct(at, out GnttabUnmapAndReplace op))
            return false;
        op.Status = (short)One(c, op.Handle, op.HostAddr, 0, op.NewAddr, ref u);
        return c.Memory.TryWriteStruct(at, op);
    });

    /// <summary>gnttab_release_mappings: a domain dies with grants mapped. What its page tables hold goes with these.</summary>
    public static void ReleaseAll(Domain d)
    {
        Maptrack maptrack = d.GrantTable.Maptrack;
        for (uint handle = maptrack.Limit; handle-- > 0;)
        {
            ref GrantMapping m = ref maptrack[handle];
            if (m.Flags == 0)
                continue;
            if (d.Xen.FindDomain(m.Granter) is { } granter)
                Complete(d, new Unmapped { Granter = granter, Reference = m.Reference, Frame = granter.GrantTable.Active(m.Reference).Frame, Done = m.Flags }, hostHeld: d.IsHvm || m.ByTools);
            maptrack.Put(handle);
        }
    }

    private delegate bool Entry(HypercallCall c, VirtualAddress at, ref Unmapped u);

    private static long InBatches(HypercallCall c, uint count, uint size, Entry one)
    {
        Unmapped[] batch = new Unmapped[Math.Min(count, BatchSize)];
        ulong at = c.A2;
        while (count > 0)
        {
            uint inBatch = Math.Min(count, BatchSize), tried = 0;
            bool good = true;
            for (; good && tried < inBatch; tried++, at += size)
            {
                batch[tried] = default;
                good = one(c, new VirtualAddress(at), ref batch[tried]);
            }

            c.Caller.FlushTlbs();
            for (uint i = 0; i < tried; i++)
            {
                if (batch[i].Done != 0)
                    Complete(c.Caller, batch[i], hostHeld: true);
            }

            if (!good)
                return XenErrno.EFAULT.ToResult();
            count -= inBatch;
            if (count != 0 && c.ShouldPreempt)
                return GrantTableOpCall.Continue(c, at, count);
        }

        return 0;
    }

    private static GrantStatus One(HypercallCall c, uint handle, ulong hostAddress, ulong deviceAddress, ulong newAddress, ref Unmapped u)
    {
        Maptrack maptrack = c.Caller.GrantTable.Maptrack;
        if (handle >= maptrack.Limit || maptrack[handle].Flags == 0)
            return GrantPins.Refuse(c, null, handle, GrantStatus.bad_handle, $"Bad {c.Caller.Id} handle 0x{handle:x}");
        ref GrantMapping m = ref maptrack[handle];
        if (c.Xen.FindDomain(m.Granter) is not { } granter)
        {
            c.Caller.Crash(c.Vcpu, $"Could not find domain {m.Granter.Value}");
            return GrantStatus.general_error;
        }

        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (m.Reference >= granter.GrantTable.EntryCount)
            return GrantPins.Refuse(c, granter, m.Reference, GrantStatus.bad_handle, $"Unstable {granter.Id} handle 0x{handle:x}");
        Mfn frame = granter.GrantTable.Active(m.Reference).Frame;
        u = new Unmapped { Granter = granter, Reference = m.Reference, Frame = frame };
        GrantMapFlags flags = m.Flags;
        bool device = deviceAddress != 0 && (flags & GrantMapFlags.device_map) != 0;
        if (v40 ? deviceAddress >> 12 is not 0 and var given && given != frame.Value : device && deviceAddress != frame.Address.Value)
        {
            return GrantPins.Refuse(c, granter, m.Reference, v40 ? GrantStatus.general_error : GrantStatus.bad_dev_addr,
                $"Bus address doesn't match gntref ({deviceAddress:x} != {frame.Address.Value:x})");
        }

        GrantStatus status = GrantStatus.okay;
        GrantMapFlags readOnly = flags & GrantMapFlags.@readonly;
        if (hostAddress != 0 && (flags & GrantMapFlags.host_map) != 0)
        {
            if (!GrantHostMapping.Replace(c, hostAddress, frame, newAddress, flags))
                status = GrantPins.Refuse(c, granter, m.Reference, GrantStatus.general_error, $"no mapping of the grant at {hostAddress:x}");
            else
                u.Done |= GrantMapFlags.host_map | readOnly;
        }

        if (device && (status == GrantStatus.okay || v40))
            u.Done |= GrantMapFlags.device_map | readOnly;
        m.Flags &= ~(u.Done & (GrantMapFlags.host_map | GrantMapFlags.device_map));
        if ((m.Flags & (GrantMapFlags.host_map | GrantMapFlags.device_map)) == 0)
            maptrack.Put(handle);
        return status;
    }

    /// <summary>unmap_common_complete: the page's references, the entry's count and marks.</summary>
    /// <param name="hostHeld">Whether the host mapping's reference is ours to drop, and not a page-table entry's.</param>
    private static void Complete(Domain user, in Unmapped u, bool hostHeld)
    {
        Memory.FrameTable frames = user.Xen.Frames;
        bool readOnly = (u.Done & GrantMapFlags.@readonly) != 0;
        bool device = (u.Done & GrantMapFlags.device_map) != 0, host = (u.Done & GrantMapFlags.host_map) != 0;

        // The marks go before the references: the last one may take the granter and its table with it.
        u.Granter.GrantTable.Active(u.Reference).Pin -= ActiveGrant.PinOf(host, device, readOnly);
        GrantPins.ReduceStatus(u.Granter.GrantTable, u.Reference, readOnly);
        if (device)
        {
            if (!readOnly)
                user.Xen.PageTypes.PutPageType(u.Frame);
            frames.PutPage(u.Frame);
        }

        if (!host || !hostHeld)
            return;
        if (MapGrantRef.HostTakesType(u.Done, user, u.Granter))
            user.Xen.PageTypes.PutPageType(u.Frame);
        frames.PutPage(u.Frame);
    }
}
