using XenSim.Simulator.Debugging;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tests.Commands;
using XenRelease = XenSim.Hypervisor.Public.XenRelease;

namespace XenSim.Simulator.Tests.Debugging;

public sealed class PromptTests
{
    [Theory]
    [InlineData(XenRelease.V4_17, "init_hypercall_page", "pv_ring3_init_hypercall_page")]
    [InlineData(XenRelease.V4_0, "hypercall_page_initialise", "hypercall_page_initialise_ring3_kernel")]
    public void From_the_tools_into_Xen_into_the_guest_and_all_the_way_back(XenRelease release, string stage, string writer)
    {
        using DebugSession debug = Debugged.Boot("pv64", release: release, settings: new DebugSettings { Interval = 2_000 });
        Assert.Contains("tools: setup_hypercall_page entered", Say(debug, "break setup_hypercall_page", "continue"), StringComparison.Ordinal);
        string atStage = debug.StateDigest();
        Position first = debug.Position;
        string into = Say(debug, "goto stage arch_do_domctl", "bt");
        Assert.Contains("Xen: arch_do_domctl entered", into, StringComparison.Ordinal);
        Assert.Matches(@"arch_do_domctl\n.*do_domctl\n.*XEN_DOMCTL_hypercall_init\n(.*\n)*.*setup_hypercall_page", into);

        // Slot 0's first byte: push %rcx, 0x51 (xen/arch/x86/x86_64/traps.c: hypercall_page_initialise_ring3_kernel, stable-4.17 pv/hypercall.c).
        string page = $"0x{MachineOf(debug):x}";
        string watched = Say(debug, $"watch machine {page},1", "continue");
        Assert.Contains("-> 0x51", watched, StringComparison.Ordinal);
        Assert.Contains(writer, watched, StringComparison.Ordinal);

        string call = Say(debug, "delete", "break *hypercall_page+17*32", "continue", "disas $rip 1", "stepi 3");
        Assert.Contains("mov $0x11, %eax", Say(debug, "disas hypercall_page+17*32+3 1"), StringComparison.Ordinal);
        Assert.Contains("syscall", call, StringComparison.Ordinal);
        Assert.Contains("calls XENVER_version", Say(debug, "delete", "stepc"), StringComparison.Ordinal);
        Assert.Contains("from XENVER_version", Say(debug, "finishc"), StringComparison.Ordinal);
        Assert.Contains("pop %r11", Say(debug, "stepi"), StringComparison.Ordinal);

        string why = Say(debug, "why hypercall_page");
        Assert.Contains($"{writer} ← {stage} ← arch_do_domctl ← do_domctl ← XEN_DOMCTL_hypercall_init (hypercall) ← do_domctl ← setup_hypercall_page", why, StringComparison.Ordinal);
        Assert.Contains("written by d1v0", Say(debug, "why $rax"), StringComparison.Ordinal);

        Assert.Equal(StopReason.Breakpoint, Said(debug, "break setup_hypercall_page", "rcontinue").Reason);
        Assert.Equal(first, debug.Position);
        Assert.Equal(atStage, debug.StateDigest());
        Assert.Contains("the beginning of history", Say(debug, "delete", "rcontinue"), StringComparison.Ordinal);
        Assert.Contains("the guest powered off", Say(debug, "continue"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_dom0_path_is_stepped_from_start_xen()
    {
        using DebugSession debug = Debugged.Boot("pv64", BootPath.Dom0);
        Assert.Contains("Xen: __start_xen entered", Say(debug, "step"), StringComparison.Ordinal);
        string tree = Say(debug, "goto stage init_hypercall_page", "stages", "bt");
        Assert.Matches(@"=> +init_hypercall_page", tree);
        Assert.Contains("__start_xen", tree, StringComparison.Ordinal);
        for (int i = 0; i < 200 && debug.Report.Event is not Hypervisor.Public.Events.GuestStarted; i++)
            Say(debug, "step");
        Assert.Contains("d0v0 is about to run its first instruction", Say(debug, "where"), StringComparison.Ordinal);
        Assert.Contains("Xen: ", Say(debug, "rstep"), StringComparison.Ordinal);
        Assert.Contains("Xen: init_hypercall_page entered", Say(debug, "goto stage init_hypercall_page"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_exception_is_explained_by_rule_and_walk()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        string said = Say(debug, "break exception 14", "continue", "explain");
        if (debug.Report.Reason == StopReason.Breakpoint)
            Assert.Contains("The walk:", said, StringComparison.Ordinal);
        else
            Assert.Contains("The session ended: the guest powered off", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("brake x", "did you mean \"break\"")]
    [InlineData("break setup_hypercal_page", "did you mean \"setup_hypercall_page\"")]
    [InlineData("break do_domctl sometimes", "only returning or failing")]
    [InlineData("p $rxa", "no register, argument or symbol")]
    [InlineData("p 1 +", "ends where a value is expected")]
    [InlineData("p (1", "\")\" is missing")]
    [InlineData("p 1/0", "division by zero")]
    [InlineData("x/9999xg 0", "at most 4096")]
    [InlineData("x 0", "nothing is mapped")]
    [InlineData("goto nowhere", "none of begin, end")]
    [InlineData("delete 7", "there is no breakpoint 7")]
    [InlineData("regs", "there is no vCPU yet")]
    [InlineData("set $rax = 1", "there is no vCPU yet")]
    [InlineData("s", "")]
    public void What_is_wrong_is_said_in_one_line(string line, string message)
    {
        using DebugSession debug = Debugged.Boot("pv64");
        string said = Say(debug, line);
        Assert.Contains(message, said, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(message.Length > 0, said.StartsWith("error: ", StringComparison.Ordinal));
        Assert.Single(said.TrimEnd().Split('\n'));
    }

    [Fact]
    public void Every_command_has_examples_and_none_breaks_the_prompt()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        string list = Say(debug, "help");
        debug.GoToInstruction(3_000);
        foreach (string name in DebugPrompt.CommandNames.Where(n => n is not ("quit" or "q" or "exit" or "record")))
        {
            string help = Say(debug, $"help {name}");
            Assert.Contains("Examples:", help, StringComparison.Ordinal);
            foreach (string example in help[help.IndexOf("Examples:\n", StringComparison.Ordinal)..].Split('\n').Skip(1).Where(l => l.Length > 0))
            {
                string said = Say(debug, example.Trim());
                Assert.DoesNotContain("Exception", said, StringComparison.Ordinal);
            }
        }

        Assert.Contains("rstepi", list, StringComparison.Ordinal);
    }

    [Fact]
    public void A_condition_on_a_calls_arguments_decides()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        Say(debug, "break EVTCHNOP_send if caller == 1", "ignore 1 1", "continue");
        Assert.Equal(2, debug.Breakpoints[0].Hits);
        Assert.Equal(1ul, debug.Inspect.Scope(debug.Report.Event).TryName("caller", out ulong caller) ? caller : 99);
    }

    [Fact]
    public void Commands_come_from_files_and_pipes_and_a_recording_is_opened_again()
    {
        using ScratchFolder folder = new();
        string script = folder.Write("go.txt", "# to the page\ngoto stage init_hypercall_page\ngoto instruction 5000\nset $r15 = 0x77\nstepi 10\nquit\n");
        string recording = Path.Combine(folder.Path, "boot.xensim");
        ProgramRun run = ProgramRun.With("debug", "pv64", "-x", script, "--record", recording);
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("init_hypercall_page entered", run.Output, StringComparison.Ordinal);
        string check = folder.Write("check.txt", "goto instruction 5005\nregs r15\nquit\n");
        ProgramRun again = ProgramRun.With("debug", recording, "-x", check);
        Assert.Contains("r15      0x77", again.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, again.Exit);
        File.WriteAllText(recording, File.ReadAllText(recording).Replace("\"trace\": \"", "\"trace\": \"0", StringComparison.Ordinal));
        ProgramRun.With("debug", recording, "-x", check).MustRefuse("not the one that was recorded");
        ProgramRun.With("debug", "pv64", "-x", folder.Write("bad.txt", "step\nbroke\n")).MustRefuse("bad.txt:2:1");
    }

    [Fact]
    public void What_is_typed_is_kept_with_its_moment()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        Say(debug, "goto instruction 6000", "type ls\\n", "continue");
        Position end = debug.Position;
        string digest = debug.StateDigest();
        Assert.Single(debug.Changes);
        Say(debug, "goto begin", "goto end");
        Assert.Equal(end, debug.Position);
        Assert.Equal(digest, debug.StateDigest());
    }

    private static ulong MachineOf(DebugSession debug)
    {
        Position here = debug.Position;
        debug.GoToEvent(FirstPage(debug));
        ulong mfn = ((Hypervisor.Public.Events.PageWritten)debug.Report.Event!).Frame.Value;
        debug.GoTo(here);
        return mfn << 12;
    }

    private static long FirstPage(DebugSession debug)
    {
        Breakpoint written = debug.Breakpoints.Add(new EventPoint(EventKind.PageWritten, null, "hypercall page"));
        Position here = debug.Position;
        long ordinal = debug.Go().Position.Event - 1;
        debug.Breakpoints.Remove(written.Id);
        debug.GoTo(here);
        return ordinal;
    }

    private static string Say(DebugSession debug, params string[] lines)
    {
        using StringWriter output = new() { NewLine = "\n" };
        DebugPrompt prompt = new(debug, output, TestContext.Current.CancellationToken);
        foreach (string line in lines)
            prompt.Execute(line);
        return output.ToString();
    }

    private static StopReport Said(DebugSession debug, params string[] lines)
    {
        Say(debug, lines);
        return debug.Report;
    }
}
