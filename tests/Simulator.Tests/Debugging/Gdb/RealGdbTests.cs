using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Debugging.Gdb;

/// <summary>The client is gdb itself. What instructions are and how long, it finds out on its own, so its disassembly is the witness for its steps.</summary>
public sealed partial class RealGdbTests
{
    /// <summary>FLAT_KERNEL_CS64 and FLAT_KERNEL_CS32 as they are loaded at the start: xen/include/public/arch-x86/xen-x86_64.h and xen-x86_32.h.</summary>
    private const string Cs64 = "0xe033", Cs32 = "0xe019";

    public static TheoryData<string, string> Guests => new()
    {
        { "pv64", Cs64 }, { "pv32", Cs32 }, { "fetched:grub-x86_64-xen.bin", Cs64 }, { "fetched:grub-i386-xen.bin", Cs32 }, { "fetched:vmlinuz-6.1-amd64", Cs64 },
    };

    [Theory]
    [MemberData(nameof(Guests))]
    public void Gdb_steps_a_guest_there_and_back(string guest, string selector)
    {
        using ServedSession served = new(OptionsFor(guest));
        const int steps = 6;
        string[] forwards = [.. Enumerable.Repeat((string[])["stepi", "printf \"at %lx\\n\", $pc"], steps).SelectMany(c => c)];
        string[] backwards = [.. Enumerable.Repeat((string[])["reverse-stepi", "printf \"at %lx\\n\", $pc"], steps).SelectMany(c => c)];
        string said = served.Gdb(["printf \"at %lx\\n\", $pc", "x/2i $pc", "info registers cs", "info registers cr0", .. forwards, .. backwards, "reverse-stepi", "info threads"]);

        string[] places = [.. Place().Matches(said).Select(m => m.Groups[1].Value)];
        Assert.True(places.Length == (2 * steps) + 1, said);
        Assert.Equal(places[..steps].Reverse(), places[(steps + 1)..]);
        Assert.Equal(steps + 1, places.Distinct().Count());

        // "=> 0x…: one" and "   0x…: the next": what gdb disassembles is where the first step leads, for none of these guests begins with a branch.
        Assert.Equal(Listed().Matches(said).Select(m => Number(m.Groups[1].Value)).Take(2), places.Take(2).Select(Number));
        Assert.Matches($@"cs +{selector} ", said);
        Assert.Matches(@"cr0 .*\[ PE .*PG \]", said);
        Assert.Contains("No more reverse-execution history", said, StringComparison.Ordinal);
        Assert.Contains("(d1v0 running)", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("break")]
    [InlineData("hbreak")]
    public void A_breakpoint_in_the_hypercall_page_is_reached_again_and_again_in_both_directions(string kind)
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using ScratchFolder folder = new();
        string said = served.Gdb(
            $"symbol-file {folder.Write("pv64.elf", BuiltInGuest.Find("pv64")!.Image.ToArray())}",
            // Slot of __HYPERVISOR_xen_version: xen/include/public/xen.h.
            $"{kind} *(char *)&hypercall_page + 17*32", "continue", "printf \"sp %lx\\n\", $rsp", "continue", "printf \"sp %lx\\n\", $rsp", "reverse-continue", "printf \"sp %lx\\n\", $rsp",
            "reverse-continue", "delete", "continue");
        Assert.True(3 == Regex.Count(said, @"reakpoint 1, 0x[0-9a-f]+ in"), said);
        string[] stacks = [.. Regex.Matches(said, "sp ([0-9a-f]+)").Select(m => m.Value)];
        Assert.Equal(stacks[0], stacks[2]);
        Assert.Equal(2, Regex.Count(said, "No more reverse-execution history"));

        // What the guest printed in between, and how it ended.
        Assert.Contains("sched_op(shutdown, poweroff): bye", said, StringComparison.Ordinal);
        Assert.Contains("the guest powered off", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Watchpoints_tell_old_and_new_value_in_both_directions()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        // The second instruction of pv64 stores RSI, the address of start_info, relative to RIP.
        string said = served.Gdb(
            "stepi", "set $start = $rsi", "set $at = $pc + 7 + *(int *)($pc + 3)", "watch *(unsigned long *)$at", "continue", "printf \"now %d\\n\", *(unsigned long *)$at == $start",
            "reverse-continue", "printf \"then %lu\\n\", *(unsigned long *)$at", "delete", "set $field = $start + 32", "rwatch *(unsigned long *)$field", "continue", "printf \"pages %lu\\n\", *(unsigned long *)($start + 32)",
            "awatch *(unsigned long *)$at", "reverse-continue");
        Assert.Contains("Hardware watchpoint 1: *(unsigned long *)$at", said, StringComparison.Ordinal);
        Match[] changes = [.. (IEnumerable<Match>)Regex.Matches(said, @"Old value = (\d+)\s+New value = (\d+)")];
        Assert.True(changes.Length >= 2, said);
        Assert.Equal((changes[0].Groups[1].Value, changes[0].Groups[2].Value), (changes[1].Groups[2].Value, changes[1].Groups[1].Value));
        Assert.Contains("now 1", said, StringComparison.Ordinal);
        Assert.Contains("then 0", said, StringComparison.Ordinal);
        Assert.Contains("Hardware read watchpoint 2: *(unsigned long *)$field", said, StringComparison.Ordinal);
        // 32 MiB, as the options say.
        Assert.Contains("pages 8192", said, StringComparison.Ordinal);
        Assert.Contains("Hardware access (read/write) watchpoint 3: *(unsigned long *)$at", said[said.LastIndexOf("pages 8192", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fetched:grub-x86_64-xen.bin", "$rsi + 32")]
    [InlineData("fetched:grub-i386-xen.bin", "$esi + 32")]
    [InlineData("fetched:vmlinuz-6.1-amd64", "$rsi + 32")]
    public void A_real_guest_is_caught_reading_its_start_info_killed_and_taken_up_again(string guest, string field)
    {
        using ServedSession served = new(OptionsFor(guest));
        // nr_pages follows magic[32] in start_info: xen/include/public/xen.h.
        string said = served.Gdb(
            "printf \"entry %lx\\n\", $pc", $"set $field = {field}", "rwatch *(unsigned long *)$field", "continue", "printf \"at %lx\\n\", $pc", "stepi", "reverse-stepi", "printf \"at %lx\\n\", $pc", "info registers cr3", "kill");
        // Once when it is set and once when it stops: at the end of a session gdb shows a place too, after which nothing can be stepped.
        Assert.True(2 == Regex.Count(said, @"Hardware read watchpoint 1: \*\(unsigned long \*\)\$field"), said);
        Assert.Matches(@"Value = 32768\b", said);
        Assert.DoesNotContain("No more reverse-execution history", said, StringComparison.Ordinal);
        string[] places = [.. Place().Matches(said).Select(m => m.Value)];
        Assert.True(places.Length == 2, said);
        Assert.True(places[0] == places[1], said);
        Assert.Matches("cr3 +0x[1-9a-f]", said);

        string again = served.Gdb("printf \"entry %lx\\n\", $pc", "reverse-stepi", "detach");
        Assert.Equal(Entry().Match(said).Value, Entry().Match(again).Value);
        Assert.Contains("No more reverse-execution history", again, StringComparison.Ordinal);
        Assert.Contains("killed the guest", served.Log.ToString(), StringComparison.Ordinal);
        Assert.Contains("detached", served.Log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_is_read_by_linear_and_by_physical_address()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        // start_info is one page of the guest; its magic stands at its begin whichever way one comes there. A PV guest's domain is laid out one to one from VIRT_BASE.
        string said = served.Gdb(
            "set $start = $rsi", "printf \"linear %s\\n\", (char *)$start", "set $physical = $start & 0x7fffffff & ~0xfff", "monitor phys on",
            "printf \"there %d\\n\", *(unsigned char *)($start - 0xffffffff80000000) == 'x'", "monitor phys machine", "x/xb 0", "monitor phys off", "printf \"linear %s\\n\", (char *)$start", "monitor phys what");
        Assert.Equal(2, Regex.Count(said, "linear xen-3.0-x86_64"));
        Assert.Contains("there 1", said, StringComparison.Ordinal);
        Assert.Contains("guest-physical now", said, StringComparison.Ordinal);
        Assert.Contains("machine addresses now", said, StringComparison.Ordinal);
        Assert.Contains("monitor phys on: guest-physical addresses", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Gdb_does_not_notice_bytes_that_come_one_by_one_with_garbage_between_packets()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using TearingProxy proxy = new(served.Port);
        string said = ServedSession.RunGdb($"target remote 127.0.0.1:{proxy.Port}", "stepi", "stepi", "x/4i $pc", "info registers", "reverse-stepi", "reverse-stepi", "reverse-stepi", "continue");
        Assert.Contains("No more reverse-execution history", said, StringComparison.Ordinal);
        Assert.Matches($"cs +{Cs64} ", said);
        Assert.Contains("the guest powered off", said, StringComparison.Ordinal);
        Assert.True(proxy.Garbage > 20, "the proxy has put nothing in");
    }

    [Fact]
    public void A_unix_socket_serves_as_well()
    {
        using ScratchFolder folder = new();
        string path = Path.Combine(folder.Path, "debug.sock");
        using (ServedSession served = new(Debugged.Options("pv32"), $"unix:{path}"))
            Assert.Matches($"cs +{Cs32} ", served.Gdb("info registers cs"));
        Assert.False(File.Exists(path));
    }

    internal static SessionOptions OptionsFor(string guest)
    {
        if (!guest.StartsWith(FetchedGuests.Prefix, StringComparison.Ordinal))
            return Debugged.Options(guest);
        string name = guest[FetchedGuests.Prefix.Length..];
        if (!FetchedGuests.Exists(name))
        {
            Assert.False(FetchedGuests.AreRequired, $"{name} has not been fetched");
            Assert.Skip($"{name} has not been fetched: scenarios/guests/get.sh");
        }

        return new SessionOptions
        {
            Guest = new GuestSpec { Kernel = new NamedBytes(name, FetchedGuests.Read(name)), MemoryMiB = 128, CommandLine = "console=hvc0 earlyprintk=xen" },
            Limits = new SessionLimits { Instructions = 8_000_000_000 },
        };
    }

    private static ulong Number(string hexadecimal) => ulong.Parse(hexadecimal, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex("(?m)^at ([0-9a-f]+)$")]
    private static partial Regex Place();

    [GeneratedRegex("entry [0-9a-f]+")]
    private static partial Regex Entry();

    [GeneratedRegex("(?m)^(?:=>|  ) 0x([0-9a-f]+)(?: <[^>]*>)?:")]
    private static partial Regex Listed();
}
