using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Session;

/// <summary>The words with which a user varies a built-in guest, in scenario files and on the command line.</summary>
public static class GuestWords
{
    private const string Absent = "absent";

    /// <summary>hypercall-msr-index for HypercallMsrIndex.</summary>
    public static string NameOf(GuestTrial trial)
        => string.Concat(trial.ToString().Select((c, i) => char.IsAsciiLetterUpper(c) ? $"{(i > 0 ? "-" : "")}{char.ToLowerInvariant(c)}" : $"{c}"));

    /// <param name="plain">Not quoted: a number is a number then, and absent means no note.</param>
    public static bool TryParseNote(string text, bool plain, out (string? Text, ulong? Number) value)
    {
        value = plain && text == Absent ? (null, null)
            : plain && NumberShape.TryParse(text, out ulong number) ? (null, number)
            : (text, null);
        return !plain || text.Length > 0;
    }
}
