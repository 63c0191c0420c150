using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>
/// dom->phys_pages: the guest's pages that the builder has mapped. A page table mapped here holds writable references, so it must be
/// unmapped before it is pinned.
/// </summary>
internal sealed class ForeignWindows(XenControl xc, DomImage dom)
{
    private static readonly PanicSite MapFailed = new("boot.c", 177, 155);

    private readonly List<Window> _windows = [];

    /// <summary>xc_dom_pfn_to_ptr with a count: the mapped block, mapped now if need be; null as the real function returns NULL.</summary>
    public GuestPages? Map(ulong pfn, ulong count)
    {
        ulong total = dom.Memory.TotalPages;
        if (pfn > total || count > total || pfn > total - count)
        {
            dom.Log.Print(xc.Release == XenRelease.V4_0
                ? $"xc_dom_pfn_to_ptr: pfn out of range (0x{pfn:x} > 0x{total:x})"
                : $"xc_dom_pfn_to_ptr_retcount: pfn {pfn:x} out of range (0x{pfn:x} > 0x{total:x})");
            return null;
        }

        foreach (Window window in _windows)
        {
            if (pfn >= window.End || pfn + count <= window.First)
                continue;
            if (pfn < window.First || pfn + count > window.End)
            {
                dom.Log.Print($"{Function}: request overlaps allocated block (req 0x{pfn:x}+0x{count:x}, blk 0x{window.First:x}+0x{window.Count:x})");
                return null;
            }

            return new GuestPages(window.Mapping, (pfn - window.First) << 12);
        }

        return MapNew(pfn, count);
    }

    /// <summary>xc_dom_pfn_to_ptr without a count: only what is mapped already.</summary>
    public GuestPages? Mapped(ulong pfn)
    {
        foreach (Window window in _windows)
        {
            if (pfn >= window.First && pfn < window.End)
                return new GuestPages(window.Mapping, (pfn - window.First) << 12);
        }

        dom.Log.Print($"{Function}: no block found, no size given, can't malloc (pfn 0x{pfn:x})");
        return null;
    }

    /// <summary>xc_dom_unmap_one.</summary>
    public void Unmap(ulong pfn)
    {
        int index = _windows.FindIndex(w => pfn >= w.First && pfn < w.End);
        if (index < 0)
        {
            dom.Log.Print($"xc_dom_unmap_one: Huh? no mapping with pfn 0x{pfn:x}");
            return;
        }

        _windows[index].Mapping.Dispose();
        _windows.RemoveAt(index);
    }

    /// <summary>xc_dom_unmap_all.</summary>
    public void UnmapAll()
    {
        foreach (Window window in _windows)
            window.Mapping.Dispose();
        _windows.Clear();
    }

    private string Function => xc.Release == XenRelease.V4_0 ? "xc_dom_pfn_to_ptr" : "xc_dom_pfn_to_ptr_retcount";

    /// <summary>xc_dom_boot_domU_map.</summary>
    private GuestPages? MapNew(ulong pfn, ulong count)
    {
        Gfn[] frames = new Gfn[count];
        for (ulong i = 0; i < count; i++)
            frames[i] = dom.P2mHost(pfn + i);
        dom.BuilderMemory.Malloc(40); // struct xc_dom_phys
        dom.BuilderMemory.Malloc(count * 24); // privcmd_mmap_entry_t per page
        IForeignMapping mapping = xc.Foreign.Map(new DomainId((ushort)dom.Domid), frames, writable: true);
        if (mapping.Error != XenErrno.None)
        {
            XenErrno errno = mapping.Error;
            mapping.Dispose();
            dom.Log.Panic(
                XcError.XC_INTERNAL_ERROR, MapFailed,
                $"xc_dom_boot_domU_map: failed to mmap domU pages 0x{pfn:x}+0x{count:x} [mmap, errno={(int)errno} ({errno.Text()})]");
            return null;
        }

        dom.BuilderMemory.DomUMap += count << 12;
        dom.Log.Print($"{Function}: domU mapping: pfn 0x{pfn:x}+0x{count:x} at {ToolLog.UserPointer}");
        _windows.Insert(0, new Window(pfn, count, mapping));
        return new GuestPages(mapping, 0);
    }

    private sealed record Window(ulong First, ulong Count, IForeignMapping Mapping)
    {
        public ulong End => First + Count;
    }
}

/// <summary>A pointer into mapped guest pages. Offsets in bytes.</summary>
internal readonly struct GuestPages(IForeignMapping mapping, ulong start)
{
    public void Write(ulong offset, ReadOnlySpan<byte> bytes) => mapping.Write(start + offset, bytes);

    public void Clear(ulong offset, ulong count)
    {
        Span<byte> zeros = stackalloc byte[4096];
        zeros.Clear();
        while (count > 0)
        {
            int part = (int)Math.Min(count, (ulong)zeros.Length);
            mapping.Write(start + offset, zeros[..part]);
            offset += (ulong)part;
            count -= (ulong)part;
        }
    }

    /// <summary>The page that starts at <paramref name="page"/> pages behind the pointer, which must be page aligned.</summary>
    public Span<byte> Page(ulong page) => mapping.Page((int)((start >> 12) + page));
}
