using System.Buffers.Binary;
using K4os.Compression.LZ4;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>The legacy LZ4 container of kernels: a magic, then blocks with their packed length in front.</summary>
/// <remarks>Source: stable-4.17 tools/libs/guest/xg_dom_decompress_lz4.c.</remarks>
internal static class Lz4Legacy
{
    private const uint ArchiveMagic = 0x184C2102;

    /// <returns>Null, or libxc's message.</returns>
    public static string? Decode(ReadOnlySpan<byte> input, Span<byte> output)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(input) != ArchiveMagic)
            return "invalid header";
        ReadOnlySpan<byte> rest = input[4..];
        int written = 0;
        while (true)
        {
            if (rest.Length < 4)
                return "missing data";
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            rest = rest[4..];
            if (length == ArchiveMagic)
                continue;
            if (length > rest.Length)
                return "insufficient input data";
            int count = LZ4Codec.Decode(rest[..(int)length], output[written..]);
            if (count < 0)
                return "decoding failed";
            written += count;
            rest = rest[(int)length..];
            if (rest.Length == 0)
                return null;
        }
    }
}
