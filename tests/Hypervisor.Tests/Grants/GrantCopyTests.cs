using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.GrantTables;

/// <summary>GNTTABOP_copy and transfer. Expected: xen/common/grant_table.c of stable-4.17 and RELEASE-4.0.4, in their orders of checks.</summary>
public sealed class GrantCopyTests
{
    private const GrantCopyFlags FromGrant = GrantCopyFlags.source_gref, ToGrant = GrantCopyFlags.dest_gref;

    [Theory]
    [InlineData(XenRelease.V4_17, 64)]
    [InlineData(XenRelease.V4_17, 32)]
    [InlineData(XenRelease.V4_0, 64)]
    [InlineData(XenRelease.V4_0, 32)]
    public void Bytes_go_from_a_granted_page_to_the_callers_and_back(XenRelease release, int bits)
    {
        using GrantPair pair = new(release, bits);
        pair.Grant(8, pair.Page.Value);
        pair.Granter.Write(0x9010, 0x1122_3344_5566_7788);
        Assert.Equal(GrantStatus.okay, Copy(pair, From(pair, 8, 0x10) with { DestFrame = pair.User.Frames[10].Value, DestDomid = DomainId.Self.Value, DestOffset = 0x20, Len = 8 }));
        Assert.Equal(0x1122_3344_5566_7788, pair.User.Read<long>(0xA020));

        pair.User.Write(0xA020, 0x55AA);
        Assert.Equal(GrantStatus.okay, Copy(pair, To(pair, 8, 0xFFE) with { SourceFrame = pair.User.Frames[10].Value, SourceDomid = DomainId.Self.Value, SourceOffset = 0x20, Len = 2 }));
        Assert.Equal(0x55AA, pair.Granter.Read<ushort>(0x9FFE));
        Assert.Equal(1, pair.FlagsOf(8));
        pair.Audit();
    }

