using System.Buffers.Binary;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>The lzop container as libxc's xc_try_lzo1x_decode walks it.</summary>
/// <remarks>Source: stable-4.17 tools/libs/guest/xg_dom_bzimageloader.c: xc_try_lzo1x_decode.</remarks>
internal static class LzopFile
{
    private const uint HeaderHasFilter = 0x800;
    private const uint MaximumBlock = 64 * 1024 * 1024;

    public static ReadOnlySpan<byte> Magic => [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a];

    /// <returns>Null, or libxc's message.</returns>
    public static string? Decode(ReadOnlySpan<byte> file, Span<byte> output, out int unconsumed)
    {
        unconsumed = 0;
        int header = HeaderLength(file);
        return header < 0 ? "LZO1x: Incomplete header" : Blocks(file[header..], output, out unconsumed) is { } error ? $"LZO1x decompression error: {error}" : null;
    }

    private static int HeaderLength(ReadOnlySpan<byte> file)
    {
        const int fixedPart = 16;
        const int versionWithLevel = 0x940;
        if (file.Length < fixedPart)
            return -1;
        bool modern = BinaryPrimitives.ReadUInt16BigEndian(file[9..]) >= versionWithLevel;
        int at = fixedPart + (modern && file.Length > fixedPart ? 1 : 0);
        ReadOnlySpan<byte> rest = file[at..];
        int length = rest.Length >= 4 && (BinaryPrimitives.ReadUInt32BigEndian(rest) & HeaderHasFilter) != 0 ? 8 : 4;
        length += modern ? 12 : 8; // mode and times
        if (rest.Length > length)
            length += 1 + rest[length] + 4; // name and checksum
        return rest.Length < length ? -1 : at + length;
    }

    private static string? Blocks(ReadOnlySpan<byte> rest, Span<byte> output, out int unconsumed)
    {
        int written = 0;
        unconsumed = 0;
        while (true)
        {
            if (rest.Length < 4)
                return "Short input";
            uint unpacked = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (unpacked == 0)
            {
                unconsumed = rest.Length - 4;
                return written == output.Length ? null : "Unexpected output size";
            }

            if (unpacked > MaximumBlock)
                return "Block size too large";
            if (rest.Length < 12)
                return "Short input";
            uint packed = BinaryPrimitives.ReadUInt32BigEndian(rest[4..]);
            rest = rest[12..];
            if (packed == 0 || packed > unpacked || packed > rest.Length)
                return "Bad source length";
            if (unpacked > output.Length - written)
                return "Output buffer overflow";
            Lzo1x.Result result = Lzo1x.Decompress(rest[..(int)packed], output.Slice(written, (int)unpacked), out int count);
            if (result != Lzo1x.Result.LZO_E_OK || count != unpacked)
                return Describe(result);
            written += count;
            rest = rest[(int)packed..];
        }
    }

    private static string Describe(Lzo1x.Result result) => result switch
    {
        Lzo1x.Result.LZO_E_OK => "Input underrun",
        Lzo1x.Result.LZO_E_INPUT_NOT_CONSUMED => "Unconsumed input",
        Lzo1x.Result.LZO_E_OUTPUT_OVERRUN => "Output overrun",
        Lzo1x.Result.LZO_E_INPUT_OVERRUN => "Input overrun",
        Lzo1x.Result.LZO_E_LOOKBEHIND_OVERRUN => "Look-behind overrun",
        Lzo1x.Result.LZO_E_EOF_NOT_FOUND => "No EOF marker",
        _ => "General error",
    };
}
