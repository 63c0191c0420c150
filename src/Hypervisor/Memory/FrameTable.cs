using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>Owners, counts and types of every machine frame (frame_table), with the allocator and the machine-to-physical table.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/include/asm-x86/mm.h, xen/arch/x86/mm.c: get_page, put_page.</remarks>
public sealed class FrameTable
{
    /// <summary>References on a lent page that nobody maps: the allocation's and Xen's.</summary>
    private const uint SharedCount = 2;
    private readonly PageInfo[] _pages;

    internal FrameTable(PhysicalMemory memory, ulong reservedBelow)
    {
        Memory = memory;
        _pages = new PageInfo[memory.FrameCount];
        MaxPage = memory.FrameCount;
        Allocator = new FrameAllocator(memory.FrameCount, reservedBelow);
    }

    public PhysicalMemory Memory { get; }

    /// <summary>The heap. It knows free and used, not owners.</summary>
    public FrameAllocator Allocator { get; }

    /// <summary>Unit: frames.</summary>
    public ulong FrameCount => (ulong)_pages.Length;

    /// <summary>The entry of a frame that exists (<see cref="IsValid"/>).</summary>
    public ref PageInfo this[Mfn mfn] => ref _pages[mfn.Value];

    /// <summary>max_page: frames from here on are no RAM by the firmware's map.</summary>
    public ulong MaxPage { get; internal set; }

    /// <summary>mfn_valid: RAM that has a frame-table entry.</summary>
    public bool IsValid(Mfn mfn) => mfn.Value < MaxPage;

    /// <summary>get_page: takes a general reference if the frame exists and belongs to <paramref name="owner"/>.</summary>
    public bool TryGetPage(Mfn mfn, DomainId owner)
    {
        if (!IsValid(mfn))
            return false;
        ref PageInfo page = ref _pages[mfn.Value];
        if (page.Owner != owner.Value || page.Count == 0)
            return false;
        page.Count++;
        return true;
    }

    /// <summary>put_page: the last reference frees the frame.</summary>
    public void PutPage(Mfn mfn)
    {
        ref PageInfo page = ref _pages[mfn.Value];
        if (--page.Count == 0)
            Free(mfn);
        else if (page.Count == SharedCount && page.Has(PageFlags.XenHeap))
            LetGo?.Invoke(new DomainId(page.Owner));
    }

    /// <summary>assign_pages for one frame: it belongs to the domain, which holds the allocation reference.</summary>
    internal void Assign(Mfn mfn, DomainId owner)
        => _pages[mfn.Value] = new PageInfo { Owner = owner.Value, Count = 1, Flags = PageFlags.Allocated | PageFlags.InUse };

    /// <summary>share_xen_page_with_guest: a Xen heap page lent to a domain, typed writable or not at all.</summary>
    internal void ShareWithGuest(Mfn mfn, DomainId owner, bool writable)
        => _pages[mfn.Value] = new PageInfo
        {
            Owner = owner.Value,
            Count = SharedCount,
            Flags = PageFlags.Allocated | PageFlags.InUse | PageFlags.XenHeap | PageFlags.Validated,
            Type = writable ? PageType.PGT_writable_page : PageType.PGT_none,
            TypeCount = 1,
        };

    /// <summary>A frame of Xen's own, invisible to domains.</summary>
    internal void AssignToXen(Mfn mfn)
        => _pages[mfn.Value] = new PageInfo { Owner = PageInfo.NoOwner, Count = 1, Flags = PageFlags.InUse | PageFlags.XenHeap };

    internal void Free(Mfn mfn)
    {
        PageInfo before = _pages[mfn.Value];
        _pages[mfn.Value] = default;
        Memory.Writable(mfn.Value).Clear();
        Allocator.Free(mfn, 0);
        Freed?.Invoke(mfn, before);
    }

    /// <summary>Told of every freed frame and whose it was: the machine-to-physical entry goes stale, the owner has one page less.</summary>
    internal Action<Mfn, PageInfo>? Freed { get; set; }

    /// <summary>Told the owner of a page lent by <see cref="ShareWithGuest"/> that nobody holds any more.</summary>
    internal Action<DomainId>? LetGo { get; set; }

    /// <summary>Whether anybody holds a page lent by <see cref="ShareWithGuest"/>.</summary>
    internal bool IsSharedInUse(Mfn mfn) => _pages[mfn.Value].Count > SharedCount;

    /// <summary>Takes a lent page back. Who still maps it keeps it, as Xen's own, until it lets go.</summary>
    internal void StopSharing(Mfn mfn)
    {
        ref PageInfo page = ref _pages[mfn.Value];
        page.Owner = DomainId.Xen.Value;
        page.TypeCount--;
        page.Count -= SharedCount;
        if (page.Count == 0)
            Free(mfn);
    }

    /// <summary>Frames that a domain owns, in frame order. Unit: machine frames.</summary>
    public IEnumerable<Mfn> OwnedBy(Domain domain)
    {
        for (ulong i = 0; i < (ulong)_pages.Length; i++)
        {
            if (_pages[i].Owner == domain.Id.Value)
                yield return new Mfn(i);
        }
    }
}
