using System.Text.Json.Nodes;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Scenarios.Yaml;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>Names in which built-in guests can be varied.</summary>
internal static class VariantShapes
{
    public static readonly ChoiceShape<ElfNote> NoteName = new("a Xen note", Enum.GetValues<ElfNote>().ToDictionary(t => t.ToString()));

    public static readonly ChoiceShape<GuestTrial> Trial = new("a trial", Enum.GetValues<GuestTrial>().ToDictionary(GuestWords.NameOf));
}

/// <summary>A note's value: a plain number, <c>absent</c>, or a text. Quotes make a text of anything.</summary>
internal sealed class NoteValueShape : IShape<(string? Text, ulong? Number)>
{
    public bool IsWord => true;

    private const int Longest = 1024;

    public bool TryRead(YamlNode node, Reading reading, out (string? Text, ulong? Number) value)
    {
        value = default;
        if (node is not YamlScalar scalar || scalar.Text.Length > Longest || !scalar.Text.All(char.IsAscii))
            return reading.Expected(node, $"a number, absent, or an ASCII text of at most {Longest} characters");
        if (!GuestWords.TryParseNote(scalar.Text, scalar.Plain, out value))
            return reading.Expected(node, "a number, absent, or a text");
        return true;
    }

    public JsonObject Schema() => new() { ["type"] = new JsonArray("string", "integer"), ["maxLength"] = Longest };
}
