using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>Probe order, payloads and messages against the real logs (Data/ORIGIN.md) and files of the real compressors (Data/Payloads/make.sh).</summary>
public sealed class LoaderTests
{
    private static readonly byte[] Kernel = Data("Elf", "test-kernel-32.elf");

    [Theory]
    [InlineData("kernel.gz", null, 16)]
    [InlineData("kernel.bz2", 13112, 0)]
    [InlineData("kernel.lzma", 13112, 0)]
    [InlineData("kernel.xz", 13112, 0)]
    [InlineData("kernel-plain-crc64.xz", 13112, 0)]
    [InlineData("kernel.lzo", 13112, 0)]
    [InlineData("kernel.lz4", 13112, 0)]
    [InlineData("kernel.zst", 13112, 0)]
    public void A_payload_that_the_real_tool_packed_is_unpacked_to_the_same_bytes(string file, int? appended, int extra)
    {
        var run = new Run(XenRelease.V4_17, BzImageBuilder.Build(Data("Payloads", file), appended));
        Assert.Equal("Linux bzImage", run.Loader?.Name);
        Assert.Equal(Kernel.Length + extra, run.Blob.Length);
        Assert.Equal(Kernel, run.Blob[..Kernel.Length].ToArray());
    }

    // RELEASE-4.0.4 tools/libxc/xc_dom_bzimageloader.c knows three formats.
    [Theory]
    [InlineData("kernel.gz", true)]
    [InlineData("kernel.bz2", true)]
    [InlineData("kernel.lzma", true)]
    [InlineData("kernel.xz", false)]
    [InlineData("kernel.zst", false)]
    [InlineData("kernel.lzo", false)]
    [InlineData("kernel.lz4", false)]
    public void Release_4_0_takes_gzip_bzip2_and_lzma_only(string file, bool taken)
    {
        var run = new Run(XenRelease.V4_0, BzImageBuilder.Build(Data("Payloads", file), file == "kernel.gz" ? null : 13112));
        Assert.Equal(taken, run.Loader is not null);
        Assert.Equal(taken ? Kernel : [], taken ? run.Blob[..Kernel.Length].ToArray() : []);
        if (!taken)
            Assert.Contains("xc_dom_bzimageloader.c:450: panic: xc_dom_probe_bzimage_kernel: unknown compression format", run.Lines);
    }

    [Fact]
    public void A_bzImage_gives_the_probe_lines_of_the_real_log_with_its_own_sizes()
    {
        byte[] payload = Data("Payloads", "kernel.xz");
        var run = new Run(XenRelease.V4_17, BzImageBuilder.Build(payload, Kernel.Length));
        string[] golden = GoldenLog.Lines("linux-6.1-pv");
        int first = Array.IndexOf(golden, "domainbuilder: detail: xc_dom_find_loader: trying multiboot-binary loader ... ");
        int last = Array.IndexOf(golden, "domainbuilder: detail: loader probe OK");
        string[] expected = [.. golden[first..(last + 1)].Select(l => l.Replace("0x7bf070 -> 0x3eda7b4", $"0x{payload.Length + 4:x} -> 0x{Kernel.Length:x}", StringComparison.Ordinal))];
        Assert.Equal(expected, run.Lines);
    }

    [Fact]
    public void A_kernel_that_no_loader_takes_gives_the_lines_of_the_real_log()
    {
        string[] golden = GoldenLog.Lines("error-bad-kernel");
        int first = Array.IndexOf(golden, "domainbuilder: detail: xc_dom_find_loader: trying multiboot-binary loader ... ");
        int last = Array.IndexOf(golden, "xc: error: panic: xg_dom_core.c:689: xc_dom_find_loader: no loader found: Invalid kernel");
        var run = new Run(XenRelease.V4_17, new byte[4096]);
        Assert.Null(run.Loader);
        Assert.Equal(golden[first..(last + 1)], run.Lines);
    }

    [Fact]
    public void A_PV_kernel_as_PVH_gives_the_panic_of_the_real_log()
    {
        string[] golden = GoldenLog.Lines("error-pvh-kernel-without-note");
        byte[] image = GoldenLog.Rebuild(GoldenLog.ElfLines("error-pvh-kernel-without-note"), is64: true);
        var run = new Run(XenRelease.V4_17, image, hvm: true);
        Assert.Null(run.Loader!.Parse(run.Input, run.Blob));
        Assert.Contains(run.Lines[^1], golden);
        Assert.Equal("xc: error: panic: xg_dom_elfloader.c:63: xc_dom_guest_type: image not capable of booting inside a HVM container: Invalid kernel", run.Lines[^1]);
    }

    [Theory]
    [InlineData("linux-6.1-pv", true, false, "xen-3.0-x86_64")]
    [InlineData("grub-pvh", false, true, "hvm-3.0-x86_32")]
    [InlineData("error-pv32-refused", false, false, "xen-3.0-x86_32p")]
    public void The_guest_type_line_is_that_of_the_real_log(string log, bool is64, bool hvm, string guestType)
    {
        var run = new Run(XenRelease.V4_17, GoldenLog.Rebuild(GoldenLog.ElfLines(log), is64), hvm);
        ParsedKernel? parsed = run.Loader!.Parse(run.Input, run.Blob);
        Assert.Equal(guestType, parsed?.GuestType);
        string line = run.Lines.Single(l => l.Contains("xc_dom_parse_elf_kernel", StringComparison.Ordinal));
        Assert.Contains(line, GoldenLog.Lines(log));
    }

