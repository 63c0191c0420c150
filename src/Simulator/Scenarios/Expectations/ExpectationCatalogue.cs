using System.Collections.Immutable;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary>All keywords of <c>expect</c>, one file each. To add one: its file, its line here, its test.</summary>
internal static class ExpectationCatalogue
{
    public static readonly IReadOnlyList<Field<ImmutableList<IExpectation>>> Keywords =
    [
        OutcomeExpectation.Keyword,
        StagesExpectation.Keyword,
        StagesExpectation.NegativeKeyword,
        HypercallsExpectation.Keyword,
        HypercallsExpectation.NegativeKeyword,
        HypercallCountsExpectation.Keyword,
        PageExpectation.Keyword,
        MemoryExpectation.Keyword,
        StartInfoExpectation.Keyword,
        RegistersExpectation.Keyword,
        ConsoleExpectation.Keyword,
        ConsoleExpectation.NegativeKeyword,
        ShutdownExpectation.Keyword,
        FailureExpectation.Keyword,
        LogExpectation.Keyword,
        LogExpectation.NegativeKeyword,
        DomainExpectation.Keyword,
        XenStoreExpectation.Keyword,
        EventsExpectation.Keyword,
        EventsExpectation.NegativeKeyword,
        EventsExpectation.CountKeyword,
        FramesExpectation.Keyword,
        DigestExpectation.Keyword,
        SnapshotsExpectation.Keyword,
    ];

    /// <summary>Those that are about one domain, not about the whole session.</summary>
    public static readonly IReadOnlyList<Field<ImmutableList<IExpectation>>> OfOneDomain =
    [
        OutcomeExpectation.Keyword,
        HypercallCountsExpectation.Keyword,
        PageExpectation.Keyword,
        MemoryExpectation.Keyword,
        StartInfoExpectation.Keyword,
        RegistersExpectation.Keyword,
        ConsoleExpectation.Keyword,
        ConsoleExpectation.NegativeKeyword,
        ShutdownExpectation.Keyword,
        DomainExpectation.Keyword,
        XenStoreExpectation.Keyword,
    ];

    /// <summary>A keyword whose value becomes one expectation.</summary>
    public static Field<ImmutableList<IExpectation>> Single<T>(string name, string description, IShape<T> shape, Moment moment, Func<T, IEvidence, string?> check, Func<T, IReadOnlyList<string>>? events = null)
        => Field<ImmutableList<IExpectation>>.Marked(name, description, shape, (all, value, mark) => all.Add(new Expectation(name, mark, moment, e => check(value, e), events?.Invoke(value))));

    /// <summary>A keyword whose list becomes one expectation for each item.</summary>
    public static Field<ImmutableList<IExpectation>> Each<T>(
        string name, string description, IShape<T> item, string what, Func<T, Moment> moment, Func<T, IEvidence, string?> check, Func<T, IReadOnlyList<string>>? events = null)
        => Field<ImmutableList<IExpectation>>.Of(
            name, description, new ListShape<T>(item, what),
            (all, items) => all.AddRange(items.Select(i => new Expectation(name, i.Mark, moment(i.Value), e => check(i.Value, e), events?.Invoke(i.Value)))));

    /// <summary>A keyword whose mapping becomes one expectation for each entry.</summary>
    public static Field<ImmutableList<IExpectation>> Entries<TKey, T>(
        string name, string description, IShape<IReadOnlyList<(TKey Key, T Value, Mark Mark)>> map, Moment moment, Func<TKey, T, IEvidence, string?> check)
        => Field<ImmutableList<IExpectation>>.Of(
            name, description, map, (all, entries) => all.AddRange(entries.Select(i => new Expectation(name, i.Mark, moment, e => check(i.Key, i.Value, e)))));
}
