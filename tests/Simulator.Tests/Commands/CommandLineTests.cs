namespace XenSim.Simulator.Tests.Commands;

public sealed class CommandLineTests
{
    public static TheoryData<string> Commands => ["run", "boot", "create", "page", "stages", "graph", "schema", "guests"];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_command_shows_examples_in_its_help(string command)
    {
        ProgramRun run = ProgramRun.With(command, "--help");
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("Example", run.Output, StringComparison.Ordinal);
        Assert.Contains($"xensim {command}", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mistyped_command_gets_the_nearest_one() => ProgramRun.With("pgae").MustRefuse("Did you mean \"page\"?");

    [Fact]
    public void A_mistyped_option_gets_the_nearest_one() => ProgramRun.With("boot", "pv64", "--memroy", "32").MustRefuse("Did you mean \"--memory\"?");

    [Fact]
    public void No_command_is_an_error() => ProgramRun.With().MustRefuse("command");

    [Fact]
    public void A_missing_argument_is_an_error() => ProgramRun.With("run").MustRefuse("PATH");

    [Theory]
    [InlineData("--memory", "much")]
    [InlineData("--memory", "0")]
    [InlineData("--vcpus", "33")]
    [InlineData("--xen", "4.2")]
    [InlineData("--vendor", "cyrix")]
    [InlineData("--type", "pvm")]
    [InlineData("--host-bits", "16")]
    [InlineData("--until", "sometime")]
    [InlineData("--max-instructions", "-1")]
    public void A_wrong_value_names_its_option(string option, string value) => ProgramRun.With("boot", "pv64", option, value).MustRefuse(option);

    [Theory]
    [InlineData("--host-bits 32", "the 32-bit hypervisor exists in Xen 4.0 only")]
    [InlineData("--supervisor-mode-kernel --xen 4.0", "32-bit hypervisor only")]
    [InlineData("--type pvh --xen 4.0", "PVH came after Xen 4.0")]
    [InlineData("--dom0 --type hvm", "dom0 is a guest of type pv")]
    public void Options_that_do_not_fit_together_are_refused(string options, string words)
        => ProgramRun.With(["boot", "pv64", .. options.Split(' ')]).MustRefuse(words);

    [Fact]
    public void A_mistyped_built_in_guest_gets_the_nearest_one() => ProgramRun.With("boot", "pv46").MustRefuse("did you mean \"pv64\"?");

    [Fact]
    public void A_missing_kernel_is_named() => ProgramRun.With("boot", "./nosuch/vmlinuz").MustRefuse("./nosuch/vmlinuz: error: no such file");

    [Fact]
    public void A_folder_is_no_kernel() => ProgramRun.With("boot", "/").MustRefuse("is a folder");

    [Fact]
    public void A_path_without_scenarios_is_an_error()
    {
        using ScratchFolder folder = new();
        ProgramRun.With("run", folder.Path).MustRefuse("no scenario there");
    }

    [Fact]
    public void A_mistake_in_one_of_several_files_is_found_before_any_of_them_runs()
    {
        using ScratchFolder folder = new();
        folder.Write("a.yaml", "name: a\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64}\nexpect: {outcome: powered-off}\n");
        string broken = folder.Write("b.yaml", "nmae: b\n");
        ProgramRun run = ProgramRun.With("run", folder.Path);
        run.MustRefuse($"{broken}:1:1: error: a scenario has no key \"nmae\"; did you mean \"name\"?");
        Assert.Equal("", run.Output);
    }

    [Fact]
    public void A_trace_that_cannot_be_written_is_an_error() => ProgramRun.With("boot", "pv64", "--trace", "/nosuch/t.jsonl").MustRefuse("/nosuch/t.jsonl");
}
