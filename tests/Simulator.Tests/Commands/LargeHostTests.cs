namespace XenSim.Simulator.Tests.Commands;

/// <summary>
/// A machine with memory above 4 GiB: Xen moves dom0's modules to its very top (RELEASE-4.17.0 xen/arch/x86/setup.c: __start_xen), where nothing of Xen's own may lie by then.
/// </summary>
public sealed class LargeHostTests
{
    [Theory]
    [InlineData("4.17", "3072")]
    [InlineData("4.17", "8192")]
    [InlineData("4.0", "3072")]
    public void Dom0_comes_up_with_a_ramdisk(string xen, string mebibytes)
    {
        using ScratchFolder folder = new();
        string ramdisk = folder.Write("ramdisk", new byte[16 << 20]);
        ProgramRun run = ProgramRun.With(["boot", "pv64", "--dom0", "--xen", xen, "--host-memory", mebibytes, "--ramdisk", ramdisk]);
        Assert.True(run.Exit == ExitCode.Success, run.Error);
        Assert.Contains("bye", run.Output, StringComparison.Ordinal);
    }
}
