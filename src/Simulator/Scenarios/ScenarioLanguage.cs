using System.Collections.Immutable;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios;

/// <summary>The keys of a scenario file. Reader, schema and documentation all come from here.</summary>
internal static class ScenarioLanguage
{
    private const ulong MostMemoryMiB = 65_536;

    private static readonly ChoiceShape<BootPath> s_path = new("a path", new Dictionary<string, BootPath>
    {
        ["domu"] = BootPath.DomU,
        ["stubdom"] = BootPath.Stubdom,
        ["dom0"] = BootPath.Dom0,
        ["hvm"] = BootPath.Hvm,
    });

    private static readonly ObjectShape<HostSpec> s_host = new("host", new HostSpec(),
    [
        Field<HostSpec>.Of(
            "vendor", "The CPU's maker, which decides between SVM and VMX.",
            new ChoiceShape<CpuVendor>("a vendor", new Dictionary<string, CpuVendor> { ["amd"] = CpuVendor.AMD, ["intel"] = CpuVendor.Intel }),
            (h, v) => h with { Vendor = v }),
        Field<HostSpec>.Of(
            "bits", "Word size of the hypervisor: 64, or 32 with xen: \"4.0\".",
            new ChoiceShape<int>("a word size", new Dictionary<string, int> { ["32"] = 32, ["64"] = 64 }), (h, v) => h with { Bits = v }),
        Field<HostSpec>.Of(
            "model", "A shipped host model; without it the default one of vendor and bits.", new ChoiceShape<string>("a host model", HostModels.Names.ToDictionary(n => n)),
            (h, v) => h with { Model = v }),
        Field<HostSpec>.Of(
            "msrs", "MSRs that differ from the model, by index.",
            new MapShape<ulong, ulong>("MSR numbers with values", new NumberShape(0, uint.MaxValue, "an MSR's number"), NumberShape.Any),
            (h, v) => h with { Msrs = [.. v.Select(m => ((uint)m.Key, m.Value))] }),
        Field<HostSpec>.Of("cpus", "Processors of the machine.", new NumberShape(1, HostSpec.MostCpus), (h, v) => h with { Cpus = (int)v }),
        Field<HostSpec>.Of(
            "cpu-msrs", "MSRs in which a processor differs from the first, by its number and by index.",
            new MapShape<ulong, IReadOnlyList<(ulong Key, ulong Value, Input.Mark Mark)>>(
                "processors with MSRs", new NumberShape(1, HostSpec.MostCpus - 1, "a processor's number"),
                new MapShape<ulong, ulong>("MSR numbers with values", new NumberShape(0, uint.MaxValue, "an MSR's number"), NumberShape.Any)),
            (h, v) => h with { CpuMsrs = [.. v.SelectMany(cpu => cpu.Value.Select(m => ((int)cpu.Key, (uint)m.Key, m.Value)))] }),
        Field<HostSpec>.Of("memory", "Memory of the machine in MiB.", new NumberShape(Hypervisor.Xen.LeastMemoryMiB, MostMemoryMiB), (h, v) => h with { MemoryMiB = v }),
        Field<HostSpec>.Of(
            "supervisor-mode-kernel", "The 4.0 build whose dom0 runs in ring 0 and which has no other domains.", new BooleanShape(),
            (h, v) => h with { SupervisorModeKernel = v }),
        Field<HostSpec>.Of("pv32", "Whether a 4.17 build takes 32-bit PV guests (CONFIG_PV32).", new BooleanShape(), (h, v) => h with { Pv32 = v }),
        Field<HostSpec>.Of("cmdline", "Xen's own command line.", new TextShape(longest: 1023), (h, v) => h with { CommandLine = v }),
        Field<HostSpec>.Of(
            "hypercall-entry", "Link address of Xen's entry that ring-0 stubs call.", new NumberShape(0, uint.MaxValue), (h, v) => h with { HypercallEntry = v }),
    ],
    h => h is { SupervisorModeKernel: true, Bits: 64 } ? "supervisor-mode-kernel needs bits: 32, only the 32-bit hypervisor has that build" : null);

    private static readonly ObjectShape<SessionLimits> s_limits = new("limits", new SessionLimits(),
    [
        Field<SessionLimits>.Of("instructions", "Guest instructions.", new NumberShape(1, long.MaxValue), (l, v) => l with { Instructions = (long)v }),
        Field<SessionLimits>.Of("virtual-time", "Virtual time, as in 10s.", new VirtualTimeShape(), (l, v) => l with { VirtualNanoseconds = v }),
        Field<SessionLimits>.Of(
            "restarts", "How often xl may create the domain again (on-reboot: restart); the session ends with the end after the last one.", new NumberShape(0, 1_000_000),
            (l, v) => l with { Restarts = v }),
    ]);

