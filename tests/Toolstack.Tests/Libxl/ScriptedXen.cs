using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>
/// A hypervisor that only remembers: it records each call in the oracle's words, hands out frames that are never mfn == pfn, and fails
/// the calls it was told to fail. It checks nothing, so what is built on it is the toolstack's own doing.
/// </summary>
internal sealed class ScriptedXen(XenRelease release) : IHypercallChannel, IForeignMemory, IEventSink
{
    public const ulong SharedInfoFrame = 0x7fc5a;

    private readonly Dictionary<ulong, byte[]> _pages = [];
    private ulong _nextFrame = 0x13d000;
    private uint _nextPort = 1;
    private bool _hvm;
    private bool _exists;
    private ushort _created;

    public Abi ToolAbi { get; init; } = Abi.X64;

    public string Capabilities { get; init; } = "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";

    public bool Translated => _hvm;

    public List<string> Calls { get; } = [];

    public List<XenEvent> Events { get; } = [];

    public IEnumerable<string> Log => Events.OfType<LogLine>().Select(l => l.Rendered);

    /// <summary>Calls that fail, by the name in <see cref="Calls"/>.</summary>
    public Dictionary<string, XenErrno> Failures { get; } = [];

    /// <summary>The context given to setvcpucontext.</summary>
    public byte[] VcpuContext { get; private set; } = [];

    public byte[] GrantTable { get; } = new byte[4096];

    public int OpenMappings { get; private set; }

    public bool Wants<TEvent>()
        where TEvent : XenEvent
        => true;

    public void Emit(XenEvent e) => Events.Add(e);

    public byte[] Page(ulong frame) => _pages.TryGetValue(frame, out byte[]? page) ? page : _pages[frame] = new byte[4096];

    public long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
    {
        switch (number)
        {
            case HypercallNumber.xen_version:
                Calls.Add($"xen_version {a1}");
                if (a1 == 3)
                    memory.TryWrite(new VirtualAddress(a2), System.Text.Encoding.ASCII.GetBytes(Capabilities + "\0"));
                return a1 == 0 ? release == XenRelease.V4_0 ? 0x40000 : 0x40011 : 0;
            case HypercallNumber.domctl:
                return Domctl(memory, a1);
            case HypercallNumber.sysctl:
                return Sysctl(memory, a1);
            case HypercallNumber.multicall:
                memory.TryReadRecord(new VirtualAddress(a1), ToolAbi, out MulticallEntry entry);
                entry.Result = (ulong)Hypercall((HypercallNumber)entry.Op, memory, entry.Args[0], entry.Args[1]);
                memory.TryWriteRecord(new VirtualAddress(a1), ToolAbi, entry);
                return 0;
            case HypercallNumber.memory_op:
                return MemoryOp(memory, (MemoryOpCommand)a1, new VirtualAddress(a2));
            case HypercallNumber.event_channel_op:
                memory.TryReadStruct(new VirtualAddress(a2), out EvtchnAllocUnbound unbound);
                Calls.Add($"event_channel_op EVTCHNOP_alloc_unbound in[{Hex(WireMemory.AsBytes(ref unbound))}]");
                if (Fails("EVTCHNOP_alloc_unbound") is { } noPort)
                    return noPort.ToResult();
                unbound.Port = _nextPort++;
                memory.TryWrite(new VirtualAddress(a2), WireMemory.AsBytes(ref unbound));
                return 0;
            case HypercallNumber.mmuext_op:
                memory.TryReadRecord(new VirtualAddress(a1), ToolAbi, out MmuextOp pin);
                Calls.Add($"mmuext_op MMUEXT_PIN_L{pin.Cmd + 1}_TABLE dom={a4}");
                return Fails("mmuext_op")?.ToResult() ?? 0;
            case HypercallNumber.hvm_op:
                memory.TryReadStruct(new VirtualAddress(a2), out HvmParamOp param);
                Calls.Add($"hvm_op HVMOP_set_param in[{Hex(WireMemory.AsBytes(ref param))}]");
                return Fails("hvm_op")?.ToResult() ?? 0;
            default:
                throw new InvalidOperationException($"unexpected hypercall {number}");
        }
    }

    public IForeignMapping Map(DomainId domain, ReadOnlySpan<Gfn> gfns, bool writable)
    {
        Calls.Add($"privcmd MMAPBATCH_V2 num={gfns.Length} dom={domain.Value} gfns{{{List(gfns.ToArray().Select(g => g.Value))}}}");
        return new Mapping(this, [.. gfns.ToArray().Select(g => Page(g.Value))], Fails("MMAPBATCH_V2") ?? XenErrno.None);
    }

