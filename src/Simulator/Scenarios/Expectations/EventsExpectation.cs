using System.Collections.Immutable;
using System.IO.Enumeration;
using System.Text.Json;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>events: [{event: PageWritten, where: {what: hypercall page}}]</c>, <c>no-events</c> and <c>event-counts</c>: the whole stream of events.</summary>
internal static class EventsExpectation
{
    private sealed record Wanted(string Event, IReadOnlyList<(string Key, string Value, Mark Mark)> Where, ulong? Count, ulong? AtLeast, ulong? AtMost)
    {
        public override string ToString() => $"{Event}{(Where.Count == 0 ? "" : $" with {string.Join(", ", Where.Select(w => $"{w.Key}={w.Value}"))}")}";
    }

    private static readonly Wanted s_blank = new("", [], null, null, null);

    private static readonly ChoiceShape<string> s_name = new("an event", EventNames.All.ToDictionary(n => n));

    private static readonly ChoiceShape<string> s_field = new("a field of an event", EventNames.All.SelectMany(EventNames.FieldsOf).Distinct().Order(StringComparer.Ordinal).ToDictionary(n => n));

    private static readonly Field<Wanted>[] s_fields =
    [
        Field<Wanted>.Of("event", "The event's type, as a trace names it.", s_name, (w, v) => w with { Event = v }, required: true),
        Field<Wanted>.Of(
            "where", "Values of its fields, as a trace names them; * in a text stands for anything.",
            new MapShape<string, string>("fields with values", s_field, new TextShape()), (w, v) => w with { Where = v }),
    ];

    private static readonly ShortOrLongShape<string, Wanted> s_event = new(s_name, n => s_blank with { Event = n }, new ObjectShape<Wanted>("an event", s_blank, s_fields, CheckFields));

    private static readonly ObjectShape<Wanted> s_counted = new("a number of events", s_blank,
    [
        .. s_fields,
        Field<Wanted>.Of("count", "How often it happens.", NumberShape.Any, (w, v) => w with { Count = v }),
        Field<Wanted>.Of("at-least", "How often at least.", NumberShape.Any, (w, v) => w with { AtLeast = v }),
        Field<Wanted>.Of("at-most", "How often at most.", NumberShape.Any, (w, v) => w with { AtMost = v }),
    ],
    w => CheckFields(w) ?? (w is { Count: null, AtLeast: null, AtMost: null } ? "a number of events needs \"count\", \"at-least\" or \"at-most\"" : null));

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "events", "Events that happen in this order, others between them allowed.", new ListShape<Wanted>(s_event, "events"), Moment.End,
        (wanted, evidence) => InOrder.Check(wanted, evidence.Events, (w, e) => Matches(w.Value, e), w => w.Value.ToString(), "seen"),
        wanted => [.. wanted.Select(w => w.Value.Event)]);

    public static readonly Field<ImmutableList<IExpectation>> NegativeKeyword = ExpectationCatalogue.Each(
        "no-events", "Events that must not happen.", s_event, "events", _ => Moment.End,
        (wanted, evidence) => evidence.Events.Where(e => Matches(wanted, e)).Select(e => $"#{e.Sequence} at {e.Instructions}: {EventText.Of(e)}").FirstOrDefault(),
        wanted => [wanted.Event]);

    public static readonly Field<ImmutableList<IExpectation>> CountKeyword = ExpectationCatalogue.Each("event-counts", "How often events happen.", s_counted, "numbers of events", _ => Moment.End, Count, wanted => [wanted.Event]);

    private static string? Count(Wanted wanted, IEvidence evidence)
    {
        ulong seen = (ulong)evidence.Events.Count(e => Matches(wanted, e));
        string? expected = wanted.Count is { } exactly && seen != exactly ? $"{exactly}" : wanted.AtLeast is { } least && seen < least ? $"at least {least}" : wanted.AtMost is { } most && seen > most ? $"at most {most}" : null;
        return expected is null ? null : $"expected {expected} of {wanted}, there were {seen}";
    }

    private static string? CheckFields(Wanted wanted)
    {
        IReadOnlyList<string> known = EventNames.FieldsOf(wanted.Event);
        string? wrong = wanted.Where.Select(w => w.Key).FirstOrDefault(k => !known.Contains(k));
        return wrong is null ? null : $"{wanted.Event} has no field \"{wrong}\"; {NearestName.Hint(wrong, known)}";
    }

    private static bool Matches(Wanted wanted, in TimedEvent e)
    {
        if (e.Event.GetType().Name != wanted.Event)
            return false;
        if (wanted.Where.Count == 0)
            return true;
        using JsonDocument json = JsonDocument.Parse(JsonLine.Of(e));
        JsonElement root = json.RootElement;
        return wanted.Where.All(w => root.TryGetProperty(w.Key, out JsonElement value) && Same(w.Value, EventText.Value(value)));
    }

    /// <summary>Numbers by value, whatever their base; a result also by its errno; texts with *.</summary>
    private static bool Same(string wanted, string actual) => (TryNumber(wanted, out long a) && TryNumber(actual, out long b) && a == b)
        || string.Equals(wanted, actual, StringComparison.Ordinal)
        || (bool.TryParse(wanted, out bool yes) && bool.TryParse(actual, out bool is_) && yes == is_)
        || (wanted.Contains('*', StringComparison.Ordinal) && FileSystemName.MatchesSimpleExpression(wanted, actual, ignoreCase: false));

    private static bool TryNumber(string text, out long value) => ResultShape.TryParse(text, out value) || (NumberShape.TryParse(text, out ulong large) && (value = unchecked((long)large)) == value);
}
