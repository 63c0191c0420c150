using System.Text.Json.Nodes;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios;

/// <summary>The keys of a fault: where it strikes, with what, and which time.</summary>
internal static class FaultLanguage
{
    private const ulong MostCalls = 1_000_000_000;

    private static readonly Fault s_blank = new((FaultPoint)(-1), "", XenErrno.None, null, null);

    private static readonly Dictionary<string, string> s_messages
        = new(Enum.GetNames<XenStoreMessage>().Prepend(Fault.Any).Select(n => KeyValuePair.Create(n, n)));

    private static readonly Dictionary<string, string> s_calls
        = new(Enum.GetNames<HypercallNumber>().Prepend(Fault.Any).Select(n => KeyValuePair.Create(n, n)));

    public static readonly ObjectShape<Fault> Shape = new("a fault", s_blank,
    [
        At("stage", "The stage that fails instead of doing its work; \"*\" for any.", FaultPoint.Stage, new TextShape("a stage's name")),
        At("hypercall", "The hypercall or sub-operation that Xen refuses, by Xen's name; \"*\" for any.", FaultPoint.Hypercall, new TextShape("a hypercall's name")),
        At("allocation", "The allocation for a domain for which Xen finds no memory: order-N for 2^N frames, \"*\" for any.", FaultPoint.Allocation, new AllocationShape()),
        At("message", "The request of the tools that xenstored refuses, by the wire's name as in MKDIR; \"*\" for any.", FaultPoint.Message, new ChoiceShape<string>("a xenstore request", s_messages)),
        At("garbled", "The hypercall of the tools whose bytes are changed on the way, by Xen's name as in domctl; \"*\" for any.", FaultPoint.Garbled, new ChoiceShape<string>("a hypercall", s_calls)),
        Field<Fault>.Of("errno", "The errno it fails with; for an allocation and for changed bytes there is none.", XenShapes.Errno, (f, v) => f with { Errno = v }),
        Field<Fault>.Of("code", "A stage's return value, where it is not its side's usual one.", new ResultShape(), (f, v) => f with { Code = v }),
        Field<Fault>.Of("occurrence", "Only this call of it, counted from 1; without it every one fails.", new NumberShape(1, MostCalls), (f, v) => f with { Occurrence = v }),
        Field<Fault>.Of("every", "Only every n-th call of it.", new NumberShape(1, MostCalls), (f, v) => f with { Every = v }),
        Field<Fault>.Of("one-in", "Only one of so many calls of it, as the seed has it.", new NumberShape(1, MostCalls), (f, v) => f with { OneIn = v }),
        Field<Fault>.Of(
            "domain", "Instead of errno: the domctl is about this domain, not the one that it names.", new NumberShape(0, DomainId.FirstReserved.Value - 1ul), (f, v) => f with { Domain = (ushort)v }),
        Field<Fault>.Of("seed", "Which of them; how bytes are changed. Without it the scenario's seed decides, or --seed.", NumberShape.Any, (f, v) => f with { Seed = v }),
    ],
    Check);

    private static string? Check(Fault fault) => fault switch
    {
        { Point: (FaultPoint)(-1) or Twice } => "a fault needs one of \"stage\", \"hypercall\", \"allocation\", \"message\" and \"garbled\"",
        { Domain: not null, Errno: not XenErrno.None } => "a fault has one of \"errno\" and \"domain\"",
        { Domain: not null } when fault.Point != FaultPoint.Hypercall || !fault.Name.StartsWith("XEN_DOMCTL_", StringComparison.Ordinal) => "\"domain\" is for domctls: hypercall: XEN_DOMCTL_…",
        { Point: FaultPoint.Allocation, Errno: not XenErrno.None } => "an allocation that fails has no errno: remove it",
        { Point: FaultPoint.Garbled, Errno: not XenErrno.None } => "Xen itself answers changed bytes: remove \"errno\"",
        { Point: not (FaultPoint.Allocation or FaultPoint.Garbled), Errno: XenErrno.None, Domain: null } => "a fault needs \"errno\" (or, for a domctl, \"domain\")",
        { Point: not FaultPoint.Stage, Code: not null } => "only a stage has a return value: remove \"code\"",
        { OneIn: null, Point: not FaultPoint.Garbled, Seed: not null } => "a seed chooses with \"one-in\" only: add it",
        _ => null,
    };

    private const FaultPoint Twice = (FaultPoint)(-2);

    private static Field<Fault> At(string key, string description, FaultPoint point, IShape<string> name)
        => Field<Fault>.Of(key, description, name, (f, v) => f with { Point = f.Point == (FaultPoint)(-1) ? point : Twice, Name = v });

    private sealed class AllocationShape : IShape<string>
    {
        public bool IsWord => true;

        private const string Orders = "order-";

        /// <summary>MAX_ORDER of xen/include/xen/mm.h.</summary>
        private const int HighestOrder = 20;

        public bool TryRead(Yaml.YamlNode node, Reading reading, out string value)
        {
            value = (node as Yaml.YamlScalar)?.Text ?? "";
            return value == Fault.Any
                || (value.StartsWith(Orders, StringComparison.Ordinal) && NumberShape.TryParse(value[Orders.Length..], out ulong order) && order <= HighestOrder)
                || reading.Expected(node, $"an allocation, as in order-0 to order-{HighestOrder}, or \"*\"");
        }

        public JsonObject Schema() => new() { ["type"] = "string", ["pattern"] = "^(\\*|order-[0-9]+)$" };
    }
}