    [Theory]
    [InlineData(XenRelease.V4_17)]
    [InlineData(XenRelease.V4_0)]
    public void What_cannot_be_copied_says_why(XenRelease release)
    {
        using GrantPair pair = new(release);
        bool v40 = release == XenRelease.V4_0;
        pair.Grant(8, pair.Page.Value, GrantEntryFlags.permit_access | GrantEntryFlags.@readonly);
        pair.Grant(9, pair.Page.Value, to: DomainId.Dom0);
        pair.Grant(10, 0xFF_FFFF);
        ushort self = DomainId.Self.Value;
        ulong own = pair.User.Frames[10].Value;
        GnttabCopy good = From(pair, 8, 0) with { DestFrame = own, DestDomid = self, Len = 16 };

        Assert.Equal(GrantStatus.okay, Copy(pair, good));
        Assert.Equal(GrantStatus.bad_copy_arg, Copy(pair, good with { SourceOffset = 4090 }));
        Assert.Equal(GrantStatus.bad_copy_arg, Copy(pair, good with { DestOffset = 4081 }));
        Assert.Equal(GrantStatus.bad_domain, Copy(pair, good with { SourceDomid = 99 }));
        Assert.Equal(GrantStatus.permission_denied, Copy(pair, good with { DestDomid = pair.User.Domain.Id.Value }));
        Assert.Equal(GrantStatus.permission_denied, Copy(pair, good with { Flags = 0, SourceFrame = pair.Page.Value }));
        Assert.Equal(GrantStatus.bad_gntref, Copy(pair, good with { SourceFrame = 5000 }));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good with { SourceFrame = 9 }));
        Assert.Equal(v40 ? GrantStatus.general_error : GrantStatus.bad_page, Copy(pair, good with { SourceFrame = 10 }));
        Assert.Equal(v40 ? GrantStatus.general_error : GrantStatus.bad_page, Copy(pair, good with { DestFrame = pair.Page.Value }));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good with { DestFrame = pair.User.Frames[3].Value }));
        Assert.Equal(GrantStatus.general_error, Copy(pair, To(pair, 8, 0) with { SourceFrame = own, SourceDomid = self, Len = 4 }));

        // The order: 4.0 looks at the page's end first, 4.17 last.
        Assert.Equal(v40 ? GrantStatus.bad_copy_arg : GrantStatus.bad_domain, Copy(pair, good with { SourceDomid = 99, SourceOffset = 4090 }));
        Assert.Equal(5, pair.FlagsOf(8));
        pair.Audit();
    }

    [Fact]
    public void A_part_of_a_page_is_copied_within_its_bounds_and_not_mapped()
    {
        using GrantPair pair = new();
        GnttabSetVersion version = new() { Version = 2 };
        Assert.Equal(XenErrno.None, GrantPair.Op(pair.Granter, GrantTableOp.set_version, ref version));
        WriteV2(pair, 8, new GrantEntryV2
        {
            SubPageHdr = new GrantEntryHeader { Flags = (ushort)(GrantEntryFlags.permit_access | GrantEntryFlags.sub_page), Domid = pair.User.Domain.Id.Value },
            SubPagePageOff = 0x100,
            SubPageLength = 0x20,
            SubPageFrame = pair.Page.Value,
        });
        pair.Granter.Write(0x9110, 0x77);
        GnttabCopy good = From(pair, 8, 0x110) with { DestFrame = pair.User.Frames[10].Value, DestDomid = DomainId.Self.Value, Len = 0x10 };
        Assert.Equal(GrantStatus.okay, Copy(pair, good));
        Assert.Equal(0x77, pair.User.Read<byte>(0xA000));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good with { Len = 0x11 }));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good with { SourceOffset = 0xFF }));
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8).Status);
        pair.Audit();
    }

    // The granter passes on to the user what dom0's side has granted to it: once, for copying only.
    [Fact]
    public void A_transitive_grant_leads_to_anothers_page_once()
    {
        using GrantPair pair = new();
        using DirectCalls third = new(host: pair.Host);
        GrantPair.SetupTable(third, 1);
        foreach (DirectCalls guest in new[] { pair.Granter, third })
        {
            GnttabSetVersion version = new() { Version = 2 };
            Assert.Equal(XenErrno.None, GrantPair.Op(guest, GrantTableOp.set_version, ref version));
        }

        WriteV2(pair, 8, Transitive(pair.User.Domain.Id, third.Domain.Id, 20));
        Entries(pair, third)[(20 * 16)..].WriteStruct(new GrantEntryV2 { FullPageHdr = new GrantEntryHeader { Flags = 1, Domid = pair.Granter.Domain.Id.Value }, FullPageFrame = third.Frames[11].Value });
        third.Write(0xB000, 0x4242);
        GnttabCopy good = From(pair, 8, 0) with { DestFrame = pair.User.Frames[10].Value, DestDomid = DomainId.Self.Value, Len = 4 };
        Assert.Equal(GrantStatus.okay, Copy(pair, good));
        Assert.Equal(0x4242, pair.User.Read<int>(0xA000));
        Assert.Equal((short)GrantStatus.general_error, pair.Map(8).Status);
        pair.Audit();

        // Not twice, not to itself, not to nobody.
        Entries(pair, third)[(20 * 16)..].WriteStruct(Transitive(pair.Granter.Domain.Id, pair.User.Domain.Id, 1));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good));
        WriteV2(pair, 8, Transitive(pair.User.Domain.Id, pair.Granter.Domain.Id, 20));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good));
        WriteV2(pair, 8, Transitive(pair.User.Domain.Id, new DomainId(99), 20));
        Assert.Equal(GrantStatus.general_error, Copy(pair, good));
        pair.Audit();
    }

    [Fact]
    public void A_page_given_away_becomes_the_acceptors()
    {
        using GrantPair pair = new();
        pair.Grant(8, 0x123, GrantEntryFlags.accept_transfer);
        Mfn given = pair.User.Frames[12];
        ulong userPages = pair.User.Domain.TotPages, granterPages = pair.Granter.Domain.TotPages;

        // Mapped pages do not go.
        Assert.Equal(GrantStatus.bad_page, Transfer(pair, given.Value, pair.Granter.Domain.Id.Value, 8));
        pair.User.Write(0xC000, 0x99);
        Assert.Equal(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, 0xC000, 0, 0));
        Assert.Equal(GrantStatus.okay, Transfer(pair, given.Value, pair.Granter.Domain.Id.Value, 8));
        Assert.Equal((userPages - 1, granterPages + 1), (pair.User.Domain.TotPages, pair.Granter.Domain.TotPages));
        Assert.Equal(pair.Granter.Domain.Id.Value, pair.Xen.Frames[given].Owner);
        GrantEntryV1 entry = pair.Table(0)[64..].ReadStruct<GrantEntryV1>();
        Assert.Equal((0xE, (uint)given.Value), (entry.Flags, entry.Frame));
        Assert.Equal(new Pfn(0x123), pair.Xen.M2p.Get(given));
        Assert.Equal(0x99, pair.Xen.Memory.Readable(given.Value)[0]);
        pair.Audit();

        // A refused page is lost all the same.
        Assert.Equal(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, 0xD000, 0, 0));
        Assert.Equal(GrantStatus.general_error, Transfer(pair, pair.User.Frames[13].Value, pair.Granter.Domain.Id.Value, 8));
        Assert.Equal(userPages - 2, pair.User.Domain.TotPages);
        Assert.Equal(GrantStatus.bad_page, Transfer(pair, pair.User.Frames[13].Value, pair.Granter.Domain.Id.Value, 8));
        Assert.Equal(XenErrno.None, pair.User.Errno(HypercallNumber.update_va_mapping, 0xE000, 0, 0));
        Assert.Equal(GrantStatus.bad_domain, Transfer(pair, pair.User.Frames[14].Value, 99, 8));
        pair.Audit();
    }

    private static GrantEntryV2 Transitive(DomainId to, DomainId from, uint reference) => new()
    {
        TransitiveHdr = new GrantEntryHeader { Flags = (ushort)GrantEntryFlags.transitive, Domid = to.Value },
        TransitiveTransDomid = from.Value,
        TransitiveGref = reference,
    };

    private static GnttabCopy From(GrantPair pair, uint reference, ushort offset)
        => new() { SourceFrame = reference, SourceDomid = pair.Granter.Domain.Id.Value, SourceOffset = offset, Flags = (ushort)FromGrant };

    private static GnttabCopy To(GrantPair pair, uint reference, ushort offset)
        => new() { DestFrame = reference, DestDomid = pair.Granter.Domain.Id.Value, DestOffset = offset, Flags = (ushort)ToGrant };

    private static void WriteV2(GrantPair pair, uint reference, in GrantEntryV2 entry) => pair.Table(0)[((int)reference * 16)..].WriteStruct(entry);

    private static Span<byte> Entries(GrantPair pair, DirectCalls guest) => pair.Xen.Memory.Writable(guest.Domain.GrantTable.Frames[0].Value);

    private static GrantStatus Copy(GrantPair pair, GnttabCopy op)
    {
        op.Status = 77;
        Assert.Equal(XenErrno.None, GrantPair.OpRecord(pair.User, GrantTableOp.copy, ref op));
        return (GrantStatus)op.Status;
    }

    private static GrantStatus Transfer(GrantPair pair, ulong mfn, ushort to, uint reference)
    {
        GnttabTransfer op = new() { Mfn = mfn, Domid = to, Ref = reference, Status = 77 };
        Assert.Equal(XenErrno.None, GrantPair.OpRecord(pair.User, GrantTableOp.transfer, ref op));
        return (GrantStatus)op.Status;
    }
}
