using System.Diagnostics;
using XenSim.Guest.Cpu;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>
/// Debian's Linux 6.1 under the debugger: its first 120 million instructions always, the whole boot to userspace on request (<c>-explicit only</c>; a few minutes of processor time).
/// The last test prints what history costs; use a Release build for it.
/// </summary>
public sealed class LinuxTimeTravelTests(ITestOutputHelper output)
{
    /// <summary>Instructions of the part of the boot that every run of the tests goes through, and of more than the boot has.</summary>
    private const long Beginning = 120_000_000, Everything = 8_000_000_000;

    /// <summary>What comes after the last capture and before the next: events, and pages that are copied meanwhile. Unit: bytes.</summary>
    private const long Slack = 8 << 20;

    [Theory]
    [InlineData(Beginning, "Linux version 6.1")]
    [InlineData(Everything, "INIT: done", Explicit = true)]
    public void Back_to_the_first_write_of_a_page_table_entry_and_forward_to_the_same_end(long instructions, string printed)
    {
        using DebugSession debug = Linux(instructions);
        Position end = debug.Go().Position;
        string digest = debug.StateDigest();
        string console = ConsoleOf(debug);
        Assert.Contains(printed, console, StringComparison.Ordinal);

        // The entry that maps the stack, by machine address, so that every writer is seen: the tools at first, Linux itself once it has stacks in vmalloc space.
        debug.GoToInstruction(end.Instruction / 2);
        ulong entry = EntryOf(debug, debug.Inspect.Selected!.Cpu[Gpr.Rsp]);
        Breakpoint watch = debug.Breakpoints.Add(new MemoryWatch(AddressSpace.Machine, entry, 8, WatchKind.Change));
        StopReport stop = debug.Report, first = stop;
        while ((stop = debug.Go(Direction.Backward)).Reason == StopReason.Watchpoint)
            first = stop;
        Assert.Equal(StopReason.BeginOfHistory, stop.Reason);
        Assert.Equal(StopReason.Watchpoint, first.Reason);
        output.WriteLine($"first written at {first.Position} by {first.Watch!.By}");
        debug.Breakpoints.Remove(watch.Id);
        debug.Go();
        Assert.Equal(end, debug.Position);
        Assert.Equal(digest, debug.StateDigest());
        Assert.Equal(console, ConsoleOf(debug));
    }

    [Theory]
    [InlineData(Beginning, 24)]
    [InlineData(Everything, 200, Explicit = true)]
    public void Random_steps_find_every_state_again(long instructions, int steps)
    {
        using DebugSession debug = Linux(instructions);
        Position end = debug.Go().Position;
        Dictionary<Position, string> seen = new() { [end] = debug.StateDigest() };
        Random random = new(7);
        for (int i = 0; i < steps; i++)
        {
            Direction direction = random.Next(2) == 0 ? Direction.Forward : Direction.Backward;
            StopReport stop = random.Next(8) switch
            {
                0 => debug.GoToInstruction(random.NextInt64(end.Instruction)),
                1 => debug.GoToEvent(random.NextInt64(end.Event)),
                2 => debug.StepBy(Granularity.Hypercall, StepKind.Into, direction),
                3 => debug.StepBy(Granularity.Hypercall, StepKind.Over, direction),
                4 or 5 => debug.GoTo(seen.Keys.ElementAt(random.Next(seen.Count))),
                _ => debug.StepBy(Granularity.Instruction, StepKind.Into, direction),
            };
            string digest = debug.StateDigest();
            Assert.True(seen.TryAdd(stop.Position, digest) || seen[stop.Position] == digest, $"step {i} came to {stop.Position} in another state");
        }
    }

