using System.IO.Compression;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The stand-in for the recorded ramdisk has the sizes that the real builder printed.</summary>
public class RecordedRamdiskTests
{
    [Fact]
    public void It_has_the_recorded_sizes_packed_and_unpacked()
    {
        byte[] packed = RecordedRamdisk.Build();
        using var unpacked = new MemoryStream();
        using (var gzip = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress))
        {
            gzip.CopyTo(unpacked);
        }

        const int slack = 16; // stable-4.17 tools/libs/guest/xg_dom_core.c, xc_dom_check_gzip: the length field and 16
        string line = $"xc_dom_do_gunzip: unzip ok, 0x{packed.Length:x} -> 0x{unpacked.Length + slack:x}";
        Assert.Contains(new GoldenFolder("linux-5.10-pv").Lines("create-interleaved.log"), l => l.EndsWith(line, StringComparison.Ordinal));
    }
}