    public IForeignMapping MapResource(DomainId domain, uint type, uint id, ulong frame, uint count)
    {
        Calls.Add($"privcmd MMAP_RESOURCE dom={domain.Value} type={type} id={id} idx={frame} num={count}");
        return new Mapping(this, [GrantTable], Fails("MMAP_RESOURCE") ?? XenErrno.None);
    }

    private long Domctl(ICallerMemory memory, ulong at)
    {
        memory.TryReadStruct(new VirtualAddress(at), out Domctl domctl);
        string name = "XEN_DOMCTL_" + (DomctlCommand)domctl.Cmd;
        Assert.Equal(InterfaceVersions.Domctl(release), domctl.InterfaceVersion);
        Span<byte> payload = domctl.Payload;
        string context = "";
        if ((DomctlCommand)domctl.Cmd == DomctlCommand.setvcpucontext)
        {
            VcpuContext = new byte[release == XenRelease.V4_0 && ToolAbi == Abi.X32 ? 2800 : 5168];
            memory.TryRead(new VirtualAddress(BinaryPrimitives.ReadUInt64LittleEndian(payload[8..])), VcpuContext);
            context = $" ctxt{{ {Words(VcpuContext)}}}";
        }
        else if ((DomctlCommand)domctl.Cmd == DomctlCommand.sethvmcontext)
        {
            VcpuContext = new byte[BinaryPrimitives.ReadUInt32LittleEndian(payload)];
            memory.TryRead(new VirtualAddress(BinaryPrimitives.ReadUInt64LittleEndian(payload[8..])), VcpuContext);
            context = $" size={VcpuContext.Length} buf{{ {Words(VcpuContext)}}}";
        }

        Calls.Add($"domctl {name} dom={domctl.Domain}{context} in[{Hex(payload)}]");
        if (Fails(name) is { } errno)
            return errno.ToResult();
        switch ((DomctlCommand)domctl.Cmd)
        {
            case DomctlCommand.createdomain:
                _hvm = (payload[20] & 1) != 0;
                _exists = true;
                domctl.Domain = ++_created;
                break;
            case DomctlCommand.destroydomain:
                _exists = false;
                break;
            case DomctlCommand.getdomaininfo:
                Info(payload, domctl.Domain);
                break;
            case DomctlCommand.scheduler_op when payload[4] == 1:
                BinaryPrimitives.WriteUInt16LittleEndian(payload[8..], 256);
                break;
            case DomctlCommand.gethvmcontext:
                HvmContext(memory, payload);
                break;
            default:
                break;
        }

        memory.TryWriteStruct(new VirtualAddress(at), in domctl);
        return 0;
    }

    private long Sysctl(ICallerMemory memory, ulong at)
    {
        memory.TryReadStruct(new VirtualAddress(at), out Sysctl sysctl);
        string name = "XEN_SYSCTL_" + (SysctlCommand)sysctl.Cmd;
        Span<byte> payload = sysctl.Payload;
        Calls.Add($"sysctl {name} in[{Hex(payload)}]");
        if (Fails(name) is { } errno)
            return errno.ToResult();
        switch ((SysctlCommand)sysctl.Cmd)
        {
            case SysctlCommand.getdomaininfolist:
                SysctlGetDomainInfoList list = payload.ReadStruct<SysctlGetDomainInfoList>();
                list.NumDomains = _exists && list.FirstDomain <= _created ? 1u : 0;
                byte[] info = new byte[release == XenRelease.V4_0 ? 80 : 112];
                Info(info, Math.Max(list.FirstDomain, (ushort)1));
                if (list.NumDomains > 0)
                    memory.TryWrite(new VirtualAddress(list.Buffer), info);
                payload.WriteStruct(in list);
                break;
            case SysctlCommand.get_cpu_policy:
                SysctlCpuPolicy policy = payload.ReadStruct<SysctlCpuPolicy>();
                bool size = policy.Leaves == 0;
                policy.NrLeaves = size ? 0x78u : _hvm ? 59u : 52;
                if (!size)
                    memory.TryWrite(new VirtualAddress(policy.Leaves), new byte[policy.NrLeaves * 24]);
                payload.WriteStruct(in policy);
                break;
            default:
                break;
        }

        memory.TryWriteStruct(new VirtualAddress(at), in sysctl);
        return 0;
    }

