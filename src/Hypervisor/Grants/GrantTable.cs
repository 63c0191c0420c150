using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Grants;

/// <summary>A domain's grant table of version 1 or 2: the frames that the guest maps, who uses its entries, and what it has mapped itself.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: struct grant_table, gnttab_grow_table, gnttab_populate_status_frames.</remarks>
public sealed class GrantTable
{
    /// <summary>Entries of one frame, version 1 and 2, and status words of one.</summary>
    public const uint EntriesV1 = 512;
    public const uint EntriesV2 = 256;
    private const uint StatusWords = 2048;

    /// <summary>GNTTAB_NR_RESERVED_ENTRIES: the tools' entries, which survive a change of version (4.17).</summary>
    internal const uint ReservedEntries = 8;

    private readonly Domain _domain;
    private readonly List<Mfn> _frames = [];
    private readonly List<Mfn> _statusFrames = [];
    private ActiveGrant[] _active = [];

    internal GrantTable(Domain domain, GrantTableLimits limits)
    {
        _domain = domain;
        Limits = limits;
        Maptrack = new Maptrack(domain.Xen.Profile.Release, limits.MaxMaptrackFrames);

        // 4.0: no version before the guest's first setup_table or set_version.
        Version = domain.Xen.Profile.Release == XenRelease.V4_0 ? 0u : 1u;
        TryGrow(domain.Xen.Profile.InitialGrantFrames);
    }

    public GrantTableLimits Limits { get; }

    /// <summary>Unit: frames.</summary>
    public uint MaxFrames => Limits.MaxFrames;

    /// <summary>1 or 2; 0: not set up (4.0).</summary>
    public uint Version { get; internal set; }

    /// <summary>Frames of the shared table, in order.</summary>
    public IReadOnlyList<Mfn> Frames => _frames;

    /// <summary>Frames of the status words of version 2, in order.</summary>
    public IReadOnlyList<Mfn> StatusFrames => _statusFrames;

    /// <summary>What the domain has mapped of others.</summary>
    public Maptrack Maptrack { get; }

    /// <summary>nr_grant_entries.</summary>
    public uint EntryCount => (uint)_frames.Count * (Version == 2 ? EntriesV2 : EntriesV1);

    /// <summary>Who uses an entry.</summary>
    public ref ActiveGrant Active(uint reference) => ref _active[reference];

    /// <summary>gnttab_grow_table. False: above the limit, or the host has no memory left.</summary>
    public bool TryGrow(uint frames)
    {
        frames = Math.Max(frames, _domain.Xen.Profile.InitialGrantFrames);
        if (frames > MaxFrames || _domain.Xen.Frames.Allocator.FreeCount < frames + StatusFramesFor(frames))
            return false;
        while (_frames.Count < frames)
            _frames.Add(NewFrame());
        if (_active.Length < _frames.Count * EntriesV1)
            Array.Resize(ref _active, _frames.Count * (int)EntriesV1);
        if (Version == 2)
            PopulateStatusFrames();
        return true;
    }

    /// <summary>grant_to_status_frames.</summary>
    internal static uint StatusFramesFor(uint frames) => ((frames * EntriesV2) + StatusWords - 1) / StatusWords;

    internal void PopulateStatusFrames()
    {
        while (_statusFrames.Count < StatusFramesFor((uint)_frames.Count))
            _statusFrames.Add(NewFrame());
    }

    /// <summary>gnttab_unpopulate_status_frames. EBUSY (4.17): one of them is still mapped.</summary>
    internal XenErrno UnpopulateStatusFrames()
    {
        FrameTable frames = _domain.Xen.Frames;
        if (_domain.Xen.Profile.Release != XenRelease.V4_0 && _statusFrames.Exists(f => frames.IsSharedInUse(f)))
            return XenErrno.EBUSY;
        foreach (Mfn frame in _statusFrames)
        {
            if (_domain.Physmap is { } map && _domain.Xen.M2p.Get(frame) is var pfn && pfn != Pfn.Invalid)
                map.Set(new Gfn(pfn.Value), Mfn.Invalid);
            frames.StopSharing(frame);
        }

        _statusFrames.Clear();
        return XenErrno.None;
    }

    /// <summary>The first words of an entry: its flags and domain, or null if there is no such reference.</summary>
    public GrantEntryHeader? Header(uint reference)
        => reference < EntryCount ? ((ReadOnlySpan<byte>)Entry(reference)).ReadStruct<GrantEntryHeader>() : null;

    internal GrantEntryFlags Flags(uint reference) => (GrantEntryFlags)BinaryPrimitives.ReadUInt16LittleEndian(Entry(reference));

    internal void SetFlags(uint reference, GrantEntryFlags flags) => BinaryPrimitives.WriteUInt16LittleEndian(Entry(reference), (ushort)flags);

    /// <summary>The frame number in a full-page entry.</summary>
    public ulong FullPageFrame(uint reference)
        => Version == 2 ? BinaryPrimitives.ReadUInt64LittleEndian(Entry(reference)[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(Entry(reference)[4..]);

    internal void SetFullPageFrame(uint reference, ulong frame)
    {
        if (Version == 2)
            BinaryPrimitives.WriteUInt64LittleEndian(Entry(reference)[8..], frame);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(Entry(reference)[4..], (uint)frame);
    }

    /// <summary>The bytes of an entry that exists.</summary>
    internal Span<byte> Entry(uint reference)
    {
        uint perFrame = Version == 2 ? EntriesV2 : EntriesV1;
        int size = Version == 2 ? 16 : 8;
        return _domain.Xen.Memory.Writable(_frames[(int)(reference / perFrame)].Value).Slice((int)(reference % perFrame) * size, size);
    }

    /// <summary>Where GTF_reading and GTF_writing of an entry stand: among its flags in version 1, in the status frames in version 2.</summary>
    internal Span<byte> StatusWord(uint reference)
        => Version == 2
            ? _domain.Xen.Memory.Writable(_statusFrames[(int)(reference / StatusWords)].Value).Slice((int)(reference % StatusWords) * 2, 2)
            : Entry(reference)[..2];

    /// <summary>Forgets what the guest wrote: the table changes its version.</summary>
    internal void ClearFrames()
    {
        foreach (Mfn frame in _frames)
            _domain.Xen.Memory.Writable(frame.Value).Clear();
    }

    internal void Destroy()
    {
        foreach (Mfn frame in _frames.Concat(_statusFrames))
            _domain.Xen.Frames.Free(frame);
        _frames.Clear();
        _statusFrames.Clear();
    }

    private Mfn NewFrame()
    {
        Mfn mfn = _domain.Xen.Mappings.AllocateXenFrame();
        _domain.Xen.Frames.ShareWithGuest(mfn, _domain.Id, writable: true);
        _domain.Xen.M2p.Set(mfn, Pfn.Invalid);
        return mfn;
    }
}

/// <summary>What createdomain, or Xen's command line, allows a domain's table. Unit: frames.</summary>
/// <param name="MaxVersion">1 or 2.</param>
public sealed record GrantTableLimits(uint MaxFrames, uint MaxMaptrackFrames, uint MaxVersion);