    /// <summary>The whole file.</summary>
    public static readonly ObjectShape<Scenario> File = new("a scenario", new Scenario(),
    [
        Field<Scenario>.Of(
            Composition.Extends, "Scenario files, relative to this one, that say what this one does not.",
            new ComposedShape(() => new ListShape<string>(new TextShape("a file's name"), "file names").Schema()), (s, _) => s),
        Field<Scenario>.Of(
            Composition.Variables, "Values by name; ${name} stands for one in any other value.",
            new ComposedShape(() => new JsonObject { ["type"] = "object", ["additionalProperties"] = new TextShape().Schema() }), (s, _) => s),
        Field<Scenario>.Of("name", "A short name.", new TextShape("a name", 120), (s, v) => s with { Name = v }, required: true),
        Field<Scenario>.Of("description", "What it teaches, in one line.", new TextShape("a sentence", 1000), (s, v) => s with { Description = v }, required: true),
        Field<Scenario>.Of("xen", "The Xen release.", XenShapes.Release, (s, v) => s with { Session = s.Session with { Release = v } }, required: true),
        Field<Scenario>.Of("host", "The host and the hypervisor's build.", s_host, (s, v) => s with { Session = s.Session with { Host = v } }),
        Field<Scenario>.Of("path", "Which way the domain comes up.", s_path, (s, v) => s with { Session = s.Session with { Path = v } }, required: true),
        Field<Scenario>.Of("guest", "The guest.", GuestLanguage.Shape, (s, v) => s with { Session = s.Session with { Guest = v.WithVariant() } }, required: true),
        Field<Scenario>.Of(
            "domains", "Further domains of the host, by name, which xl creates in this order; with the path dom0 beside the dom0 that the guest is.", DomainLanguage.Shape,
            (s, v) => s with
            {
                Domains = [.. v.Select(d => new ScenarioDomain(d.Key, d.Value.Expectations))],
                Session = s.Session with { Others = [.. v.Select(d => d.Value.Guest.WithVariant() with { Name = d.Key, After = d.Value.After })] },
            }),
        Field<Scenario>.Of(
            "matrix", "Variations: axes (paths of keys, as in guest.memory) with values; each combination is a scenario. The file without them must be one too.",
            new MatrixShape(), (s, v) => s with { Matrix = v }),
        Field<Scenario>.Of(
            "tags", "Words to choose scenarios by, with xensim test --tag.", new ListShape<string>(new TextShape("a tag", 60), "tags"),
            (s, v) => s with { Tags = [.. v.Select(t => t.Value)] }),
        Field<Scenario>.Of("skip", "Why it is not run.", new TextShape("a reason", 1000), (s, v) => s with { Skip = v }),
        Field<Scenario>.Of("known-issue", "Why it is known to fail; that it passes is a failure then.", new TextShape("a reason", 1000), (s, v) => s with { KnownIssue = v }),
        Field<Scenario>.Of("limits", "When to give up.", s_limits, (s, v) => s with { Session = s.Session with { Limits = v } }),
        Field<Scenario>.Of("until", $"Stop when this is reached: {Until.Forms}.", new UntilShape(), (s, v) => s with { Session = s.Session with { Until = v } }),
        Field<Scenario>.Of(
            "script", "What somebody at the guests' consoles and in dom0 does, step by step.", new ListShape<ScriptStep>(ScriptLanguage.Shape, "steps"),
            (s, v) => s with { Session = s.Session with { Script = [.. v.Select(c => c.Value with { Mark = c.Mark })] } }),
        Field<Scenario>.Of(
            "faults", "Failures to inject.", new ListShape<Fault>(FaultLanguage.Shape, "faults"),
            (s, v) => s with { Session = s.Session with { Faults = [.. v.Select(f => f.Value)] } }),
        Field<Scenario>.Of("seed", "Decides what is random in faults that have no seed of their own; xensim test --seed replaces it.", NumberShape.Any, (s, v) => s with { Session = s.Session with { Seed = v } }),
        Field<Scenario>.Marked("golden", "A file with the events that the run must have.", GoldenFile.Shape, (s, v, mark) => s with { Golden = v with { Mark = mark } }),
        Field<Scenario>.Of(
            "expect", "What must be so.", new ObjectShape<ImmutableList<IExpectation>>("expect", [], ExpectationCatalogue.Keywords),
            (s, v) => s with { Expectations = v }),
    ],
    CheckTogether, suppliedBy: Composition.Extends, checkAt: s => DomainLanguage.Check(s.Session) ?? ScriptLanguage.Check(s.Session));

    /// <summary>What does not fit together, whoever asks: scenario files and the command line.</summary>
    private static string? CheckTogether(Scenario scenario)
        => scenario.Expectations.IsEmpty && scenario.Golden is null && scenario.Domains.All(d => d.Expectations.IsEmpty) ? "a scenario that expects nothing proves nothing: add a keyword under \"expect\"" : OptionRules.Check(scenario.Session);
}
