using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>XENMEM_exchange: stable-4.17 xen/common/memory.c: memory_exchange; xen/arch/x86/mm.c: steal_page.</summary>
public sealed class MemoryExchangeTests : IDisposable
{
    private const ulong In = 0x6000, Out = 0x6800;
    private readonly DirectCalls _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void Four_single_frames_become_an_aligned_extent_below_an_address()
    {
        Mfn[] given = Unmapped(4);
        ulong pages = _guest.Domain.TotPages;
        for (int i = 0; i < given.Length; i++)
            _guest.Write(In + ((ulong)i * 8), given[i].Value);
        _guest.Write(Out, 100ul);
        MemoryExchange e = Exchange(inCount: 4, inOrder: 0, outCount: 1, outOrder: 2, memFlags: 26);
        Assert.Equal(XenErrno.None, Do(ref e));
        Assert.Equal(4u, e.NrExchanged);
        ulong first = _guest.Read<ulong>(Out);
        Assert.Equal(0u, first % 4);
        Assert.True(first + 4 <= 1UL << (26 - 12));
        for (ulong i = 0; i < 4; i++)
        {
            Assert.Equal(_guest.Domain.Id.Value, _guest.Xen.Frames[new Mfn(first + i)].Owner);
            Assert.Equal(100 + i, _guest.Xen.M2p.Get(new Mfn(first + i)).Value);
        }

        Assert.Equal(pages, _guest.Domain.TotPages);
        Assert.All(given, m => Assert.NotEqual(_guest.Domain.Id.Value, _guest.Xen.Frames[m].Owner));
    }

    [Fact]
    public void A_frame_that_is_mapped_cannot_be_stolen_and_the_chunk_stays_whole()
    {
        Mfn free = Unmapped(1)[0];
        _guest.Write(In, free.Value);
        _guest.Write(In + 8, _guest.Frames[6].Value);
        MemoryExchange e = Exchange(inCount: 2, inOrder: 0, outCount: 1, outOrder: 1);
        Assert.Equal(XenErrno.EINVAL, Do(ref e));
        Assert.Equal(0u, e.NrExchanged);
        Assert.Equal(_guest.Domain.Id.Value, _guest.Xen.Frames[free].Owner);
        Assert.Equal(1u, _guest.Xen.Frames[free].Count);
    }

    [Fact]
    public void The_chunks_before_a_failing_one_are_done()
    {
        Mfn free = Unmapped(1)[0];
        _guest.Write(In, free.Value);
        _guest.Write(In + 8, _guest.Frames[6].Value);
        MemoryExchange e = Exchange(inCount: 2, inOrder: 0, outCount: 2, outOrder: 0);
        Assert.Equal(XenErrno.EINVAL, Do(ref e));
        Assert.Equal(1u, e.NrExchanged);
        Assert.NotEqual(_guest.Domain.Id.Value, _guest.Xen.Frames[free].Owner);
    }

    [Theory]
    [InlineData(2, 0, 1, 0, 0, XenErrno.EINVAL)] // sizes differ
    [InlineData(1, 10, 1024, 0, 0, XenErrno.EPERM)] // above max_order of a domain without devices
    [InlineData(1, 0, 1, 0, 2, XenErrno.EINVAL)] // more exchanged than asked for
    [InlineData(1, 0, 1, 0, 1, XenErrno.None)] // all done before
    public void Nonsense_is_refused_before_anything_is_touched(uint inCount, uint inOrder, uint outCount, uint outOrder, uint done, XenErrno expected)
    {
        MemoryExchange e = Exchange(inCount, inOrder, outCount, outOrder);
        e.NrExchanged = done;
        Assert.Equal(expected, Do(ref e));
    }

    [Fact]
    public void Only_its_own_domain_may_be_named()
    {
        MemoryExchange e = Exchange(1, 0, 1, 0);
        e.In.Domid = e.Out.Domid = 77;
        Assert.Equal(XenErrno.ESRCH, Do(ref e));
        e.In.Domid = e.Out.Domid = 0;
        Assert.Equal(XenErrno.EPERM, Do(ref e));
    }

    private static MemoryExchange Exchange(uint inCount, uint inOrder, uint outCount, uint outOrder, uint memFlags = 0) => new()
    {
        In = new MemoryReservation { ExtentStart = In, NrExtents = inCount, ExtentOrder = inOrder, Domid = DomainId.Self.Value },
        Out = new MemoryReservation { ExtentStart = Out, NrExtents = outCount, ExtentOrder = outOrder, MemFlags = memFlags, Domid = DomainId.Self.Value },
    };

    private XenErrno Do(ref MemoryExchange e)
    {
        _guest.WriteRecord(DirectCalls.Arguments, e);
        XenErrno errno = _guest.Errno(HypercallNumber.memory_op, (ulong)MemoryOpCommand.exchange, DirectCalls.Arguments);
        e = _guest.ReadRecord<MemoryExchange>(DirectCalls.Arguments);
        return errno;
    }

    /// <summary>Frames of the domain that no table maps.</summary>
    private Mfn[] Unmapped(int count) => _guest.Host.Populate(_guest.Domain, 50, count);
}
