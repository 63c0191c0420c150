using System.Text;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Session;

/// <summary>The words with which a user varies a built-in guest, in scenario files and on the command line.</summary>
public static class GuestWords
{
    private const string Absent = "absent";

    /// <summary>hypercall-msr-index for HypercallMsrIndex.</summary>
    public static string NameOf(GuestTrial trial)
    {
        StringBuilder name = new();
        foreach (char c in trial.ToString())
        {
            if (char.IsAsciiLetterUpper(c) && name.Length > 0)
                name.Append('-');
            name.Append(char.ToLowerInvariant(c));
        }

        return name.ToString();
    }

    /// <param name="plain">Not quoted: a number is a number then, and absent means no note.</param>
    public static bool TryParseNote(string text, bool plain, out (string? Text, ulong? Number) value)
    {
        value = plain && text == Absent ? (null, null)
            : plain && NumberShape.TryParse(text, out ulong number) ? (null, number)
            : (text, null);
        return !plain || text.Length > 0;
    }
}
