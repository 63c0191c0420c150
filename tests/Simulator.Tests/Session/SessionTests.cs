using System.Security.Cryptography;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Session;

public sealed class SessionTests
{
    [Theory]
    [InlineData("boot", "pv64")]
    [InlineData("boot", "pv32", "--xen", "4.0", "--host-bits", "32")]
    [InlineData("boot", "hvm", "--vendor", "intel")]
    [InlineData("boot", "pv64", "--dom0")]
    public void The_same_boot_gives_the_same_trace_to_the_byte(params string[] command)
    {
        using ScratchFolder folder = new();
        byte[][] digests = [.. Enumerable.Range(0, 2).Select(i => Traced(command, Path.Combine(folder.Path, $"{i}.jsonl")))];
        Assert.Equal(digests[0], digests[1]);
    }

    [Fact]
    public void The_console_goes_to_standard_output_and_nothing_else_does()
    {
        ProgramRun run = ProgramRun.With("boot", "pv64", "-vvv");
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.StartsWith("XenSim's own PV guest", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("domainbuilder", run.Output, StringComparison.Ordinal);
        Assert.Contains("domainbuilder: detail: setup_hypercall_page: vaddr=0xffffffff80103000", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("console:xen_version", "xen_version")]
    [InlineData("hypercall:XEN_DOMCTL_hypercall_init", "")]
    [InlineData("stage:setup_hypercall_page", "")]
    public void Until_stops_a_boot_where_it_says(string until, string onConsole)
    {
        ProgramRun run = ProgramRun.With("boot", "pv64", "--until", until);
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains($"reached {until}", run.Error, StringComparison.Ordinal);
        Assert.Contains(onConsole, run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("bye", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("4.17", "dom0=pvh")]
    [InlineData("4.17", "dom0=shadow")]
    [InlineData("4.0", "dom0_shadow")]
    public void A_dom0_of_another_kind_stops_by_name(string release, string option)
    {
        ProgramRun run = ProgramRun.With("boot", "pv64", "--dom0", "--xen", release, "--xen-cmdline", option);
        Assert.Equal(ExitCode.Unimplemented, run.Exit);
        Assert.Contains($"not implemented: {option}", run.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, ProgramRun.With("boot", "pv64", "--dom0", "--xen", release, "--xen-cmdline", $"dom0=pv {option}=no").Exit);
    }

    [Fact]
    public void An_option_of_Xen_that_has_no_effect_is_named()
        => Assert.Contains("xensim: Xen's option tsc: it has no effect here", ProgramRun.With("boot", "pv64", "-v", "--xen-cmdline", "dom0_mem=64M tsc=skewed noreboot").Error, StringComparison.Ordinal);

    [Fact]
    public void A_guest_is_varied_on_the_command_line()
    {
        ProgramRun run = ProgramRun.With("boot", "pv64", "--try", "domctl", "--try", "unknown-hypercall", "--note", "GUEST_VERSION=varied");
        Assert.Contains("tried domctl version 21: answered -1\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("tried hypercall 63: answered -38\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("FEATURE", ProgramRun.With("boot", "pv64", "--note", "FEATURE=x").Error, StringComparison.Ordinal);
        Assert.Contains("did you mean \"domctl\"", ProgramRun.With("boot", "pv64", "--try", "domctll").Error, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("hvm cannot try domctl", ProgramRun.With("boot", "hvm", "--try", "domctl").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_has_its_own_exit_code()
    {
        ProgramRun run = ProgramRun.With("boot", "pv64", "--max-instructions", "1000");
        Assert.Equal(ExitCode.LimitReached, run.Exit);
        Assert.Contains("limit of 1000 instructions", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Ctrl_C_ends_a_boot_cleanly()
    {
        using CancellationTokenSource stop = new();
        stop.Cancel();
        ProgramRun run = ProgramRun.With(stop.Token, "boot", "pv64");
        Assert.Equal(ExitCode.Interrupted, run.Exit);
        run.MustNotShowStack();
    }

    [Fact]
    public void A_failed_expectation_says_where_it_stands_and_what_came_instead()
    {
        using ScratchFolder folder = new();
        string file = folder.Write("s.yaml", "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64}\nexpect:\n  shutdown: crash\n");
        ProgramRun run = ProgramRun.With("run", file);
        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains($"{file}:7:13: shutdown: expected shutdown crash, got poweroff", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fault_that_never_strikes_fails_the_scenario()
    {
        using ScratchFolder folder = new();
        string file = folder.Write(
            "s.yaml", "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64}\nfaults: {stage: no_such_stage, errno: EIO}\nexpect: {outcome: powered-off}\n");
        ProgramRun run = ProgramRun.With("run", file);
        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("the stage no_such_stage was never reached", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_xl_configuration_boots_a_built_in_guest()
    {
        using ScratchFolder folder = new();
        string file = folder.Write("guest.cfg", "name = \"g\"\nkernel = \"pv64\"\nmemory = 32\n");
        ProgramRun run = ProgramRun.With("create", file);
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("bye", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_xl_configuration_is_refused_with_its_line()
    {
        using ScratchFolder folder = new();
        string file = folder.Write("guest.cfg", "name = \"g\nkernel = 1\n");
        ProgramRun.With("create", file).MustRefuse($"{file}:1");
    }

    private static byte[] Traced(string[] command, string file)
    {
        ProgramRun run = ProgramRun.With([.. command, "--trace", file]);
        Assert.Equal(ExitCode.Success, run.Exit);
        byte[] trace = File.ReadAllBytes(file);
        Assert.True(trace.Length > 10_000, "a boot has many events");
        return SHA256.HashData(trace);
    }
}
