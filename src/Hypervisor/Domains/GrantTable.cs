using System.Buffers.Binary;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>A domain's grant table, version 1, in frames that the guest maps.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/grant_table.c: grant_table_create, gnttab_setup_table, __acquire_grant.</remarks>
public sealed class GrantTable
{
    /// <summary>Entries in one frame: 4096 / 8.</summary>
    public const int EntriesPerFrame = 512;

    // GTF_*: xen/include/public/grant_table.h.
    private const ushort TypeMask = 3;
    private const ushort PermitAccess = 1;
    private const ushort ReadOnly = 4;
    private const ushort Reading = 8;
    private const ushort Writing = 16;

    private readonly Domain _domain;
    private readonly List<Mfn> _frames = [];

    internal GrantTable(Domain domain, uint initialFrames, uint maxFrames)
    {
        _domain = domain;
        MaxFrames = maxFrames;
        TryGrow(initialFrames);
    }

    /// <summary>Unit: frames.</summary>
    public uint MaxFrames { get; }

    /// <summary>Frames of the shared table, in order.</summary>
    public IReadOnlyList<Mfn> Frames => _frames;

    /// <summary>gnttab_grow_table. False: above the limit.</summary>
    public bool TryGrow(uint frames)
    {
        if (frames > MaxFrames)
            return false;
        while (_frames.Count < frames)
        {
            Mfn mfn = _domain.Xen.Mappings.AllocateXenFrame();
            _domain.Xen.Frames.ShareWithGuest(mfn, _domain.Id, writable: true);
            _domain.Xen.M2p.Set(mfn, Pfn.Invalid);
            _frames.Add(mfn);
        }

        return true;
    }

    /// <summary>The words of an entry, or null if there is no such reference.</summary>
    public (ushort Flags, DomainId Domain, uint Frame)? Read(uint reference)
    {
        if (reference >= _frames.Count * EntriesPerFrame)
            return null;
        ReadOnlySpan<byte> e = Entry(reference);
        return (BinaryPrimitives.ReadUInt16LittleEndian(e), new DomainId(BinaryPrimitives.ReadUInt16LittleEndian(e[2..])), BinaryPrimitives.ReadUInt32LittleEndian(e[4..]));
    }

    /// <summary>_set_status and the frame's reference: <paramref name="user"/> starts to use an entry.</summary>
    internal GrantStatus Acquire(uint reference, Domain user, bool writable, out Mfn frame)
    {
        frame = Mfn.Invalid;
        if (Read(reference) is not { } entry)
            return GrantStatus.bad_gntref;
        if ((entry.Flags & TypeMask) != PermitAccess || entry.Domain != user.Id)
            return GrantStatus.general_error;
        if (writable && (entry.Flags & ReadOnly) != 0)
            return GrantStatus.general_error;
        Mfn mfn = _domain.GfnToMfn(new Gfn(entry.Frame));
        bool held = writable
            ? _domain.Xen.PageTypes.GetPageAndType(mfn, _domain, PageType.PGT_writable_page) == XenErrno.None
            : _domain.Xen.Frames.TryGetPage(mfn, _domain.Id);
        if (!held)
            return GrantStatus.general_error;
        BinaryPrimitives.WriteUInt16LittleEndian(Entry(reference), (ushort)(entry.Flags | Reading | (writable ? Writing : 0)));
        frame = mfn;
        return GrantStatus.okay;
    }

    /// <summary>The last user of an entry stops: its reading and writing marks go.</summary>
    internal void Release(uint reference, Mfn frame, bool writable, bool lastUser)
    {
        if (writable)
            _domain.Xen.PageTypes.PutPageAndType(frame);
        else
            _domain.Xen.Frames.PutPage(frame);
        if (lastUser && Read(reference) is { } entry)
            BinaryPrimitives.WriteUInt16LittleEndian(Entry(reference), (ushort)(entry.Flags & ~(Reading | Writing)));
    }

    internal void Destroy()
    {
        foreach (Mfn frame in _frames)
            _domain.Xen.Frames.Free(frame);
        _frames.Clear();
    }

    private Span<byte> Entry(uint reference)
        => _domain.Xen.Memory.Writable(_frames[(int)(reference / EntriesPerFrame)].Value).Slice((int)(reference % EntriesPerFrame) * 8, 8);
}
