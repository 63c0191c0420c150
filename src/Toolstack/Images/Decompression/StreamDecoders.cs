using System.Buffers.Binary;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;
using SharpCompress.Compressors.ZStandard;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>bzip2 and zstd through SharpCompress.</summary>
internal static class StreamDecoders
{
    public static DecodeResult Bzip2(ReadOnlyMemory<byte> input, OutputBuffer output)
        => Run(() => BZip2Stream.Create(Wrap(input), CompressionMode.Decompress, decompressConcatenated: false, leaveOpen: false), output);

    public static DecodeResult Zstd(ReadOnlyMemory<byte> input, OutputBuffer output)
        => WindowTooLarge(input.Span)
            ? DecodeResult.Failed(DecodeFault.MemoryLimit)
            : Run(() => new DecompressionStream(Wrap(input), 0, checkEndOfStream: true, leaveOpen: false), output);

    /// <summary>The decoder allocates what the first frame's header asks for. Source: RFC 8878, 3.1.1.1.</summary>
    private static bool WindowTooLarge(ReadOnlySpan<byte> frame)
    {
        const int windowDescriptorAt = 5;
        const int singleSegment = 0x20;
        if (frame.Length <= windowDescriptorAt || (frame[4] & singleSegment) != 0)
            return false; // its window is its content, which the output limit bounds
        int exponent = frame[windowDescriptorAt] >> 3;
        return 1L << (10 + exponent) > DecodeLimits.LzmaMemory;
    }

    internal static MemoryStream Wrap(ReadOnlyMemory<byte> input)
        => System.Runtime.InteropServices.MemoryMarshal.TryGetArray(input, out ArraySegment<byte> array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
            : new MemoryStream(input.ToArray(), writable: false);

    internal static DecodeResult Run(Func<Stream> open, OutputBuffer output)
    {
        int written = 0;
        try
        {
            using Stream stream = open();
            while (true)
            {
                if (written == output.Bytes.Length && !output.TryGrow())
                    return new DecodeResult(written, stream.ReadByte() < 0, 0, DecodeFault.None);
                int count = stream.Read(output.Bytes, written, output.Bytes.Length - written);
                if (count == 0)
                    return new DecodeResult(written, true, 0, DecodeFault.None);
                written += count;
            }
        }
        catch (EndOfStreamException)
        {
            return new DecodeResult(written, false, 0, DecodeFault.Truncated);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A third-party decoder on hostile input: whatever it throws means that the data is not what it should be.
            return new DecodeResult(written, false, 0, DecodeFault.Corrupt);
        }
    }

    /// <summary>The unpacked size that Linux's build appends to a payload.</summary>
    public static uint AppendedSize(ReadOnlySpan<byte> payload) => BinaryPrimitives.ReadUInt32LittleEndian(payload[^4..]);
}
