using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Images.Decompression;

namespace XenSim.Toolstack.Images;

/// <summary>libxc's xc_try_*_decode functions: sizes, messages and results around the decoders proper.</summary>
/// <remarks>Source: as <see cref="PayloadFormats"/>; 4.0.4 finds the size by growing its buffer, 4.17 takes it from the last four bytes.</remarks>
internal static class PayloadDecoders
{
    public static ReadOnlyMemory<byte>? Gzip(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
        => KernelGunzip.TryGunzip(log, memory, ref payload) ? payload : null;

    public static ReadOnlyMemory<byte>? Bzip2(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
    {
        if (log.Release == XenRelease.V4_0)
            return Grow(log, payload, "BZIP2", "xc_try_bzip2_decode", StreamDecoders.Bzip2, r => $"BZIP2: {BzipFault(r)}");
        if (payload.Length <= 8)
            return Refuse(log, "BZIP2: insufficient input data");
        if (!TrySize(log, payload, "BZIP2: output too large", out int size))
            return null;
        OutputBuffer output = OutputBuffer.Exact(size);
        DecodeResult result = StreamDecoders.Bzip2(payload[..^4], output);
        if (result.Ended)
            log.Print("BZIP2: Saw data stream end");
        else if (result.Fault is not (DecodeFault.None or DecodeFault.Truncated))
            return Refuse(log, $"BZIP2: {BzipFault(result)}");
        if (result.Written != size || (result.Fault == DecodeFault.None && !result.Ended && size == 0))
            return Refuse(log, $"BZIP2: got 0x0{result.Written:x8} bytes instead of 0x{size:x9}");
        return Accept(log, memory, output, $"xc_try_bzip2_decode: BZIP2 decompress OK, 0x{payload.Length:x} -> 0x{size:x}");
    }

    public static ReadOnlyMemory<byte>? Xz(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
        => LzmaWithSize(log, memory, payload, "XZ", LzmaDecoders.Xz);

    public static ReadOnlyMemory<byte>? Lzma(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
        => log.Release == XenRelease.V4_0
            ? Grow(log, payload, "LZMA", "xc_try_lzma_decode", LzmaDecoders.Alone, r => $"xc_try_lzma_decode: LZMA decompression error {LzmaFault(r.Fault)}")
            : LzmaWithSize(log, memory, payload, "LZMA", LzmaDecoders.Alone);

    public static ReadOnlyMemory<byte>? Zstd(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
    {
        if (payload.Length <= 9)
            return Refuse(log, "ZSTD: insufficient input data");
        if (!TrySize(log, payload, "ZSTD: output too large", out int size))
            return null;
        OutputBuffer output = OutputBuffer.Exact(size);
        DecodeResult result = StreamDecoders.Zstd(payload[..^4], output);
        if (result.Fault != DecodeFault.None || !result.Ended)
            return Refuse(log, $"ZSTD: error: {ZstdFault(result)}");
        if (result.Written != size)
            return Refuse(log, $"ZSTD: got 0x{result.Written:x} bytes instead of 0x{size:x}");
        return Accept(log, memory, output, $"xc_try_zstd_decode: ZSTD decompress OK, 0x{payload.Length - 4:x} -> 0x{size:x}");
    }

    public static ReadOnlyMemory<byte>? Lzo(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
    {
        if (payload.Length < 16 || !payload.Span.StartsWith(LzopFile.Magic))
            return Refuse(log, "LZO1x: Unrecognized magic");
        if (!TrySize(log, payload, "LZO1x: output too large", out int size))
            return null;
        OutputBuffer output = OutputBuffer.Exact(size);
        string? error = LzopFile.Decode(payload.Span[..^4], output.Bytes, out int unconsumed);
        if (error is not null)
            return Refuse(log, error);
        if (unconsumed != 0)
            log.Print($"LZO1x: Warning: 0x{unconsumed:x} unconsumed bytes");
        return Accept(log, memory, output, $"xc_try_lzo1x_decode: LZO decompress OK, 0x{payload.Length:x} -> 0x{size:x}");
    }

    public static ReadOnlyMemory<byte>? Lz4(BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload)
    {
        if (payload.Length - 4 < 4)
            return Refuse(log, "LZ4 decompression error: input too small");
        if (!TrySize(log, payload, "LZ4 decompression error: Decompressed image too large", out int size))
            return null;
        OutputBuffer output = OutputBuffer.Exact(size);
        string? error = Lz4Legacy.Decode(payload.Span[..^4], output.Bytes);
        return error is null ? Accept(log, memory, output, null) : Refuse(log, $"LZ4 decompression error: {error}");
    }

    private static ReadOnlyMemory<byte>? LzmaWithSize(
        BuilderLog log, BuilderMemory memory, ReadOnlyMemory<byte> payload, string what, Func<ReadOnlyMemory<byte>, OutputBuffer, DecodeResult> decode)
    {
        if (payload.Length < 8)
            return Refuse(log, $"{what}: insufficient input data");
        if (!TrySize(log, payload, $"{what}: output too large", out int size))
            return null;
        OutputBuffer output = OutputBuffer.Exact(size);
        DecodeResult result = decode(payload[..^4], output);
        if (result.Ended)
            log.Print($"{what}: Saw data stream end");
        // liblzma reports a too short input as progress (LZMA_OK) in the one call that libxc makes.
        else if (result.Fault is not (DecodeFault.None or DecodeFault.Truncated))
            return Refuse(log, $"_xc_try_lzma_decode: {what} decompression error: {LzmaFault(result.Fault)}");
        if (result.Written != size)
            return Refuse(log, $"{what}: got 0x{result.Written:x} bytes instead of 0x{size:x}");
        if (result.Unconsumed != 0)
            log.Print($"{what}: Warning: 0x{result.Unconsumed:x} unconsumed bytes");
        return Accept(log, memory, output, $"_xc_try_lzma_decode: {what} decompress OK, 0x{payload.Length:x} -> 0x{size:x}");
    }

    private static ReadOnlyMemory<byte>? Grow(
        BuilderLog log, ReadOnlyMemory<byte> payload, string what, string function, Func<ReadOnlyMemory<byte>, OutputBuffer, DecodeResult> decode,
        Func<DecodeResult, string> describe)
    {
        OutputBuffer output = OutputBuffer.Growing(payload.Length);
        DecodeResult result = decode(payload, output);
        if (result.Fault != DecodeFault.None)
            return Refuse(log, describe(result));
        if (!result.Ended)
            return Refuse(log, $"{what}: output buffer overflow");
        log.Print($"{what}: Saw data stream end");
        log.Print($"{function}: {what} decompress OK, 0x{payload.Length:x} -> 0x{result.Written:x}");
        return output.Bytes.AsMemory(0, result.Written);
    }

    /// <summary>The size at the payload's end, checked against libxc's limit and ours.</summary>
    private static bool TrySize(BuilderLog log, ReadOnlyMemory<byte> payload, string tooLarge, out int size)
    {
        uint appended = StreamDecoders.AppendedSize(payload.Span);
        size = (int)Math.Min(appended, DecodeLimits.Output);
        if (!KernelGunzip.CheckKernelSize(log, appended))
        {
            log.Print(tooLarge);
            return false;
        }

        if (appended <= DecodeLimits.Output)
            return true;
        KernelGunzip.TooLarge(log, appended);
        return false;
    }

    private static ReadOnlyMemory<byte>? Accept(BuilderLog log, BuilderMemory memory, OutputBuffer output, string? message)
    {
        memory.RegisterExternal((ulong)output.Bytes.Length);
        if (message is not null)
            log.Print(message);
        return output.Bytes;
    }

    private static ReadOnlyMemory<byte>? Refuse(BuilderLog log, string message)
    {
        log.Print(message);
        return null;
    }

    /// <summary>libbz2's BZ_DATA_ERROR is -4.</summary>
    private static string BzipFault(DecodeResult result) => result.Fault == DecodeFault.Truncated ? "not enough input" : "error -4";

    private static string ZstdFault(DecodeResult result) => result.Fault switch
    {
        DecodeFault.None => "Destination buffer is too small",
        DecodeFault.Truncated => "Src size is incorrect",
        DecodeFault.MemoryLimit => "Frame requires too much memory for decoding",
        _ => "Data corruption detected",
    };

    private static string LzmaFault(DecodeFault fault) => fault switch
    {
        DecodeFault.MemoryLimit => "Memory usage limit reached",
        DecodeFault.BadFormat => "File format not recognized",
        DecodeFault.BadOptions => "Unsupported compression options",
        DecodeFault.Truncated => "Unexpected end of input",
        _ => "File is corrupt",
    };
}
