using System.CommandLine;
using System.CommandLine.Parsing;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Commands;

/// <summary>The program: its commands, and the one place where errors become messages and exit codes.</summary>
public static class Application
{
    /// <summary>Set to see the details of an internal error.</summary>
    private const string DetailsVariable = "XENSIM_DETAILS";

    public static ExitCode Run(IReadOnlyList<string> args, Terminal terminal)
    {
        try
        {
            ParseResult parsed = BuildRoot(terminal).Parse(args);
            if (parsed.Errors.Count > 0)
                return Refuse(parsed, terminal);
            InvocationConfiguration configuration = new()
            {
                Output = terminal.Out,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return (ExitCode)parsed.Invoke(configuration);
        }
        catch (InputException e)
        {
            foreach (Diagnostic diagnostic in e.Diagnostics)
                terminal.Error.WriteLine(diagnostic);
            return ExitCode.BadInput;
        }
        catch (IOException) when (terminal.Stop.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception e) when (Environment.GetEnvironmentVariable(DetailsVariable) != "1")
        {
            terminal.Error.WriteLine($"xensim: internal error: {e.GetType().Name}: {FirstLine(e.Message)} (this is a bug; run again with {DetailsVariable}=1 for the details)");
            return ExitCode.InternalError;
        }
        finally
        {
            terminal.Error.Flush();
        }
    }

    public static RootCommand BuildRoot(Terminal terminal) => new(
        """
        Simulates how Xen boots domains, stage by stage, until the guest's own code runs.

        Start with: xensim run scenarios/
        """)
    {
        RunCommand.Build(terminal),
        BootCommand.Build(terminal),
        CreateCommand.Build(terminal),
        PageCommand.Build(terminal),
        StagesCommand.Build(terminal),
        GraphCommand.Build(terminal),
        SchemaCommand.Build(terminal),
    };

    private static ExitCode Refuse(ParseResult parsed, Terminal terminal)
    {
        // An unknown command also counts as a missing one: say the first only.
        bool unknown = parsed.UnmatchedTokens.Count > 0;
        foreach (ParseError error in parsed.Errors.Skip(unknown && parsed.Errors.Count > 1 ? 1 : 0))
            terminal.Error.WriteLine($"xensim: error: {FirstLine(error.Message)}{Hint(parsed)}");
        terminal.Error.WriteLine($"Run \"{CommandText(parsed)} --help\" for usage.");
        return ExitCode.BadInput;
    }

    private static string Hint(ParseResult parsed)
    {
        string? unknown = parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : null;
        if (unknown is null)
            return "";
        Command command = parsed.CommandResult.Command;
        string[] known = [.. command.Subcommands.Select(c => c.Name), .. command.Options.Select(o => o.Name)];
        return NearestName.Find(unknown, known) is { } nearest ? $" Did you mean \"{nearest}\"?" : "";
    }

    private static string CommandText(ParseResult parsed)
        => parsed.CommandResult.Command is RootCommand ? "xensim" : $"xensim {parsed.CommandResult.Command.Name}";

    private static string FirstLine(string text) => text.Split('\n', 2)[0].TrimEnd('\r');
}
