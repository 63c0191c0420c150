using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios;

/// <summary>The keys of a step of <c>script</c>: when, on which domain, and one thing to do.</summary>
internal static class ScriptLanguage
{
    private const ulong MostPorts = 131_072;
    private const ulong LongestRange = 64UL << 20;
    private const int LongestName = 60;

    private static readonly TextShape s_snapshotName = new("a snapshot's name", LongestName);

    private static readonly ObjectShape<Injection> s_injection = new("an event", new Injection(null, null),
    [
        Field<Injection>.Of(
            "virq", "A virtual interrupt, by its public name.", new ChoiceShape<Virq>("a virtual interrupt", Enum.GetValues<Virq>().ToDictionary(v => $"VIRQ_{v}")), (i, v) => i with { Virq = v }),
        Field<Injection>.Of("port", "A port of the domain that is bound to something.", new NumberShape(1, MostPorts), (i, v) => i with { Port = (uint)v }),
        Field<Injection>.Of("vcpu", "The vCPU that has bound the virtual interrupt; without it vCPU 0.", new NumberShape(0, 31), (i, v) => i with { Vcpu = (uint)v }),
    ],
    i => (i.Virq is null) == (i.Port is null) ? "an event needs one of \"virq\" and \"port\"" : i is { Port: not null, Vcpu: not 0 } ? "a port says itself which vCPU hears of it: remove \"vcpu\"" : null);

    private sealed record Place(ulong? Virtual, ulong? Physical, ulong Bytes)
    {
        public MemoryRange Range => new(Virtual is not null, Virtual ?? Physical!.Value, Bytes);
    }

    private static readonly ObjectShape<Place> s_range = new("a range of memory", new Place(null, null, 0),
    [
        Field<Place>.Of("virtual", "Address as the domain's vCPU 0 sees it.", NumberShape.Any, (p, v) => p with { Virtual = v }),
        Field<Place>.Of("physical", "Pseudo-physical (HVM: guest-physical) address.", NumberShape.Any, (p, v) => p with { Physical = v }),
        Field<Place>.Of("bytes", "Its length in bytes.", new NumberShape(1, LongestRange), (p, v) => p with { Bytes = v }, required: true),
    ],
    p => (p.Virtual is null) == (p.Physical is null) ? "a range of memory needs one of \"virtual\" and \"physical\""
        : (p.Virtual ?? p.Physical) > ulong.MaxValue - p.Bytes ? "the range goes beyond the last address" : null);

    /// <summary>Also what <c>expect: {snapshots: …}</c> says of a snapshot at the end.</summary>
    public static readonly ObjectShape<SnapshotComparison> Comparison = new("a comparison", new SnapshotComparison("", true, []),
    [
        Field<SnapshotComparison>.Of("snapshot", "Name of a snapshot that a step before has taken.", s_snapshotName, (c, v) => c with { Snapshot = v }, required: true),
        Field<SnapshotComparison>.Of(
            "is", "equal: not a byte has changed since; different: at least one has.", new ChoiceShape<bool>("equal or different", new Dictionary<string, bool> { ["equal"] = true, ["different"] = false }),
            (c, v) => c with { Equal = v }, required: true),
        Field<SnapshotComparison>.Of(
            "within", "Where bytes may have changed, all others must be as they were; addresses of the kind that the snapshot has (of a whole domain: physical).",
            new ListShape<Place>(s_range, "ranges"), (c, v) => c with { Within = [.. v.Select(p => p.Value.Range)] }),
    ],
    c => c is { Equal: true, Within.Count: > 0 } ? "what is equal has not changed anywhere: remove \"within\"" : null);

    public static readonly ObjectShape<ScriptStep> Shape = new("a step", new ScriptStep(),
    [
        Field<ScriptStep>.Of("wait", "Console text to wait for, after that of the step before; without it the step comes at once.", new TextShape("console text"), (s, v) => s with { WaitFor = v }),
        Field<ScriptStep>.Of("after", "Virtual time to let pass after the text, or after the step before, as in 5ms.", new VirtualTimeShape(), (s, v) => s with { AfterNanoseconds = v }),
        Field<ScriptStep>.Of("domain", "Name of the domain whose console and memory are meant; without it the scenario's guest.", new TextShape("a domain's name", 64), (s, v) => s with { Domain = v }),
        Field<ScriptStep>.Of("type", "What is typed then. Enter is \\n in double quotes.", new TextShape(), (s, v) => s with { Type = v }),
        Field<ScriptStep>.Of(
            "do", "What somebody in dom0 does by xl.",
            new ChoiceShape<ToolAction>("an action", Enum.GetValues<ToolAction>().ToDictionary(a => a.ToString().ToLowerInvariant())), (s, v) => s with { Do = v }),
        Field<ScriptStep>.Of("inject", "An event that comes from nowhere: its pending bit is set and the vCPU is told.", s_injection, (s, v) => s with { Inject = v }),
        Field<ScriptStep>.Of("snapshot", "Name under which the domain's memory is kept as it is now.", s_snapshotName, (s, v) => s with { Snapshot = v }),
        Field<ScriptStep>.Of("range", "What the snapshot is of; without it all of the domain's memory.", s_range, (s, v) => s with { Range = v.Range }),
        Field<ScriptStep>.Of("compare", "What has become of memory since a snapshot.", Comparison, (s, v) => s with { Compare = v }),
    ],
    CheckStep);

    /// <summary>What steps say of the rest of the scenario.</summary>
    public static Misfit? Check(SessionOptions session)
    {
        string[] names = [session.Guest.Name, .. session.Others.Select(o => o.Name)];
        List<string> snapshots = [];
        foreach (ScriptStep step in session.Script)
        {
            if (step.Domain is { } name && !names.Contains(name))
                return new Misfit(step.Mark, $"there is no domain \"{name}\"", NearestName.Hint(name, names));
            bool isOther = session.Others.Any(o => o.Name == step.Domain);
            if (step.NeedsTools && !isOther && session.Path is BootPath.Dom0 or BootPath.Stubdom)
                return new Misfit(step.Mark, $"no xl can {step} {(session.Path == BootPath.Dom0 ? "the dom0 that it runs in" : "a device model's domain without its guest")}", "name one of \"domains\"");
            if (step.Snapshot is { } taken && snapshots.Contains(taken))
                return new Misfit(step.Mark, $"there is a snapshot \"{taken}\" already", "give it another name");
            if (step.Snapshot is { } fresh)
                snapshots.Add(fresh);
            if (step.Compare is { } compare && !snapshots.Contains(compare.Snapshot))
                return new Misfit(step.Mark, $"no step before this one takes a snapshot \"{compare.Snapshot}\"", snapshots.Count > 0 ? NearestName.Hint(compare.Snapshot, snapshots) : null);
        }

        return null;
    }

    private static string? CheckStep(ScriptStep step)
    {
        int actions = new object?[] { step.Type, step.Do, step.Inject, step.Snapshot, step.Compare }.Count(a => a is not null);
        return actions switch
        {
            > 1 => "a step does one thing: one of \"type\", \"do\", \"inject\", \"snapshot\" and \"compare\"",
            0 when step is { WaitFor.Length: 0, AfterNanoseconds: 0 } => "a step that neither waits nor does anything: add \"wait\", \"after\", \"type\", \"do\", \"inject\", \"snapshot\" or \"compare\"",
            _ when step is { Range: not null, Snapshot: null } => "a range is of a snapshot: add \"snapshot\"",
            _ when step is { Compare: not null, Domain: not null } => "a snapshot is of the domain that it was taken of: remove \"domain\"",
            _ => null,
        };
    }
}
