using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>frames: {recount: true}</c>: what the frame table says of every domain's frames is what the page tables say.</summary>
internal static class FramesExpectation
{
    private sealed record Wanted(bool Recount, IReadOnlyList<(string Key, ulong Value, Input.Mark Mark)> Types, Moment When);

    private static readonly ObjectShape<Wanted> s_shape = new("a frames expectation", new Wanted(false, [], Moment.End),
    [
        Field<Wanted>.Of(
            "recount", "Count every domain's references again from its page tables, vCPUs and descriptor tables: type and general counts of all frames must be these.", new BooleanShape(),
            (w, v) => w with { Recount = v }),
        Field<Wanted>.Of(
            "types", "How many of the subject's frames have a type, by Xen's name.",
            new MapShape<string, ulong>("page types with numbers", new ChoiceShape<string>("a page type", FrameTypes.Names.ToDictionary(n => n)), NumberShape.Any), (w, v) => w with { Types = v }),
        Field<Wanted>.Of(
            "when", "When to look: end (the default) or entry (before the first instruction).",
            new ChoiceShape<Moment>("entry or end", new Dictionary<string, Moment> { ["entry"] = Moment.Entry, ["end"] = Moment.End }), (w, v) => w with { When = v }),
    ],
    w => w is { Recount: false, Types.Count: 0 } ? "a frames expectation needs \"recount: true\" or \"types\"" : null);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Each(
        "frames", "Invariants of the frame table.", s_shape, "frames expectations", w => w.When, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        if (wanted.Recount && evidence.RecountFrames() is { } wrong)
            return wrong;
        foreach ((string type, ulong expected, _) in wanted.Types)
        {
            if (evidence.CountFrames(type) is not { } actual)
                return "the domain does not exist";
            if (actual != expected)
                return $"expected {expected} frames of type {type}, there are {actual}";
        }

        return null;
    }
}
