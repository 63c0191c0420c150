using System.CommandLine;
using XenSim.Simulator.Debugging.Dap;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim dap</c></summary>
internal static class DapCommand
{
    public static Command Build(Terminal terminal)
    {
        Command command = new("dap",
            """
            Debugs a boot for an editor: the Debug Adapter Protocol on standard input and output.

            The editor's "launch" request names "program" and "args": what stands after "xensim debug".

            Examples:
              xensim dap
            """);
        command.SetAction(_ =>
        {
            using Stream input = Console.OpenStandardInput();
            return (int)Serve(input, terminal);
        });
        return command;
    }

    internal static ExitCode Serve(Stream input, Terminal terminal)
    {
        DapConnection connection = new(input, terminal.Output);
        using DapServer server = new(connection, words => DebugCommand.Open(words, terminal), terminal.Stop);
        server.Serve();
        if (connection.Violation is not { } violation)
            return ExitCode.Success;
        terminal.Error.WriteLine($"xensim: the client of dap does not keep to the protocol: {violation}");
        return ExitCode.BadInput;
    }
}
