using System.CommandLine;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim create</c></summary>
internal static class CreateCommand
{
    public static Command Build(Terminal terminal)
    {
        Command command = new("create",
            """
            Creates a domain.
            """);
        return command;
    }
}
