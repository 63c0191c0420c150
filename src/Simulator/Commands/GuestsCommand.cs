using System.CommandLine;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim guests</c></summary>
internal static class GuestsCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string> folder = new("FOLDER") { Description = "Where to write them; it is created if need be." };
        Command command = new("guests",
            """
            Writes the ELF images of the built-in guests, for objdump, gdb or real Xen.

            Example:
              xensim guests guests/
            """)
        {
            folder,
        };
        command.SetAction(parsed => (int)Write(parsed.GetRequiredValue(folder), terminal));
        return command;
    }

    private static ExitCode Write(string folder, Terminal terminal)
    {
        try
        {
            Directory.CreateDirectory(folder);
            foreach (BuiltInGuest guest in BuiltInGuest.All)
            {
                string file = Path.Combine(folder, guest.FileName);
                File.WriteAllBytes(file, guest.Image.Span);
                terminal.Out.WriteLine($"{file}: {guest.Description}");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(folder, $"cannot be written: {e.Message}");
        }

        return ExitCode.Success;
    }
}
