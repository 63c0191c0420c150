using System.Buffers.Binary;
using CsCheck;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>Truncated, damaged and malicious images: one answer each, no exception, bounded work.</summary>
public sealed class HostileImageTests
{
    private static readonly byte[] Kernel = Data("Elf", "test-kernel-32.elf");

    private static readonly string[] Payloads = ["kernel.gz", "kernel.bz2", "kernel.lzma", "kernel.xz", "kernel.zst", "kernel.lzo", "kernel.lz4"];

    [Fact]
    public void A_mutated_kernel_is_parsed_and_loaded_or_refused()
        => Gen.Select(Gen.Int[0, Kernel.Length], Gen.Select(Gen.Int[0, 400], Gen.Byte).List[0, 12], Gen.Bool).Sample(
            (length, changes, old) =>
            {
                byte[] image = [.. Kernel[..Math.Max(length, Kernel.Length - length)]];
                foreach ((int at, byte value) in changes.Where(c => c.Item1 < image.Length))
                    image[at] = value;
                Digest(image, old ? XenRelease.V4_0 : XenRelease.V4_17);
            },
            iter: 3000);

    [Fact]
    public void A_mutated_payload_is_unpacked_or_refused()
        => Gen.Select(Gen.Int[0, Payloads.Length - 1], Gen.Select(Gen.Int[0, 2000], Gen.Byte).List[1, 6], Gen.Bool).Sample(
            (which, changes, old) =>
            {
                byte[] payload = Data("Payloads", Payloads[which]);
                foreach ((int at, byte value) in changes.Where(c => c.Item1 > 6 && c.Item1 < payload.Length))
                    payload[at] = value;
                Digest(BzImageBuilder.Build(payload, Kernel.Length), old ? XenRelease.V4_0 : XenRelease.V4_17);
            },
            iter: 700);

    [Fact]
    public void Truncated_kernels_of_every_length_are_refused_or_parsed()
    {
        for (int length = 0; length < 600; length++)
            Digest(Kernel[..length], XenRelease.V4_17);
    }

    [Fact]
    public void A_note_that_wraps_around_ends_the_notes_and_too_many_break_the_image()
    {
        byte[] wrapping = new ElfBuilder().Load(0, 0x1000).RawNoteBytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0).Build();
        Assert.NotNull(ElfTests.Parse(wrapping, XenRelease.V4_17).Error);
        Assert.NotNull(ElfTests.Parse(wrapping, XenRelease.V4_0).Error);

        byte[] many = new ElfBuilder().Load(0, 0x1000).RawNoteBytes(new byte[12 * 70_000]).Build();
        ElfImage elf = ElfImage.Init(XenRelease.V4_17, many, null, out _)!;
        elf.ParseBinary();
        XenNotes.Parse(elf, hvm: false, out _);
        Assert.Equal("too many ELF notes", elf.Broken);
    }

    [Fact]
    public void Segments_beyond_the_destination_are_not_written()
    {
        byte[] image = new ElfBuilder().Load(0x1000, 0x100, [1, 2, 3]).Load(0x10_0000, 0x1000, [4, 5, 6]).Build();
        ElfImage elf = ElfImage.Init(XenRelease.V4_17, image, null, out _)!;
        elf.ParseBinary();
        var destination = new Memory(0x1000);
        Assert.Null(ElfLoader.LoadBinary(elf, 0, 0x1000, destination));
        Assert.Equal("out of range access", elf.Broken);
        Assert.Equal([1, 2, 3, 0], destination.Bytes[..4]);
    }

    [Fact]
    public void A_dictionary_beyond_liblzmas_limit_is_refused_without_allocating_it()
    {
        byte[] payload = Data("Payloads", "kernel.lzma");
        BinaryPrimitives.WriteUInt32LittleEndian(payload.AsSpan(1), 0xffffff00);
        Assert.Contains("domainbuilder: detail: _xc_try_lzma_decode: LZMA decompression error: Memory usage limit reached", Digest(BzImageBuilder.Build(payload, Kernel.Length), XenRelease.V4_17));
    }

    [Fact]
    public void A_size_word_beyond_our_own_limit_is_refused_in_one_line()
    {
        List<string> lines = Digest(BzImageBuilder.Build(Data("Payloads", "kernel.xz"), 1024 * 1024 * 1024), XenRelease.V4_17);
        Assert.Single(lines, l => l.Contains("XenSim unpacks up to", StringComparison.Ordinal));
    }

    /// <summary>The whole way of an image through the builder; returns what was printed.</summary>
    private static List<string> Digest(byte[] image, XenRelease release)
    {
        List<string> lines = [];
        var log = new BuilderLog(release, l => lines.Add(l.Rendered));
        var input = new LoaderInput(false, "xen-3.0-x86_64 ", log, new BuilderMemory(log));
        ReadOnlyMemory<byte> blob = image;
        if (!KernelGunzip.TryGunzip(log, input.Memory, ref blob))
            return lines;
        ParsedKernel? parsed = KernelLoaders.Find(input, ref blob)?.Parse(input, blob);
        parsed?.Load(0, 0x10000, new Memory(0x10000));
        return lines;
    }

    private static byte[] Data(string folder, string file) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", folder, file));

    private sealed class Memory(int size) : IElfDestination
    {
        public byte[] Bytes { get; } = new byte[size];

        public bool Copy(ulong offset, ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Bytes.AsSpan((int)offset));
            return true;
        }

        public bool Clear(ulong offset, ulong count)
        {
            Bytes.AsSpan((int)offset, (int)count).Clear();
            return true;
        }
    }
}
