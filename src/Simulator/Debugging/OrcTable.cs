using System.Buffers.Binary;
using System.Text;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Images;

namespace XenSim.Simulator.Debugging;

/// <summary>Where a value is to be found. Numbers of Linux 6.1 arch/x86/include/asm/orc_types.h: ORC_REG_*.</summary>
internal enum OrcRegister
{
    Undefined,
    PreviousSp,
    Dx,
    Di,
    Bp,
    Sp,
    R10,
    R13,
    BpIndirect,
    SpIndirect,
}

/// <summary>What lies on the stack. Linux 6.1 include/linux/objtool.h: UNWIND_HINT_TYPE_*.</summary>
internal enum OrcKind
{
    Call,
    Registers,
    IretFrame,
    Other,
}

/// <summary>How to come from a function to its caller, for a range of its code: struct orc_entry.</summary>
internal readonly record struct OrcEntry(short SpOffset, short BpOffset, OrcRegister SpRegister, OrcRegister BpRegister, OrcKind Kind, bool IsEnd);

/// <summary>
/// Linux' own table for walking its stack without frame pointers: sections .orc_unwind_ip and .orc_unwind of vmlinux, as of 4.14 to 6.3. Later kernels
/// number the kinds otherwise (they have .orc_header or no end bit): theirs is not read. Source: Linux 6.1 Documentation/x86/orc-unwinder.rst, arch/x86/include/asm/orc_types.h.
/// </summary>
internal sealed class OrcTable
{
    private const int EntrySize = 6;
    private readonly ulong[] _from;
    private readonly OrcEntry[] _entries;

    private OrcTable(ulong[] from, OrcEntry[] entries) => (_from, _entries) = (from, entries);

    /// <summary>Of the kernel that a session boots; null: it has none. Unpacks the kernel, which takes a second or two.</summary>
    public static OrcTable? Of(SessionOptions options)
    {
        if (options.Guest.Kernel is not { } kernel)
            return null;
        ReadOnlyMemory<byte> image = kernel.Bytes;
        if (image.Length > BzImageHeader.Size && BzImageHeader.HasMagic(image.Span))
        {
            BzImageHeader header = BzImageHeader.Read(image.Span);
            if (header.PayloadStart + header.PayloadLength > (ulong)image.Length
                || !KernelPayload.TryUnpack(options.Release, image.Slice((int)header.PayloadStart, (int)header.PayloadLength), out ReadOnlyMemory<byte>? unpacked, out _))
                return null;
            image = unpacked!.Value;
        }

        return Read(image.Span);
    }

    /// <summary>Of an ELF image; null: it has none, or a damaged one.</summary>
    public static OrcTable? Read(ReadOnlySpan<byte> elf)
    {
        if (elf.Length < 64 || !elf[..4].SequenceEqual("\u007fELF"u8) || elf[4] != 2 || !TrySections(elf, out (ulong Address, int Offset, int Size) ips, out (ulong Address, int Offset, int Size) entries))
            return null;
        int count = Math.Min(ips.Size / 4, entries.Size / EntrySize);
        ulong[] from = new ulong[count];
        OrcEntry[] all = new OrcEntry[count];
        for (int i = 0; i < count; i++)
        {
            // Each number is relative to where it stands itself.
            from[i] = ips.Address + (4 * (ulong)i) + (ulong)BinaryPrimitives.ReadInt32LittleEndian(elf[(ips.Offset + (4 * i))..]);
            ReadOnlySpan<byte> e = elf.Slice(entries.Offset + (EntrySize * i), EntrySize);
            int bits = BinaryPrimitives.ReadUInt16LittleEndian(e[4..]);
            all[i] = new OrcEntry(
                BinaryPrimitives.ReadInt16LittleEndian(e), BinaryPrimitives.ReadInt16LittleEndian(e[2..]),
                (OrcRegister)(bits & 15), (OrcRegister)((bits >> 4) & 15), (OrcKind)((bits >> 8) & 3), (bits & 0x400) != 0);
        }

        Array.Sort(from, all);
        return new OrcTable(from, all);
    }

    /// <summary>The entry for an instruction; null: none covers it.</summary>
    public OrcEntry? At(ulong address)
    {
        int at = Array.BinarySearch(_from, address);
        if (at < 0)
            at = ~at - 1;
        // Of several for one place the last is the one that is meant.
        while (at >= 0 && at + 1 < _from.Length && _from[at + 1] == _from[at])
            at++;
        return at < 0 || at == _from.Length - 1 || _entries[at].SpRegister == OrcRegister.Undefined ? null : _entries[at];
    }

    private static bool TrySections(ReadOnlySpan<byte> elf, out (ulong Address, int Offset, int Size) ips, out (ulong Address, int Offset, int Size) entries)
    {
        ips = entries = default;
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(elf[40..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(elf[60..]), names = BinaryPrimitives.ReadUInt16LittleEndian(elf[62..]);
        if (table > (ulong)elf.Length || (ulong)elf.Length - table < 64ul * (ulong)count || names >= count)
            return false;
        ReadOnlySpan<byte> headers = elf.Slice((int)table, 64 * count);
        if (!TryContents(elf, headers.Slice(64 * names, 64), out (ulong Address, int Offset, int Size) texts))
            return false;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = headers.Slice(64 * i, 64);
            uint name = BinaryPrimitives.ReadUInt32LittleEndian(header);
            if (name >= texts.Size)
                continue;
            ReadOnlySpan<byte> text = elf.Slice(texts.Offset + (int)name, texts.Size - (int)name);
            int end = text.IndexOf((byte)0);
            switch (end < 0 ? "" : Encoding.ASCII.GetString(text[..end]))
            {
                case ".orc_header":
                    return false;
                case ".orc_unwind_ip" when !TryContents(elf, header, out ips):
                case ".orc_unwind" when !TryContents(elf, header, out entries):
                    return false;
                default:
                    break;
            }
        }

        return ips.Size > 0 && entries.Size > 0;
    }

    private static bool TryContents(ReadOnlySpan<byte> elf, ReadOnlySpan<byte> header, out (ulong Address, int Offset, int Size) contents)
    {
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]), size = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        bool fits = offset <= (ulong)elf.Length && size <= (ulong)elf.Length - offset;
        contents = fits ? (BinaryPrimitives.ReadUInt64LittleEndian(header[16..]), (int)offset, (int)size) : default;
        return fits;
    }
}