    [Fact]
    public void Release_4_0_refuses_an_image_without_section_names()
    {
        byte[] image = new ElfBuilder { WithSectionNames = false }.Load(0, 0x1000).Note(ElfNote.LOADER, "generic").Note(ElfNote.XEN_VERSION, "xen-3.0").Build();
        var old = new Run(XenRelease.V4_0, image);
        Assert.Null(old.Loader!.Parse(old.Input, old.Blob));
        Assert.Equal("xc_dom_elfloader.c:245: panic: xc_dom_parse_elf_kernel: ELF image has no shstrtab", old.Lines[^1]);
        var now = new Run(XenRelease.V4_17, image);
        Assert.NotNull(now.Loader!.Parse(now.Input, now.Blob));
    }

    [Theory]
    [InlineData(0x207, 0, null, "boot protocol too old (0207)")]
    [InlineData(0x20f, 0x100000, null, "payload offset overflow")]
    [InlineData(0x20f, 0, 0x100000u, "payload length overflow")]
    public void A_bzImage_header_is_checked(int version, uint offset, uint? length, string message)
    {
        byte[] image = BzImageBuilder.Build(Data("Payloads", "kernel.xz"), Kernel.Length, (ushort)version, length, offset);
        Assert.Contains(new Run(XenRelease.V4_17, image).Lines, l => l.Contains($"xc_dom_probe_bzimage_kernel: {message}: Invalid kernel", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("kernel.bz2", "BZIP2: got 0x000003338 bytes instead of 0x000003339", "BZIP2")]
    [InlineData("kernel.xz", "XZ: got 0x3338 bytes instead of 0x3339", "XZ")]
    [InlineData("kernel.zst", "ZSTD: got 0x3338 bytes instead of 0x3339", "ZSTD")]
    [InlineData("kernel.lzo", "LZO1x decompression error: Unexpected output size", "LZO")]
    public void A_wrong_size_word_is_noticed(string file, string message, string name)
    {
        var run = new Run(XenRelease.V4_17, BzImageBuilder.Build(Data("Payloads", file), Kernel.Length + 1));
        Assert.Contains($"domainbuilder: detail: {message}", run.Lines);
        Assert.Contains(run.Lines, l => l.Contains($"xc_dom_probe_bzimage_kernel unable to {name} decompress kernel: Invalid kernel", StringComparison.Ordinal));
    }

    [Fact]
    public void A_size_word_beyond_one_gigabyte_is_too_large_for_the_real_tools()
    {
        var run = new Run(XenRelease.V4_17, BzImageBuilder.Build(Data("Payloads", "kernel.xz"), int.MaxValue));
        Assert.Contains("xc: error: panic: xg_dom_core.c:315: kernel image too large: Invalid kernel", run.Lines);
        Assert.Contains("domainbuilder: detail: XZ: output too large", run.Lines);
    }

    [Fact]
    public void A_gzip_kernel_file_is_unpacked_with_sixteen_bytes_more()
    {
        var log = new List<string>();
        var builder = new BuilderLog(XenRelease.V4_17, l => log.Add(l.Rendered));
        ReadOnlyMemory<byte> blob = Data("Payloads", "kernel.gz");
        Assert.True(KernelGunzip.TryGunzip(builder, new BuilderMemory(builder), ref blob));
        Assert.Equal([.. Kernel, .. new byte[16]], blob.ToArray());
        Assert.Equal($"domainbuilder: detail: xc_dom_do_gunzip: unzip ok, 0x{Data("Payloads", "kernel.gz").Length:x} -> 0x{Kernel.Length + 16:x}", log[^1]);
    }

    [Fact]
    public void A_damaged_gzip_kernel_is_refused_and_one_of_insane_size_left_packed()
    {
        byte[] damaged = Data("Payloads", "kernel.gz");
        damaged[^6] ^= 1; // its CRC
        var log = new List<string>();
        var builder = new BuilderLog(XenRelease.V4_17, l => log.Add(l.Rendered));
        ReadOnlyMemory<byte> blob = damaged;
        Assert.False(KernelGunzip.TryGunzip(builder, new BuilderMemory(builder), ref blob));
        Assert.Equal("xc: error: panic: xg_dom_core.c:374: xc_dom_do_gunzip: inflate failed (rc=-3): Internal error", log[^1]);

        byte[] insane = Data("Payloads", "kernel.gz");
        insane[^1] = 0x7f;
        blob = insane;
        Assert.True(KernelGunzip.TryGunzip(builder, new BuilderMemory(builder), ref blob));
        Assert.Equal(insane.Length, blob.Length);
        Assert.EndsWith("looks insane, skip gunzip", log[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_first_gzip_member_counts_as_with_zlib()
    {
        byte[] two = [.. Data("Payloads", "kernel.gz"), .. Data("Payloads", "kernel.gz")];
        var builder = new BuilderLog(XenRelease.V4_17, _ => { });
        ReadOnlyMemory<byte> blob = two;
        Assert.True(KernelGunzip.TryGunzip(builder, new BuilderMemory(builder), ref blob));
        Assert.Equal([.. Kernel, .. new byte[16]], blob.ToArray());
    }

    private static byte[] Data(string folder, string file) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", folder, file));

    private sealed class Run
    {
        public Run(XenRelease release, byte[] kernel, bool hvm = false)
        {
            var log = new BuilderLog(release, l => Lines.Add(l.Rendered));
            Input = new LoaderInput(hvm, "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ", log, new BuilderMemory(log));
            ReadOnlyMemory<byte> blob = kernel;
            Loader = KernelLoaders.Find(Input, ref blob);
            Blob = blob;
        }

        public List<string> Lines { get; } = [];

        public LoaderInput Input { get; }

        public KernelLoader? Loader { get; }

        public ReadOnlyMemory<byte> Blob { get; }
    }
}
