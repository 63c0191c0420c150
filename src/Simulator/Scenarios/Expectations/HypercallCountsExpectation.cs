using System.Collections.Immutable;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>hypercall-counts: {console_io: 80, mmu_update: {at-least: 90_000, at-most: 91_000}}</c></summary>
internal static class HypercallCountsExpectation
{
    private sealed record Wanted(ulong? AtLeast, ulong? AtMost)
    {
        public override string ToString() => (AtLeast, AtMost) switch
        {
            ({ } least, { } most) when least == most => $"{least}",
            ({ } least, { } most) => $"{least} to {most}",
            ({ } least, null) => $"at least {least}",
            (_, { } most) => $"at most {most}",
            _ => "",
        };
    }

    private static readonly ObjectShape<Wanted> s_bounds = new("a range", new Wanted(null, null),
    [
        Field<Wanted>.Of("at-least", "How often at least.", NumberShape.Any, (w, v) => w with { AtLeast = v }),
        Field<Wanted>.Of("at-most", "How often at most.", NumberShape.Any, (w, v) => w with { AtMost = v }),
    ],
    w => w is { AtLeast: null, AtMost: null } ? "a range needs \"at-least\" or \"at-most\"" : null);

    private static readonly ShortOrLongShape<ulong, Wanted> s_count = new(NumberShape.Any, n => new Wanted(n, n), s_bounds);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Entries(
        "hypercall-counts", "How often the guest itself makes a hypercall, by Xen's name: a number, or at-least and at-most; those inside a multicall do not count.",
        new MapShape<string, Wanted>("hypercall names with numbers", new TextShape("a hypercall's name"), s_count), Moment.End, Check);

    private static string? Check(string name, Wanted expected, IEvidence evidence)
    {
        ulong made = (ulong)evidence.Events.Count(e => e.Event is HypercallEntered { Issuer: Issuer.Guest } call && call.Caller == evidence.Subject && (call.Name == name || call.SubOperation == name));
        return made < expected.AtLeast || made > expected.AtMost ? $"the guest made {name} {made} times, not {expected}" : null;
    }
}
