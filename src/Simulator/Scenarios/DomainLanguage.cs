using System.Collections.Immutable;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios;

/// <summary>A further domain of the host: what it is made of, when xl creates it, and what is expected of it.</summary>
internal sealed record DomainEntry(GuestSpec Guest, IReadOnlyList<DomainDependency> After, ImmutableList<IExpectation> Expectations);

/// <summary>The keys of <c>domains</c>.</summary>
internal static class DomainLanguage
{
    private const int LongestName = 64;

    private static readonly TextShape s_name = new("a domain's name", LongestName);

    private static readonly DomainDependency s_blank = new("");

    private static readonly IShape<DomainDependency> s_after = new ShortOrLongShape<string, DomainDependency>(
        s_name, n => s_blank with { Domain = n },
        new ObjectShape<DomainDependency>("what it comes after", s_blank,
        [
            Field<DomainDependency>.Of("domain", "Name of the other domain.", s_name, (d, v) => d with { Domain = v }, required: true),
            Field<DomainDependency>.Of("console", "Text that the other one has printed.", new TextShape("console text"), (d, v) => d with { ConsoleText = v }),
            Field<DomainDependency>.Of("ended", "true: the other one has shut down or been destroyed.", new BooleanShape(), (d, v) => d with { Ended = v }),
        ],
        d => d is { ConsoleText: not null, Ended: true } ? "it comes after a text or after the end, not both" : null));

    private static readonly ObjectShape<DomainEntry> s_entry = new("a domain", new DomainEntry(new GuestSpec(), [], []),
    [
        .. GuestLanguage.Fields.Where(f => f.Name != GuestLanguage.Name).Select(f => Field<DomainEntry>.Part(f, d => d.Guest, (d, g) => d with { Guest = g })),
        Field<DomainEntry>.Of(
            "after", "What has to be so before xl creates it: another domain's name (it has been created), or what that one has printed, or that it has ended. Without it, it comes at once.",
            new ListShape<DomainDependency>(s_after, "domains"), (d, v) => d with { After = [.. v.Select(a => a.Value with { Mark = a.Mark })] }),
        Field<DomainEntry>.Of(
            "expect", "What must be so of this domain.", new ObjectShape<ImmutableList<IExpectation>>("expect", [], ExpectationCatalogue.OfOneDomain), (d, v) => d with { Expectations = v }),
    ],
    d => OptionRules.CheckGuest(d.Guest));

    public static readonly IShape<IReadOnlyList<(string Key, DomainEntry Value, Mark Mark)>> Shape = new MapShape<string, DomainEntry>("domains by name", s_name, s_entry);

    /// <summary>Names that are taken or unknown, and domains that wait for each other.</summary>
    public static Misfit? Check(SessionOptions session)
    {
        string[] names = [session.Guest.Name, .. session.Others.Select(o => o.Name)];
        if (session.Others.FirstOrDefault(o => o.Name == session.Guest.Name) is { } twin)
            return new Misfit(null, $"two domains have the name \"{twin.Name}\": xl refuses the second", "give the guest or the domain another name");
        foreach (DomainDependency after in session.Others.SelectMany(o => o.After))
        {
            if (!names.Contains(after.Domain))
                return new Misfit(after.Mark, $"there is no domain \"{after.Domain}\"", NearestName.Hint(after.Domain, names));
        }

        foreach (GuestSpec domain in session.Others)
        {
            if (Cycle(session, [domain]) is { } cycle)
                return new Misfit(domain.After[0].Mark, $"domains wait for each other, none would ever be created: {string.Join(" after ", cycle.Select(d => d.Name))}", "take one \"after\" out");
        }

        return null;
    }

    /// <returns>The way from the first of <paramref name="way"/> back to it; null: there is none.</returns>
    private static IReadOnlyList<GuestSpec>? Cycle(SessionOptions session, ImmutableList<GuestSpec> way)
    {
        foreach (GuestSpec next in session.Others.Where(o => way[^1].After.Any(a => a.Domain == o.Name)))
        {
            if (next == way[0])
                return way.Add(next);
            if (!way.Contains(next) && Cycle(session, way.Add(next)) is { } found)
                return found;
        }

        return null;
    }
}