    private long MemoryOp(ICallerMemory memory, MemoryOpCommand command, VirtualAddress at)
    {
        string name = "XENMEM_" + command;
        switch (command)
        {
            case MemoryOpCommand.populate_physmap:
                memory.TryReadRecord(at, ToolAbi, out MemoryReservation reservation);
                ulong[] extents = new ulong[reservation.NrExtents];
                for (int i = 0; i < extents.Length; i++)
                    memory.TryReadLong(new VirtualAddress(reservation.ExtentStart + (ulong)(i * ToolAbi.LongSize())), ToolAbi, out extents[i]);
                Calls.Add($"memory_op {name} extents[{extents.Length}] order={reservation.ExtentOrder} flags={reservation.MemFlags} dom={reservation.Domid} in{{{List(extents)}}}");
                if (Fails(name) is not null)
                    return 0;
                for (int i = 0; i < extents.Length && !_hvm; i++)
                {
                    _nextFrame -= 1UL << (int)reservation.ExtentOrder;
                    memory.TryWriteLong(new VirtualAddress(reservation.ExtentStart + (ulong)(i * ToolAbi.LongSize())), ToolAbi, _nextFrame);
                }

                return extents.Length;
            case MemoryOpCommand.set_memory_map:
                memory.TryReadRecord(at, ToolAbi, out ForeignMemoryMap map);
                string text = "";
                for (uint i = 0; i < map.Map.NrEntries; i++)
                {
                    memory.TryReadStruct(new VirtualAddress(map.Map.Buffer + (i * 20)), out E820Entry entry);
                    text += $"{entry.Addr:x}+{entry.Size:x} type{entry.Type} ";
                }

                Calls.Add($"memory_op {name} e820 dom={map.Domid} n={map.Map.NrEntries} {{ {text}}}");
                return Fails(name)?.ToResult() ?? 0;
            default:
                memory.TryReadRecord(at, ToolAbi, out MemoryReservation claim);
                Calls.Add($"memory_op {name} in[{Hex(WireRecord.ToBytes(claim, ToolAbi))}]");
                return Fails(name)?.ToResult() ?? 0;
        }
    }

    private void Info(Span<byte> bytes, ushort domid)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, domid);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], _hvm ? 0x10au : 8);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[(release == XenRelease.V4_0 ? 32 : 48)..], SharedInfoFrame);
    }

    /// <summary>A header and an MTRR record; the header's words are the oracle's.</summary>
    private static void HvmContext(ICallerMemory memory, Span<byte> payload)
    {
        ulong buffer = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]);
        byte[] stream = new byte[32 + 8 + 240 + 8];
        stream.AsSpan().WriteStruct(new HvmSaveDescriptor { Typecode = 1, Length = 24 });
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(8), 0x154381286);
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(16), ulong.MaxValue);
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(24), 0x279d0200060fb1);
        stream.AsSpan(32).WriteStruct(new HvmSaveDescriptor { Typecode = 14, Length = 240 });
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(40), 0x7040600070406);
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(40 + 0xe0), 0x508);
        BinaryPrimitives.WriteUInt64LittleEndian(stream.AsSpan(40 + 0xe8), 0x806);
        if (buffer != 0)
            memory.TryWrite(new VirtualAddress(buffer), stream);
        BinaryPrimitives.WriteUInt32LittleEndian(payload, buffer == 0 ? 0x1c60u : (uint)stream.Length);
    }

    private XenErrno? Fails(string name) => Failures.TryGetValue(name, out XenErrno errno) ? errno : null;

    /// <summary>The oracle's way of eliding lists.</summary>
    private static string List(IEnumerable<ulong> values)
    {
        string[] all = [.. values.Select(v => $"{v:x}")];
        return all.Length > 6 ? $"{string.Join(' ', all[..6])} ... {all[^1]}" : string.Concat(all.Select(v => v + " "));
    }

    /// <summary>Bytes in memory order without trailing zeros.</summary>
    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes.TrimEnd((byte)0));

    private static string Words(ReadOnlySpan<byte> bytes)
    {
        string text = "";
        for (int i = 0; i + 8 <= bytes.Length; i += 8)
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[i..]) is not 0 and var word)
                text += $"+{i:x}:{word:x} ";
        }

        return text;
    }

    private sealed class Mapping : IForeignMapping
    {
        private readonly ScriptedXen _xen;
        private readonly byte[][] _pages;

        public Mapping(ScriptedXen xen, byte[][] pages, XenErrno error)
        {
            _xen = xen;
            _pages = pages;
            Error = error;
            _xen.OpenMappings++;
        }

        public int Count => _pages.Length;

        public XenErrno Error { get; }

        public Span<byte> Page(int index) => _pages[index];

        public void Write(ulong offset, ReadOnlySpan<byte> bytes)
        {
            for (int i = 0; i < bytes.Length;)
            {
                ulong at = offset + (ulong)i;
                int part = Math.Min(bytes.Length - i, 4096 - (int)(at & 4095));
                bytes.Slice(i, part).CopyTo(_pages[at >> 12].AsSpan((int)(at & 4095)));
                i += part;
            }
        }

        public void Read(ulong offset, Span<byte> bytes) => throw new NotSupportedException();

        public void Dispose() => _xen.OpenMappings--;
    }
}
