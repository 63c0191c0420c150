using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary>Runs one session for a person: what <c>boot</c> and <c>create</c> share.</summary>
internal static class BootRun
{
    public static Option<string?> Perfetto() => new("--perfetto") { Description = "Write stages, hypercalls and vCPU exits to this file for Perfetto or Chrome.", HelpName = "FILE.json" };

    public static Option<string?> CoreDumps() => new("--core-dumps")
    {
        Description = "Keep the cores of domains that end with coredump-destroy or coredump-restart in this folder, as real xl does in /var/lib/xen/dump.",
        HelpName = "FOLDER",
    };

    /// <summary>The folder, or null.</summary>
    /// <exception cref="InputException">There is no such folder.</exception>
    public static string? CoreFolder(ParseResult parsed, Option<string?> option) => parsed.GetValue(option) is not { } folder ? null
        : Directory.Exists(folder) ? folder
        : throw new InputException(folder, "is not a folder that exists: cores are put there, make it first");

    public static Option<string?> Symbols() => new("--symbols")
    {
        Description = "Names for the addresses of a guest that dies: a System.map, or an ELF image with its symbols. Those of the kernel's own image are known.",
        HelpName = "FILE",
    };

    /// <param name="symbols">File with the kernel's symbols, or null.</param>
    /// <param name="trace">File for the events, or null.</param>
    /// <param name="perfetto">File for Perfetto, or null.</param>
    public static ExitCode Execute(SessionOptions options, string? symbols, string? trace, string? perfetto, int verbosity, Terminal terminal)
    {
        Debugging.Symbols names = symbols is null ? Debugging.Symbols.None : Read(symbols);
        using LogView log = new(terminal.Error, verbosity);
        using JsonLinesWriter? writer = trace is null ? null : new JsonLinesWriter(Create(trace));
        using PerfettoWriter? tracks = perfetto is null ? null : new PerfettoWriter(Create(perfetto));
        BootSession? session = null;
        List<IEventConsumer> consumers = [log, new ConsoleCopy(terminal.Output, () => session?.Subject)];
        if (writer is not null)
            consumers.Add(writer);
        if (tracks is not null)
            consumers.Add(tracks);
        using (session = new BootSession(options, consumers))
        {
            SessionOutcome outcome = session.Run(terminal.Stop);
            foreach (string line in session.ExplainCrash(names))
                terminal.Error.WriteLine($"xensim: {line}");
            terminal.Error.WriteLine($"xensim: {outcome.Detail}");
            return CodeFor(outcome);
        }
    }

    /// <exception cref="InputException">The file cannot be read, or names nothing.</exception>
    private static Debugging.Symbols Read(string file)
    {
        Debugging.Symbols symbols = Debugging.Symbols.Read(InputFile.Read(file));
        return symbols.Count > 0 ? symbols : throw new InputException(file, "no symbols in it", "give a System.map (ffffffff81000000 T _stext), or an ELF image that is not stripped");
    }

    internal static ExitCode CodeFor(SessionOutcome outcome) => outcome.End switch
    {
        _ when outcome.BadImage => ExitCode.BadInput,
        SessionEnd.PoweredOff or SessionEnd.Rebooted or SessionEnd.Suspended or SessionEnd.Halted or SessionEnd.UntilReached or SessionEnd.Paused => ExitCode.Success,
        SessionEnd.Unimplemented => ExitCode.Unimplemented,
        SessionEnd.LimitReached => ExitCode.LimitReached,
        SessionEnd.Interrupted => ExitCode.Interrupted,
        _ => ExitCode.Failure,
    };

    /// <exception cref="InputException">It cannot be written.</exception>
    public static Stream Create(string file)
    {
        try
        {
            return new BufferedStream(new FileStream(file, FileMode.Create, FileAccess.Write), 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(file, $"cannot be written: {e.Message}");
        }
    }
}
