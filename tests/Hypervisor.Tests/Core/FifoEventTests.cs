using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>The FIFO ABI of event channels: stable-4.17 xen/common/event_fifo.c and the bits of xen/include/public/event_channel.h.</summary>
public sealed class FifoEventTests : IDisposable
{
    private const uint Pending = 1u << 31, Masked = 1u << 30, Linked = 1u << 29;
    private const ulong ControlBlock = 0x6000, Words = 0x7000;
    private const int ControlFrame = 6;
    private readonly DirectCalls _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void A_control_block_is_refused_as_in_evtchn_fifo_init_control()
    {
        Assert.Equal(XenErrno.ENOENT, Init(vcpu: 1));
        Assert.Equal(XenErrno.EINVAL, Init(offset: 4096 - 64));
        Assert.Equal(XenErrno.EINVAL, Init(offset: 4));
        Assert.Equal(XenErrno.EINVAL, Init(frame: _guest.Frames[0])); // a page table cannot be had as a writable page
        Assert.Equal(XenErrno.None, Init());
        Assert.Equal(XenErrno.EINVAL, Init()); // this vCPU has one
    }

    [Fact]
    public void The_answer_tells_the_bits_of_a_link()
    {
        EvtchnInitControl i = new() { ControlGfn = _guest.Frames[ControlFrame].Value };
        Assert.Equal(XenErrno.None, Op(EventChannelOp.init_control, ref i));
        Assert.Equal(17, i.LinkBits);
    }

    [Fact]
    public void Priorities_and_array_pages_belong_to_the_FIFO_ABI()
    {
        uint port = Ipi();
        Assert.Equal(XenErrno.EOPNOTSUPP, Expand());
        Assert.Equal(XenErrno.ENOSYS, Priority(port, 0));
        Assert.Equal(XenErrno.EINVAL, Priority(4000, 0));
        Assert.Equal(XenErrno.None, Init());
        Assert.Equal(XenErrno.None, Expand());
        Assert.Equal(XenErrno.None, Priority(port, 15));
        Assert.Equal(XenErrno.EINVAL, Priority(port, 16));
        Assert.Equal(XenErrno.EACCES, Priority(port + 1, 0)); // not bound: evtchn_usable
    }

    [Fact]
    public void Events_are_linked_in_the_order_they_come_and_the_queue_says_where_it_begins()
    {
        uint first = Ipi(), second = Ipi();
        Assert.Equal(XenErrno.None, Init());
        Assert.Equal(XenErrno.None, Expand());
        Send(first);
        Send(second);
        Assert.Equal(Pending | Linked | second, Word(first));
        Assert.Equal(Pending | Linked, Word(second));
        Assert.Equal(1u << 7, _guest.Read<uint>(ControlBlock)); // ready: the default priority's queue
        Assert.Equal(first, Head(7));
        Assert.True(_guest.Vcpu.VcpuInfo.UpcallPending);
    }

    [Fact]
    public void A_priority_is_a_queue_of_its_own()
    {
        uint urgent = Ipi(), usual = Ipi();
        Assert.Equal(XenErrno.None, Init());
        Assert.Equal(XenErrno.None, Expand());
        Assert.Equal(XenErrno.None, Priority(urgent, 0));
        Send(usual);
        Send(urgent);
        Assert.Equal(urgent, Head(0));
        Assert.Equal(usual, Head(7));
        Assert.Equal(1u | 1u << 7, _guest.Read<uint>(ControlBlock));
    }

    [Fact]
    public void A_masked_event_is_only_pending_until_it_is_unmasked()
    {
        uint port = Ipi();
        Assert.Equal(XenErrno.None, Init());
        Assert.Equal(XenErrno.None, Expand());
        _guest.Write(Words + (port * 4), Masked);
        Send(port);
        Assert.Equal(Pending | Masked, Word(port));
        Assert.Equal(0u, _guest.Read<uint>(ControlBlock));
        EvtchnUnmask u = new() { Port = port };
        Assert.Equal(XenErrno.None, Op(EventChannelOp.unmask, ref u));
        Assert.Equal(Pending | Linked, Word(port));
        Assert.Equal(port, Head(7));
    }

    [Fact]
    public void What_came_before_the_word_existed_is_raised_when_its_page_is_added()
    {
        uint port = Ipi();
        Assert.Equal(XenErrno.None, Init());
        Send(port);
        Assert.Equal(0u, _guest.Read<uint>(ControlBlock));
        Assert.Equal(XenErrno.None, Expand());
        Assert.Equal(Pending | Linked, Word(port));
        Assert.Equal(port, Head(7));
    }

    [Fact]
    public void A_guest_of_4_0_knows_none_of_it()
    {
        using DirectCalls old = new(XenRelease.V4_0);
        EvtchnInitControl i = default;
        Assert.Equal(XenErrno.ENOSYS, old.Op(HypercallNumber.event_channel_op, (ulong)EventChannelOp.init_control, ref i));
    }

    private XenErrno Op<T>(EventChannelOp op, ref T argument)
        where T : unmanaged
        => _guest.Op(HypercallNumber.event_channel_op, (ulong)op, ref argument);

    private XenErrno Init(uint vcpu = 0, uint offset = 0, Mfn? frame = null)
    {
        EvtchnInitControl i = new() { ControlGfn = (frame ?? _guest.Frames[ControlFrame]).Value, Offset = offset, Vcpu = vcpu };
        return Op(EventChannelOp.init_control, ref i);
    }

    /// <summary>The array's page, which the guest also maps at <see cref="Words"/>.</summary>
    private XenErrno Expand()
    {
        EvtchnExpandArray e = new() { ArrayGfn = _guest.Frames[7].Value };
        return Op(EventChannelOp.expand_array, ref e);
    }

    private XenErrno Priority(uint port, uint priority)
    {
        EvtchnSetPriority p = new() { Port = port, Priority = priority };
        return Op(EventChannelOp.set_priority, ref p);
    }

    private uint Ipi()
    {
        EvtchnBindIpi b = new() { Vcpu = 0 };
        Assert.Equal(XenErrno.None, Op(EventChannelOp.bind_ipi, ref b));
        return b.Port;
    }

    private void Send(uint port)
    {
        EvtchnSend s = new() { Port = port };
        Assert.Equal(XenErrno.None, Op(EventChannelOp.send, ref s));
    }

    private uint Word(uint port) => _guest.Read<uint>(Words + (port * 4));

    private uint Head(int priority) => _guest.Read<uint>(ControlBlock + 8 + ((ulong)priority * 4));
}
