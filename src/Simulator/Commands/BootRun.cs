using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Commands;

/// <summary>Runs one session for a person: what <c>boot</c> and <c>create</c> share.</summary>
internal static class BootRun
{
    public static Option<string?> Perfetto() => new("--perfetto") { Description = "Write stages, hypercalls and vCPU exits to this file for Perfetto or Chrome.", HelpName = "FILE.json" };

    /// <param name="trace">File for the events, or null.</param>
    /// <param name="perfetto">File for Perfetto, or null.</param>
    public static ExitCode Execute(SessionOptions options, string? trace, string? perfetto, int verbosity, Terminal terminal)
    {
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
            foreach (string line in session.ExplainCrash())
                terminal.Error.WriteLine($"xensim: {line}");
            terminal.Error.WriteLine($"xensim: {outcome.Detail}");
            return CodeFor(outcome);
        }
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
