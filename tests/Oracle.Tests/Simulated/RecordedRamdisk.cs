using System.IO.Compression;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>
/// A gzip'd ramdisk of exactly the sizes that the recordings had (<c>unzip ok, 0xfbbdf -> 0x1e4610</c>, where the second is
/// 16 more than gzip's own length field says: stable-4.17 tools/libs/guest/xg_dom_core.c, xc_dom_check_gzip). Its contents decide nothing in a
/// build: the pages are copied. Bytes are a fixed sequence that does not compress, then zeros; a comment in the gzip header fills up.
/// </summary>
internal static class RecordedRamdisk
{
    private const int Compressed = 0xfbbdf;
    private const int Uncompressed = 0x1e4600;
    private const int Incompressible = 900_000;
    private const int HeaderSize = 10;
    private const byte HasComment = 0x10;

    public static byte[] Build()
    {
        var contents = new byte[Uncompressed];
        uint state = 1;
        for (int i = 0; i < Incompressible; i++)
        {
            state = state * 1664525 + 1013904223; // Numerical Recipes' generator
            contents[i] = (byte)(state >> 24);
        }

        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(contents);
        }

        byte[] plain = stream.ToArray();
        int comment = Compressed - plain.Length;
        Assert.True(comment > 0, $"the ramdisk compresses to {plain.Length} bytes");
        var padded = new byte[Compressed];
        plain.AsSpan(0, HeaderSize).CopyTo(padded);
        padded[3] |= HasComment;
        padded.AsSpan(HeaderSize, comment - 1).Fill((byte)'x');
        plain.AsSpan(HeaderSize).CopyTo(padded.AsSpan(HeaderSize + comment));
        return padded;
    }
}
