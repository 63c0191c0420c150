using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>GNTTABOP_set_version, get_version and get_status_frames.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: gnttab_set_version, gnttab_get_version, gnttab_get_status_frames.</remarks>
internal static class GrantVersionOps
{
    public static long SetVersion(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadStruct(arg, out GnttabSetVersion s))
            return XenErrno.EFAULT.ToResult();
        GrantTable table = c.Caller.GrantTable;
        XenErrno errno = s.Version is not (1 or 2) ? XenErrno.EINVAL
            : s.Version == 2 && table.Limits.MaxVersion == 1 ? XenErrno.ENOSYS
            : s.Version == table.Version ? XenErrno.None
            : c.Xen.Profile.Release == XenRelease.V4_0 ? Change40(table, s.Version) : Change417(table, s.Version);
        s.Version = table.Version;
        return c.Memory.TryWriteStruct(arg, s) ? errno.ToResult() : XenErrno.EFAULT.ToResult();
    }

    public static long GetVersion(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadStruct(arg, out GnttabGetVersion g))
            return XenErrno.EFAULT.ToResult();
        XenErrno errno = c.TargetDomain(g.Dom, out Domain d);
        if (errno != XenErrno.None)
            return errno.ToResult();
        g.Version = d.GrantTable.Version;
        return c.Memory.TryWriteStruct(arg, g) ? 0 : XenErrno.EFAULT.ToResult();
    }

    public static long GetStatusFrames(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        if (!c.Memory.TryReadRecord(arg, c.Abi, out GnttabGetStatusFrames g))
            return XenErrno.EFAULT.ToResult();
        if (c.Xen.Profile.Release != XenRelease.V4_0 && !GrantTableOpCall.HandleOkay(c, g.FrameList, g.NrFrames * 8UL))
            return XenErrno.EFAULT.ToResult();
        GrantStatus status = GrantTableOpCall.Target(c, g.Dom, out Domain d);
        if (status == GrantStatus.okay && g.NrFrames > d.GrantTable.StatusFrames.Count)
        {
            status = GrantPins.Refuse(c, d, 0, GrantStatus.general_error,
                $"Requested addresses of {d.Id} for {g.NrFrames} grant status frames, but has only {d.GrantTable.StatusFrames.Count}");
        }

        bool given = status == GrantStatus.okay;
        for (uint i = 0; given && i < g.NrFrames; i++)
        {
            ulong gfn = GrantTableOpCall.GuestFrame(d, d.GrantTable.StatusFrames[(int)i]);
            if (!c.Memory.TryWriteStruct(new VirtualAddress(g.FrameList + (i * 8UL)), gfn))
                status = GrantStatus.bad_virt_addr;
        }

        g.Status = (short)status;
        return c.Memory.TryWriteRecord(arg, c.Abi, g) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static XenErrno Change40(GrantTable table, uint version)
    {
        if (table.Version != 0 && InUse(table, 0))
            return XenErrno.EBUSY;
        Apply(table, version, []);
        return XenErrno.None;
    }

    /// <summary>The tools' entries may be in use, and keep what they say.</summary>
    private static XenErrno Change417(GrantTable table, uint version)
    {
        if (InUse(table, GrantTable.ReservedEntries))
            return XenErrno.EBUSY;
        List<(GrantEntryFlags Flags, ushort Domain, ulong Frame)> kept = [];
        for (uint i = 0; i < GrantTable.ReservedEntries; i++)
        {
            GrantEntryFlags flags = table.Flags(i), type = flags & GrantEntryFlags.type_mask;
            if (table.Version == 2 && (type == GrantEntryFlags.transitive || (type == GrantEntryFlags.permit_access && table.FullPageFrame(i) >> 32 != 0)))
                return XenErrno.ERANGE;
            GrantEntryFlags marks = table.Version == 2 ? (GrantEntryFlags)BinaryPrimitives.ReadUInt16LittleEndian(table.StatusWord(i)) : 0;
            bool keep = table.Version == 1 || type == GrantEntryFlags.permit_access;
            kept.Add(keep ? (flags | marks, table.Header(i)!.Value.Domid, table.FullPageFrame(i)) : default);
        }

        if (version == 1 && table.UnpopulateStatusFrames() is not XenErrno.None and var errno)
            return errno;
        Apply(table, version, kept);
        return XenErrno.None;
    }

    private static void Apply(GrantTable table, uint version, List<(GrantEntryFlags Flags, ushort Domain, ulong Frame)> kept)
    {
        const GrantEntryFlags marks = GrantEntryFlags.reading | GrantEntryFlags.writing;
        table.ClearFrames();
        table.Version = version;
        if (version == 2)
            table.PopulateStatusFrames();
        else
            table.UnpopulateStatusFrames();
        for (uint i = 0; i < kept.Count; i++)
        {
            (GrantEntryFlags flags, ushort domain, ulong frame) = kept[(int)i];
            table.SetFlags(i, version == 2 ? flags & ~marks : flags);
            BinaryPrimitives.WriteUInt16LittleEndian(table.Entry(i)[2..], domain);
            table.SetFullPageFrame(i, frame);
            if (version == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(table.StatusWord(i), (ushort)(flags & marks));
        }
    }

    private static bool InUse(GrantTable table, uint first)
    {
        for (uint i = first; i < table.EntryCount; i++)
        {
            if (table.Active(i).Pin != 0)
                return true;
        }

        return false;
    }
}
