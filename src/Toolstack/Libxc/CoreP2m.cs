using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>
/// The p2m that a PV guest keeps of itself, found as the tools find it: by the list that it has mapped linearly (p2m_cr3, p2m_vaddr) or by the tree
/// under pfn_to_mfn_frame_list_list.
/// </summary>
/// <remarks>Source: RELEASE-4.17.0 tools/libs/guest/xg_core_x86.c: xc_core_arch_map_p2m_rw, xc_core_arch_map_p2m_tree_rw, xc_core_arch_map_p2m_list_rw.</remarks>
/// <param name="width">Bytes of an unsigned long of the guest: 4 or 8.</param>
internal sealed class CoreP2m(XenControl xc, ToolLog log, uint domid, int width)
{
    private const ulong PageSize = 4096, FrameMask = 0x000f_ffff_ffff_f000;

    /// <summary>
    /// Frames of the list: what a tree of three levels can name at most, 1 GiB of list. A guest writes the size itself; the real tools run out of memory
    /// with a larger one.
    /// </summary>
    private const ulong MostFrames = 512 * 512;

    private readonly ulong _perPage = PageSize / (ulong)width;
    private IForeignMapping? _list;

    /// <summary>Entries, which the walk may make fewer.</summary>
    public ulong Size { get; private set; }

    /// <summary>The guest's own entry; only below <see cref="Size"/>.</summary>
    public ulong this[ulong pfn] => Word(_list!.Page((int)(pfn / _perPage)), pfn % _perPage);

    /// <summary>An entry of a pfn without a frame.</summary>
    public ulong Invalid => width == 8 ? ulong.MaxValue : uint.MaxValue;

    /// <summary>Maps the list until <see cref="Unmap"/>. An errno: it has been said what failed.</summary>
    public XenErrno Map(ReadOnlySpan<byte> sharedInfo, ulong pages)
    {
        XcReturn last = xc.MaximumGpfn(domid);
        if (last.Failed)
            return Fail("Could not get maximum GPFN!", last.Errno);
        Size = (ulong)last.Value + 1;
        if (Size < pages)
            return Fail($"p2m_size < nr_pages -1 ({Size:x} < {pages - 1:x}", XenErrno.None);
        (ulong cr3, ulong start, ulong lists) = Where(sharedInfo);
        XenErrno errno = cr3 != 0 ? WalkList(cr3, start, out Gfn[] frames) : WalkTree(lists, out frames);
        if (errno != XenErrno.None)
            return errno;
        _list = Foreign(frames);
        return _list.Error == XenErrno.None ? XenErrno.None : FailAndUnmap("Couldn't map p2m table");
    }

    public void Unmap()
    {
        _list?.Dispose();
        _list = null;
    }

    private (ulong Cr3, ulong Start, ulong Lists) Where(ReadOnlySpan<byte> sharedInfo)
    {
        if (width == 8)
        {
            ArchSharedInfo64V417 wide = sharedInfo.ReadStruct<SharedInfo64V417>().Arch;
            return (wide.P2mCr3, wide.P2mVaddr, wide.PfnToMfnFrameListList);
        }

        ArchSharedInfo32V417 narrow = sharedInfo.ReadStruct<SharedInfo32V417>().Arch;
        return (narrow.P2mCr3, narrow.P2mVaddr, narrow.PfnToMfnFrameListList);
    }

    private XenErrno WalkTree(ulong root, out Gfn[] frames)
    {
        frames = [];
        ulong count = DivideUp(Size, _perPage), lists = DivideUp(count, _perPage);
        using IForeignMapping top = Foreign([new Gfn(root)]);
        if (top.Error != XenErrno.None)
            return Fail($"Couldn't map p2m_frame_list_list (errno {(int)top.Error})", top.Error);
        if (lists > _perPage || count > MostFrames)
            return Fail("Couldn't map p2m_frame_list", XenErrno.ENOMEM);
        Gfn[] middle = new Gfn[lists];
        for (ulong i = 0; i < lists; i++)
            middle[i] = new Gfn(Word(top.Page(0), i));
        using IForeignMapping list = Foreign(middle);
        if (list.Error != XenErrno.None)
            return Fail("Couldn't map p2m_frame_list", list.Error);
        frames = new Gfn[count];
        for (ulong i = 0; i < count; i++)
            frames[i] = new Gfn(Word(list.Page((int)(i / _perPage)), i % _perPage));
        return XenErrno.None;
    }

