using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.GrantTables;

/// <summary>
/// Mapping and unmapping by PV guests. Expected: stable-4.17 xen/common/grant_table.c: map_grant_ref, unmap_common, xen/arch/x86/pv/grant_table.c,
/// and RELEASE-4.0.4 where it differs; flags of entries and entries' marks: xen/include/public/grant_table.h.
/// </summary>
public sealed class GrantMapTests
{
    // _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_NX.
    private const ulong Writable = 0x8000_0000_0000_0063;
    private const ulong GuestKernelAndUser = (1UL << 52) | 4, GlobalAndUser = 0x104;

    [Theory]
    [InlineData(XenRelease.V4_17, 64, Writable | GuestKernelAndUser)]
    [InlineData(XenRelease.V4_17, 32, Writable)]
    [InlineData(XenRelease.V4_0, 64, Writable | GuestKernelAndUser)]
    [InlineData(XenRelease.V4_0, 32, Writable)]
    public void A_mapped_grant_is_in_the_users_table_marked_in_the_granters_and_counted(XenRelease release, int bits, ulong flags)
    {
        using GrantPair pair = new(release, bits);
        pair.Grant(8, pair.Page.Value);
        (uint count, uint types) = (pair.PageInfo.Count, pair.PageInfo.TypeCount);

        GnttabMapGrantRef map = pair.Map(8);
        Assert.Equal((0, 0u, pair.Page.Value << 12), (map.Status, map.Handle, map.DevBusAddr));
        Assert.Equal(Pte.Make(pair.Page.Value, flags), pair.Entry());
        Assert.Equal(0x19, pair.FlagsOf(8));
        Assert.Equal((count + 1, types + 1), (pair.PageInfo.Count, pair.PageInfo.TypeCount));
        pair.Audit();

        // The two domains see the same bytes.
        pair.User.Write(GrantPair.Place + 8, 0x1122_3344);
        Assert.Equal(0x1122_3344, pair.Granter.Read<int>(0x9008));

        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle));
        Assert.Equal(0ul, pair.Entry());
        Assert.Equal(1, pair.FlagsOf(8));
        Assert.Equal((count, types), (pair.PageInfo.Count, pair.PageInfo.TypeCount));
        pair.Audit();
    }

    [Theory]
    [InlineData(GrantMapFlags.host_map | GrantMapFlags.@readonly, 0x8000_0000_0000_0061 | GuestKernelAndUser, 0x9)]
    [InlineData(GrantMapFlags.host_map | GrantMapFlags.application_map, Writable | GlobalAndUser, 0x19)]
    [InlineData(GrantMapFlags.host_map | (GrantMapFlags)0x0005_0000, Writable | GuestKernelAndUser | 0xA00, 0x19)]
    [InlineData(GrantMapFlags.host_map | GrantMapFlags.device_map, Writable | GuestKernelAndUser, 0x19)]
    [InlineData(GrantMapFlags.device_map, 0, 0x19)]
    [InlineData(GrantMapFlags.device_map | GrantMapFlags.@readonly, 0, 0x9)]
    public void Each_way_of_mapping_has_its_entry_and_marks(GrantMapFlags flags, ulong entry, ushort marks)
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8, flags);
        Assert.Equal(0, map.Status);
        Assert.Equal(entry == 0 ? 0 : Pte.Make(pair.Page.Value, entry), pair.Entry());
        Assert.Equal(marks, pair.FlagsOf(8));
        pair.Audit();
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle, GrantPair.Place, map.DevBusAddr));
        Assert.Equal(1, pair.FlagsOf(8));
        Assert.Equal(GrantStatus.bad_handle, pair.Unmap(map.Handle));
        pair.Audit();
    }

    [Fact]
    public void A_host_and_a_device_mapping_go_one_after_the_other()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8, GrantMapFlags.host_map | GrantMapFlags.device_map);
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle, GrantPair.Place, 0));
        Assert.Equal((0ul, 0x19), (pair.Entry(), pair.FlagsOf(8)));
        pair.Audit();
        Assert.Equal(GrantStatus.bad_dev_addr, pair.Unmap(map.Handle, 0, map.DevBusAddr + 4096));
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle, 0, map.DevBusAddr));
        Assert.Equal(1, pair.FlagsOf(8));
        pair.Audit();
    }

    [Fact]
    public void Contains_pte_names_the_entry_by_its_machine_address()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        ulong entry = (pair.User.Frames[3].Value << 12) + ((GrantPair.Place >> 12) * 8);
        const GrantMapFlags flags = GrantMapFlags.host_map | GrantMapFlags.contains_pte;
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8, flags, entry + 4).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8, flags, pair.User.Frames[9].Value << 12).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8, flags, pair.Granter.Frames[3].Value << 12).Status);
        Assert.Equal(1, pair.FlagsOf(8));
        GnttabMapGrantRef map = pair.Map(8, flags, entry);
        Assert.Equal(0, map.Status);
        Assert.Equal(Pte.Make(pair.Page.Value, Writable | GuestKernelAndUser), pair.Entry());
        pair.Audit();
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle, entry));
        Assert.Equal(0ul, pair.Entry());
        pair.Audit();
    }

    [Fact]
    public void Writing_is_unmarked_with_the_last_writable_mapping_and_reading_with_the_last()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        uint readOnly = pair.Map(8, GrantMapFlags.host_map | GrantMapFlags.@readonly).Handle;
        Assert.Equal(0x9, pair.FlagsOf(8));
        uint writable = pair.Map(8, GrantMapFlags.host_map, GrantPair.SecondPlace).Handle;
        Assert.Equal(0x19, pair.FlagsOf(8));
        pair.Audit();
        Assert.Equal(GrantStatus.okay, pair.Unmap(writable, GrantPair.SecondPlace));
        Assert.Equal(0x9, pair.FlagsOf(8));
        Assert.Equal(GrantStatus.okay, pair.Unmap(readOnly));
        Assert.Equal(1, pair.FlagsOf(8));
        pair.Audit();
    }

    [Theory]
    [InlineData(XenRelease.V4_17)]
    [InlineData(XenRelease.V4_0)]
    public void What_cannot_be_mapped_says_why_and_leaves_everything_as_it_was(XenRelease release)
    {
        using GrantPair pair = new(release);
        pair.Grant(8, pair.Page.Value, GrantEntryFlags.permit_access | GrantEntryFlags.@readonly);
        pair.Grant(9, pair.Page.Value, GrantEntryFlags.accept_transfer);
        pair.Grant(10, pair.Page.Value, GrantEntryFlags.invalid);
        pair.Grant(11, pair.Page.Value, to: pair.Granter.Domain.Id);
        pair.Grant(12, pair.Granter.Frames[3].Value);
        pair.Grant(13, 0xFF_FFFF);
        pair.Grant(14, pair.User.Frames[9].Value);
        pair.Grant(15, pair.Page.Value);
        GrantStatus noPage = release == XenRelease.V4_0 ? GrantStatus.general_error : GrantStatus.bad_page;
        uint beyond = release == XenRelease.V4_0 ? 4 * 512u : 512;

        Assert.Equal((short)GrantStatus.bad_gntref, pair.Map(8, GrantMapFlags.@readonly).Status);
        Assert.Equal((short)GrantStatus.bad_gntref, pair.Map(beyond).Status);
        Assert.Equal((short)GrantStatus.bad_domain, pair.Map(8, domain: 99).Status);
        Assert.Equal((short)GrantStatus.bad_domain, pair.Map(8, domain: DomainId.Self.Value).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(9).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(10).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(11).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(12).Status);
        Assert.Equal((short)noPage, pair.Map(13).Status);
        Assert.Equal((short)noPage, pair.Map(14).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(15, at: 0x4000_0000).Status);
        Assert.Equal([5, 2, 0, 1, 1, 1, 1, 1], Enumerable.Range(8, 8).Select(r => (int)pair.FlagsOf((uint)r)));
        Assert.Equal(0ul, pair.Entry());
        pair.Audit();

        // A page table can be read.
        Assert.Equal(0, pair.Map(12, GrantMapFlags.host_map | GrantMapFlags.@readonly).Status);
        pair.Audit();
    }

    [Fact]
    public void A_domain_maps_its_own_grant_by_its_number()
    {
        using GrantPair pair = new();
        GrantPair.SetupTable(pair.User, 1);
        pair.Xen.Memory.Writable(pair.User.Domain.GrantTable.Frames[0].Value)[64..].WriteStruct(new GrantEntryV1 { Flags = 1, Domid = pair.User.Domain.Id.Value, Frame = (uint)pair.User.Frames[9].Value });
        GnttabMapGrantRef map = pair.Map(8, domain: pair.User.Domain.Id.Value);
        Assert.Equal((0, Pte.Make(pair.User.Frames[9].Value, Writable | GuestKernelAndUser)), (map.Status, pair.Entry()));
        pair.Audit();
    }

    [Fact]
    public void A_mapping_is_found_at_its_own_address_only()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8);
        Assert.Equal(GrantStatus.general_error, pair.Unmap(map.Handle, 0x9000));
        Assert.Equal(GrantStatus.bad_handle, pair.Unmap(map.Handle + 1));
        Assert.Equal(GrantStatus.bad_handle, pair.Unmap(100_000));

        // An address of 0 unmaps nothing and is fine.
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle, 0));
        Assert.Equal(0x19, pair.FlagsOf(8));
        Assert.Equal(GrantStatus.okay, pair.Unmap(map.Handle));
        pair.Audit();
    }

    [Fact]
    public void An_overwritten_entry_gives_the_page_back_but_not_the_grant()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8);
        Assert.Equal(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, GrantPair.Place, 0, 0));
        pair.Audit();
        Assert.Equal(0x19, pair.FlagsOf(8));
        Assert.Equal(GrantStatus.general_error, pair.Unmap(map.Handle));
        pair.Audit();
    }

    [Fact]
    public void A_writable_bit_cannot_be_added_to_a_read_only_grant_by_other_calls()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value, GrantEntryFlags.permit_access | GrantEntryFlags.@readonly);
        Assert.Equal(0, pair.Map(8, GrantMapFlags.host_map | GrantMapFlags.@readonly).Status);
        Assert.NotEqual(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, GrantPair.Place, pair.Entry() | Pte.Writable, 0));
        Assert.NotEqual(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, GrantPair.SecondPlace, pair.Entry(), 0));
        pair.Audit();
    }

    [Fact]
    public void Unmap_and_replace_moves_another_mapping_there()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        GnttabMapGrantRef map = pair.Map(8);
        ulong moved = pair.Entry(0xA000);
        GnttabUnmapAndReplace op = new() { HostAddr = GrantPair.Place, NewAddr = 0xA000, Handle = map.Handle, Status = 77 };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.User, GrantTableOp.unmap_and_replace, ref op));
        Assert.Equal((0, moved, 0ul), (op.Status, pair.Entry(), pair.Entry(0xA000)));
        Assert.Equal(1, pair.FlagsOf(8));
        pair.Audit();
    }

    [Fact]
    public void A_count_of_a_hundred_works_and_stops_at_the_first_element_that_is_not_there()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        uint size = WireMemory.SizeOf<GnttabMapGrantRef>();
        GnttabMapGrantRef op = new() { HostAddr = GrantPair.Place, Flags = (uint)GrantMapFlags.device_map, Ref = 8, Dom = pair.Granter.Domain.Id.Value };
        for (uint i = 0; i < 100; i++)
            pair.User.Write(DirectCalls.Page6 + (i * size), op);
        Assert.Equal(XenErrno.None, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.map_grant_ref, DirectCalls.Page6, 100));
        Assert.Equal(99u, pair.User.Read<GnttabMapGrantRef>(DirectCalls.Page6 + (99 * size)).Handle);
        pair.Audit();
        Assert.Equal(XenErrno.EFAULT, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.map_grant_ref, 0xFFE0, 2));
        Assert.Equal(XenErrno.EFAULT, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.map_grant_ref, 0xFFFF_8000_0000_0000, 1));
        Assert.Equal(XenErrno.EINVAL, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.map_grant_ref, DirectCalls.Page6, 0x8000_0000));
        Assert.Equal(XenErrno.EINVAL, pair.User.Errno(HypercallNumber.grant_table_op, 0x1000, DirectCalls.Page6, 1));
        Assert.Equal(XenErrno.ENOSYS, pair.User.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.dump_table, DirectCalls.Page6, 1));
    }

    // A counter of eight bits takes 128 uses: the highest bit set refuses the next.
    [Fact]
    public void An_entry_is_used_128_times_at_most_in_one_way()
    {
        using GrantPair pair = new();
        pair.Grant(8, pair.Page.Value);
        for (int i = 0; i < 128; i++)
            Assert.Equal(0, pair.Map(8, GrantMapFlags.device_map).Status);
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8, GrantMapFlags.device_map).Status);
        Assert.Equal(0, pair.Map(8, GrantMapFlags.device_map | GrantMapFlags.@readonly).Status);
        pair.Audit();
    }

    // 4.0.4 hands out the handle that came back last, 4.17 the one that has been free longest.
    [Theory]
    [InlineData(XenRelease.V4_17, 3)]
    [InlineData(XenRelease.V4_0, 1)]
    public void Handles_come_in_the_releases_order(XenRelease release, uint afterReturnOf1)
    {
        using GrantPair pair = new(release);
        pair.Grant(8, pair.Page.Value);
        uint[] handles = [.. Enumerable.Range(0, 3).Select(_ => pair.Map(8, GrantMapFlags.device_map).Handle)];
        Assert.Equal([0u, 1u, 2u], handles);
        Assert.Equal(GrantStatus.okay, pair.Unmap(1, 0, pair.Page.Value << 12));
        Assert.Equal(afterReturnOf1, pair.Map(8, GrantMapFlags.device_map).Handle);
    }

    [Fact]
    public void An_unready_table_of_4_0_cannot_be_mapped_from()
    {
        using GrantPair pair = new(XenRelease.V4_0);
        GnttabMapGrantRef op = new() { Flags = (uint)GrantMapFlags.host_map, Dom = pair.User.Domain.Id.Value };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.Granter, GrantTableOp.map_grant_ref, ref op));
        Assert.Equal((short)GrantStatus.general_error, op.Status);
    }
}
