using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Toolstack.Libxc;

/// <summary>
/// xc_domain_dumpcore_via_callback: a domain as an ELF core of Xen's own format 0.1: its vCPUs, its shared_info, its pages, and which page is whose. `crash` reads it.
/// </summary>
/// <remarks>Source: RELEASE-4.17.0 tools/libs/guest/xg_core.c, xg_core.h, xg_core_x86.c; docs/misc/dump-core-format.txt.</remarks>
internal sealed class CoreDump(XenControl xc, ToolLog log, uint domid)
{
    private const int PageSize = 4096, HeaderSize = 64, SectionSize = 64, NoteHeaderSize = 16, VersionSize = 1280, ContextSize = 5168;
    private const uint Magic = 0xF00FEBED, MagicHvm = 0xF00FEBEE;
    private const ulong FormatVersion = 1, NoPfn = ulong.MaxValue;
    private const uint Strtab = 3, Progbits = 1, NoteType = 7;

    private readonly List<Section> _sections = [new("", 0, 0, 0, 0)];

    /// <summary>An errno, or a success; errors have been said. What has been written by then stays.</summary>
    public XcReturn Write(Stream file)
    {
        XcReturn rc = xc.GetDomainInfo(domid, out DomainInfo info);
        if (rc.Failed)
            return Fail("Could not get info for domain", rc.Errno);
        using IForeignMapping shared = xc.Foreign.Map(new DomainId((ushort)domid), [new Gfn(info.SharedInfoFrame)], writable: false);
        bool hasShared = shared.Error == XenErrno.None;
        if (!hasShared && !info.IsHvm)
            return Fail("Couldn't map live_shinfo", shared.Error);
        int width = 8;
        if (!info.IsHvm)
        {
            rc = xc.GetAddressSize(domid, out uint bits);
            if (rc.Failed)
                return Fail("Could not get address size for domain", rc.Errno);
            width = (int)bits / 8;
        }

        List<byte[]> contexts = Contexts(info);
        if (contexts.Count == 0)
            return Fail("No VCPU context could be grabbed", XenErrno.EINVAL);
        rc = xc.MaximumGpfn(domid);
        if (rc.Failed)
            return rc;
        ulong end = (ulong)rc.Value + 1;
        CoreP2m? p2m = info.IsHvm ? null : new CoreP2m(xc, log, domid, width);
        try
        {
            if (p2m?.Map(shared.Page(0), info.Pages) is { } errno and not XenErrno.None)
                return XcReturn.Fail(errno);
            WriteHead(file, info, contexts, hasShared ? shared.Page(0) : default, width, p2m is not null);
            ulong[] named = WritePages(file, p2m, end, info.Pages);
            foreach (ulong word in named)
                Put(file, word);
            file.Write(Names());
        }
        finally
        {
            p2m?.Unmap();
        }

        return XcReturn.Ok;
    }

    private List<byte[]> Contexts(DomainInfo info)
    {
        List<byte[]> contexts = [];
        for (uint vcpu = 0; vcpu <= info.MaxVcpuId; vcpu++)
        {
            byte[] context = new byte[ContextSize];
            if (!xc.GetVcpuContext(domid, vcpu, context).Failed)
                contexts.Add(context);
        }

        return contexts;
    }

    private void WriteHead(Stream file, DomainInfo info, List<byte[]> contexts, ReadOnlySpan<byte> shared, int width, bool hasP2m)
    {
        ulong offset = HeaderSize;
        _sections.Add(new Section(".shstrtab", Strtab, 0, 0, 0));
        Add(".note.Xen", NoteType, (4 * NoteHeaderSize) + 32 + VersionSize + 8, 0, 0, ref offset);
        Add(".xen_prstatus", Progbits, (ulong)contexts.Count * ContextSize, 8, ContextSize, ref offset);
        if (!shared.IsEmpty)
            Add(".xen_shared_info", Progbits, PageSize, 8, PageSize, ref offset);

        // Two more sections follow, and the headers lie before all of them.
        ulong headers = (ulong)(_sections.Count + 2) * SectionSize;
        foreach (Section section in _sections.Skip(2))
            section.Offset += headers;
        offset += headers;
        int padding = (int)((PageSize - (offset % PageSize)) % PageSize);
        offset += (ulong)padding;
        Add(".xen_pages", Progbits, info.Pages * PageSize, PageSize, PageSize, ref offset);
        ulong entry = hasP2m ? 16ul : 8;
        Add(hasP2m ? ".xen_p2m" : ".xen_pfn", Progbits, info.Pages * entry, 8, entry, ref offset);
        _sections[1].Offset = offset;
        _sections[1].Size = (ulong)Names().Length;

        WriteHeader(file, width);
        WriteNotes(file, info, contexts.Count, width);
        foreach (byte[] context in contexts)
            file.Write(context);
        file.Write(shared);
        file.Write(new byte[padding]);
    }

