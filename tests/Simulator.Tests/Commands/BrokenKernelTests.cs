using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Simulator.Tests.Commands;

/// <summary>Kernels that cannot be: each is one clear refusal with exit code 2, quickly, and never a stack trace.</summary>
public sealed class BrokenKernelTests
{
    private static readonly byte[] s_good = BuiltInGuest.Find("pv64")!.Image.ToArray();

    public static TheoryData<string> Kinds => ["empty", "one byte", "text", "ELF header only", "truncated ELF", "huge notes", "endless notes", "gzip of nothing", "truncated gzip", "gzip bomb", "bzImage without payload"];

    /// <summary>What libelf itself forgives or what only fails on one path: how it ends is another test's matter, that it ends well is this one's.</summary>
    public static TheoryData<string> OddKinds => ["section table far away", "wrong machine", "entry nowhere", "segment over the end", "segment of 2^60 bytes"];

    [Theory]
    [MemberData(nameof(OddKinds))]
    public void An_odd_kernel_ends_in_words(string kind)
    {
        using ScratchFolder folder = new();
        string file = folder.Write("kernel", Broken(kind));
        foreach (string[] more in (string[][])[[], ["--dom0"], ["--xen", "4.0"], ["--dom0", "--xen", "4.0"]])
        {
            ProgramRun run = ProgramRun.With(["boot", file, "--max-instructions", "1000000", .. more]);
            run.MustNotShowStack();
            Assert.Contains("xensim: ", run.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_broken_kernel_is_refused_as_a_domU(string kind) => MustRefuse(kind, "boot");

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_broken_kernel_is_refused_as_dom0(string kind) => MustRefuse(kind, "boot", "--dom0");

    private static void MustRefuse(string kind, params string[] command)
    {
        using ScratchFolder folder = new();
        string file = folder.Write("kernel", Broken(kind));
        ProgramRun run = ProgramRun.With([command[0], file, .. command[1..]]);
        run.MustNotShowStack();
        Assert.True(run.Exit == ExitCode.BadInput, $"{kind}: {run.Exit}: {run.Error}");
    }

    private static byte[] Broken(string kind) => kind switch
    {
        "empty" => [],
        "one byte" => [0x7F],
        "text" => Encoding.ASCII.GetBytes("#!/bin/sh\necho hello\n"),
        "ELF header only" => s_good[..64],
        "truncated ELF" => s_good[..(s_good.Length / 3)],
        "section table far away" => With(s_good, b => BinaryPrimitives.WriteUInt64LittleEndian(b.AsSpan(0x28), ulong.MaxValue - 7)),
        "huge notes" => WithEveryNote(s_good, 4, uint.MaxValue - 3),
        "endless notes" => WithEveryNote(s_good, 0, uint.MaxValue - 11),
        "entry nowhere" => With(s_good, b => BinaryPrimitives.WriteUInt64LittleEndian(b.AsSpan(0x18), 0x1234)),
        "segment over the end" => WithFirstSegment(s_good, 0x20, (ulong)s_good.Length),
        "segment of 2^60 bytes" => WithFirstSegment(s_good, 0x28, 1UL << 60),
        "wrong machine" => With(s_good, b => BinaryPrimitives.WriteUInt16LittleEndian(b.AsSpan(0x12), 0x28)),
        "gzip of nothing" => Gzip([]),
        "truncated gzip" => Gzip(s_good)[..200],
        "gzip bomb" => Gzip(new byte[64 << 20]),
        "bzImage without payload" => With(new byte[4096], b => "HdrS"u8.CopyTo(b.AsSpan(0x202))),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no such kind"),
    };

    private static byte[] With(byte[] bytes, Action<byte[]> change)
    {
        byte[] copy = [.. bytes];
        change(copy);
        return copy;
    }

    /// <summary>Overwrites a word (0 namesz, 4 descsz) of every note called Xen.</summary>
    private static byte[] WithEveryNote(byte[] elf, int word, uint value) => With(elf, b =>
    {
        int notes = 0;
        for (int at = 12; at < b.Length - 4; at += 4)
        {
            if (!b.AsSpan(at, 4).SequenceEqual("Xen\0"u8) || BinaryPrimitives.ReadUInt32LittleEndian(b.AsSpan(at - 12)) != 4)
                continue;
            BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(at - 12 + word), value);
            notes++;
        }

        Assert.True(notes > 3, "the built-in guest has notes called Xen");
    });

    /// <summary>Overwrites a field of the first program header (Elf64_Phdr: 0x20 p_filesz, 0x28 p_memsz).</summary>
    private static byte[] WithFirstSegment(byte[] elf, int field, ulong value) => With(elf, b =>
    {
        int table = (int)BinaryPrimitives.ReadUInt64LittleEndian(b.AsSpan(0x20));
        BinaryPrimitives.WriteUInt64LittleEndian(b.AsSpan(table + field), value);
    });

    private static byte[] Gzip(byte[] bytes)
    {
        using MemoryStream output = new();
        using (GZipStream gzip = new(output, CompressionLevel.SmallestSize))
            gzip.Write(bytes);
        return output.ToArray();
    }
}
