using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>domain: {exists: true, paused: true}</c>: what is left of the domain at the end (rollbacks, or their absence); with <c>id</c>, of another one.</summary>
internal static class DomainExpectation
{
    private sealed record Wanted(ulong? Id, bool? Exists, bool? Paused, ulong? Pages);

    private static readonly ObjectShape<Wanted> s_shape = new("a domain expectation", new Wanted(null, null, null, null),
    [
        Field<Wanted>.Of("id", "Number of the domain; without it the one that the scenario is about.", new NumberShape(0, 0x7fef), (w, v) => w with { Id = v }),
        Field<Wanted>.Of("exists", "Whether Xen still knows the domain.", new BooleanShape(), (w, v) => w with { Exists = v }),
        Field<Wanted>.Of("paused", "Whether it is paused.", new BooleanShape(), (w, v) => w with { Paused = v }),
        Field<Wanted>.Of("pages", "Pages it owns.", NumberShape.Any, (w, v) => w with { Pages = v }),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Each(
        "domain", "What is left of the domain at the end, or of several.", s_shape, "domain expectations", _ => Moment.End, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        RemainingDomain? found = evidence.FindDomain(wanted.Id is { } id ? new DomainId((ushort)id) : evidence.Subject);
        if (wanted.Exists == false)
            return found is null ? null : "the domain still exists";
        if (found is not { } domain)
            return "the domain does not exist";
        if (wanted.Paused is { } paused && paused != domain.Paused)
            return $"expected it {(paused ? "paused" : "not paused")}, it is {(domain.Paused ? "paused" : "not paused")}";
        return wanted.Pages is { } pages && pages != domain.Pages ? $"expected {pages} pages, it owns {domain.Pages}" : null;
    }
}
