using System.Collections.Immutable;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>hypercall-counts: {mmu_update: 90680, sched_op: 32}</c></summary>
internal static class HypercallCountsExpectation
{
    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Entries(
        "hypercall-counts", "How often the guest itself makes a hypercall, by Xen's name; those inside a multicall do not count.",
        new MapShape<string, ulong>("hypercall names with numbers", new TextShape("a hypercall's name"), NumberShape.Any), Moment.End, Check);

    private static string? Check(string name, ulong expected, IEvidence evidence)
    {
        ulong made = (ulong)evidence.Events.Count(e => e.Event is HypercallEntered { Issuer: Issuer.Guest } call && call.Caller == evidence.Subject && (call.Name == name || call.SubOperation == name));
        return made == expected ? null : $"the guest made {name} {made} times, not {expected}";
    }
}
