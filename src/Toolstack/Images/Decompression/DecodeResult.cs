namespace XenSim.Toolstack.Images.Decompression;

/// <summary>Why a decoder stopped early, in the words of liblzma's and the others' return codes.</summary>
internal enum DecodeFault
{
    None,
    BadFormat,
    BadOptions,
    Corrupt,
    Truncated,
    MemoryLimit,
}

/// <summary>What a decoder did.</summary>
/// <param name="Written">Bytes written to the output.</param>
/// <param name="Ended">Whether the end of the stream was reached (else the output was full first).</param>
/// <param name="Unconsumed">Input bytes behind the end of the stream.</param>
internal readonly record struct DecodeResult(int Written, bool Ended, int Unconsumed, DecodeFault Fault)
{
    public static DecodeResult Failed(DecodeFault fault) => new(0, false, 0, fault);
}

/// <summary>XenSim's own bounds on what a hostile image can make it allocate. Real limits are higher (1 GiB) or absent (4.0.4).</summary>
internal static class DecodeLimits
{
    /// <summary>Largest unpacked kernel or ramdisk. Unit: bytes.</summary>
    public const int Output = 512 * 1024 * 1024;

    /// <summary>Memory limit that libxc gives to liblzma. Source: xg_dom_bzimageloader.c: LZMA_BLOCK_SIZE. Unit: bytes.</summary>
    public const long LzmaMemory = 128 * 1024 * 1024;
}