    [Theory]
    [InlineData(Beginning, 500_000, 60, false)]
    [InlineData(Everything, 1_000_000, 160, true, Explicit = true)]
    public void Memory_of_history_stays_within_its_bound_and_the_way_back_open(long instructions, long interval, long boundMiB, bool alone)
    {
        long bound = boundMiB << 20, without;
        Position end;
        string digest;
        using (DebugSession plain = Linux(instructions, new DebugSettings { KeepHistory = false }))
        {
            without = TakenNow(plain);
            end = plain.GoToInstruction(long.MaxValue / 2).Position;
            without = TakenNow(plain) - without;
        }

        using DebugSession debug = Linux(instructions, new DebugSettings { Interval = interval, MemoryBound = bound });
        long with = TakenNow(debug);
        int most = 0;
        for (long at = 0; at < end.Instruction; at += Math.Max(interval, end.Instruction / 100))
        {
            debug.GoToInstruction(at);
            Assert.InRange(debug.History.Bytes, 0, bound + Slack);
            most = Math.Max(most, debug.History.States);
        }

        debug.GoToInstruction(long.MaxValue / 2);
        digest = debug.StateDigest();
        with = TakenNow(debug) - with;
        HistoryFigures history = debug.History;
        output.WriteLine($"{history.States} states, {most} at most, say they take {history.Bytes >> 20} MiB; the process took {(with - without) >> 20} MiB more than without");
        Assert.Equal(end, debug.Position);
        Assert.InRange(history.Bytes, 0, bound + Slack);
        Assert.True(history.States < end.Instruction / interval / 2, "nothing had to be thinned out: the bound was not tried");

        // The journal of events is there in both; what was captured comes on top, and takes no more than it says. What tests beside this one hold counts too: only alone can it be asked.
        if (alone)
            Assert.InRange(with - without, 0, history.Bytes + Slack);

        debug.GoToStart();
        Assert.Equal(Position.Start, debug.Position);
        debug.GoToInstruction(end.Instruction / 3);
        Assert.InRange(debug.History.Bytes, 0, bound + Slack);
        debug.GoTo(end);
        Assert.Equal(digest, debug.StateDigest());
    }

    [Fact(Explicit = true)]
    public void What_history_costs()
    {
        // The first boot of a process also compiles; it is not counted. Of several, in turn, the least counts.
        Boot(new DebugSettings { KeepHistory = false }, out DebugSession debug);
        debug.Dispose();
        TimeSpan without = TimeSpan.MaxValue, with = TimeSpan.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            without = Least(without, Boot(new DebugSettings { KeepHistory = false }, out debug));
            debug.Dispose();
            with = Least(with, Boot(new DebugSettings(), out debug));
            if (round < 2)
                debug.Dispose();
        }

