using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Sweeps;

/// <summary>What a sweep breaks.</summary>
[Flags]
internal enum SweepKinds
{
    None = 0,

    /// <summary>Each stage of the boot path fails.</summary>
    Stages = 1,

    /// <summary>Xen refuses each hypercall, of the tools and of the guest.</summary>
    Hypercalls = 2,

    /// <summary>Every k-th allocation finds no memory.</summary>
    Allocations = 4,

    /// <summary>xenstored refuses each request of the tools.</summary>
    Messages = 8,

    /// <summary>The bytes of each hypercall of the tools are changed.</summary>
    Garbled = 16,

    /// <summary>Two of the others at once.</summary>
    Pairs = 32,

    All = Stages | Hypercalls | Allocations | Messages | Garbled | Pairs,
}

/// <param name="Errnos">What stages, hypercalls and messages fail with, each of them.</param>
/// <param name="Seed">Decides what is random: bytes, pairs, and which cases are left when there are too many.</param>
/// <param name="Seeds">How many ways each message is garbled.</param>
/// <param name="MostCases">Cases beyond this are left out.</param>
internal sealed record SweepSettings(SweepKinds Kinds, IReadOnlyList<XenErrno> Errnos, ulong Seed, ulong Seeds, int MostCases);

/// <summary>The cases of a sweep: everything that happened in the boot without faults is a place where one can strike.</summary>
internal static class SweepPlan
{
    /// <summary>A call that is made a hundred times is broken this often.</summary>
    private const int MostOccurrences = 4;

    private static readonly ulong[] s_everyAllocation = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000];

    public static IReadOnlyList<SweepCase> Cases(IReadOnlyList<XenEvent> clean, SweepSettings settings)
    {
        List<Fault> single = [];
        if (settings.Kinds.HasFlag(SweepKinds.Stages))
            single.AddRange(Each(FaultPoint.Stage, clean.OfType<StageEntered>().Select(s => s.Stage), settings.Errnos));
        if (settings.Kinds.HasFlag(SweepKinds.Hypercalls))
            single.AddRange(Each(FaultPoint.Hypercall, clean.OfType<HypercallEntered>().Select(h => h.SubOperation ?? h.Name), settings.Errnos));
        if (settings.Kinds.HasFlag(SweepKinds.Allocations))
            single.AddRange(s_everyAllocation.Select(k => new Fault(FaultPoint.Allocation, Fault.Any, XenErrno.None, null, null) { Every = k }));
        if (settings.Kinds.HasFlag(SweepKinds.Messages))
            single.AddRange(Each(FaultPoint.Message, clean.OfType<XenStoreRequest>().Where(r => r.Caller == DomainId.Dom0).Select(r => r.Operation), settings.Errnos));
        if (settings.Kinds.HasFlag(SweepKinds.Garbled))
            single.AddRange(Garbled(clean, settings));
        List<SweepCase> cases = [.. single.Select(f => new SweepCase([f]))];
        if (settings.Kinds.HasFlag(SweepKinds.Pairs))
            cases.AddRange(Pairs(single, settings.Seed));
        return Thin([.. cases.DistinctBy(c => c.Label)], settings);
    }

    private static IEnumerable<Fault> Each(FaultPoint point, IEnumerable<string> names, IReadOnlyList<XenErrno> errnos)
        => from name in names.CountBy(n => n)
           from call in Enumerable.Range(1, Math.Min(name.Value, MostOccurrences))
           from errno in errnos
           select new Fault(point, name.Key, errno, null, (ulong)call);

    private static IEnumerable<Fault> Garbled(IReadOnlyList<XenEvent> clean, SweepSettings settings)
        => from name in clean.OfType<HypercallEntered>().Where(h => h.Issuer == Issuer.Toolstack).CountBy(h => h.Name)
           from call in Enumerable.Range(1, name.Value)
           from seed in Enumerable.Range(0, (int)settings.Seeds)
           select new Fault(FaultPoint.Garbled, name.Key, XenErrno.None, null, (ulong)call) { Seed = settings.Seed + (ulong)seed };

    /// <summary>As many as there are single faults, of any two of them.</summary>
    private static IEnumerable<SweepCase> Pairs(List<Fault> single, ulong seed)
    {
        if (single.Count < 2)
            yield break;
        for (ulong i = 0; i < (ulong)single.Count; i++)
        {
            int first = (int)(SplitMix.Mix(seed, 2 * i) % (ulong)single.Count), second = (int)(SplitMix.Mix(seed, (2 * i) + 1) % (ulong)single.Count);
            if (first != second)
                yield return new SweepCase([single[first], single[second]]);
        }
    }

    /// <summary>Which are left is the seed's choice, their order stays.</summary>
    private static IReadOnlyList<SweepCase> Thin(IReadOnlyList<SweepCase> cases, SweepSettings settings)
    {
        if (cases.Count <= settings.MostCases)
            return cases;
        HashSet<int> kept = [.. Enumerable.Range(0, cases.Count).OrderBy(i => SplitMix.Mix(settings.Seed, (ulong)i)).Take(settings.MostCases)];
        return [.. cases.Where((_, i) => kept.Contains(i))];
    }
}
