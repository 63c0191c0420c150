using System.Collections.Immutable;
using System.Security.Cryptography;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>page: {flavour: ring3, digest: cf2d…, slots: {23: "51 41 53 50"}}</c>: the subject's hypercall page as written.</summary>
internal static class PageExpectation
{
    private const int SlotSize = 32;

    private sealed record Wanted(bool? Written, string? Flavour, string? Digest, IReadOnlyList<(ulong Key, byte[] Value, Mark Mark)> Slots);

    /// <summary>A flavour is known by the bytes that enter Xen in its slots.</summary>
    private static readonly Dictionary<string, byte[]> s_entryInstructions = new()
    {
        ["ring0"] = [0x9C, 0xFA, 0xB8, 0x00],
        ["ring1"] = [0xB8, 0x00, 0x00, 0x00, 0x00, 0xCD, 0x82],
        ["ring3"] = [0x51, 0x41, 0x53, 0xB8, 0x00],
        ["vmx"] = [0xB8, 0x00, 0x00, 0x00, 0x00, 0x0F, 0x01, 0xC1],
        ["svm"] = [0xB8, 0x00, 0x00, 0x00, 0x00, 0x0F, 0x01, 0xD9],
    };

    private static readonly ObjectShape<Wanted> s_shape = new("a page expectation", new Wanted(null, null, null, []),
    [
        Field<Wanted>.Of("written", "Whether Xen writes a page at all; false: it must not.", new BooleanShape(), (w, v) => w with { Written = v }),
        Field<Wanted>.Of("flavour", "How its stubs enter Xen.", new ChoiceShape<string>("a flavour", s_entryInstructions.Keys.ToDictionary(k => k)), (w, v) => w with { Flavour = v }),
        Field<Wanted>.Of("digest", "SHA-256 of the 4096 bytes.", new DigestShape(), (w, v) => w with { Digest = v }),
        Field<Wanted>.Of(
            "slots", "First bytes of slots, by slot number 0 to 127.",
            new MapShape<ulong, byte[]>("slot numbers with bytes", new NumberShape(0, 127, "a slot number"), new BytesShape()), (w, v) => w with { Slots = v }),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "page", "The hypercall page of the guest, as it was when Xen had just written it (the last one, if several).", s_shape, Moment.End, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        WrittenHypercallPage? page = evidence.HypercallPages.LastOrDefault(p => p.Domain == evidence.Subject);
        if (wanted.Written == false)
            return page is null ? null : $"{page.Writer} wrote a hypercall page, none was expected";
        if (page is null)
            return "no hypercall page was written";
        return Flavour(wanted, page.Bytes) ?? Digest(wanted, page.Bytes) ?? wanted.Slots.Select(s => Slot(s.Key, s.Value, page.Bytes)).FirstOrDefault(w => w is not null);
    }

    private static string? Flavour(Wanted wanted, byte[] page)
    {
        string actual = s_entryInstructions.FirstOrDefault(f => page.AsSpan().StartsWith(f.Value)).Key ?? "unknown";
        return wanted.Flavour is null || wanted.Flavour == actual ? null : $"expected flavour {wanted.Flavour}, got {actual}";
    }

    private static string? Digest(Wanted wanted, byte[] page)
    {
        if (wanted.Digest is null)
            return null;
        string actual = Convert.ToHexStringLower(SHA256.HashData(page));
        return actual == wanted.Digest ? null : $"expected digest {wanted.Digest}, got {actual}";
    }

    private static string? Slot(ulong number, byte[] expected, byte[] page)
    {
        ReadOnlySpan<byte> actual = page.AsSpan((int)number * SlotSize, Math.Min(expected.Length, SlotSize));
        return actual.SequenceEqual(expected) ? null : $"slot {number}: expected {HexText.Of(expected)}, got {HexText.Of(actual)}";
    }
}
