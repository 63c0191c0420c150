using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>What dom0's privcmd and evtchn devices do for the tools: hypercalls as dom0, foreign mappings, pending ports.</summary>
internal sealed class ToolBoundary : IHypercallChannel, IForeignMemory, IToolEvents
{
    private readonly Xen _xen;
    private readonly Domain _dom0;
    private readonly List<ForeignMapping> _mappings = [];

    public ToolBoundary(Xen xen, Domain dom0)
    {
        _xen = xen;
        _dom0 = dom0;
    }

    public Abi ToolAbi => _xen.Options.Host64 ? Abi.X64 : Abi.X32;

    public long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
    {
        HypercallCall call = new(_xen, _dom0) { Memory = memory, Issuer = Issuer.Toolstack };
        call.Set((uint)number, ToolAbi == Abi.X64 ? CallerKind.Pv64 : CallerKind.Pv32, a1, a2, a3, a4, a5, 0);
        return _xen.Hypercalls.Dispatch(call);
    }

    public bool TryTakePending(out uint port) => _dom0.EventChannels.TryTakeForTools(out port);

    public IForeignMapping Map(DomainId domain, ReadOnlySpan<Gfn> gfns, bool writable)
    {
        Mfn[] frames = new Mfn[gfns.Length];
        Array.Fill(frames, Mfn.Invalid);
        XenErrno error = XenErrno.None;
        if (_xen.FindDomain(domain) is not { } d)
            error = XenErrno.ESRCH;
        else
        {
            for (int i = 0; i < frames.Length; i++)
            {
                XenErrno e = MapOne(d, d.GfnToMfn(gfns[i]), writable);
                if (e == XenErrno.None)
                    frames[i] = d.GfnToMfn(gfns[i]);
                else if (error == XenErrno.None)
                    error = e;
            }
        }

        if (_xen.Events.Wants<ForeignMapped>())
            _xen.Events.Emit(new ForeignMapped(domain, "MMAPBATCH_V2", gfns.ToArray(), error));
        return new ForeignMapping(_xen, _mappings, frames, writable, error);
    }

    public IForeignMapping MapResource(DomainId domain, uint type, uint id, ulong frame, uint count)
    {
        const uint grantTable = 1;
        Mfn[] frames = new Mfn[count];
        Array.Fill(frames, Mfn.Invalid);
        XenErrno error = XenErrno.None;
        if (_xen.FindDomain(domain) is not { } d)
            error = XenErrno.ESRCH;
        else if (_xen.Profile.Release == XenRelease.V4_0)
            error = XenErrno.ENOSYS;
        else if (type != grantTable || id != 0)
            error = XenErrno.EOPNOTSUPP;
        else if (count > d.GrantTable.MaxFrames || frame > d.GrantTable.MaxFrames - count || !d.GrantTable.TryGrow((uint)frame + count))
            error = XenErrno.EINVAL;
        else
        {
            for (int i = 0; i < frames.Length; i++)
            {
                Mfn mfn = d.GrantTable.Frames[(int)frame + i];
                if (MapOne(d, mfn, writable: true) == XenErrno.None)
                    frames[i] = mfn;
            }
        }

        if (_xen.Events.Wants<ForeignMapped>())
            _xen.Events.Emit(new ForeignMapped(domain, "MMAP_RESOURCE", [.. frames.Select(f => new Gfn(f.Value))], error));
        return new ForeignMapping(_xen, _mappings, frames, writable: true, error);
    }

    private XenErrno MapOne(Domain d, Mfn mfn, bool writable)
    {
        if (!_xen.Frames.IsValid(mfn))
            return XenErrno.EINVAL;
        if (d.IsHvm || !writable)
            return _xen.Frames.TryGetPage(mfn, d.Id) ? XenErrno.None : _xen.Profile.WrongOwner;
        return _xen.PageTypes.GetPageAndType(mfn, d, PageType.PGT_writable_page) == XenErrno.None ? XenErrno.None : _xen.Profile.WrongOwner;
    }

    /// <summary>The frames that the tools have mapped now, once for each mapping.</summary>
    public IEnumerable<(Mfn Frame, bool Writable)> Mapped => _mappings.SelectMany(m => m.Frames.Where(f => f != Mfn.Invalid).Select(f => (f, m.IsWritable)));

    /// <summary>Frames held until disposed.</summary>
    private sealed class ForeignMapping : IForeignMapping
    {
        private readonly Xen _xen;
        private readonly List<ForeignMapping> _all;
        private readonly Mfn[] _frames;
        private bool _disposed;

        /// <param name="all">The tools' mappings, of which this is one until it is disposed.</param>
        public ForeignMapping(Xen xen, List<ForeignMapping> all, Mfn[] frames, bool writable, XenErrno error)
        {
            (_xen, _all, _frames, IsWritable, Error) = (xen, all, frames, writable, error);
            all.Add(this);
        }

        public IReadOnlyList<Mfn> Frames => _frames;

        public bool IsWritable { get; }

        public int Count => _frames.Length;

        public XenErrno Error { get; }

        public Span<byte> Page(int index)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_frames[index] == Mfn.Invalid)
                throw new InvalidOperationException($"page {index} is not mapped: {Error}");
            return _xen.Memory.Writable(_frames[index].Value);
        }

        public void Write(ulong offset, ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                Span<byte> page = Page((int)(offset / PhysicalMemory.FrameSize))[(int)(offset % PhysicalMemory.FrameSize)..];
                int n = Math.Min(page.Length, bytes.Length);
                bytes[..n].CopyTo(page);
                bytes = bytes[n..];
                offset += (ulong)n;
            }
        }

        public void Read(ulong offset, Span<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                Span<byte> page = Page((int)(offset / PhysicalMemory.FrameSize))[(int)(offset % PhysicalMemory.FrameSize)..];
                int n = Math.Min(page.Length, bytes.Length);
                page[..n].CopyTo(bytes);
                bytes = bytes[n..];
                offset += (ulong)n;
            }
        }

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            _all.Remove(this);
            foreach (Mfn mfn in _frames)
            {
                if (mfn == Mfn.Invalid)
                    continue;
                ushort owner = _xen.Frames[mfn].Owner;
                if (IsWritable && _xen.Frames[mfn].Type == PageType.PGT_writable_page && _xen.FindDomain(new DomainId(owner)) is not { IsHvm: true })
                    _xen.PageTypes.PutPageAndType(mfn);
                else
                    _xen.Frames.PutPage(mfn);
            }
        }
    }
}
