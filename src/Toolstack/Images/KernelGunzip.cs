using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Images.Decompression;

namespace XenSim.Toolstack.Images;

/// <summary>gzip as libxc handles it for kernels and ramdisks: the size comes from the last four bytes, and 16 are added.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c, stable-4.17 tools/libs/guest/xg_dom_core.c.</remarks>
public static class KernelGunzip
{
    /// <summary>XC_DOM_DECOMPRESS_MAX; 4.0.4 has the same number. Unit: bytes.</summary>
    public const ulong DecompressMax = 1024 * 1024 * 1024;

    private static readonly PanicSite InflateFailed = new("core.c", 250, 374);
    private static readonly PanicSite SizeRefused = new("core.c", 0, 315);

    /// <summary>xc_dom_check_gzip: bytes needed to unpack, 0 when it is not gzip or its size looks insane.</summary>
    public static ulong CheckGzip(BuilderLog log, ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 6 || !Gzip.IsGzip(blob))
            return 0;
        uint size = StreamDecoders.AppendedSize(blob);

        // 4.0.4 composes the size as a signed int, so one with the top bit set becomes huge in 64-bit tools.
        ulong shown = log.Release == XenRelease.V4_0 ? unchecked((ulong)(int)size) : size;
        if (shown > DecompressMax)
        {
            log.Print($"xc_dom_check_gzip: size (zip {blob.Length}, unzip {(long)shown}) looks insane, skip gunzip");
            return 0;
        }

        return shown + 16;
    }

    /// <summary>xc_dom_do_gunzip into memory of <paramref name="destination"/>'s size (what CheckGzip said).</summary>
    /// <returns>False after a panic.</returns>
    public static bool DoGunzip(BuilderLog log, ReadOnlyMemory<byte> source, Span<byte> destination)
    {
        int rc = Gzip.Inflate(source, destination);
        if (rc != Gzip.Z_STREAM_END)
        {
            log.Panic(XcError.XC_INTERNAL_ERROR, InflateFailed, $"xc_dom_do_gunzip: inflate failed (rc={rc})");
            return false;
        }

        log.Print($"xc_dom_do_gunzip: unzip ok, 0x{source.Length:x} -> 0x{destination.Length:x}");
        return true;
    }

    /// <summary>xc_dom_try_gunzip: unpacks a gzip'd kernel; anything else stays as it is.</summary>
    /// <returns>False when it is gzip but cannot be unpacked.</returns>
    public static bool TryGunzip(BuilderLog log, BuilderMemory memory, ref ReadOnlyMemory<byte> blob)
    {
        ulong size = CheckGzip(log, blob.Span);
        if (size == 0 || !CheckKernelSize(log, size))
            return true;
        if (size > DecodeLimits.Output)
        {
            TooLarge(log, size);
            return false;
        }

        memory.Malloc(size);
        byte[] unpacked = new byte[size];
        if (!DoGunzip(log, blob, unpacked))
            return false;
        blob = unpacked;
        return true;
    }

    /// <summary>xc_dom_kernel_check_size: true when the size is acceptable. 4.0.4 has no such check.</summary>
    internal static bool CheckKernelSize(BuilderLog log, ulong size)
    {
        if (log.Release == XenRelease.V4_0 || size <= DecompressMax)
            return true;
        log.Panic(XcError.XC_INVALID_KERNEL, SizeRefused, "kernel image too large");
        return false;
    }

    /// <summary>XenSim's own limit, below the real one, said in its own words.</summary>
    internal static void TooLarge(BuilderLog log, ulong size)
        => log.Panic(XcError.XC_OUT_OF_MEMORY, SizeRefused, $"the image would unpack to {size} bytes, XenSim unpacks up to {DecodeLimits.Output}");
}
