using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Images;

/// <summary>One compression of a bzImage payload: how it is recognised, which release takes it, how it is unpacked.</summary>
/// <param name="Decode">Gives the unpacked kernel, or null after saying why not.</param>
internal sealed record PayloadFormat(
    string Name, byte[] Magic, bool In40, PanicSite Site, string Panic, Func<BuilderLog, BuilderMemory, ReadOnlyMemory<byte>, ReadOnlyMemory<byte>?> Decode);

/// <summary>The compressions, in the order in which xc_dom_probe_bzimage_kernel tries them.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_bzimageloader.c, stable-4.17 tools/libs/guest/xg_dom_bzimageloader.c.</remarks>
internal static class PayloadFormats
{
    public static readonly IReadOnlyList<PayloadFormat> All =
    [
        new("gzip", [0x1f, 0x8b], true, new("bzimageloader.c", 420, 740), ": unable to gzip decompress kernel", PayloadDecoders.Gzip),
        new("bzip2", [0x42, 0x5a, 0x68], true, new("bzimageloader.c", 431, 750), " unable to BZIP2 decompress kernel", PayloadDecoders.Bzip2),
        new("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], false, new("bzimageloader.c", 0, 761), " unable to XZ decompress kernel", PayloadDecoders.Xz),
        new("zstd", [0x28, 0xb5, 0x2f, 0xfd], false, new("bzimageloader.c", 0, 772), " unable to ZSTD decompress kernel", PayloadDecoders.Zstd),
        new("lzma", [0x5d, 0x00], true, new("bzimageloader.c", 442, 783), " unable to LZMA decompress kernel", PayloadDecoders.Lzma),
        new("lzo", [0x89, 0x4c, 0x5a, 0x4f, 0x00], false, new("bzimageloader.c", 0, 794), " unable to LZO decompress kernel", PayloadDecoders.Lzo),
        new("lz4", [0x02, 0x21], false, new("bzimageloader.c", 0, 805), " unable to LZ4 decompress kernel", PayloadDecoders.Lz4),
    ];

    public static PayloadFormat? Find(XenRelease release, ReadOnlySpan<byte> payload)
    {
        foreach (PayloadFormat format in All)
        {
            if ((format.In40 || release != XenRelease.V4_0) && payload.StartsWith(format.Magic))
                return format;
        }

        return null;
    }
}
