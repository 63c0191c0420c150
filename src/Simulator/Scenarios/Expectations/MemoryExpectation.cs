using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>memory: [{virtual: 0xc0001000, bytes: "b8 00"}]</c></summary>
internal static class MemoryExpectation
{
    private sealed record Wanted(ulong? Virtual, ulong? Physical, byte[] Bytes, Moment When);

    private static readonly ObjectShape<Wanted> s_shape = new("a memory expectation", new Wanted(null, null, [], Moment.Entry),
    [
        Field<Wanted>.Of("virtual", "Address as the guest's vCPU 0 sees it.", NumberShape.Any, (w, v) => w with { Virtual = v }),
        Field<Wanted>.Of("physical", "Pseudo-physical (HVM: guest-physical) address.", NumberShape.Any, (w, v) => w with { Physical = v }),
        Field<Wanted>.Of("bytes", "What must stand there.", new BytesShape(), (w, v) => w with { Bytes = v }, required: true),
        Field<Wanted>.Of(
            "when", "When to look: entry (before the first instruction, the default) or end.",
            new ChoiceShape<Moment>("entry or end", new Dictionary<string, Moment> { ["entry"] = Moment.Entry, ["end"] = Moment.End }), (w, v) => w with { When = v }),
    ],
    w => (w.Virtual is null) == (w.Physical is null) ? "a memory expectation needs one of \"virtual\" and \"physical\"" : null);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Each(
        "memory", "Contents of the guest's memory.", s_shape, "memory expectations", w => w.When, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        byte[] actual = new byte[wanted.Bytes.Length];
        string place = wanted.Virtual is { } v ? $"virtual 0x{v:x}" : $"physical 0x{wanted.Physical:x}";
        bool readable = wanted.Virtual is { } va ? evidence.TryReadVirtual(new VirtualAddress(va), actual) : evidence.TryReadPhysical(wanted.Physical!.Value, actual);
        if (!readable)
            return $"{place}: nothing is mapped there";
        return actual.AsSpan().SequenceEqual(wanted.Bytes) ? null : $"{place}: expected {HexText.Of(wanted.Bytes)}, got {HexText.Of(actual)}";
    }
}
