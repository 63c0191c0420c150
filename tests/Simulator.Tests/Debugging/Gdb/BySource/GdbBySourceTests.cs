using System.Diagnostics;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Debugging.Gdb.BySource;

/// <summary>
/// gdb with the symbols of a kernel that <c>gcc -g</c> compiles when the test runs. Which lines, names and values it has to show follows from kernel.c, whose lines are named here by the
/// comments at their ends.
/// </summary>
public sealed class GdbBySourceTests : IDisposable
{
    private static readonly string[] Flags =
        ["-g", "-O0", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-mno-red-zone", "-fno-pic", "-mcmodel=kernel", "-fno-stack-protector", "-fcf-protection=none"];

    private readonly ScratchFolder _folder = new();
    private readonly string[] _source = File.ReadAllLines(Source("kernel.c"));

    [Fact]
    public void A_breakpoint_on_a_function_shows_who_called_it_with_which_arguments()
    {
        string said = Gdb("break inner", "continue", "bt", "info args", "print *at", "print greeting", "ptype at", "print total", "list inner", "up", "info locals", "print count");
        InOrder(
            said, "Breakpoint 1 at 0xffffffff8010", $"kernel.c, line {Line("product")}.", "Breakpoint 1, inner (factor=10, at=0xffffffff8010", " <corner>) at ", Shown("product"),
            "#0  inner (factor=10, at=0xffffffff8010", $"kernel.c:{Line("product")}\n", "#1 ", " in outer (count=3) at ", $"kernel.c:{Line("call")}\n",
            "#2 ", " in kernel () at ", $"kernel.c:{Line("kernel calls")}\n", "#3 ", " in _start () at ", "head.S:",
            "factor = 10\n", "= {x = 3, y = -4}\n", "= \"by source\"\n", "type = const struct point {\n    int x;\n    int y;\n} *\n", "= 7\n",
            Shown("product"), Shown("sum"), Shown("write"), "#1 ", Shown("call"), "i = 1\n", "last = 0\n", "= 3\n");
    }

    [Fact]
    public void Steps_go_by_source_line_into_functions_and_out_of_them_with_their_value()
    {
        string said = Gdb(
            "break inner", "continue", "next", "print product", "next", "print sum", "next", "print total", "next", "step", "print last", "step", "delete", "step", "print factor", "finish", "next", "print last",
            "next", "next", "print last", "print total", "tbreak kernel.c:" + Line("kernel returns"), "continue", "print last", "print corner", "continue");
        // The loop's second turn is stepped into, the third one over.
        InOrder(
            said, Shown("product"), Shown("sum"), "= 30\n", Shown("write"), "= 26\n", Shown("result"), "= 33\n", Shown("end of inner"), "outer (count=3)", Shown("loop"), "= 52\n", Shown("call"),
            "inner (factor=20, ", Shown("product"), "= 20\n", " in outer (count=3)", Shown("call"), "Value returned is ", "= 112\n", Shown("loop"), "= 112\n",
            Shown("call"), Shown("loop"), "= 172\n", "= 175\n", "kernel () at ", Shown("kernel returns"), "= 172\n", "= {x = 3, y = 172}\n", "the guest powered off");
        Assert.DoesNotContain("inner (factor=30", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_go_back_by_source_line_over_functions_into_them_and_to_their_callers()
    {
        string said = Gdb(
            "break inner if factor == 30", "continue", "delete", "reverse-step", "reverse-next", "print last", "reverse-next", "print last", "reverse-next",
            "next", "reverse-step", "reverse-step", "reverse-step", "print total", "reverse-step", "print total", "print factor", "reverse-finish", "reverse-continue");
        // What the source does not determine is left out: at which of a line's rows in the line table, which gcc makes for its columns, gdb 13 stops backwards.
        // Back from the third turn's callee to its caller, over the second turn's call to where it was about to be made, and from behind the first turn's call into it, from its end.
        InOrder(
            said, "inner (factor=30, ", Shown("product"), "outer (count=3) at ", Shown("call"), Shown("loop"), "= 112\n", Shown("call"), "= 52\n", Shown("loop"),
            Shown("call"), Shown("loop"), "inner (factor=10, ", Shown("end of inner"), Shown("result"), "= 33\n", Shown("write"), "= 7\n", "= 10\n", " in outer (count=3) at ", Shown("call"),
            "No more reverse-execution history.", "_start () at ", "head.S:");
    }

    [Fact]
    public void A_watched_variable_stops_at_its_writes_forwards_and_backwards()
    {
        string said = Gdb("watch total", "continue", "bt 2", "continue", "continue", "reverse-continue", "print factor", "reverse-continue", "print factor", "reverse-continue", "print factor", "continue");
        // Forwards the line behind the write is next, backwards the write itself.
        InOrder(
            said, "Hardware watchpoint 1: total", "Old value = 7\nNew value = 33\n", "inner (factor=10, ", Shown("result"), "#0  inner (", "#1 ", " in outer (", "Old value = 33\nNew value = 89\n", "inner (factor=20, ",
            Shown("result"), "Old value = 89\nNew value = 175\n", "inner (factor=30, ", "Old value = 175\nNew value = 89\n", Shown("write"), "= 30\n", "Old value = 89\nNew value = 33\n", Shown("write"), "= 20\n",
            "Old value = 33\nNew value = 7\n", Shown("write"), "= 10\n", "Old value = 7\nNew value = 33\n", Shown("result"));
    }

    public void Dispose() => _folder.Dispose();

    private static string Source(string name) => Path.Combine(AppContext.BaseDirectory, "Debugging", "Gdb", "BySource", name);

    private static void InOrder(string said, params string[] expected)
    {
        int at = 0;
        foreach (string e in expected)
        {
            int found = said.IndexOf(e, at, StringComparison.Ordinal);
            Assert.True(found >= 0, $"not there or not in its place: {e}\nafter:\n{said[..at]}\nin:\n{said[at..]}");
            at = found + e.Length;
        }
    }

    /// <summary>What gdb prints of the line where it stops: its number, a tab, its text.</summary>
    private string Shown(string comment) => $"{Line(comment)}\t{_source[Line(comment) - 1]}\n";

    /// <summary>The number, from 1, of the line that ends in this comment.</summary>
    private int Line(string comment) => 1 + Array.FindIndex(_source, l => l.EndsWith("// " + comment, StringComparison.Ordinal));

    private string Gdb(params string[] commands)
    {
        string kernel = Compile();
        using ServedSession served = new(new SessionOptions
        {
            Guest = new GuestSpec { Kernel = new NamedBytes("kernel.elf", File.ReadAllBytes(kernel)), MemoryMiB = 32 },
        });
        return ServedSession.RunGdb(["file " + kernel, "target remote " + served.Address, .. commands]);
    }

    private string Compile()
    {
        string kernel = Path.Combine(_folder.Path, "kernel.elf");
        ProcessStartInfo start = new("gcc", [.. Flags, $"-Wl,-T,{Source("kernel.lds")},--build-id=none", "-o", kernel, Source("head.S"), Source("kernel.c")]) { RedirectStandardError = true };
        Process? started = null;
        try
        {
            started = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("needs gcc");
        }

        using Process gcc = started!;
        string errors = gcc.StandardError.ReadToEnd();
        gcc.WaitForExit();
        Assert.True(gcc.ExitCode == 0, errors);
        return kernel;
    }
}
