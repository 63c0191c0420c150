using System.CommandLine;
using System.CommandLine.Parsing;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Commands;

/// <summary>The program: its commands, and the one place where errors become messages and exit codes.</summary>
public static class Application
{
    /// <summary>Set to see the details of an internal error.</summary>
    private const string DetailsVariable = "XENSIM_DETAILS";

    private static readonly (string Name, Func<Terminal, Command> Build)[] s_commands =
    [
        ("run", RunCommand.Build),
        ("test", TestCommand.Build),
        ("sweep", SweepCommand.Build),
        ("report", ReportCommand.Build),
        ("diff", DiffCommand.Build),
        ("boot", BootCommand.Build),
        ("create", CreateCommand.Build),
        ("debug", DebugCommand.Build),
        ("dap", DapCommand.Build),
        ("page", PageCommand.Build),
        ("stages", StagesCommand.Build),
        ("graph", GraphCommand.Build),
        ("schema", SchemaCommand.Build),
        ("guests", GuestsCommand.Build),
    ];

    public static ExitCode Run(IReadOnlyList<string> args, Terminal terminal)
    {
        try
        {
            ParseResult parsed = BuildRoot(terminal, args).Parse(args);
            if (parsed.Errors.Count > 0)
                return Refuse(parsed, terminal);
            Summarise(parsed.CommandResult.Command);
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

    /// <summary>With the one command that <paramref name="args"/> name, or with all: for the help, and to answer a mistake.</summary>
    private static RootCommand BuildRoot(Terminal terminal, IReadOnlyList<string> args)
    {
        RootCommand root = new(
            """
            Simulates how Xen boots domains, stage by stage, until the guest's own code runs.

            Start with: xensim run scenarios/
            Every command's help has examples and its exit codes. Of any command: 0 done, 2 bad input, 70 a bug in XenSim,
            130 interrupted.
            """);
        bool named = Array.Exists(s_commands, c => args.Count > 0 && c.Name == args[0]);
        foreach ((string name, Func<Terminal, Command> build) in s_commands)
        {
            if (!named || name == args[0])
                root.Add(build(terminal));
        }

        return root;
    }

    /// <summary>The list of commands shows what each does, in one line; exit codes and examples are in its own help.</summary>
    private static void Summarise(Command asked)
    {
        foreach (Command command in asked.Subcommands)
            command.Description = FirstLine(command.Description ?? "");
    }

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
