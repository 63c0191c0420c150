using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>domain: {exists: true, paused: true}</c>: what is left of the domain at the end (rollbacks, or their absence).</summary>
internal static class DomainExpectation
{
    private sealed record Wanted(bool? Exists, bool? Paused, ulong? Pages);

    private static readonly ObjectShape<Wanted> s_shape = new("a domain expectation", new Wanted(null, null, null),
    [
        Field<Wanted>.Of("exists", "Whether Xen still knows the domain.", new BooleanShape(), (w, v) => w with { Exists = v }),
        Field<Wanted>.Of("paused", "Whether it is paused.", new BooleanShape(), (w, v) => w with { Paused = v }),
        Field<Wanted>.Of("pages", "Pages it owns.", NumberShape.Any, (w, v) => w with { Pages = v }),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "domain", "What is left of the domain at the end.", s_shape, Moment.End, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        if (wanted.Exists == false)
            return evidence.Domain is null ? null : "the domain still exists";
        if (evidence.Domain is not { } domain)
            return "the domain does not exist";
        if (wanted.Paused is { } paused && paused != domain.Paused)
            return $"expected it {(paused ? "paused" : "not paused")}, it is {(domain.Paused ? "paused" : "not paused")}";
        return wanted.Pages is { } pages && pages != domain.Pages ? $"expected {pages} pages, it owns {domain.Pages}" : null;
    }
}
