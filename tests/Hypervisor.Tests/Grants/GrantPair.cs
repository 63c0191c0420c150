using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.GrantTables;

/// <summary>Two PV domains on one host: one grants pages of its own, the other uses them. Both make their hypercalls themselves.</summary>
internal sealed class GrantPair : IDisposable
{
    /// <summary>Where the user maps: the page behind its sixteen, in its own L1 table.</summary>
    public const ulong Place = 0x20_000, SecondPlace = 0x21_000;

    private readonly Host _host;

    public GrantPair(XenRelease release = XenRelease.V4_17, int bits = 64)
    {
        _host = new Host(release);
        Granter = new DirectCalls(release, bits, _host);
        User = new DirectCalls(release, bits, _host);
        SetupTable(Granter, 1);
    }

    public DirectCalls Granter { get; }

    public DirectCalls User { get; }

    public Xen Xen => _host.Xen;

    public Host Host => _host;

    /// <summary>The frame that the granter grants in the tests: its page 9.</summary>
    public Mfn Page => Granter.Frames[9];

    public ref PageInfo PageInfo => ref Xen.Frames[Page];

    public static GrantStatus SetupTable(DirectCalls guest, uint frames)
    {
        guest.WriteRecord(DirectCalls.Arguments, new GnttabSetupTable { Dom = DomainId.Self.Value, NrFrames = frames, FrameList = DirectCalls.Page6 });
        Assert.Equal(XenErrno.None, guest.Errno(HypercallNumber.grant_table_op, (ulong)GrantTableOp.setup_table, DirectCalls.Arguments, 1));
        return (GrantStatus)guest.ReadRecord<GnttabSetupTable>(DirectCalls.Arguments).Status;
    }

    /// <summary>Writes an entry of version 1 as the granter's kernel would, through its mapping of the table.</summary>
    public void Grant(uint reference, ulong frame, GrantEntryFlags flags = GrantEntryFlags.permit_access, DomainId? to = null)
    {
        GrantEntryV1 entry = new() { Flags = (ushort)flags, Domid = (to ?? User.Domain.Id).Value, Frame = (uint)frame };
        Table(0)[((int)reference * 8)..].WriteStruct(entry);
    }

    /// <summary>Flags of an entry of version 1, as the granter reads them.</summary>
    public ushort FlagsOf(uint reference) => BitConverter.ToUInt16(Table(0)[((int)reference * 8)..]);

    public Span<byte> Table(int frame) => Xen.Memory.Writable(Granter.Domain.GrantTable.Frames[frame].Value);

    public GnttabMapGrantRef Map(uint reference, GrantMapFlags flags = GrantMapFlags.host_map, ulong at = Place, ushort? domain = null)
    {
        GnttabMapGrantRef op = new() { HostAddr = at, Flags = (uint)flags, Ref = reference, Dom = domain ?? Granter.Domain.Id.Value, Handle = 0x1234, Status = 77 };
        Assert.Equal(XenErrno.None, Op(User, GrantTableOp.map_grant_ref, ref op));
        return op;
    }

    public GrantStatus Unmap(uint handle, ulong at = Place, ulong device = 0)
    {
        GnttabUnmapGrantRef op = new() { HostAddr = at, DevBusAddr = device, Handle = handle, Status = 77 };
        Assert.Equal(XenErrno.None, Op(User, GrantTableOp.unmap_grant_ref, ref op));
        return (GrantStatus)op.Status;
    }

    /// <summary>A call with one element.</summary>
    public static XenErrno Op<T>(DirectCalls guest, GrantTableOp op, ref T argument)
        where T : unmanaged
    {
        guest.Write(DirectCalls.Arguments, argument);
        XenErrno errno = guest.Errno(HypercallNumber.grant_table_op, (ulong)op, DirectCalls.Arguments, 1);
        argument = guest.Read<T>(DirectCalls.Arguments);
        return errno;
    }

    public static XenErrno OpRecord<T>(DirectCalls guest, GrantTableOp op, ref T argument)
        where T : IWireRecord, new()
    {
        guest.WriteRecord(DirectCalls.Arguments, argument);
        XenErrno errno = guest.Errno(HypercallNumber.grant_table_op, (ulong)op, DirectCalls.Arguments, 1);
        argument = guest.ReadRecord<T>(DirectCalls.Arguments);
        return errno;
    }

    /// <summary>The user's L1 entry of a linear address.</summary>
    public ulong Entry(ulong linear = Place) => Xen.PageTypes.ReadEntry(User.Frames[3], (int)(linear >> 12));

    /// <summary>Both domains' counts, taken again from their tables and mappings.</summary>
    public void Audit()
    {
        foreach (Domain d in Xen.Domains.Where(d => d.Id != DomainId.Dom0))
            Assert.Null(new PageCountAudit(d).Check());
    }

    public void Dispose() => _host.Dispose();
}
