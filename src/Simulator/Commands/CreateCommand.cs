using System.CommandLine;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim create</c></summary>
internal static class CreateCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string> file = new("FILE.cfg") { Description = "A domain configuration in xl's own format." };
        Command command = new("create",
            """
            Creates the domain that an xl configuration file describes, and runs it.

            Exit codes are those of "xensim boot".

            Example:
              xensim create guest.cfg -vvv
            """)
        {
            file, Options.Verbosity(),
        };
        command.SetAction(int (ParseResult parsed) =>
        {
            _ = terminal;
            throw new InputException(parsed.GetRequiredValue(file), "xl configuration files cannot be read yet");
        });
        return command;
    }
}