    private XenErrno WalkList(ulong cr3, ulong start, out Gfn[] frames)
    {
        frames = [];
        ulong count = DivideUp(Size, _perPage);
        if (count > MostFrames)
            return Fail($"Cannot allocate memory for array of {count} mfns", XenErrno.ENOMEM);
        ulong end = start + (count * PageSize) - 1, mask = width == 8 ? 0x0000_ffff_ffff_fffful : 0xffff_ffff;
        if (!IsGuestRange(start, end))
            return Fail($"Bad virtual p2m address range 0x{start:x}-0x{end:x}", XenErrno.ERANGE);

        // A 32-bit guest's CR3 has the frame's upper bits below.
        Gfn[] tables = [new Gfn(width == 8 ? cr3 >> 12 : (uint)((cr3 >> 12) | (cr3 << 20)))];
        ulong offset = 0;
        for (int level = width == 8 ? 4 : 3; level > 0; level--)
        {
            using IForeignMapping mapped = Foreign(tables);
            if (mapped.Error != XenErrno.None)
                return Fail($"Failed to map {tables.Length} page table pages for p2m list", mapped.Error);
            int shift = (level * 9) + 3;
            ulong first = ((start - offset) & mask) >> shift, last = ((end - offset) & mask) >> shift;
            Gfn[] next = new Gfn[last - first + 1];
            for (ulong i = first; i <= last; i++)
            {
                // Entries are 8 bytes wide in every PV guest's tables.
                ulong frame = (BinaryPrimitives.ReadUInt64LittleEndian(mapped.Page((int)(i / 512))[(int)(i % 512 * 8)..]) & FrameMask) >> 12;
                if (frame == 0)
                    return Fail($"Bad mfn 0 during page table walk for vaddr 0x{offset + (i << shift):x} at level {level} of p2m list", XenErrno.ERANGE);
                next[i - first] = new Gfn(frame);
            }

            if (level == 2)
                end = Shorten(ref next, start, end);
            tables = next;
            offset = start & ((mask >> shift) << shift);
        }

        frames = tables;
        return XenErrno.None;
    }

    /// <summary>A guest with less than the p2m has room for fills it up with one page of missing entries: what comes after the last change is left out.</summary>
    private ulong Shorten(ref Gfn[] tables, ulong start, ulong end)
    {
        int saved = 0;
        for (int i = 1; i < tables.Length; i++)
            saved = tables[i] != tables[saved] ? i : saved;
        if (saved == tables.Length - 1)
            saved++;
        ulong most = ((ulong)saved << 9) * _perPage;
        if (most >= Size)
            return end;
        Size = most;
        tables = tables[..Math.Min(tables.Length, saved + 1)];
        return start + (DivideUp(Size, _perPage) * PageSize) - 1;
    }

    /// <summary>Outside what is the hypervisor's: HYPERVISOR_VIRT_START to HYPERVISOR_VIRT_END.</summary>
    private bool IsGuestRange(ulong start, ulong end)
    {
        if (width == 4)
            return end <= uint.MaxValue && end >= start && (start > 0xffff_ffff || end <= 0xf580_0000);
        bool canonical = (long)start >> 47 == (long)start >> 63 && (long)end >> 47 == (long)end >> 63;
        return canonical && end >= start && (start > 0xffff_87ff_ffff_ffff || end <= 0xffff_8000_0000_0000);
    }

    private IForeignMapping Foreign(Gfn[] frames) => xc.Foreign.Map(new DomainId((ushort)domid), frames, writable: false);

    private ulong Word(ReadOnlySpan<byte> page, ulong index)
        => width == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(page[(int)(index * 8)..]) : BinaryPrimitives.ReadUInt32LittleEndian(page[(int)(index * 4)..]);

    private XenErrno FailAndUnmap(string what)
    {
        XenErrno errno = _list!.Error;
        Unmap();
        return Fail(what, errno);
    }

    /// <summary>ERROR and PERROR of xc_private.h.</summary>
    private XenErrno Fail(string what, XenErrno errno)
    {
        log.Xc(LogLevel.Error, errno == XenErrno.None ? $"{what}: Internal error" : $"{what} ({(int)errno} = {errno.Text()}): Internal error");
        return errno == XenErrno.None ? XenErrno.EINVAL : errno;
    }

    private static ulong DivideUp(ulong value, ulong by) => ((value - 1) / by) + 1;
}