        using (debug)
        {
            output.WriteLine($"boot with history {with.TotalSeconds:F2} s of processor time, without {without.TotalSeconds:F2} s: {with / without:F3} times");
            output.WriteLine($"{debug.History.States} states, {debug.History.Bytes >> 20} MiB");
            Assert.True(with / without <= 1.10, "history costs more than a tenth of the boot");
            List<double> steps = [];
            long end = debug.Position.Instruction;
            Random random = new(1);
            for (int i = 0; i < 40; i++)
            {
                debug.GoToInstruction(random.NextInt64(end));
                TimeSpan start = Process.GetCurrentProcess().TotalProcessorTime;
                debug.StepBy(Granularity.Instruction, StepKind.Into, Direction.Backward);
                steps.Add((Process.GetCurrentProcess().TotalProcessorTime - start).TotalMilliseconds);
            }

            steps.Sort();
            output.WriteLine($"one instruction back: median {steps[20]:F0} ms, longest {steps[^1]:F0} ms of processor time");
        }
    }

    [Fact(Explicit = true)]
    public void Linux_own_trace_of_a_panic_is_the_stack_that_bt_shows()
    {
        // Without a ramdisk there is no root file system. What Linux prints of its stack is the witness: "name+0xoffset/0xsize", guesses of its own with a "?".
        using DebugSession debug = Linux(Everything, ramdisk: false);
        debug.Breakpoints.Add(new EventPoint(EventKind.Console, null, "Call Trace:"));
        Assert.Equal(StopReason.Breakpoint, debug.Go().Reason);
        // What the guest printed is read after its hypercall has returned: no vCPU runs then.
        ulong[] stack = [.. debug.Inspect.StackOf(debug.Inspect.Selected!).Select(f => f.Address)];
        debug.Go();
        string[] trace = [.. ConsoleOf(debug).Split("Call Trace:")[1].Split("</TASK>")[0].Split('\n').Where(l => l.Contains("+0x", StringComparison.Ordinal) && !l.Contains("] ? ", StringComparison.Ordinal) && !l.Contains("  ? ", StringComparison.Ordinal))];
        Assert.True(trace.Length >= 5, ConsoleOf(debug));
        output.WriteLine(string.Join('\n', trace.Zip(stack[^trace.Length..], (t, a) => $"0x{a:x} {t.Trim()}")));

        // Address less offset is where a function begins. Those outside init are aligned to 16 bytes, and there are three of them: panic, kernel_init, ret_from_fork.
        (ulong Address, string Line)[] both = [.. stack[^trace.Length..].Zip(trace)];
        int begins = both.Count(b => (b.Address - OffsetIn(b.Line)) % 16 == 0);
        Assert.True(begins >= 3, $"{begins} of {trace.Length} addresses lead to where a function may begin");
    }

    private static ulong OffsetIn(string line)
    {
        string offset = line[(line.IndexOf("+0x", StringComparison.Ordinal) + 3)..];
        return ulong.Parse(offset[..offset.IndexOf('/', StringComparison.Ordinal)], System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>What lives in the managed heap and in the machine's pages.</summary>
    private static long TakenNow(DebugSession debug) => GC.GetTotalMemory(forceFullCollection: true) + (debug.Inspect.Xen.Memory.StoredPages * 4096L);

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Boot(DebugSettings settings, out DebugSession debug)
    {
        debug = Linux(Everything, settings);
        TimeSpan start = Process.GetCurrentProcess().TotalProcessorTime;
        debug.Go();
        return Process.GetCurrentProcess().TotalProcessorTime - start;
    }

    private static DebugSession Linux(long instructions, DebugSettings? settings = null, bool ramdisk = true)
    {
        string kernel = Path.Combine(FetchedGuests.Folder, "vmlinuz-6.1-amd64"), initramfs = Path.Combine(FetchedGuests.Folder, "initramfs.gz");
        if (!File.Exists(kernel) || !File.Exists(initramfs))
        {
            Assert.False(FetchedGuests.AreRequired, "Linux has not been fetched");
            Assert.Skip("Linux has not been fetched: scenarios/guests/get.sh");
        }

        return new DebugSession(
            new SessionOptions
            {
                Guest = new GuestSpec
                {
                    Kernel = new NamedBytes("vmlinuz-6.1-amd64", File.ReadAllBytes(kernel)),
                    Ramdisk = ramdisk ? new NamedBytes("initramfs.gz", File.ReadAllBytes(initramfs)) : null,
                    CommandLine = "console=hvc0 earlyprintk=xen panic=1",
                    MemoryMiB = 256,
                    Name = "linux",
                },
                Limits = new SessionLimits { Instructions = instructions },
            },
            settings);
    }

    private static string ConsoleOf(DebugSession debug)
        => string.Concat(Enumerable.Range(0, (int)debug.Position.Event).Select(i => debug.EventAt(i).Event).OfType<Hypervisor.Public.Events.ConsoleOutput>().Select(o => System.Text.Encoding.Latin1.GetString(o.Bytes)));

    /// <summary>Machine address of the lowest-level entry that maps an address. SDM vol. 3A, 4.5.</summary>
    private static ulong EntryOf(DebugSession debug, ulong address)
    {
        const ulong frame = 0x000F_FFFF_FFFF_F000;
        ulong table = debug.Inspect.Selected!.Cpu.Cr3 & frame;
        for (int level = 4; ; level--)
        {
            ulong at = table + ((address >> (3 + (9 * level)) & 0x1FF) * 8);
            byte[] entry = new byte[8];
            Assert.True(debug.Inspect.TryRead(AddressSpace.Machine, at, entry));
            if (level == 1)
                return at;
            table = BitConverter.ToUInt64(entry) & frame;
        }
    }
}
