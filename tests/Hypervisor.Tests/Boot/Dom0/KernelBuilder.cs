using System.Buffers.Binary;
using System.Text;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>A kernel image of one loadable segment with Xen notes, made by the ELF specification.</summary>
internal sealed record KernelBuilder
{
    private const int EhdrSize = 64;
    private const int PhdrSize = 56;
    private const int PageSize = 0x1000;

    public ulong VirtBase { get; init; } = 0xFFFFFFFF80000000;

    /// <summary>Physical start; the virtual one is VIRT_BASE above.</summary>
    public ulong Paddr { get; init; } = 0x1000000;

    public ulong MemorySize { get; init; } = 0x5000;

    public ulong? HypercallPage { get; init; } = 0xFFFFFFFF81001000;

    public ulong? InitP2m { get; init; }

    public bool ModStartPfn { get; init; }

    public string Features { get; init; } = "";

    public uint? SupportedFeatures { get; init; }

    public byte[] Build()
    {
        byte[] notes = [.. Notes().SelectMany(n => n)];
        byte[] file = new byte[PageSize + (2 * PageSize) + notes.Length];
        "\u007fELF"u8.CopyTo(file);
        file[4] = 2;
        file[5] = 1;
        file[6] = 1;
        Write16(file, 16, 2);
        Write16(file, 18, 62);
        Write64(file, 24, VirtBase + Paddr);
        Write64(file, 32, EhdrSize);
        Write16(file, 52, EhdrSize);
        Write16(file, 54, PhdrSize);
        Write16(file, 56, 2);
        Write16(file, 58, 64);
        Segment(file, EhdrSize, 1, 7, PageSize, VirtBase + Paddr, Paddr, 2 * PageSize, MemorySize);
        Segment(file, EhdrSize + PhdrSize, 4, 4, 3 * PageSize, 0, 0, (ulong)notes.Length, (ulong)notes.Length);
        file.AsSpan(PageSize, 2 * PageSize).Fill(0x90);
        notes.CopyTo(file, 3 * PageSize);
        return file;
    }

    private IEnumerable<byte[]> Notes()
    {
        yield return Note(6, "test\0"u8.ToArray());
        yield return Note(5, "xen-3.0\0"u8.ToArray());
        yield return Note(8, "generic\0"u8.ToArray());
        yield return Note(3, BitConverter.GetBytes(VirtBase));
        yield return Note(4, BitConverter.GetBytes(0ul));
        yield return Note(1, BitConverter.GetBytes(VirtBase + Paddr));
        if (Features.Length > 0)
            yield return Note(10, Encoding.ASCII.GetBytes(Features + "\0"));
        if (HypercallPage is { } page)
            yield return Note(2, BitConverter.GetBytes(page));
        if (InitP2m is { } p2m)
            yield return Note(15, BitConverter.GetBytes(p2m));
        if (ModStartPfn)
            yield return Note(16, BitConverter.GetBytes(1));
        if (SupportedFeatures is { } supported)
            yield return Note(17, BitConverter.GetBytes(supported));
    }

    private static byte[] Note(int type, byte[] descriptor)
    {
        byte[] note = new byte[16 + ((descriptor.Length + 3) & ~3)];
        BinaryPrimitives.WriteInt32LittleEndian(note, 4);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(4), descriptor.Length);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(8), type);
        "Xen\0"u8.CopyTo(note.AsSpan(12));
        descriptor.CopyTo(note, 16);
        return note;
    }

    private static void Segment(byte[] file, int at, int type, int flags, ulong offset, ulong vaddr, ulong paddr, ulong fileSize, ulong memorySize)
    {
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), type);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at + 4), flags);
        ReadOnlySpan<ulong> rest = [offset, vaddr, paddr, fileSize, memorySize, PageSize];
        for (int i = 0; i < rest.Length; i++)
            Write64(file, at + 8 + (i * 8), rest[i]);
    }

    private static void Write16(byte[] file, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);

    private static void Write64(byte[] file, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
}
