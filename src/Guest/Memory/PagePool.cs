using System.Runtime.InteropServices;

namespace XenSim.Guest.Memory;

/// <summary>Storage of one version of a frame; shared between the live memory and snapshots while nobody writes.</summary>
// SAFETY: a plain record; its pointers belong to the pool.
internal unsafe struct Page
{
    public byte* Data;
    public Page* NextFree;
    public int References;
}

/// <summary>4 KiB pages out of native slabs of 2 MiB, recycled through a free list.</summary>
internal sealed unsafe class PagePool : IDisposable
{
    private const int SlabPages = 512;
    private readonly List<nint> _slabs = [];
    private readonly List<nint> _records = [];
    private Page* _free;
    private int _usedInSlab = SlabPages;

    /// <summary>Pages that somebody refers to.</summary>
    public int InUse { get; private set; }

    /// <summary>A zeroed page with one reference.</summary>
    public Page* Allocate()
    {
        InUse++;
        // SAFETY: pages come from the free list or from the unused rest of the last slab; both stay allocated until Dispose.
        Page* page = _free;
        if (page != null)
        {
            _free = page->NextFree;
            NativeMemory.Clear(page->Data, PhysicalMemory.FrameSize);
        }
        else
        {
            if (_usedInSlab == SlabPages)
                AddSlab();
            page = (Page*)_records[^1] + _usedInSlab;
            page->Data = (byte*)_slabs[^1] + ((nint)_usedInSlab * PhysicalMemory.FrameSize);
            _usedInSlab++;
        }

        page->References = 1;
        return page;
    }

    public void Release(Page* page)
    {
        // SAFETY: the caller owns one reference, so the record is live.
        if (--page->References > 0)
            return;
        page->NextFree = _free;
        _free = page;
        InUse--;
    }

    public void Dispose()
    {
        // SAFETY: each block was allocated by AddSlab and is freed once, the lists being cleared.
        foreach (nint slab in _slabs)
            NativeMemory.AlignedFree((void*)slab);
        foreach (nint records in _records)
            NativeMemory.Free((void*)records);
        _slabs.Clear();
        _records.Clear();
    }

    private void AddSlab()
    {
        // SAFETY: alloc of a constant size; zeroed because a fresh page reads as zero.
        byte* slab = (byte*)NativeMemory.AlignedAlloc(SlabPages * PhysicalMemory.FrameSize, PhysicalMemory.FrameSize);
        NativeMemory.Clear(slab, SlabPages * PhysicalMemory.FrameSize);
        _slabs.Add((nint)slab);
        _records.Add((nint)NativeMemory.AllocZeroed(SlabPages, (nuint)sizeof(Page)));
        _usedInSlab = 0;
    }
}
