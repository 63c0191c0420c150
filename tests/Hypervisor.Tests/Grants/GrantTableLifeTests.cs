using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.GrantTables;

/// <summary>Tables, versions and deaths. Expected: xen/common/grant_table.c and domain.c: domain_kill, domain_destroy of both releases.</summary>
public sealed class GrantTableLifeTests
{
    [Theory]
    [InlineData(XenRelease.V4_17, 1u, 64u)]
    [InlineData(XenRelease.V4_0, 4u, 32u)]
    public void A_table_begins_small_and_grows_to_its_limit(XenRelease release, uint first, uint most)
    {
        using GrantPair pair = new(release);
        GnttabQuerySize size = new() { Dom = DomainId.Self.Value };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.query_size, ref size));
        Assert.Equal((first, most, 0), (size.NrFrames, size.MaxNrFrames, size.Status));
        Assert.Equal(GrantStatus.okay, GrantPair.SetupTable(pair.User, most));
        Assert.Equal(pair.User.Domain.GrantTable.Frames.Select(f => f.Value), Enumerable.Range(0, (int)most).Select(i => pair.User.Read<ulong>(DirectCalls.Page6 + ((ulong)i * 8))));
        Assert.Equal(GrantStatus.general_error, GrantPair.SetupTable(pair.User, most + 1));

        size.Dom = pair.Granter.Domain.Id.Value;
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.query_size, ref size));
        Assert.Equal((short)GrantStatus.permission_denied, size.Status);
        size.Dom = 99;
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.query_size, ref size));
        Assert.Equal((short)GrantStatus.bad_domain, size.Status);
        Assert.Equal(XenErrno.EINVAL, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.query_size, DirectCalls.Arguments, 2));
        Assert.Equal(XenErrno.EFAULT, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.query_size, 0x10_0000, 1));
    }

    [Fact]
    public void The_tools_entries_outlive_a_change_of_version()
    {
        using GrantPair pair = new();
        pair.Grant(1, pair.Page.Value, to: DomainId.Dom0);
        pair.Grant(8, pair.Page.Value);
        Assert.Equal((XenErrno.None, 2u), SetVersion(pair, 2));
        Assert.Equal(1u + (uint)DomainId.Dom0.Value, BitConverter.ToUInt32(pair.Table(0)[16..]));
        Assert.Equal(pair.Page.Value, BitConverter.ToUInt64(pair.Table(0)[24..]));
        Assert.Equal(0ul, BitConverter.ToUInt64(pair.Table(0)[(8 * 16)..]));
        Assert.Equal(256u, pair.Granter.Domain.GrantTable.EntryCount);
        Assert.Single(pair.Granter.Domain.GrantTable.StatusFrames);
        Assert.Equal((XenErrno.None, 1u), SetVersion(pair, 1));
        Assert.Equal((ushort)1, pair.FlagsOf(1));
        Assert.Empty(pair.Granter.Domain.GrantTable.StatusFrames);
        Assert.Equal((XenErrno.EINVAL, 1u), SetVersion(pair, 3));
        pair.Audit();
    }

    [Fact]
    public void Marks_of_version_2_are_in_the_status_frames()
    {
        using GrantPair pair = new();
        Assert.Equal((XenErrno.None, 2u), SetVersion(pair, 2));
        pair.Table(0)[(8 * 16)..].WriteStruct(new GrantEntryV2 { FullPageHdr = new GrantEntryHeader { Flags = 1, Domid = pair.User.Domain.Id.Value }, FullPageFrame = pair.Page.Value });
        GnttabMapGrantRef map = pair.Map(8);
        Assert.Equal(0, map.Status);
        Assert.Equal(1, BitConverter.ToUInt16(pair.Table(0)[(8 * 16)..]));
        Assert.Equal(0x18, Status(pair, 8));

        // In use: the version stays.
        Assert.Equal((XenErrno.EBUSY, 2u), SetVersion(pair, 1));
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle));
        Assert.Equal(0, Status(pair, 8));
        pair.Audit();

        GnttabGetStatusFrames frames = new() { NrFrames = 1, Dom = DomainId.Self.Value, FrameList = DirectCalls.Page6 };
        Assert.Equal(XenErrno.None, GrantPair.OpRecord(pair.Granter, GrantTableOp.get_status_frames, ref frames));
        Assert.Equal((0, pair.Granter.Domain.GrantTable.StatusFrames[0].Value), (frames.Status, pair.Granter.Read<ulong>(DirectCalls.Page6)));
        frames.NrFrames = 2;
        Assert.Equal(XenErrno.None, GrantPair.OpRecord(pair.Granter, GrantTableOp.get_status_frames, ref frames));
        Assert.Equal((short)GrantStatus.general_error, frames.Status);
    }

    [Fact]
    public void A_mapped_status_frame_keeps_the_version()
    {
        using GrantPair pair = new();
        Assert.Equal((XenErrno.None, 2u), SetVersion(pair, 2));
        ulong status = pair.Granter.Domain.GrantTable.StatusFrames[0].Value;
        Assert.Equal(XenErrno.None, pair.Granter.Errno(HypercallNumber.update_va_mapping, GrantPair.Place, (status << 12) | 0x67, 0));
        Assert.Equal((XenErrno.EBUSY, 2u), SetVersion(pair, 1));
        Assert.Equal(XenErrno.None, pair.Granter.Errno(HypercallNumber.update_va_mapping, GrantPair.Place, 0, 0));
        Assert.Equal((XenErrno.None, 1u), SetVersion(pair, 1));
    }

    [Fact]
    public void Version_2_of_4_0_has_nothing_to_keep()
    {
        using GrantPair pair = new(XenRelease.V4_0);
        pair.Grant(1, pair.Page.Value);
        Assert.Equal((XenErrno.None, 2u), SetVersion(pair, 2));
        Assert.Equal(0ul, BitConverter.ToUInt64(pair.Table(0)[16..]));
        Assert.Equal(1024u, pair.Granter.Domain.GrantTable.EntryCount);
        GnttabGetVersion other = new() { Dom = DomainId.Self.Value };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.get_version, ref other));
        Assert.Equal(0u, other.Version);
    }

    [Fact]
    public void Entries_change_places_unless_one_is_in_use()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        pair.Grant(9, 0x55, GrantEntryFlags.accept_transfer);
        Assert.Equal(GrantStatus.okay, Swap(pair, 8, 9));
        Assert.Equal((2, 1), (pair.FlagsOf(8), pair.FlagsOf(9)));
        Assert.Equal(GrantStatus.bad_gntref, Swap(pair, 8, 512));
        uint handle = pair.Map(9).Handle;
        Assert.Equal(GrantStatus.okay, Swap(pair, 9, 9));
        Assert.Equal(GrantStatus.eagain, Swap(pair, 8, 9));
        Assert.Equal(GrantStatus.okay, pair.Unmap(handle));
        Assert.Equal(GrantStatus.okay, Swap(pair, 8, 9));
    }

    [Fact]
    public void Caches_are_flushed_of_pages_that_the_caller_owns_or_has_mapped()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabCacheFlush clean = new() { DevBusAddr = pair.Page.Value << 12, Length = 16, Op = 1 };
        Assert.Equal(XenErrno.EINVAL, GrantPair.Op(pair.User, GrantTableOp.cache_flush, ref clean));
        Assert.Equal(0, pair.Map(8, GrantMapFlags.device_map).Status);
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.cache_flush, ref clean));
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.Granter, GrantTableOp.cache_flush, ref clean));

        // x86 invalidates nothing without writing back.
        clean.Op = 2;
        Assert.Equal(XenErrno.EOPNOTSUPP, GrantPair.Op(pair.User, GrantTableOp.cache_flush, ref clean));
        clean.Op = 1;
        clean.Offset = 4090;
        Assert.Equal(XenErrno.EINVAL, GrantPair.Op(pair.User, GrantTableOp.cache_flush, ref clean));
    }

    [Theory]
    [InlineData(XenRelease.V4_17)]
    [InlineData(XenRelease.V4_0)]
    public void A_dead_domain_stays_as_long_as_its_page_is_mapped(XenRelease release)
    {
        using GrantPair pair = new(release);
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8);
        Domain granter = pair.Granter.Domain;
        ulong free = pair.Xen.Frames.Allocator.FreeCount, frames = granter.TotPages;
        Assert.Equal(XenErrno.None, pair.Host.Domctl(DomctlCommand.destroydomain, granter.Id, new DomctlMaxMem()));
        Assert.Equal((DomainState.Dead, 1ul), (granter.State, granter.TotPages));
        Assert.Same(granter, pair.Xen.FindDomain(granter.Id));
        Assert.DoesNotContain(pair.Host.Recorder.Events, e => e is DomainDestroyed);
        Assert.Equal(free + frames - 1, pair.Xen.Frames.Allocator.FreeCount);
        pair.User.Write(GrantPair.Place, 7);

        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle));
        Assert.Null(pair.Xen.FindDomain(granter.Id));
        Assert.Contains(pair.Host.Recorder.Events, e => e is DomainDestroyed d && d.Domain == granter.Id);
        pair.Audit();
    }

    [Theory]
    [InlineData(XenRelease.V4_17)]
    [InlineData(XenRelease.V4_0)]
    public void A_user_that_dies_gives_back_what_it_mapped(XenRelease release)
    {
        using GrantPair pair = new(release);
        pair.Grant(8, pair.Page.Value);
        (uint count, uint types) = (pair.PageInfo.Count, pair.PageInfo.TypeCount);
        pair.Map(8, GrantMapFlags.host_map | GrantMapFlags.device_map);
        pair.Map(8, GrantMapFlags.host_map | GrantMapFlags.@readonly, GrantPair.SecondPlace);
        Assert.Equal(XenErrno.None, pair.Host.Domctl(DomctlCommand.destroydomain, pair.User.Domain.Id, new DomctlMaxMem()));
        Assert.Null(pair.Xen.FindDomain(pair.User.Domain.Id));
        Assert.Equal(1, pair.FlagsOf(8));
        Assert.Equal((count, types), (pair.PageInfo.Count, pair.PageInfo.TypeCount));
        pair.Audit();
    }

    [Fact]
    public void Domains_that_map_each_others_pages_and_die_leave_nothing_behind()
    {
        using GrantPair pair = new();
        ulong free = pair.Xen.Frames.Allocator.FreeCount;
        using (DirectCalls third = new(host: pair.Host))
        {
            GrantPair.SetupTable(third, 1);
            pair.Grant(8, pair.Page.Value, to: third.Domain.Id);
            GnttabMapGrantRef op = new() { HostAddr = GrantPair.Place, Flags = (uint)GrantMapFlags.host_map, Ref = 8, Dom = pair.Granter.Domain.Id.Value };
            Assert.Equal(XenErrno.None, GrantPair.Op(third, GrantTableOp.map_grant_ref, ref op));
            Assert.Equal(0, op.Status);
            Assert.Equal(XenErrno.None, pair.Host.Domctl(DomctlCommand.destroydomain, third.Domain.Id, new DomctlMaxMem()));
        }

        Assert.Equal(free, pair.Xen.Frames.Allocator.FreeCount);
    }

    [Fact]
    public void Options_of_Xen_limit_tables_and_versions()
    {
        GrantOptions options = GrantOptions.Parse(XenRelease.V4_17, new XenCommandLine("gnttab=max-ver:1,no-transfer gnttab_max_frames=16 gnttab_max_maptrack_frames=0x20"));
        Assert.Equal(new GrantOptions(16, 32) { MaxVersion = 1, Transfer = false }, options);
        Assert.Equal(new GrantOptions(8, 64), GrantOptions.Parse(XenRelease.V4_0, new XenCommandLine("gnttab_max_nr_frames=8")));
    }

    private static ushort Status(GrantPair pair, int reference)
        => BitConverter.ToUInt16(pair.Xen.Memory.Readable(pair.Granter.Domain.GrantTable.StatusFrames[0].Value)[(reference * 2)..]);

    private static (XenErrno Errno, uint Version) SetVersion(GrantPair pair, uint version)
    {
        GnttabSetVersion op = new() { Version = version };
        XenErrno errno = GrantPair.Op(pair.Granter, GrantTableOp.set_version, ref op);
        return (errno, op.Version);
    }

    private static GrantStatus Swap(GrantPair pair, uint a, uint b)
    {
        GnttabSwapGrantRef op = new() { RefA = a, RefB = b, Status = 77 };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.Granter, GrantTableOp.swap_grant_ref, ref op));
        return (GrantStatus)op.Status;
    }
}
