using System.Buffers.Binary;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>
/// The FIFO ABI of event channels: an array of event words and, for each vCPU, a control block with sixteen queues, all of them in the
/// guest's own pages. A queue is a linked list through the words; Xen adds at its tail, the guest takes from its head.
/// </summary>
/// <remarks>Source: stable-4.17 xen/common/event_fifo.c.</remarks>
internal sealed class FifoEvents
{
    private const int WordsPerPage = 1024;
    private const int Queues = 16;
    private const int ControlBlockSize = 72;
    private const int ReadyOffset = 0;
    private const int HeadOffset = 8;
    private const uint LowestPriority = Queues - 1;
    private const uint LinkMask = (1u << XenConstants.EVTCHN_FIFO_LINK_BITS) - 1;
    private const uint Pending = 1u << XenConstants.EVTCHN_FIFO_PENDING;
    private const uint Masked = 1u << XenConstants.EVTCHN_FIFO_MASKED;
    private const uint Linked = 1u << XenConstants.EVTCHN_FIFO_LINKED;
    private const uint Busy = 1u << XenConstants.EVTCHN_FIFO_BUSY;

    private readonly Domain _domain;
    private readonly List<Mfn> _array = [];
    private readonly Dictionary<int, ControlBlock> _blocks = [];

    internal FifoEvents(Domain domain) => _domain = domain;

    /// <summary>Where a vCPU's queues are. Tails are Xen's own; 0 = the queue is empty.</summary>
    private sealed record ControlBlock(Mfn Frame, int Offset)
    {
        public uint[] Tails { get; } = new uint[Queues];
    }

    /// <summary>Ports whose event word exists.</summary>
    private uint WordCount => (uint)(_array.Count * WordsPerPage);

    /// <summary>map_control_block.</summary>
    public XenErrno MapControlBlock(int vcpu, Gfn gfn, uint offset)
    {
        if (_blocks.ContainsKey(vcpu))
            return XenErrno.EINVAL;
        Mfn mfn = _domain.GfnToMfn(gfn);
        XenErrno errno = _domain.Xen.PageTypes.GetPageAndType(mfn, _domain, PageType.PGT_writable_page);
        if (errno == XenErrno.None)
            _blocks[vcpu] = new ControlBlock(mfn, (int)offset);
        return errno == XenErrno.None ? XenErrno.None : XenErrno.EINVAL;
    }

    /// <summary>Whether a control block may lie there: inside one page, 8-byte aligned.</summary>
    public static bool IsPlaceForBlock(uint offset) => offset <= 4096 - ControlBlockSize && (offset & 7) == 0;

    /// <summary>add_page_to_event_array. What was pending without a word is raised by the caller: ports from <paramref name="first"/> on.</summary>
    public XenErrno AddArrayPage(Gfn gfn, out uint first)
    {
        first = WordCount;
        if (WordCount >= XenConstants.EVTCHN_FIFO_NR_CHANNELS)
            return XenErrno.ENOSPC;
        Mfn mfn = _domain.GfnToMfn(gfn);
        if (_domain.Xen.PageTypes.GetPageAndType(mfn, _domain, PageType.PGT_writable_page) != XenErrno.None)
            return XenErrno.EINVAL;
        _array.Add(mfn);
        return XenErrno.None;
    }

    public static bool IsPriority(uint priority) => priority <= LowestPriority;

    public bool HasWord(uint port) => port < WordCount;

    public bool IsPending(uint port) => HasWord(port) && (Word(port) & Pending) != 0;

    public bool IsMasked(uint port) => !HasWord(port) || (Word(port) & Masked) != 0;

    /// <summary>evtchn_fifo_clear_pending: the guest unlinks the word itself.</summary>
    public void ClearPending(uint port)
    {
        if (HasWord(port))
            Word(port) &= ~Pending;
    }

    /// <summary>evtchn_fifo_unmask: true if the event is pending and so has to be raised again.</summary>
    public bool Unmask(uint port)
    {
        if (!HasWord(port))
            return false;
        Word(port) &= ~Masked;
        return IsPending(port);
    }

    /// <summary>evtchn_fifo_set_pending, for a port that has its word. <paramref name="wasPending"/>: nobody who polls is to be told.</summary>
    public void SetPending(ref EventChannel channel, uint port, out bool wasPending)
    {
        wasPending = true;
        int vcpu = channel.NotifyVcpu;
        if (!_blocks.TryGetValue(vcpu, out ControlBlock? block))
        {
            _domain.Xen.Log(Public.Events.LogLevel.Warn, $"d{_domain.Id.Value}v{vcpu} has no FIFO event channel control block");
            return;
        }

        ref uint word = ref Word(port);
        wasPending = (word & Pending) != 0;
        word |= Pending;
        if ((word & (Masked | Linked)) != 0)
            return;
        word |= Linked;
        Link(ref channel, block, port);
    }

    /// <summary>evtchn_fifo_destroy: the guest has its pages back.</summary>
    public void Destroy()
    {
        foreach (ControlBlock block in _blocks.Values)
            _domain.Xen.PageTypes.PutPageAndType(block.Frame);
        foreach (Mfn page in _array)
            _domain.Xen.PageTypes.PutPageAndType(page);
        _blocks.Clear();
        _array.Clear();
    }

    /// <summary>Puts a port at the end of its queue; a queue that was empty also gets its head and its ready bit.</summary>
    private void Link(ref EventChannel channel, ControlBlock block, uint port)
    {
        int priority = channel.Priority;

        // An event that was the tail of the queue it was last in leaves that queue without one.
        if (_blocks.TryGetValue(channel.LastVcpu, out ControlBlock? before) && before.Tails[channel.LastPriority] == port)
            before.Tails[channel.LastPriority] = 0;
        (channel.LastVcpu, channel.LastPriority) = ((ushort)channel.NotifyVcpu, channel.Priority);

        bool linked = false;
        if (block.Tails[priority] is not 0 and uint tail && HasWord(tail))
        {
            ref uint last = ref Word(tail);
            linked = (last & Linked) != 0;
            if (linked)
                last = (last & ~(Busy | LinkMask)) | port;
        }

        Span<byte> memory = _domain.Xen.Memory.Writable(block.Frame.Value)[block.Offset..];
        block.Tails[priority] = port;
        if (linked)
            return;
        BinaryPrimitives.WriteUInt32LittleEndian(memory[(HeadOffset + (priority * 4))..], port);
        uint ready = BinaryPrimitives.ReadUInt32LittleEndian(memory[ReadyOffset..]);
        BinaryPrimitives.WriteUInt32LittleEndian(memory[ReadyOffset..], ready | 1u << priority);
        if ((ready >> priority & 1) == 0)
            _domain.FindVcpu((uint)channel.NotifyVcpu)?.MarkEventsPending();
    }

    private ref uint Word(uint port)
    {
        Span<byte> page = _domain.Xen.Memory.Writable(_array[(int)(port / WordsPerPage)].Value);
        return ref System.Runtime.InteropServices.MemoryMarshal.AsRef<uint>(page[(int)(port % WordsPerPage * 4)..]);
    }
}
