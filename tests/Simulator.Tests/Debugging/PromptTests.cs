using System.Runtime.CompilerServices;
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

        // What the call answered is Xen's, what the stub's next instruction takes off the stack is the guest's.
        Assert.Contains("written by XENVER_version (hypercall)", Say(debug, "why $rax"), StringComparison.Ordinal);
        Assert.Contains("pop %r11", Say(debug, "stepi", "why $r11"), StringComparison.Ordinal);

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
    public void A_page_fault_is_explained_by_rule_and_walk()
    {
        // Nothing of the guest is mapped at 0x1000; a fetch there is #PF with the I/D bit (SDM vol. 3A, figure 4-12), which nobody handles.
        using DebugSession debug = Debugged.Boot("pv64");
        string said = Say(debug, "goto instruction 6000", "set $rip = 0x1000", "break exception 14", "continue", "explain");
        Assert.Contains("A fetch from 0x1000 by the kernel: it is not mapped. The walk:\n  L4[0] = 0x0: not present, the walk ends here\nIt goes to nobody: unhandled.", said, StringComparison.Ordinal);
        Assert.Contains("the guest has no handler for vector 14", Say(debug, "continue", "explain"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refused_page_table_is_explained_by_the_rule_the_frame_and_the_request()
    {
        // The hypercall page was put over the L3 table: xen/arch/x86/mm.c, RELEASE-4.0.4, alloc_l3_table refuses its stubs as entries.
        string scenario = Path.Combine(Root(), "scenarios", "refused", "hypercall-page-over-page-tables-4.0.yaml");
        using ScratchFolder folder = new();
        string said = ProgramRun.With("debug", scenario, "-x", folder.Write("x.txt", "break refused\ncontinue\nexplain\nbt\nquit\n")).Output;
        Assert.Contains("Xen refused d1 with EINVAL: Bad L3 flags", said, StringComparison.Ordinal);
        Assert.Matches("mfn 0x[0-9a-f]+: owner d1, PGT_l3_page_table, 2 references, 1 of the type, PGC_allocated", said);
        Assert.Contains("The request: the tools call MMUEXT_PIN_L4_TABLE(domain=d1", said, StringComparison.Ordinal);
        Assert.Matches("#0 +hypercall MMUEXT_PIN_L4_TABLE\n#1 +tools +pin_table", said);
    }

    [Theory]
    [InlineData("pv64", "break evtchn 3", "event channel 3 of d")]
    [InlineData("pv64", "break console \"bye\"", "sched_op(shutdown, poweroff): bye")]
    [InlineData("pv64", "break shutdown if reason == 0", "d1 shut down, reason 0")]
    [InlineData("pv64", "break xenstore */console/ring-ref", "/console/ring-ref")]
    [InlineData("pv64", "break written hypercall page", "wrote hypercall page")]
    [InlineData("pv64", "break memory_op returning if result > 0 && caller == 1", "d1v0 gets 8192 from XENMEM_current_reservation")]
    [InlineData("pv64", "break vcpu_x86_64 returning", "tools: vcpu_x86_64 returned")]
    [InlineData("pv64", "break write_ring", "<write_ring>")]
    [InlineData("hvm", "break cpuid 0x40000002", "cpuid 0x40000002")]
    [InlineData("hvm", "break msr 0x40000000", "wrmsr 0x40000000")]
    public void What_can_be_waited_for_stops_in_both_directions_and_a_temporary_one_once(string guest, string command, string shown)
    {
        using DebugSession debug = Debugged.Boot(guest, guest == "hvm" ? BootPath.Hvm : BootPath.DomU);
        Assert.Contains(shown, Say(debug, command, "continue"), StringComparison.Ordinal);
        Assert.Equal(StopReason.Breakpoint, debug.Report.Reason);
        Position first = debug.Position;
        Assert.Equal(1, debug.Breakpoints[0].Hits);
        Say(debug, "delete", "goto end", command);
        while (Said(debug, "rcontinue").Reason == StopReason.Breakpoint && debug.Position > first)
            Assert.NotEqual(Position.Start, debug.Position);
        Assert.Equal(first, debug.Position);

        Say(debug, "delete", "goto begin", "t" + command, "continue");
        Assert.Equal(first, debug.Position);
        Assert.Empty(debug.Breakpoints);
    }

    [Fact]
    public void A_write_is_seen_by_virtual_guest_physical_and_machine_address_alike()
    {
        // The guest writes out_prod of its console ring (xen/include/public/io/console.h: at 0xc0c), counting bytes.
        using DebugSession debug = Debugged.Boot("pv64");
        Say(debug, "break write_ring", "continue", "delete", "stepi 8");
        Position here = debug.Position;
        ulong virtualAddress = debug.Inspect.Selected!.Cpu[Guest.Cpu.Gpr.Rbp] + 0xc0c;
        ulong machine = debug.Inspect.MachineAddressOf(AddressSpace.Virtual, virtualAddress)!.Value.Value;
        ulong physical = (debug.Inspect.PseudoPhysicalOf(new Hypervisor.Public.Mfn(machine >> 12))!.Value.Value << 12) | (machine & 0xFFF);
        HashSet<Position> seen = [];
        foreach (string kind in (string[])["watch", "wwatch", "awatch"])
        {
            foreach (string where in (string[])[$"0x{virtualAddress:x}", $"phys 0x{physical:x}", $"machine 0x{machine:x}"])
            {
                Say(debug, "delete");
                debug.GoTo(here);
                string said = Say(debug, $"{kind} {where},4", "continue");
                if (kind == "awatch")
                    said += Say(debug, "continue", "continue");
                Assert.Matches("0x000000([0-9a-f]{2}) -> 0x000000[0-9a-f]{2}, written by the guest", said);
                if (kind != "awatch")
                    seen.Add(debug.Position);
            }
        }

        Assert.Single(seen);
        Say(debug, "delete");
        debug.GoTo(here);
        Assert.Contains(", read by the guest", Say(debug, $"rwatch phys 0x{physical:x},4", "continue"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("brake x", "did you mean \"break\"")]
    [InlineData("break setup_hypercal_page", "did you mean \"setup_hypercall_page\"")]
    [InlineData("break do_domctl sometimes", "only returning or failing")]
    [InlineData("p $rxa", "no register, argument or symbol")]
    [InlineData("p 1 +", "ends where a value is expected")]
    [InlineData("p (1", "\")\" is missing")]
    [InlineData("p 1/0", "division by zero")]
    [InlineData("x/9999xg 0", "from 1 to 4096")]
    [InlineData("x/i phys 0", "by virtual address only")]
    [InlineData("x/s 0", "nothing is mapped")]
    [InlineData("xp/2xq 0", "no format or size \"q\"")]
    [InlineData("p/z 1", "no format \"z\"")]
    [InlineData("step/x", "nothing can stand after a slash")]
    [InlineData("continue now", "\"now\" is too much")]
    [InlineData("goto end now", "\"now\" after end")]
    [InlineData("stepi 3 4", "\"4\" is too much")]
    [InlineData("stepi -1", "is not a count")]
    [InlineData("finish", "no stage is open")]
    [InlineData("finishc", "no hypercall is open")]
    [InlineData("break XEN_DOMCTL_hypercal_init", "did you mean \"XEN_DOMCTL_hypercall_init\"")]
    [InlineData("break if 1", "where is missing")]
    [InlineData("break do_domctl if", "an expression is missing after if")]
    [InlineData("break exception 256", "at most 255")]
    [InlineData("break refused 3", "only if and a condition")]
    [InlineData("watch machine 0xffffffffff,1", "no memory at machine address")]
    [InlineData("watch 0,0", "not a length")]
    [InlineData("rwatch $rax", "for changes only")]
    [InlineData("ignore 1", "there is no breakpoint 1")]
    [InlineData("condition", "number is missing")]
    [InlineData("info nothing", "none of breakpoints")]
    [InlineData("info symbol 5", "no symbol matches 0x5")]
    [InlineData("pt", "there is no vCPU yet")]
    [InlineData("frames 0xffffffffff", "no frame 0xffffffffff")]
    [InlineData("events 9", "there is no domain 9")]
    [InlineData("grants d9", "there is no domain d9")]
    [InlineData("xenstore", "xenstored does not run yet")]
    [InlineData("vcpu 1 x", "there is no vCPU 1 x")]
    [InlineData("why 0", "nothing is mapped")]
    [InlineData("trace 0", "is not a count")]
    [InlineData("graph png", "neither mermaid nor dot")]
    [InlineData("type", "a text is missing")]
    [InlineData("record", "a file's name is missing")]
    [InlineData("help nothing", "no command \"nothing\"")]
    [InlineData("e", "may be enable, events, explain, quit")]
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

    public static TheoryData<string> Commands => [.. DebugPrompt.CommandNames.Where(n => n is not ("quit" or "q" or "exit" or "record"))];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_command_has_examples_and_they_work(string name)
    {
        using DebugSession asked = Debugged.Boot("pv64");
        string[] help = Say(asked, $"help {name}").Split('\n');
        string[] examples = [.. help.SkipWhile(l => l != "Examples:").Skip(1).Where(l => l.Length > 0).Select(l => l.Trim())];
        Assert.NotEmpty(examples);
        foreach (string example in examples)
        {
            // Where there is something for each of them: a guest that has mapped shared_info, a stage and a hypercall that are open, and two breakpoints.
            using DebugSession debug = Debugged.Boot("pv64");
            Say(debug, example.Contains("finish", StringComparison.Ordinal) ? "goto stage init_hypercall_page" : "goto instruction 11000", "delete", "break do_domctl", "break *0");
            Assert.DoesNotContain("error:", Say(debug, example), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Registers_that_the_tools_set_have_them_as_their_reason()
    {
        // xc_dom_boot.c's launch gives the context to XEN_DOMCTL_setvcpucontext; RSI of a PV guest is start_info (xen/include/public/xen.h).
        using DebugSession debug = Debugged.Boot("pv64");
        Say(debug, "goto instruction 1");
        string rsi = Say(debug, "why $rsi");
        Assert.Contains("written by do_domctl ← XEN_DOMCTL_setvcpucontext (hypercall)", rsi, StringComparison.Ordinal);
        Assert.Contains($"{debug.Inspect.Selected!.Cpu[Guest.Cpu.Gpr.Rsi]:x}", rsi, StringComparison.Ordinal);

        // xen/include/public/xen.h: struct start_info begins with its magic.
        Assert.EndsWith(": \"xen-3.0-x86_64\"\n", Say(debug, "x/s $rsi"), StringComparison.Ordinal);

        // What the instruction just executed did counts, too.
        Assert.Contains("<_start>: cld\ngoto instruction 0", Say(debug, "why $rip"), StringComparison.Ordinal);
        Assert.Contains("nobody has written it", Say(debug, "why phys 0x1000"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x/2xw $rip", "0xffffffff80100000 <_start>: 0x358948fc 0x00004228  ")]
    [InlineData("x/2bx $rip", "0xffffffff80100000 <_start>: 0xfc 0x48  ·H")]
    [InlineData("x/1bd $rip", "0xffffffff80100000 <_start>: -4")]
    [InlineData("x/1bt $rip", "0xffffffff80100000 <_start>: 11111100")]
    [InlineData("x/1bo $rip", "0xffffffff80100000 <_start>: 0374")]
    [InlineData("x/2c $rip+1", "0xffffffff80100001 <_start+0x1>: 72 'H' -119 '\\211'")]
    [InlineData("xp/1bx 0x100000", "phys 0x100000: 0xfc  ·")]
    [InlineData("p/a hypercall_page+17*32+3", "0xffffffff80103223 <hypercall xen_version+0x3>")]
    [InlineData("p/c 0x41", "65 'A'")]
    [InlineData("p /x 255", "0xff")]
    [InlineData("p/o 8", "010")]
    [InlineData("p/t 5", "101")]
    [InlineData("p $eflags & 0x200", "0x200 (512)")]
    public void Values_are_shown_as_gdb_shows_them(string line, string shown)
    {
        // The image begins with fc 48 89 35 28 42 00 00, cld and mov %rsi, 0x4228(%rip) (objdump).
        using DebugSession debug = Debugged.Boot("pv64");
        debug.StepBy(Granularity.Instruction);
        Assert.StartsWith(shown, Say(debug, line), StringComparison.Ordinal);
    }

    [Fact]
    public void Before_the_first_instruction_there_is_none_to_go_back_to()
    {
        using DebugSession debug = Debugged.Boot("pv64");
        Position first = debug.GoToInstruction(1).Position;
        debug.GoToStart();
        Assert.Equal(StopReason.BeginOfHistory, debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward).Reason);
        Assert.Equal(Position.Start, debug.Position);
        debug.GoTo(first);
        debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward);
        Position entry = debug.Position;
        Assert.Equal(StopReason.BeginOfHistory, debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward).Reason);
        Assert.Equal(entry, debug.Position);
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

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", ".."));

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
