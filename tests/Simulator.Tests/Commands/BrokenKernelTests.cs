using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Simulator.Tests.Commands;

/// <summary>Kernels that cannot be: each is one clear refusal with exit code 2, quickly, and never a stack trace.</summary>
public sealed class BrokenKernelTests
{
    private static readonly byte[] s_good = BuiltInGuest.Find("pv64")!.Image.ToArray();

    public static TheoryData<string> Kinds => ["empty", "one byte", "text", "ELF header only", "truncated ELF", "section table far away", "huge note", "endless notes", "wrong machine", "gzip of nothing", "truncated gzip", "gzip bomb", "bzImage without payload"];

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
        "huge note" => WithFirstNote(s_good, 4, uint.MaxValue - 3),
        "endless notes" => WithFirstNote(s_good, 0, uint.MaxValue - 11),
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

    /// <summary>Overwrites a word (0 namesz, 4 descsz) of the first note called Xen.</summary>
    private static byte[] WithFirstNote(byte[] elf, int word, uint value)
    {
        int name = elf.AsSpan().IndexOf("Xen\0"u8);
        Assert.True(name >= 12, "the built-in guest has a note called Xen");
        return With(elf, b => BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(name - 12 + word), value));
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using MemoryStream output = new();
        using (GZipStream gzip = new(output, CompressionLevel.SmallestSize))
            gzip.Write(bytes);
        return output.ToArray();
    }
}
