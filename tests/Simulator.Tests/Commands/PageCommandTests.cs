using System.Security.Cryptography;

namespace XenSim.Simulator.Tests.Commands;

/// <summary>
/// Digests: Xen's own fill functions of RELEASE-4.0.4 (old) and stable-4.17 (clean), extracted, compiled and run; pages read from
/// inside real guests have the same ones (ring 3 and compat in both releases, SVM in 4.17).
/// </summary>
public sealed class PageCommandTests
{
    [Theory]
    [InlineData("pv32", "4.0", "190ab1068f63784514fb7c55201b9bf160e04d07d37c49d58d5f214e1c581320")]
    [InlineData("pv32", "4.17", "190ab1068f63784514fb7c55201b9bf160e04d07d37c49d58d5f214e1c581320")]
    [InlineData("pv64", "4.0", "85899f17fc8ec6e52cd831a6d0eaf468389b979eded05b268e97d462c10d043b")]
    [InlineData("pv64", "4.17", "cf2dbe4e176b44c72efe0aa2bc8176f2b8d083f6fe205597ed6500ed7a27a78b")]
    [InlineData("vmx", "4.0", "cddfcafd1e72c7c789d838092a8f01ff717245126d01e3f98a72e6e50cd1a85d")]
    [InlineData("vmx", "4.17", "3b653908851d17d123d23a332650f52ec4f9dde070d6e26bf47d4ad45bbc5781")]
    [InlineData("svm", "4.0", "01d0f37075abd43f1f11aa96e9bdc0daca906ba3d35026b76fe7a9512e3738aa")]
    [InlineData("svm", "4.17", "ce96b2646f3bcf09db7e62e8c83f9bff5c7fdda3481b51068f5586859817b61f")]
    [InlineData("ring0", "4.0", "beca6c4845a14c576930034ce236cf8e15192f69ee5cabdd6dfeaf9646fedfe5", "--entry", "0xff1234a0")]
    public void The_raw_page_is_the_real_one(string flavour, string release, string digest, params string[] more)
    {
        ProgramRun run = ProgramRun.With(["page", flavour, "--xen", release, "--raw", .. more]);
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Equal(4096, run.OutputBytes.Length);
        Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(run.OutputBytes)));
    }

    [Fact]
    public void A_slot_in_hexadecimal_is_32_bytes_on_one_line()
    {
        ProgramRun run = ProgramRun.With("page", "pv64", "--hex", "--slot", "23");
        Assert.Equal("51 41 53 50 b8 17 00 00 00 0f 05" + string.Concat(Enumerable.Repeat(" cc", 21)) + "\n", run.Output);
    }

    [Fact]
    public void The_disassembly_names_the_hypercall_and_its_instructions()
    {
        ProgramRun run = ProgramRun.With("page", "vmx", "--slot", "18");
        Assert.Contains("slot 18 +0x240 console_io", run.Output, StringComparison.Ordinal);
        Assert.Contains("vmcall", run.Output, StringComparison.Ordinal);
        Assert.Contains("cc × 23", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Ring_0_does_not_exist_in_4_17() => ProgramRun.With("page", "ring0").MustRefuse("add --xen 4.0");

    [Fact]
    public void Slot_128_does_not_exist() => ProgramRun.With("page", "pv64", "--slot", "128").MustRefuse("from 0 to 127");

    [Fact]
    public void Two_forms_exclude_each_other() => ProgramRun.With("page", "pv64", "--raw", "--hex").MustRefuse("exclude each other");

    [Fact]
    public void An_unknown_flavour_is_refused() => ProgramRun.With("page", "pv65").MustRefuse("pv65");
}
