using System.Collections.Immutable;
using System.Text;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>console: ["Hello", "done"]</c> and <c>no-console</c></summary>
internal static class ConsoleExpectation
{
    private static readonly ListShape<string> s_texts = new(new TextShape("console text"), "console texts");

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "console", "Texts on the guest's console, in this order (by console_io and by the console ring).", s_texts, Moment.End, Check);

    public static readonly Field<ImmutableList<IExpectation>> NegativeKeyword = ExpectationCatalogue.Single(
        "no-console", "Texts that must not appear on the guest's console.", s_texts, Moment.End,
        (texts, evidence) => texts.Select(t => t.Value).FirstOrDefault(Console(evidence).Contains) is { } seen ? $"the console shows \"{seen}\"" : null);

    private static string? Check(IReadOnlyList<Marked<string>> texts, IEvidence evidence)
    {
        string console = Console(evidence);
        int from = 0;
        foreach (string text in texts.Select(t => t.Value))
        {
            int at = console.IndexOf(text, from, StringComparison.Ordinal);
            if (at < 0)
                return $"\"{text}\" is not on the console; it ends with \"{Tail(console)}\"";
            from = at + text.Length;
        }

        return null;
    }

    private static string Console(IEvidence evidence)
        => string.Concat(evidence.Events.Select(e => e.Event).OfType<ConsoleOutput>().Where(c => c.Domain == evidence.Subject).Select(c => Encoding.Latin1.GetString(c.Bytes)));

    private static string Tail(string console)
    {
        string tail = console.Length <= 160 ? console : "…" + console[^160..];
        return tail.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
    }
}