    private void Add(string name, uint type, ulong size, ulong alignment, ulong entry, ref ulong offset)
    {
        _sections.Add(new Section(name, type, size, alignment, entry) { Offset = offset });
        offset += size;
    }

    /// <summary>Elf64_Ehdr, for 32-bit guests too, and the section headers.</summary>
    private void WriteHeader(Stream file, int width)
    {
        const ushort core = 4, x86_64 = 62, i386 = 3, programHeaderSize = 56;
        byte[] head = new byte[HeaderSize];
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 1 }.CopyTo(head, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(16), core);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(18), width == 8 ? x86_64 : i386);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(20), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(40), HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(52), HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(54), programHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(58), SectionSize);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(60), (ushort)_sections.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(62), 1);
        file.Write(head);
        uint name = 1;
        foreach (Section section in _sections)
        {
            bool none = section.Name.Length == 0;
            Put(file, ((ulong)section.Type << 32) | (none ? 0 : name));
            foreach (ulong word in new ulong[] { 0, 0, section.Offset, section.Size, 0, section.Alignment, section.EntrySize })
                Put(file, word);
            name += none ? 0 : (uint)section.Name.Length + 1;
        }
    }

    private void WriteNotes(Stream file, DomainInfo info, int vcpus, int width)
    {
        Note(file, ElfNote.DUMPCORE_NONE, 0);
        Note(file, ElfNote.DUMPCORE_HEADER, 32);
        foreach (ulong word in new ulong[] { info.IsHvm ? MagicHvm : Magic, (ulong)vcpus, info.Pages, PageSize })
            Put(file, word);
        Note(file, ElfNote.DUMPCORE_XEN_VERSION, VersionSize);
        byte[] version = xc.VersionForCore();

        // The 32-bit structure has its last field 4 bytes earlier; the note keeps its size.
        if (width == 4)
            version.AsSpan(VersionSize - 8).CopyTo(version.AsSpan(VersionSize - 12));
        file.Write(version);
        Note(file, ElfNote.DUMPCORE_FORMAT_VERSION, 8);
        Put(file, FormatVersion);
    }

    private static void Note(Stream file, ElfNote type, uint size)
    {
        Put(file, 4 | ((ulong)size << 32));
        Put(file, (uint)type | ((ulong)BinaryPrimitives.ReadUInt32LittleEndian("Xen\0"u8) << 32));
    }

    /// <summary>As many pages as the domain had at the beginning; what becomes of each: pfn and frame, or its pfn alone.</summary>
    private ulong[] WritePages(Stream file, CoreP2m? p2m, ulong end, ulong pages)
    {
        ulong words = p2m is null ? 1ul : 2, done = 0, most = xc.MaximumRamPage();
        ulong[] named = new ulong[pages * words];
        for (ulong pfn = 0; pfn < (p2m is null ? end : Math.Min(end, p2m.Size)) && done < pages; pfn++)
        {
            ulong frame = p2m is null ? pfn : p2m[pfn];
            if (p2m is null ? IsHole(pfn) : frame == p2m.Invalid || frame > most)
                continue;
            named[done * words] = pfn;
            if (p2m is not null)
                named[(done * words) + 1] = frame;
            using IForeignMapping page = xc.Foreign.Map(new DomainId((ushort)domid), [new Gfn(frame)], writable: false);
            if (page.Error != XenErrno.None)
                continue;
            file.Write(page.Page(0));
            done++;
        }

        if (done < pages)
            log.Detail($"j ({done}) != nr_pages ({pages})");
        for (; done < pages; done++)
        {
            file.Write(new byte[PageSize]);
            named.AsSpan((int)(done * words), (int)words).Fill(NoPfn);
        }

        return named;
    }

    /// <summary>xc_core_arch_gpfn_may_present: the screen's memory, and what is given to devices below 4 GiB.</summary>
    private static bool IsHole(ulong pfn) => pfn is (>= 0xA0 and < 0xC0) or (>= 0xF0000 and < 0x100000);

    private byte[] Names() => Encoding.ASCII.GetBytes(string.Concat(_sections.Select(s => s.Name + '\0')));

    private XcReturn Fail(string what, XenErrno errno)
    {
        log.Xc(LogLevel.Error, $"{what} ({(int)errno} = {errno.Text()}): Internal error");
        return XcReturn.Fail(errno);
    }

    private static void Put(Stream file, ulong word)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, word);
        file.Write(bytes);
    }

    private sealed class Section(string name, uint type, ulong size, ulong alignment, ulong entrySize)
    {
        public string Name => name;

        public uint Type => type;

        public ulong Offset { get; set; }

        public ulong Size { get; set; } = size;

        public ulong Alignment => alignment;

        public ulong EntrySize => entrySize;
    }
}
